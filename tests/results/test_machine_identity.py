"""Of which kind a machine is: told by processor, cores and GPUs, and not by what only one record
tells of them.
"""

from typing import Any

import pytest

from lstmbench.results.machine_identity import differ, named

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
    assert differ(ONE, ONE | other)
    assert differ(ONE | other, ONE)


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
    assert not differ(ONE, ONE | other)
    assert not differ(ONE | other, ONE)


def test_gpus_of_one_name_are_counted() -> None:
    assert named(ONE) == "A, 2 cores, 2 x H200"
