"""PyTorch's weights: what is taken, what is refused in which words, and how two biases become one
and two again.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from weights import bits

import lstmbench as lb

torch = pytest.importorskip("torch")
State = dict[str, Any]


def state(num_layers: int = 2, bidirectional: bool = True, proj_size: int = 0) -> State:
    return lb.StackParams.init(3, 5, num_layers, bidirectional, proj_size).to_torch()


def test_two_biases_are_added_in_float64() -> None:
    arrays = {name: tensor.float() for name, tensor in state(1, False).items()}
    arrays["bias_ih_l0"] = torch.full((20,), 1.0)
    arrays["bias_hh_l0"] = torch.full((20,), 2.0**-30)
    assert set(lb.LSTMParams.from_torch(arrays).bias) == {1.0 + 2.0**-30}  # float32 would have 1.0


def test_a_negative_zero_stays_one_through_two_biases() -> None:
    params = lb.LSTMParams(np.ones((4, 1)), np.ones((4, 1)), [-0.0, 0.0, 1.0, np.inf])
    split = params.to_torch()
    assert not split["bias_hh_l0"].any()
    assert np.signbit((split["bias_ih_l0"] + split["bias_hh_l0"]).numpy()).tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_the_names_stand_in_the_order_of_nn_lstm() -> None:
    for sizes in ({"num_layers": 2, "bidirectional": True}, {"num_layers": 1, "proj_size": 2}):
        assert list(lb.StackParams.init(3, 5, **sizes).to_torch()) == list(
            torch.nn.LSTM(3, 5, **sizes).state_dict()
        )


def test_arrays_of_numpy_and_lists_are_taken_too() -> None:
    tensors = state()
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    lists = {name: tensor.tolist() for name, tensor in tensors.items()}
    expected = bits(lb.StackParams.from_torch(tensors))
    assert (
        bits(lb.StackParams.from_torch(arrays))
        == bits(lb.StackParams.from_torch(lists))
        == expected
    )


def test_a_part_of_a_model_is_found_by_its_prefix() -> None:
    model = torch.nn.ModuleDict({"lstm": torch.nn.LSTM(3, 5), "head": torch.nn.Linear(5, 1)})
    assert bits(lb.LSTMParams.from_torch(model, "lstm.")) == bits(
        lb.LSTMParams.from_torch(model["lstm"])
    )
    for wrong in ("", "rnn."):
        with pytest.raises(
            lb.LstmbenchError, match=r"has no entry 'weight_ih_l0'; pass prefix='lstm\.'\.$"
        ):
            lb.LSTMParams.from_torch(model, wrong)
    two = torch.nn.ModuleList([torch.nn.LSTMCell(3, 5), torch.nn.LSTMCell(5, 5)])
    with pytest.raises(lb.LstmbenchError, match=r"; pass prefix='0\.' or prefix='1\.'\.$"):
        lb.LSTMParams.from_torch(two)
    assert bits(lb.LSTMParams.from_torch(two, "1.")) == bits(lb.LSTMParams.from_torch(two[1]))


WRAPPED = [
    ("module.{}", ""),  # DataParallel
    ("_orig_mod.{}", ""),  # torch.compile
    ("module._orig_mod.{}", ""),
    ("_orig_mod.module.{}", ""),
    ("module.encoder.{}", "encoder."),
    ("module.encoder.{}", "module.encoder."),
    ("encoder._orig_mod.{}", "encoder."),
    ("_fsdp_wrapped_module.encoder._checkpoint_wrapped_module.{}", "encoder."),
    ("encoder.module.{}", "encoder.module."),  # an attribute of the user's own
]


@pytest.mark.parametrize(("form", "prefix"), WRAPPED)
def test_what_a_wrapper_adds_to_the_names_is_found_by_itself(form: str, prefix: str) -> None:
    entries = {form.format(name): tensor for name, tensor in state().items()}
    assert bits(lb.StackParams.from_torch(entries, prefix)) == bits(
        lb.StackParams.from_torch(state())
    )
    cell = {
        form.format(name.removesuffix("_l0")): tensor for name, tensor in state(1, False).items()
    }
    assert bits(lb.LSTMParams.from_torch(cell, prefix)) == bits(
        lb.LSTMParams.from_torch(state(1, False))
    )


def test_wrapped_modules_are_taken_as_they_are() -> None:
    lstm = torch.nn.LSTM(3, 5, 2)
    for wrapped in (
        torch.nn.DataParallel(lstm),
        torch.compile(lstm),
        torch.nn.DataParallel(torch.compile(lstm)),
    ):
        assert bits(lb.StackParams.from_torch(wrapped)) == bits(lb.StackParams.from_torch(lstm))
    averaged = torch.optim.swa_utils.AveragedModel(lstm)  # it has an entry of its own, n_averaged
    assert bits(lb.StackParams.from_torch(averaged, "module.")) == bits(
        lb.StackParams.from_torch(lstm)
    )


def test_names_that_would_become_one_are_left_as_they_are() -> None:
    first, second = (lb.StackParams.init(3, 5, seed=seed).to_torch() for seed in (0, 1))
    entries = {f"lstm.{name}": tensor for name, tensor in first.items()}
    entries |= {f"module.lstm.{name}": tensor for name, tensor in second.items()}
    assert bits(lb.LSTMParams.from_torch(entries, "module.lstm.")) == bits(
        lb.LSTMParams.from_torch(second)
    )
    assert bits(lb.LSTMParams.from_torch(entries, "lstm.")) == bits(lb.LSTMParams.from_torch(first))
    with pytest.raises(
        lb.LstmbenchError, match=r"pass prefix='lstm\.' or prefix='module\.lstm\.'\.$"
    ):
        lb.LSTMParams.from_torch(entries)


@pytest.mark.parametrize("bias", [True, False])
def test_an_lstm_cell_is_a_layer(bias: bool) -> None:
    cell = torch.nn.LSTMCell(3, 5, bias=bias, dtype=torch.float64)
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    state, y = None, []
    with torch.no_grad():
        for x_t in x:
            state = cell(x_t, state)
            y.append(state[0])
    for source in (cell, cell.state_dict()):
        params = lb.LSTMParams.from_torch(source)
        assert params.has_bias == bias
        actual, _ = lb.load("numpy.reference", params, dtype="float64").forward(x)
        np.testing.assert_allclose(actual, torch.stack(y), rtol=1e-12, atol=1e-14)


def test_what_is_wrong_in_a_cell_is_named_as_the_cell_names_it() -> None:
    entries = torch.nn.LSTMCell(3, 5).state_dict()
    with pytest.raises(
        lb.LstmbenchError,
        match=r"^weight_ih must have shape \(20, I\) with I at least 1, but it has shape \(15, 3\)",
    ):
        lb.LSTMParams.from_torch(entries | {"weight_ih": np.zeros((15, 3))})
    with pytest.raises(
        lb.LstmbenchError, match=r"^weight_hh must have shape \(20, 5\), but it has shape \(15, 5\)"
    ):
        lb.LSTMParams.from_torch(torch.nn.GRUCell(3, 5))
    del entries["bias_hh"]
    with pytest.raises(lb.LstmbenchError, match="the state_dict has no entry 'bias_hh'"):
        lb.LSTMParams.from_torch(entries)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn"])
def test_narrow_weights_are_the_numbers_that_they_hold(dtype: str) -> None:
    entries = {name: tensor.to(getattr(torch, dtype)) for name, tensor in state().items()}
    wide = {name: tensor.double() for name, tensor in entries.items()}
    assert bits(lb.StackParams.from_torch(entries)) == bits(lb.StackParams.from_torch(wide))


def test_a_module_is_made_without_drawing_numbers() -> None:
    before = torch.get_rng_state()
    lb.StackParams.init(3, 5, 2).to_torch(module=True)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_comes_out_shares_no_memory_with_the_weights() -> None:
    params = lb.LSTMParams.init(3, 5)
    params.to_torch()["weight_ih_l0"].zero_()
    assert params.weight_ih.any()
    module = torch.nn.LSTM(3, 5, dtype=torch.float64)
    taken = lb.LSTMParams.from_torch(module)
    before = bits(taken)
    with torch.no_grad():
        module.weight_ih_l0.zero_()
    assert bits(taken) == before


def change(name: str, value: Any) -> Callable[[State], None]:
    return lambda entries: entries.__setitem__(name, value)


def remove(name: str) -> Callable[[State], None]:
    return lambda entries: entries.__delitem__(name)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (dict.clear, "has no entry 'weight_ih_l0'; its entries are none"),
        (remove("weight_ih_l0"), "has no entry 'weight_ih_l0'; its entries are bias_hh_l0, "),
        (remove("weight_hh_l1_reverse"), "has no entry 'weight_hh_l1_reverse'"),
        (remove("bias_hh_l1"), "has no entry 'bias_hh_l1'"),
        (
            change("weight_ih_l3", np.zeros((20, 10))),
            "has no entry 'weight_hh_l3'|has no entry 'weight_ih_l2'",
        ),
        (
            change("weight_ih_l9999999999", np.zeros(1)),
            "has an entry 'weight_ih_l9999999999' too many",
        ),
        (change("weight_ih_l01", np.zeros(1)), "has an entry 'weight_ih_l01' too many"),
        (change("weight_hr_l0", np.zeros((2, 5))), "has no entry 'weight_hr_l0_reverse'"),
        (
            change("head.weight", np.zeros(1)),
            r"has an entry 'head.weight' too many; its entries should be bias_hh_l0, ",
        ),
        (
            change("weight_hh_l0", np.zeros((15, 5))),
            r"weight_hh_l0 must have shape \(20, 5\), but it has shape \(15, 5\)",
        ),
        (
            change("weight_hh_l0", np.zeros(20)),
            r"weight_hh_l0 must have shape \(4H, H\) with H at least 1, but it has shape \(20,\)",
        ),
        (
            change("weight_hh_l0", np.zeros((0, 0))),
            r"weight_hh_l0 must have shape \(4H, H\) with H at least 1, but it has shape \(0, 0\)",
        ),
        (
            change("weight_ih_l0", np.zeros((3, 20))),
            r"weight_ih_l0 must have shape \(20, I\) with I at least 1, but it has .*\(3, 20\)",
        ),
        (
            change("weight_ih_l1", np.zeros((20, 5))),
            r"weight_ih_l1 must have shape \(20, 10\), but it has .*\(20, 5\)",
        ),
        (
            change("bias_ih_l0", np.zeros((20, 1))),
            r"bias_ih_l0 must have shape \(20,\), but it has shape \(20, 1\)",
        ),
        (
            change("bias_hh_l0", np.zeros(5)),
            r"bias_hh_l0 must have shape \(20,\), but it has shape \(5,\)",
        ),
        (
            change("bias_hh_l0", np.zeros(20, int)),
            "bias_hh_l0 must hold numbers of dtype .*, but its dtype is int64",
        ),
        (
            change("bias_hh_l0", np.zeros(20, complex)),
            "bias_hh_l0 must hold .*, but its dtype is complex128",
        ),
        (
            change("bias_hh_l0", torch.zeros(20, dtype=torch.int8)),
            "bias_hh_l0 must hold .*, but its dtype is int8",
        ),
        (
            change("bias_hh_l0", torch.zeros(20, device="meta")),
            "bias_hh_l0 cannot be read as an array: ",
        ),
        (change("bias_hh_l0", [[1.0], [2.0, 3.0]]), "bias_hh_l0 cannot be read as an array: "),
        (change("bias_hh_l0", "weights"), "bias_hh_l0 must hold numbers"),
        (change("bias_hh_l0", None), "bias_hh_l0 must hold numbers .*, but its dtype is object"),
    ],
)
def test_what_is_wrong_is_named(spoil: Callable[[State], None], sentence: str) -> None:
    entries = state()
    spoil(entries)
    with pytest.raises(lb.LstmbenchError, match=sentence) as caught:
        lb.StackParams.from_torch(entries)
    assert "\n" not in str(caught.value)


def test_a_projection_of_the_wrong_shape_is_named() -> None:
    entries = state(1, False, proj_size=2) | {"weight_hr_l0": np.zeros((3, 5))}
    with pytest.raises(
        lb.LstmbenchError,
        match=r"weight_hh_l0 must have shape \(20, 3\), but it has shape \(20, 2\)",
    ):
        lb.LSTMParams.from_torch(entries)


@pytest.mark.parametrize(("num_layers", "both"), [(2, False), (1, True), (3, True)])
def test_several_layers_are_no_single_one(num_layers: int, both: bool) -> None:
    with pytest.raises(
        lb.LstmbenchError,
        match=r"LSTMParams is one layer in one direction, .*: use StackParams\.from_tor",
    ):
        lb.LSTMParams.from_torch(torch.nn.LSTM(3, 5, num_layers=num_layers, bidirectional=both))


@pytest.mark.parametrize("other", [torch.nn.GRU, torch.nn.RNN])
def test_another_recurrent_network_is_no_lstm(other: Any) -> None:
    with pytest.raises(
        lb.LstmbenchError, match=r"weight_hh_l0 must have shape \(20, 5\), but it has shape"
    ):
        lb.LSTMParams.from_torch(other(3, 5))


@pytest.mark.parametrize("source", [None, 3, [1, 2], np.zeros(3)])
def test_something_else_is_refused(source: Any) -> None:
    with pytest.raises(
        lb.LstmbenchError,
        match=r"from_torch takes an nn.LSTM or nn.LSTMCell, or the .*, but it was given a ",
    ):
        lb.LSTMParams.from_torch(source)


def test_no_file_is_loaded(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(state(1, False), tmp_path / "lstm.pt")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch.load was called"))
    for source in (
        tmp_path / "lstm.pt",
        str(tmp_path / "lstm.pt"),
        (tmp_path / "lstm.pt").read_bytes(),
    ):
        with pytest.raises(
            lb.LstmbenchError, match=r"from_torch takes an nn.LSTM or nn.LSTMCell, .*, not a file: "
        ):
            lb.LSTMParams.from_torch(source)


def test_peepholes_have_no_place_in_it() -> None:
    with pytest.raises(
        lb.LstmbenchError,
        match=r"to_torch: these weights have peepholes, for which nn.LSTM has no place",
    ):
        lb.LSTMParams.init(3, 5, peephole=True).to_torch()


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (2 * 2.0**127 - 2.0**103, "float32"),
        (65520, "float16"),
        (2 * 2.0**127 - 2.0**119 - 2.0**103, "bfloat16"),
    ],
)
def test_a_number_that_would_become_infinite_is_named(value: float, dtype: str) -> None:
    params = lb.LSTMParams(np.full((4, 1), value), np.ones((4, 1)))
    with pytest.raises(
        lb.LstmbenchError, match=rf"weight_ih_l0 holds .* which is too large for {dtype}\."
    ):
        params.to_torch(dtype)
    below = lb.LSTMParams(np.full((4, 1), np.nextafter(value, 0)), np.ones((4, 1)))
    assert torch.isfinite(below.to_torch(dtype)["weight_ih_l0"]).all()


def test_a_number_becomes_the_nearest_half() -> None:
    value = (
        1 + 2.0**-11 + 2.0**-30
    )  # above the middle of two halves; rounded to float32 first, it lies on it
    params = lb.LSTMParams(np.full((4, 1), value), np.ones((4, 1)))
    assert params.to_torch("float16")["weight_ih_l0"][0, 0] == 1 + 2.0**-10


@pytest.mark.parametrize("dtype", ["int8", "float", "", "load"])
def test_a_dtype_that_is_none_is_refused(dtype: str) -> None:
    with pytest.raises(
        lb.LstmbenchError,
        match=r"dtype must be one of float64, float32, bfloat16, float16, but it is",
    ):
        lb.LSTMParams.init(3, 5).to_torch(dtype)
