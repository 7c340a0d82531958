"""Flax's and Equinox's weights: what is taken, and what is refused in which words."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from weights import bits

import lstmbench as lb

Tree = dict[str, Any]


def tree() -> Tree:
    return lb.LSTMParams.init(3, 5).to_flax()


def test_linen_has_a_kernel_for_each_gate_and_the_bias_beside_the_recurrent_one() -> None:
    shapes = {
        name: {what: array.shape for what, array in entry.items()} for name, entry in tree().items()
    }
    inputs = {f"i{gate}": {"kernel": (3, 5)} for gate in "ifgo"}
    assert shapes == inputs | {f"h{gate}": {"kernel": (5, 5), "bias": (5,)} for gate in "ifgo"}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (dict.clear, "the cell has no entry 'ii kernel'; its entries are none"),
        (lambda t: t.pop("hf"), "the cell has no entry 'hf kernel'"),
        (lambda t: t["hf"].pop("bias"), "the cell has no entry 'hf bias'"),
        (lambda t: t["if"].update(bias=np.zeros(5)), "the cell has an entry 'if bias' too many"),
        (lambda t: t.update(extra={}), "the cell has an entry 'extra' too many"),
        (lambda t: t.update(dense_i={}), "the cell has no entry 'dense_i kernel'"),
        (
            lambda t: t.update(ii=np.zeros(3)),
            "the cell has no entry 'ii kernel'; its entries are .*, ii, ",
        ),
        (
            lambda t: t["ig"].update(kernel=np.zeros((5, 3))),
            r"ig kernel must have shape \(3, 5\), but it has .*\(5, 3\)",
        ),
        (
            lambda t: t["hi"].update(kernel=np.zeros((5, 4))),
            r"hi kernel must have shape \(5, 5\), but it has .*\(5, 4\)",
        ),
        (
            lambda t: t["ho"].update(bias=np.zeros(20)),
            r"ho bias must have shape \(5,\), but it has shape \(20,\)",
        ),
        (
            lambda t: t["ho"].update(bias=np.zeros(5, int)),
            r"ho bias must hold numbers of dtype .* dtype is int64",
        ),
    ],
)
def test_what_is_wrong_in_a_tree_is_named(spoil: Callable[[Tree], Any], sentence: str) -> None:
    entries = tree()
    spoil(entries)
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.LSTMParams.from_flax(entries)


@pytest.mark.parametrize("method", ["from_flax", "from_equinox"])
@pytest.mark.parametrize("source", [None, 3, [None], object()])
def test_something_else_is_refused(method: str, source: Any) -> None:
    with pytest.raises(
        lb.LstmbenchError,
        match=rf"{method} takes an .*, but the cell.* is a (NoneType|int|object)\.",
    ):
        getattr(lb.StackParams, method)(source)
    with pytest.raises(
        lb.LstmbenchError, match=r"There must be at least one cell, but the sequence is empty\."
    ):
        getattr(lb.StackParams, method)([])
    with pytest.raises(lb.LstmbenchError, match=rf"{method} takes .*, not a file"):
        getattr(lb.StackParams, method)("weights.msgpack")


def test_params_that_are_no_tree_are_refused() -> None:
    with pytest.raises(
        lb.LstmbenchError, match="the cell has no entry 'ii kernel'; its entries are params"
    ):
        lb.LSTMParams.from_flax({"params": 3})


def test_three_directions_are_too_many() -> None:
    with pytest.raises(lb.LstmbenchError, match="layer 0 must have one or two cells, but it has 3"):
        lb.StackParams.from_flax([[tree()] * 3])


def test_an_nnx_cell_with_other_activations_is_refused() -> None:
    nnx = pytest.importorskip("flax.nnx")
    import jax

    plain = nnx.OptimizedLSTMCell(3, 5, rngs=nnx.Rngs(0))
    for name, options in (
        ("gate_fn", {"gate_fn": jax.nn.hard_sigmoid}),
        ("activation_fn", {"activation_fn": jax.nn.relu}),
        ("carry_init", {"carry_init": nnx.initializers.ones_init()}),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of carry_init, which is to be given elsewhere
            cell = nnx.OptimizedLSTMCell(3, 5, rngs=nnx.Rngs(0), **options)
        for source in (cell, nnx.RNN(cell), nnx.Bidirectional(nnx.RNN(plain), nnx.RNN(cell))):
            with pytest.raises(
                lb.LstmbenchError,
                match=rf"{name} must be (sigmoid|tanh|zeros), but it is .*ignore=\('{name}',\)\.$",
            ):
                lb.StackParams.from_flax(source)
            lb.StackParams.from_flax(source, ignore=(name,))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gate_fn", {"gate_fn": "relu"}),
        ("activation_fn", {"activation_fn": "relu"}),
        ("carry_init", {"carry_init": "ones"}),
    ],
)
def test_a_bound_linen_cell_with_other_functions_is_refused(
    name: str, options: dict[str, str]
) -> None:
    nn = pytest.importorskip("flax.linen")
    import jax

    functions = {"relu": jax.nn.relu, "ones": nn.initializers.ones_init()}
    layer = nn.RNN(
        nn.LSTMCell(5, **{what: functions[function] for what, function in options.items()})
    )
    variables = layer.init(jax.random.key(0), np.zeros((2, 4, 3), "f4"))
    with pytest.raises(
        lb.LstmbenchError, match=rf"^the cell: {name} must be .*ignore=\('{name}',\)\.$"
    ):
        lb.LSTMParams.from_flax(layer.bind(variables))
    params = lb.LSTMParams.from_flax(layer.bind(variables), ignore=(name,))
    assert bits(params) == bits(lb.LSTMParams.from_flax(variables))


def test_a_linen_module_without_its_parameters_is_refused() -> None:
    nn = pytest.importorskip("flax.linen")
    for module in (
        nn.LSTMCell(5),
        nn.RNN(nn.LSTMCell(5)),
        nn.Bidirectional(nn.RNN(nn.LSTMCell(5)), nn.RNN(nn.LSTMCell(5))),
    ):
        with pytest.raises(
            lb.LstmbenchError,
            match=r"holds no parameters: give module\.bind\(variables\), or the var",
        ):
            lb.StackParams.from_flax(module)


def test_an_rnn_in_reverse_is_refused_where_it_stands_alone() -> None:
    nnx = pytest.importorskip("flax.nnx")

    def rnn(reverse: bool) -> Any:
        return nnx.RNN(
            nnx.LSTMCell(3, 5, rngs=nnx.Rngs(int(reverse))), reverse=reverse, keep_order=reverse
        )

    forward, reverse = rnn(False), rnn(True)
    for source in (reverse, [reverse], [[reverse, forward]]):
        with pytest.raises(
            lb.LstmbenchError,
            match=r"reverse must be False here, but it is True; .*\('reverse',\)\.$",
        ):
            lb.StackParams.from_flax(source)
        lb.StackParams.from_flax(source, ignore=("reverse",))
    pair = lb.StackParams.from_flax([[forward, reverse]])
    assert bits(pair) == bits(lb.StackParams.from_flax(nnx.Bidirectional(forward, reverse)))


def test_directions_that_are_merged_in_another_way_are_refused() -> None:
    nnx = pytest.importorskip("flax.nnx")

    def rnn() -> Any:
        return nnx.RNN(nnx.LSTMCell(3, 5, rngs=nnx.Rngs(0)))

    for merge in (lambda a, b: a + b, lambda a, b: np.concatenate([b, a], axis=-1), lambda a: a):
        layer = nnx.Bidirectional(rnn(), rnn(), merge_fn=merge)
        with pytest.raises(
            lb.LstmbenchError,
            match=r"merge_fn must concatenate the outputs; .*ignore=\('merge_fn',\)\.$",
        ):
            lb.StackParams.from_flax(layer)
        lb.StackParams.from_flax(layer, ignore=("merge_fn",))
    own = nnx.Bidirectional(rnn(), rnn(), merge_fn=lambda a, b: np.concatenate([a, b], axis=-1))
    assert lb.StackParams.from_flax(own).bidirectional


@pytest.mark.parametrize("form", ["linen", "nnx", "equinox"])
def test_bfloat16_is_taken(form: str) -> None:
    jnp = pytest.importorskip("jax.numpy")
    import jax

    params = lb.LSTMParams.init(3, 5)
    if form == "linen":
        source = jax.tree.map(lambda array: jnp.asarray(array, dtype="bfloat16"), params.to_flax())
    elif form == "nnx":
        pytest.importorskip("flax.nnx")
        source = params.to_flax("bfloat16", form="nnx.LSTMCell")
    else:
        pytest.importorskip("equinox")
        source = params.to_equinox("bfloat16")
    actual = getattr(lb.LSTMParams, "from_equinox" if form == "equinox" else "from_flax")(source)
    expected = [
        np.asarray(array).astype("bfloat16").astype("f8") for array in params.weights().values()
    ]
    for array, number in zip(actual.weights().values(), expected, strict=True):
        np.testing.assert_array_equal(array, number)


def test_a_state_of_nnx_is_a_tree_too() -> None:
    nnx = pytest.importorskip("flax.nnx")
    params = lb.LSTMParams.from_flax(tree())
    for form in ("nnx.LSTMCell", "nnx.OptimizedLSTMCell"):
        cell = params.to_flax("float32", form=form)
        assert bits(lb.LSTMParams.from_flax(nnx.state(cell, nnx.Param))) == bits(
            lb.LSTMParams.from_flax(cell)
        )


def test_another_cell_of_nnx_is_refused() -> None:
    nnx = pytest.importorskip("flax.nnx")
    with pytest.raises(
        lb.LstmbenchError, match=r"the cell has no entry 'dense_h bias'; .* dense_i bias, "
    ):
        lb.LSTMParams.from_flax(nnx.GRUCell(3, 5, rngs=nnx.Rngs(0)))


@pytest.mark.parametrize(
    ("form", "dtype"), [("nnx", None), ("linen.LSTMCell", None), ("linen", "int8")]
)
def test_a_form_or_dtype_that_is_none_is_refused(form: str, dtype: str | None) -> None:
    with pytest.raises(
        lb.LstmbenchError, match=r"form must be one of linen, nnx|dtype must be one of float64"
    ):
        lb.LSTMParams.init(3, 5).to_flax(dtype, form=form)


@pytest.mark.parametrize("method", ["to_flax", "to_equinox"])
@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ({"peephole": True}, "weights have peepholes"),
        ({"proj_size": 2}, "weights have a projection"),
    ],
)
def test_what_they_have_not_is_refused(method: str, kind: dict[str, Any], sentence: str) -> None:
    with pytest.raises(lb.LstmbenchError, match=f"{method}: these {sentence}"):
        getattr(lb.LSTMParams.init(3, 5, **kind), method)()


def test_float64_is_refused_where_jax_has_none() -> None:
    pytest.importorskip("equinox")
    import jax

    with (
        jax.enable_x64(False),
        pytest.raises(lb.LstmbenchError, match="to_equinox: JAX has no float64 here"),
    ):
        lb.LSTMParams.init(3, 5).to_equinox("float64")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"weight_ih": None}, "the cell: weight_ih must hold numbers .*, but its dtype is object"),
        (
            {"weight_ih": np.zeros((20, 3, 1))},
            r"the cell: weight_ih must have shape \(20, I\) with I at least 1, but .*\(20, 3, 1\)",
        ),
        (
            {"weight_hh": np.zeros((15, 5))},
            r"the cell: weight_hh must have shape \(20, 5\), but .*\(15, 5\)",
        ),
        ({"bias": np.zeros(5)}, r"the cell: bias must have shape \(20,\), but it has shape \(5,\)"),
        (
            {"bias_n": np.zeros(5)},
            "the cell has an entry 'bias_n' too many; its entries should be bias, weight_hh, "
            "weight_ih",
        ),
    ],
)
def test_what_is_wrong_in_arrays_is_named(changes: Tree, sentence: str) -> None:
    params = lb.LSTMParams.init(3, 5)
    arrays = {"weight_ih": params.weight_ih, "weight_hh": params.weight_hh, "bias": params.bias}
    assert bits(lb.LSTMParams.from_equinox(arrays)) == bits(params)
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.LSTMParams.from_equinox(arrays | changes)
    with pytest.raises(lb.LstmbenchError, match="the cell has no entry 'weight_hh'"):
        lb.LSTMParams.from_equinox({"weight_ih": params.weight_ih})


def test_another_cell_of_equinox_is_refused() -> None:
    eqx = pytest.importorskip("equinox")
    import jax

    with pytest.raises(
        lb.LstmbenchError, match=r"the cell: weight_hh must have shape \(20, 5\), but .*\(15, 5\)"
    ):
        lb.LSTMParams.from_equinox(eqx.nn.GRUCell(3, 5, key=jax.random.key(0)))
