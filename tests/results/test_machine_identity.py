"""A kind of machine is identified by its processor, cores and GPUs, if both manifests have them."""

from typing import Any

import pytest

from lstmbench.results.machine_identity import (
    cpus_differ,
    describe_cpu,
    describe_machine,
    machines_differ,
    vector_instructions,
)

H200 = {"name": "H200", "memory_bytes": 10, "power_limit_w": 700.0, "driver": "1"}
ONE = {"cpu": "A", "cores": 2, "memory_bytes": 1, "gpu": [H200, H200]}


@pytest.mark.parametrize(
    "other",
    [
        {"cpu": "B"},
        {"cpu": None},
        {"cores": 4},
        {"cores": None},
        {"gpu": [H200]},
        {"gpu": []},
        {"gpu": [H200, H200 | {"name": "H100"}]},
        {"gpu": [H200, H200 | {"power_limit_w": 300.0}]},
    ],
)
def test_another_processor_number_of_cores_or_gpu_makes_another_kind(other: dict[str, Any]) -> None:
    assert machines_differ(ONE, ONE | other)
    assert machines_differ(ONE | other, ONE)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"memory_bytes": 2},
        {"cpu_id": "CPU family 1"},
        {"gpu": [H200 | {"driver": "2"}, H200]},
        {"gpu": [{"name": "H200"}, "H200"]},
        {"gpu": [H200, H200, 3, {"name": None}]},
    ],
)
def test_memory_drivers_and_what_one_record_lacks_make_no_other_kind(other: dict[str, Any]) -> None:
    assert not machines_differ(ONE, ONE | other)
    assert not machines_differ(ONE | other, ONE)


def test_gpus_of_one_name_are_counted() -> None:
    assert describe_machine(ONE) == "A, 2 cores, 2 x H200"


# Processors

CPU = {
    "cpu": "AMD EPYC",
    "cpu_id": "AuthenticAMD family 25 model 1 stepping 1",
    "cpu_flags": ["avx", "avx2", "sse"],
}


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
def test_the_widest_vector_instructions_are_named_where_flags_are_recorded(
    flags: Any, name: str
) -> None:
    assert vector_instructions({"cpu_flags": flags}) == name


def test_a_description_that_holds_nothing_names_nothing() -> None:
    assert vector_instructions({}) == ""
    assert describe_cpu({}) == ""
    assert describe_cpu({"cpu_flags": ["avx2"]}) == ""


def test_a_processor_is_described_by_all_that_is_recorded() -> None:
    assert describe_cpu(CPU) == "AMD EPYC (family 25, model 1, stepping 1) with AVX2"
    assert describe_cpu({"cpu": "AMD EPYC", "cpu_flags": ["avx512f"]}) == "AMD EPYC with AVX-512"
    assert describe_cpu({"cpu": "AMD EPYC"}) == "AMD EPYC"


@pytest.mark.parametrize(
    "other",
    [
        {"cpu": "B"},
        {"cpu_id": "AuthenticAMD family 25 model 17 stepping 1"},
        {"cpu_flags": ["avx512f"]},
    ],
)
def test_each_thing_that_both_record_tells_two_processors_apart(other: dict[str, Any]) -> None:
    assert cpus_differ(CPU, CPU | other)
    assert not cpus_differ(CPU, CPU)
    for key in other:
        assert not cpus_differ({name: CPU[name] for name in CPU if name != key}, CPU | other)


def test_flags_that_make_no_wider_vectors_make_no_other_processor() -> None:
    assert not cpus_differ(CPU, CPU | {"cpu_flags": ["avx2", "amd_something_of_a_newer_kernel"]})
