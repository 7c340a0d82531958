"""The machine's limits, and the products of a workload in its own shapes."""

import math
from dataclasses import replace

import pytest

from lstmbench.measure import machine_peaks
from lstmbench.measure.suites.case import Workload


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (2, 7, 5, 3), (4, 100, 1, 64)])
def test_the_products_are_all_those_whose_flop_are_counted(
    monkeypatch: pytest.MonkeyPatch, mode: str, sizes: tuple[int, int, int, int]
) -> None:
    B, T, features, H = sizes
    workload = Workload(mode, batch_size=B, seq_len=T, input_size=features, hidden_size=H)
    monkeypatch.setattr(
        machine_peaks,
        "_product_timer",
        lambda m, k, n, dtype, long_side="": lambda: 2.0 * m * k * n,
    )
    stack = replace(workload, num_layers=3, bidirectional=True, lengths="staggered")
    for each in (workload, stack):
        assert sum(
            times * seconds() for times, seconds in machine_peaks.products(each)
        ) == pytest.approx(each.flops)


@pytest.mark.parametrize("cut", ["m", "k"])
@pytest.mark.parametrize(("flops", "part"), [(2.0 * 10 * 4 * 8, 10), (1.0, 5), (1e9, 1000)])
def test_a_long_product_is_timed_on_a_part_of_it_and_scaled(
    monkeypatch: pytest.MonkeyPatch, cut: str, flops: float, part: int
) -> None:
    shapes = []
    monkeypatch.setattr(machine_peaks, "MIN_FLOPS", flops)
    monkeypatch.setattr(machine_peaks, "MIN_ROWS", 5)
    loop_timer = lambda a, b: shapes.extend([a.shape, b.shape]) or (lambda: 1.0)  # noqa: E731
    monkeypatch.setattr(machine_peaks, "_loop_timer", loop_timer)
    m, k = (1000, 4) if cut == "m" else (4, 1000)
    assert machine_peaks._product_timer(m, k, 8, "float32", cut)() == pytest.approx(1000 / part)
    assert shapes == ([(part, 4), (4, 8)] if cut == "m" else [(4, part), (part, 8)])


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_times_are_positive_in_every_dtype(dtype: str) -> None:
    workload = Workload(
        "training", batch_size=2, seq_len=3, input_size=4, hidden_size=5, dtype=dtype
    )
    machine = machine_peaks.MachinePeaks(workload)
    for _ in range(machine_peaks.COPIES + 1):
        assert all(math.isfinite(found) and found > 0 for found in machine.measure().values())
