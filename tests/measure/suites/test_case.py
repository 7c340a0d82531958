"""A workload's name, its arithmetic and its memory, by hand."""

import dataclasses

import pytest
from fresh import fresh

from lstmbench.measure.suites.case import Case, Workload

# T=2 B=3 I=5 H=7: 4H = 28 rows, I + H = 12 columns
SMALL = Workload("inference", batch_size=3, seq_len=2, input_size=5, hidden_size=7)


def training(workload: Workload) -> Workload:
    return dataclasses.replace(workload, mode="training")


def test_flops_are_those_of_the_matrix_products() -> None:
    assert SMALL.flops == 2 * 2 * 3 * 28 * 12
    assert training(SMALL).flops == 3 * SMALL.flops


def test_formula_bytes_are_what_must_be_kept() -> None:
    assert SMALL.formula_bytes == 4 * (2 * 3 * 7 + 2 * 3 * 7)
    # h, c and four gates of each step; gradients of h0, c0 and dh, dc; of weights and bias; of the
    # inputs
    kept = 6 * 2 * 3 * 7 + 4 * 3 * 7 + (28 * 5 + 28 * 7 + 28) + 2 * 3 * 5
    assert training(SMALL).formula_bytes == 4 * kept


def test_layers_and_directions_add_up_and_upper_layers_read_both_directions() -> None:
    stack = dataclasses.replace(SMALL, num_layers=3, bidirectional=True)
    assert stack.layer_inputs == [5, 5, 14, 14, 14, 14]
    assert stack.flops == 2 * 2 * 3 * 28 * (2 * 12 + 4 * 21)
    kept = 6 * 6 * 2 * 3 * 7 + 4 * 6 * 3 * 7 + 2 * (28 * 13) + 4 * (28 * 22) + 2 * 3 * 5
    assert training(stack).formula_bytes == 4 * kept
    assert stack.formula_bytes == 4 * (
        2 * (2 * 3 * 14) + 2 * 6 * 3 * 7
    )  # outputs of the last layer, and of that below


@pytest.mark.parametrize(("T", "B", "steps"), [(8, 4, 2 + 4 + 6 + 8), (2, 3, 1 + 2 + 2), (7, 1, 7)])
def test_steps_beyond_a_sequence_s_length_are_not_counted(T: int, B: int, steps: int) -> None:
    staggered = dataclasses.replace(SMALL, seq_len=T, batch_size=B, lengths="staggered")
    assert staggered.steps == steps
    assert staggered.flops == 2 * steps * 28 * 12
    assert dataclasses.replace(staggered, lengths="full").steps == T * B


def test_what_is_more_than_one_layer_read_forward_to_its_end_is_a_stack() -> None:
    assert not SMALL.stacked
    changes = ({"num_layers": 2}, {"bidirectional": True}, {"lengths": "staggered"})
    assert all(dataclasses.replace(SMALL, **change).stacked for change in changes)


@pytest.mark.parametrize(("dtype", "size"), [("float64", 8), ("float32", 4), ("bfloat16", 2)])
def test_formula_bytes_follow_the_dtype(dtype: str, size: int) -> None:
    assert dataclasses.replace(SMALL, dtype=dtype).formula_bytes == size * 84


def test_every_field_is_part_of_the_name() -> None:
    changed = [
        dataclasses.replace(
            SMALL, **{field.name: f"other {value}" if isinstance(value, str) else value + 1}
        )
        for field in dataclasses.fields(SMALL)
        for value in [getattr(SMALL, field.name)]
    ]
    assert (
        len({workload.id for workload in [SMALL, *changed]}) == len(dataclasses.fields(SMALL)) + 1
    )


def test_the_name_is_the_same_in_another_process() -> None:
    """A run that goes on finds by it what is done."""
    code = f"from lstmbench.measure.suites.case import Workload; out = Workload(**{vars(SMALL)}).id"
    assert fresh(code) == SMALL.id


def test_a_case_has_the_columns_of_its_implementation_and_of_its_workload() -> None:
    columns = Case("torch.nn", SMALL).columns()
    assert {key: columns[key] for key in ("implementation", "backend", "variant")} == {
        "implementation": "torch.nn",
        "backend": "torch",
        "variant": "nn",
    }
    assert {key: columns[key] for key in vars(SMALL)} == vars(SMALL)
