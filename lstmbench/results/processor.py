"""Which processor a machine has, by its description in a manifest: virtual machines often hide the
model's name.
"""

import re
from collections.abc import Mapping
from typing import Any

_WIDEST = {"AVX-512": "avx512f", "AVX2": "avx2", "AVX": "avx", "SSE": "sse", "SVE": "sve", "NEON": "asimd"}
"""The flag of each kind of vector instructions; of those of one architecture, the widest first."""


def vector_instructions(machine: Mapping[str, Any]) -> str:
    """Return the name of the widest vector instructions; empty where no flags are recorded, or none
    is known.
    """
    flags = machine.get("cpu_flags")
    return next((name for name, flag in _WIDEST.items() if flag in flags), "") if isinstance(flags, list) else ""


def described(machine: Mapping[str, Any]) -> str:
    """Return the processor in words, as far as it is recorded; empty where its name is not.

    Such as ``AMD EPYC (family 25, model 1, stepping 1) with AVX2``. The stepping is there since
    some generations, such as Intel's Skylake and Cascade Lake, differ in nothing else.
    """
    if not (name := machine.get("cpu")):
        return ""
    numbers = str(machine.get("cpu_id") or "").partition(" ")[2]  # without the vendor, whom the name tells
    vectors = vector_instructions(machine)
    words = [f"({re.sub(' (?=[a-z])', ', ', numbers)})"] if numbers else []
    return " ".join([str(name), *words, *([f"with {vectors}"] if vectors else [])])


def differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two processors are known to differ; what only one of the two records says
    nothing.
    """
    both = ((one.get("cpu"), other.get("cpu")), (one.get("cpu_id"), other.get("cpu_id")))
    vectors = (vector_instructions(one), vector_instructions(other))
    return any(here and there and here != there for here, there in (*both, vectors))
