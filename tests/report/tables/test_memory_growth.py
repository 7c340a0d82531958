import numpy as np
import pytest

from lstmbench.measure.suites.case import Workload
from lstmbench.report.tables.memory_growth import growth


def test_growth_is_the_slope_between_the_shortest_and_the_longest_sequence(quick):
    table = growth(quick).set_index(["implementation", "mode", "input", "hidden_size"])
    row = table.loc[("torch.nn", "training", "random", 256)]
    assert (row["shortest"], row["longest"]) == (16, 1024)
    assert (
        row["formula_bytes_per_step"] == (6 * 8 * 256 + 8 * 256) * 4
    )  # six times T B H, and the gradient of x
    assert row["times_formula"] == pytest.approx(1.9, rel=1e-3)
    assert row["bytes_per_step"] == pytest.approx(1.9 * row["formula_bytes_per_step"], rel=1e-3)


def test_what_is_held_once_drops_out(quick):
    more = quick.copy()
    more["allocated_bytes"] += 10**9
    np.testing.assert_allclose(growth(more)["bytes_per_step"], growth(quick)["bytes_per_step"])


def test_the_order_of_the_records_does_not_matter(quick):
    keys = ["implementation", "mode", "input", "hidden_size"]
    shuffled = growth(quick.sample(frac=1, random_state=1)).sort_values(keys, ignore_index=True)
    assert shuffled.equals(growth(quick).sort_values(keys, ignore_index=True))


def test_cases_without_a_number_are_not_counted(troubled):
    table = growth(troubled).set_index(["implementation", "mode", "input", "hidden_size"])
    assert (
        table.loc[("numpy.reference", "training", "random", 64), "longest"] == 256
    )  # the longest timed out
    assert ("jax.fused", "training", "temperatures", 64) not in table.index  # wrong results
    assert table["times_formula"].notna().all()


def test_one_length_alone_has_no_slope(quick):
    assert growth(quick[quick["seq_len"] == 64]).empty


def test_the_formula_of_inference_is_its_outputs(quick):
    table = growth(quick).query("mode == 'inference' and hidden_size == 256")
    one, two = (Workload("inference", 8, T, 256, 256).formula_bytes for T in (1, 2))
    assert set(table["formula_bytes_per_step"]) == {two - one} == {8 * 256 * 4}
