"""Of which kind a machine is, by its description in a manifest: the processor, the number of cores,
and the GPUs.
"""

from collections.abc import Mapping
from typing import Any

from lstmbench.results import processor

UNKNOWN_CPU = "a CPU that was not recorded"


def named(machine: Mapping[str, Any]) -> str:
    """Return the kind in a few words, as far as it is recorded, such as ``AMD EPYC with AVX2, 2
    cores, 2 x H200``.
    """
    gpus = [str(gpu["name"]) for gpu in _gpus(machine)]
    counted = [f"{gpus.count(name)} x {name}" if gpus.count(name) > 1 else name for name in dict.fromkeys(gpus)]
    words = [cores(machine)] if machine.get("cores") else []
    return ", ".join([processor.described(machine) or UNKNOWN_CPU, *words, *counted])


def cores(machine: Mapping[str, Any]) -> str:
    """Return how many cores there are, and how many of them may be used if that is fewer: ``1 of 2
    cores``.
    """
    count, available = machine.get("cores"), machine.get("available_cores")
    return (f"{available} of " if available else "") + f"{count} core{'' if count == 1 else 's'}"


def differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two machines are known to be of different kinds.

    What a later version records of a processor or a GPU, and an earlier one did not, makes no
    difference; that there is a processor, how many cores and which GPUs was recorded from the
    beginning.
    """
    if bool(one.get("cpu")) != bool(other.get("cpu")) or processor.differ(one, other):
        return True
    here, there = _gpus(one), _gpus(other)
    if _cores(one) != _cores(other) or len(here) != len(there):
        return True
    # The driver is software: it is among the things that two runs may differ in, and still be
    # compared
    pairs = zip(here, there, strict=True)
    return any(a[key] != b[key] for a, b in pairs for key in (a.keys() & b.keys()) - {"driver"})


def _cores(machine: Mapping[str, Any]) -> Any:
    return machine.get("available_cores", machine.get("cores"))


def _gpus(machine: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what is recorded of each GPU, however it was: as a name, by its properties, or as a
    list of these.
    """
    found = []
    for key in sorted(machine, key=str):
        if str(key).startswith("gpu"):
            each = machine[key] if isinstance(machine[key], list) else [machine[key]]
            found += [{"name": gpu} if isinstance(gpu, str) else gpu for gpu in each]
    return [gpu for gpu in found if isinstance(gpu, Mapping) and isinstance(gpu.get("name"), str)]
