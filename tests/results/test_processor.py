"""Which processor a machine has: told apart by what is recorded, and by nothing that is not."""

from typing import Any

import pytest

from lstmbench.results.processor import described, differ, vector_instructions

ONE = {"cpu": "AMD EPYC", "cpu_id": "AuthenticAMD family 25 model 1 stepping 1", "cpu_flags": ["avx", "avx2", "sse"]}


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (["avx", "avx2", "avx512bw", "avx512f", "sse", "sse2"], "AVX-512"),
        (["avx", "avx2", "sse", "sse2"], "AVX2"),
        (["avx", "sse", "sse2"], "AVX"),
        (["sse", "sse2"], "SSE"),
        (["asimd", "fp", "sve", "sve2"], "SVE"),
        (["asimd", "fp"], "NEON"),
        (["fpu"], ""),
        ([], ""),
        (None, ""),
        (-1, ""),
        ([["avx2"], None], ""),
    ],
)
def test_the_widest_vector_instructions_are_named_where_flags_are_recorded(flags: Any, name: str) -> None:
    assert vector_instructions({"cpu_flags": flags}) == name


def test_a_description_that_holds_nothing_names_nothing() -> None:
    assert vector_instructions({}) == ""
    assert described({}) == ""
    assert described({"cpu_flags": ["avx2"]}) == ""


def test_a_processor_is_described_by_all_that_is_recorded() -> None:
    assert described(ONE) == "AMD EPYC (family 25, model 1, stepping 1) with AVX2"
    assert described({"cpu": "AMD EPYC", "cpu_flags": ["avx512f"]}) == "AMD EPYC with AVX-512"
    assert described({"cpu": "AMD EPYC"}) == "AMD EPYC"


@pytest.mark.parametrize(
    "other", [{"cpu": "B"}, {"cpu_id": "AuthenticAMD family 25 model 17 stepping 1"}, {"cpu_flags": ["avx512f"]}]
)
def test_each_thing_that_both_record_tells_two_processors_apart(other: dict[str, Any]) -> None:
    assert differ(ONE, ONE | other)
    assert not differ(ONE, ONE)
    for key in other:
        assert not differ({name: ONE[name] for name in ONE if name != key}, ONE | other)


def test_flags_that_make_no_wider_vectors_make_no_other_processor() -> None:
    assert not differ(ONE, ONE | {"cpu_flags": ["avx2", "amd_something_of_a_newer_kernel"]})
