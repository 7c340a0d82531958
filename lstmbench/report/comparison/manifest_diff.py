"""What differs between two runs besides their cases, according to their manifests."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from lstmbench.report.provenance import SHOWN_PACKAGES, Manifest, part
from lstmbench.results.machine_identity import machines_differ

_FIRST_PACKAGES = ("lstmbench", *SHOWN_PACKAGES)


class Difference(NamedTuple):
    """A property that is not the same in both runs, as text."""

    what: str
    base: str
    new: str


def incomparability_reason(base: Manifest, new: Manifest) -> str:
    """Return why times of two runs cannot be compared; empty for machines of the same kind."""
    machines = [part(manifest, "machine") for manifest in (base, new)]
    if any(machine.get(key) is None for machine in machines for key in ("cpu", "cores")):
        return "the machine is not recorded"
    return "another machine" if machines_differ(*machines) else ""


def differences(base: Manifest, new: Manifest) -> list[Difference]:
    """Return what differs: commit, versions, machine, settings of the workers, suite, packages."""
    before, after = _properties(base), _properties(new)
    # Uncommitted changes of one commit need not be the same
    always = "commit" if part(base, "git").get("dirty") else ""
    found = []
    for what in before | after:
        absent = Counter(["not recorded" if what.startswith("machine, ") else "not installed"])
        own, other = before.get(what, absent), after.get(what, absent)
        texts = [text for text in sorted(own | other) if what == always or own[text] != other[text]]
        if texts:
            found.append(Difference(what, *(_differing_text(run, texts) for run in (own, other))))
    return found


def _differing_text(values: Counter[str], differing: list[str]) -> str:
    """Return those values of one run that differ, such as ``2 x name=H200``."""
    counts = {text: values[text] for text in differing if values[text]}
    words = [f"{count} x {text}" if count > 1 else text for text, count in counts.items()]
    return " ".join(words) or "none but those of both"


def _properties(run: Manifest) -> dict[str, Counter[str]]:
    """Return the values of everything that may differ; only those that differ are shown."""
    git, machine, suite, packages = (
        part(run, key) for key in ("git", "machine", "suite", "packages")
    )
    commit = str(git.get("commit") or "not recorded")[:12]
    first = [name for name in _FIRST_PACKAGES if name in packages]
    properties: dict[str, Any] = {
        "commit": commit + (" with uncommitted changes" if git.get("dirty") else ""),
        "Python": run.get("python"),
        **{f"machine, {key}": machine[key] for key in sorted(machine)},
        # Workers with equal settings are not a difference
        "workers": sorted({*_texts(run.get("environments"))}),
        **{f"suite, {key}": suite.get(key) for key in ("name", "reference", "budget")},
        **{name: packages[name] for name in [*first, *sorted(packages)]},
    }
    return {what: Counter(_texts(value)) for what, value in properties.items()}


def _texts(value: Any, key: str = "") -> list[str]:
    """Return a value as text, or all values of a nested structure as ``key=value``."""
    if isinstance(value, Mapping):
        return [text for name in value for text in _texts(value[name], f"{name}=")]
    if isinstance(value, list):
        return [text for element in value for text in _texts(element, key)]
    return [f"{key}{'not recorded' if value is None else value}"]
