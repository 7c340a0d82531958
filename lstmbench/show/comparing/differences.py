"""What two runs differ in beside the cases: the code, versions, the machine, as far as their manifests tell."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lstmbench.results import machine_kind
from lstmbench.show.provenance import SHOWN_PACKAGES, Manifest, part

_MACHINE = ("cpu", "cpu_id", "cores", "available_cores", "memory_bytes", "os", "kernel", "arch")
_SUITE = ("name", "reference", "budget")
_FIRST = ("lstmbench", *SHOWN_PACKAGES)


class Difference(NamedTuple):
    """One thing that is not the same in both runs, as words."""

    what: str
    base: str
    new: str


def barrier(base: Manifest, new: Manifest) -> str:
    """Return why times of these two runs cannot be compared; empty if both are from the same kind of machine."""
    here, there = (part(manifest, "machine") for manifest in (base, new))
    if any(each.get(key) is None for each in (here, there) for key in ("cpu", "cores")):
        return "the machine is not recorded"
    return "another machine" if machine_kind.differ(here, there) else ""


def differences(base: Manifest, new: Manifest) -> list[Difference]:
    """Return what differs, the most telling first."""
    return list(_differences(base, new))


def _differences(base: Manifest, new: Manifest) -> Iterator[Difference]:
    git = [part(manifest, "git") for manifest in (base, new)]
    commits = [_commit(each) for each in git]
    if commits[0] != commits[1] or git[0].get("dirty"):  # what is uncommitted in both need not be the same
        yield Difference("commit", *commits)
    yield from _unlike("", ["Python"], [{"Python": manifest.get("python")} for manifest in (base, new)])

    packages = [part(manifest, "packages") for manifest in (base, new)]
    names = sorted({*packages[0], *packages[1]}, key=lambda name: (name not in _FIRST, name))
    yield from _unlike("", names, packages, absent="not installed")

    machines = [part(manifest, "machine") for manifest in (base, new)]
    gpus = sorted({key for each in machines for key in each if key.startswith("gpu")})
    yield from _unlike("machine, ", [*_MACHINE, *gpus], machines)
    flags = [found if isinstance(found := each.get("cpu_flags"), list) else [] for each in machines]
    yield from _extra("machine, cpu_flags", *flags)
    settings = [_settings(manifest.get("environments")) for manifest in (base, new)]
    yield from _extra("workers", *settings)
    yield from _unlike("suite, ", _SUITE, [part(manifest, "suite") for manifest in (base, new)])


def _commit(git: Mapping[str, Any]) -> str:
    commit = str(git["commit"])[:12] if git.get("commit") else "not recorded"
    return commit + (" with uncommitted changes" if git.get("dirty") else "")


def _unlike(
    prefix: str, keys: Iterable[str], sides: Sequence[Mapping[str, Any]], absent: str = "not recorded"
) -> Iterator[Difference]:
    """Yield the keys under which the two sides hold other values."""
    for key in keys:
        base, new = (absent if side.get(key) is None else _words(side[key]) for side in sides)
        if base != new:
            yield Difference(f"{prefix}{key}", base, new)


def _extra(what: str, base: Iterable[str], new: Iterable[str]) -> Iterator[Difference]:
    """Yield what each of the two has that the other has not, in one difference."""
    here, there = set(map(str, base)), set(map(str, new))
    if here != there:
        yield Difference(
            what, *(" ".join(sorted(each)) or "none but those of both" for each in (here - there, there - here))
        )


def _settings(value: Any, key: str = "") -> Iterator[str]:
    """Yield all that is set in a nested structure, as ``key=value``."""
    if isinstance(value, Mapping):
        for name in value:
            yield from _settings(value[name], str(name))
    elif isinstance(value, list):
        for each in value:
            yield from _settings(each, key)
    else:
        yield f"{key}={value}"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(value[key])}" for key in sorted(value))
    return str(value)
