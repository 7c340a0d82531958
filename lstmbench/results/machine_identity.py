"""What identifies a kind of machine, as a manifest describes it: processor, cores and GPUs.

Virtual machines often hide the model of their processor, so its numbers and its vector instructions
count too. A property that only one of two manifests records makes no difference: later versions
record more.
"""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from typing import Any

Machine = Mapping[str, Any]

UNKNOWN_CPU = "a CPU that was not recorded"

_VECTOR_FLAGS = {
    "AVX-512": "avx512f",
    "AVX2": "avx2",
    "AVX": "avx",
    "SSE": "sse",
    "SVE": "sve",
    "NEON": "asimd",
}
"""The flag in /proc/cpuinfo of each vector extension; the widest of an architecture comes first."""


def describe_machine(machine: Machine) -> str:
    """Return the recorded kind of machine, such as ``AMD EPYC with AVX2, 2 cores, 2 x H200``."""
    gpus = Counter(gpu["name"] for gpu in _gpus(machine))
    words = [f"{count} x {name}" if count > 1 else name for name, count in gpus.items()]
    cores = [describe_cores(machine)] if machine.get("cores") else []
    return ", ".join([describe_cpu(machine) or UNKNOWN_CPU, *cores, *words])


def describe_cpu(machine: Machine) -> str:
    """Return the recorded processor, or an empty text.

    Such as ``AMD EPYC (family 25, model 1, stepping 1) with AVX2``. The stepping is included
    because some generations, such as Intel's Skylake and Cascade Lake, differ in nothing else.
    """
    if not (name := machine.get("cpu")):
        return ""
    numbers = str(machine.get("cpu_id") or "").partition(" ")[2]  # without the vendor
    vectors = vector_instructions(machine)
    identity = f" ({re.sub(' (?=[a-z])', ', ', numbers)})" if numbers else ""
    return f"{name}{identity}" + (f" with {vectors}" if vectors else "")


def describe_cores(machine: Machine) -> str:
    """Return the number of cores, such as ``1 of 2 cores`` if one of them is available."""
    count, available = machine.get("cores"), machine.get("available_cores")
    return (f"{available} of " if available else "") + f"{count} core{'' if count == 1 else 's'}"


def vector_instructions(machine: Machine) -> str:
    """Return the widest vector extension of the processor, or an empty text if it is unknown."""
    flags = machine.get("cpu_flags")
    known = flags if isinstance(flags, list) else []
    return next((name for name, flag in _VECTOR_FLAGS.items() if flag in known), "")


def machines_differ(one: Machine, other: Machine) -> bool:
    """Return whether two machines are known to be of different kinds."""
    # Every version recorded whether there is a processor, the number of cores and the GPUs
    if bool(one.get("cpu")) != bool(other.get("cpu")) or cpus_differ(one, other):
        return True
    gpus, other_gpus = _gpus(one), _gpus(other)
    if _usable_cores(one) != _usable_cores(other) or len(gpus) != len(other_gpus):
        return True
    # Runs with different drivers, which are software, can be compared
    pairs = zip(gpus, other_gpus, strict=True)
    return any(a[key] != b[key] for a, b in pairs for key in (a.keys() & b.keys()) - {"driver"})


def cpus_differ(one: Machine, other: Machine) -> bool:
    """Return whether two processors are known to differ."""
    properties = [
        (machine.get("cpu"), machine.get("cpu_id"), vector_instructions(machine))
        for machine in (one, other)
    ]
    return any(a and b and a != b for a, b in zip(*properties, strict=True))


def _usable_cores(machine: Machine) -> Any:
    return machine.get("available_cores", machine.get("cores"))


def _gpus(machine: Machine) -> list[Machine]:
    """Return the properties of each GPU; it is recorded as a name, as properties, or in a list."""
    recorded = [machine[key] for key in sorted(machine) if key.startswith("gpu")]
    gpus = chain.from_iterable(gpu if isinstance(gpu, list) else [gpu] for gpu in recorded)
    named = [{"name": gpu} if isinstance(gpu, str) else gpu for gpu in gpus]
    return [gpu for gpu in named if isinstance(gpu, Mapping) and isinstance(gpu.get("name"), str)]
