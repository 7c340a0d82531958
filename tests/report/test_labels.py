"""The order of values, and what a workload's shape is called."""

from hypothesis import given
from hypothesis import strategies as st

from lstmbench.report.labels import SHAPE, describe, ordered, phrase, quantity, shapes

SAME = {
    "device": "cpu",
    "dtype": "float32",
    "threads": 1,
    "mode": "training",
    "input": "random",
    "run_id": "r",
}
SAME |= {"bidirectional": False, "lengths": "full", "num_layers": 1}


def sized(B: int, T: int, H: int, **more: object) -> dict[str, object]:
    return SAME | {"batch_size": B, "seq_len": T, "input_size": H, "hidden_size": H} | more


@given(st.lists(st.integers(0, 10**9)))
def test_numbers_within_words_count_as_numbers(numbers: list[int]) -> None:
    assert ordered("implementation", [f"mine.v{n}" for n in numbers]) == [
        f"mine.v{n}" for n in sorted(set(numbers))
    ]


def test_a_shape_says_what_is_not_the_same_in_all_of_them() -> None:
    assert shapes([sized(1, 10, 4), sized(2, 10, 8)]) == ["B=1 H=4", "B=2 H=8"]
    assert shapes([sized(1, 10, 4), sized(1, 20, 4)]) == ["T=10", "T=20"]
    assert shapes([sized(1, 10, 4, input_size=3), sized(1, 10, 4)]) == ["I=3", "I=4"]
    assert shapes([sized(1, 10, 4, mode="inference"), sized(1, 10, 4)]) == ["", ""]


def test_of_a_shape_the_usual_goes_without_saying() -> None:
    both = [sized(1, 10, 4), sized(1, 10, 4, num_layers=2, bidirectional=True, lengths="staggered")]
    assert shapes(both) == ["L=1", "L=2 both directions staggered lengths"]


def test_a_quantity_is_shown_as_the_schema_says() -> None:
    time = quantity("time_median_s")
    assert (time.label, list(time.units), time.low, time.high) == (
        "time of one call", ["s", "ms", "µs"], "time_low_s", "time_high_s",
    )  # fmt: skip
    assert quantity("gpu_mhz").units == {"MHz": 1.0}  # its metric says so
    assert quantity(SHAPE).label == "workload"


def test_known_values_come_first_and_the_formula_last() -> None:
    assert ordered("dtype", ["float16", "x", "float64"]) == ["float64", "float16", "x"]
    names = ["formula", "mine.a", "jax.scan", "numpy.fused"]
    assert ordered("implementation", names) == ["numpy.fused", "jax.scan", "mine.a", "formula"]


def test_values_are_said_in_words() -> None:
    values = {"threads": 1, "device": "cuda", "ratio_to": "a.b", "suite": "quick", "run_id": None}
    assert [phrase(column, value) for column, value in values.items()] == [
        "1 thread", "GPU (cuda)", "relative to a.b", "suite quick", "run id not recorded",
    ]  # fmt: skip
    assert (
        describe({"mode": "training", "lengths": "full", "input_size": 8, "hidden_size": 8})
        == "training, I = H = 8"
    )
    assert (
        describe({"lengths": "full"}) == "full lengths"
    )  # a usual value is left out only beside others
