"""How what cannot be done is refused: in one sentence."""

from typing import Any

import pytest

from lstmbench.errors import LstmbenchError


def refusal(call: Any, *arguments: Any, **named: Any) -> str:
    """Return the one sentence with which a call is refused."""
    with pytest.raises(LstmbenchError) as caught:
        call(*arguments, **named)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence
