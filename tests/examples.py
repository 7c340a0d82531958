"""How many examples of a property are drawn: all in the full set of tests, a part of them in the
default set.
"""

from hypothesis import settings


def examples(number: int) -> settings:
    """Return settings for that many examples, or for a third of them where not all tests run; see
    ``conftest.py``.
    """
    full = settings.get_profile("all").max_examples
    return settings(max_examples=max(2, number * settings().max_examples // full))
