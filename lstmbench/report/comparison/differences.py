"""What differs between two runs besides their cases, according to their manifests."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from lstmbench.report.provenance import SHOWN_PACKAGES, Manifest, part
from lstmbench.results import machine_identity

_FIRST_PACKAGES: Final = ("lstmbench", *SHOWN_PACKAGES)


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
    return "another machine" if machine_identity.machines_differ(*machines) else ""


def differences(base: Manifest, new: Manifest) -> list[Difference]:
    """Return what differs: commit, versions, machine, settings of the workers, suite."""
    packages = sorted(
        {*part(base, "packages"), *part(new, "packages")},
        key=lambda name: (name not in _FIRST_PACKAGES, name),
    )
    machine_keys = sorted({*part(base, "machine"), *part(new, "machine")} - {"cpu_flags"})
    before, after = (_properties(run, packages, machine_keys) for run in (base, new))
    differing = [what for what in before if before[what] != after[what]]
    if part(base, "git").get("dirty") and "commit" not in differing:
        differing.insert(0, "commit")  # uncommitted changes of one commit need not be the same
    return [Difference(what, *_unlike(before[what], after[what])) for what in differing]


def _properties(run: Manifest, packages: list[str], machine_keys: list[str]) -> dict[str, Any]:
    """Return what may differ, as texts; as a set where only the elements that differ are shown."""
    git, machine, suite = (part(run, key) for key in ("git", "machine", "suite"))
    commit = str(git["commit"])[:12] if git.get("commit") else "not recorded"
    cpu_flags = machine.get("cpu_flags")
    return {
        "commit": commit + (" with uncommitted changes" if git.get("dirty") else ""),
        "Python": _text(run.get("python")),
        **{name: _text(part(run, "packages").get(name), "not installed") for name in packages},
        **{f"machine, {key}": _text(machine.get(key)) for key in machine_keys},
        "machine, cpu_flags": set(map(str, cpu_flags if isinstance(cpu_flags, list) else [])),
        "workers": set(_settings(run.get("environments"))),
        **{f"suite, {key}": _text(suite.get(key)) for key in ("name", "reference", "budget")},
    }


def _text(value: Any, absent: str = "not recorded") -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(value[key], 'None')}" for key in sorted(value))
    return absent if value is None else str(value)


def _settings(value: Any, key: str = "") -> Iterator[str]:
    """Yield all settings of a nested structure as ``key=value``."""
    if isinstance(value, Mapping):
        for name in value:
            yield from _settings(value[name], str(name))
    elif isinstance(value, list):
        for element in value:
            yield from _settings(element, key)
    else:
        yield f"{key}={value}"


def _unlike(base: Any, new: Any) -> tuple[str, str]:
    """Return two values as texts, of sets the elements that only one of them has."""
    if isinstance(base, str):
        return base, new
    nothing = "none but those of both"
    return " ".join(sorted(base - new)) or nothing, " ".join(sorted(new - base)) or nothing
