"""The weights mean the same on the other side: each framework's own LSTM computes what the oracle
computes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weights import Array, oracle

import lstmbench as lb
from lstmbench.core.tolerance import relative_error

KINDS = [(1, False), (2, False), (1, True), (2, True)]
T, B, I, H = 7, 3, 4, 5  # noqa: E741 - the letters of the equations


def problem(
    num_layers: int = 1, bidirectional: bool = False, **kinds: Any
) -> tuple[lb.StackParams, Array]:
    stack = lb.StackParams.init(I, H, num_layers, bidirectional, seed=num_layers, **kinds)
    return stack, np.random.default_rng(0).normal(size=(T, B, I))


@pytest.mark.parametrize(("num_layers", "bidirectional"), KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_nn_lstm(num_layers: int, bidirectional: bool, bias: bool) -> None:
    torch = pytest.importorskip("torch")
    stack, x = problem(num_layers, bidirectional, bias=bias)
    with torch.no_grad():
        y, (h, c) = stack.to_torch(module=True)(torch.tensor(x))
    for actual, expected in zip((y, h, c), oracle(stack, x), strict=True):
        np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("num_layers", "bidirectional"), KINDS)
def test_weights_that_torch_drew_are_taken_as_torch_means_them(
    num_layers: int, bidirectional: bool
) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.LSTM(
        I, H, num_layers=num_layers, bidirectional=bidirectional, dtype=torch.float64
    )
    x = problem()[1]
    with torch.no_grad():
        y, _ = module(torch.tensor(x))
    np.testing.assert_allclose(
        oracle(lb.StackParams.from_torch(module), x)[0], y.numpy(), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [True, False])
def test_keras_layers(keras: Any, bidirectional: bool, bias: bool) -> None:
    stack, x = problem(2, bidirectional, bias=bias)
    model = keras.Sequential([keras.Input((T, I))])
    for arrays in stack.to_keras("float32"):
        layer = keras.layers.LSTM(H, return_sequences=True, use_bias=bias)
        model.add(keras.layers.Bidirectional(layer) if bidirectional else layer)
        model.layers[-1].set_weights(arrays)
    expected = oracle(stack, x)[0]
    y = np.asarray(model.predict(x.swapaxes(0, 1).astype(np.float32), verbose=0)).swapaxes(0, 1)
    assert relative_error(y, expected) < 1e-5
    # The other way: the model itself, its layers, and the arrays alone
    for source in (model, model.layers, [layer.get_weights() for layer in model.layers]):
        assert relative_error(oracle(lb.StackParams.from_keras(source), x)[0], expected) < 1e-6


def test_a_keras_layer_is_one_layer(keras: Any) -> None:
    layer = keras.layers.LSTM(H, return_sequences=True)
    x = problem()[1].swapaxes(0, 1).astype(np.float32)
    y = keras.ops.convert_to_numpy(layer(x)).swapaxes(0, 1)
    params = lb.LSTMParams.from_keras(layer)
    assert relative_error(oracle(lb.StackParams([[params]]), x.swapaxes(0, 1))[0], y) < 1e-5


@pytest.mark.parametrize("kind", ["cell", "rnn", "stacked", "bidirectional"])
def test_keras_cells(keras: Any, kind: str) -> None:
    layers = keras.layers
    x = problem()[1].swapaxes(0, 1).astype(np.float32)
    if kind == "stacked":
        layer = layers.RNN([layers.LSTMCell(H), layers.LSTMCell(H)], return_sequences=True)
    else:
        layer = layers.RNN(layers.LSTMCell(H, bias_initializer="normal"), return_sequences=True)
    if kind == "bidirectional":
        layer = layers.Bidirectional(layer)
    y = keras.ops.convert_to_numpy(layer(x)).swapaxes(0, 1)
    stack = lb.StackParams.from_keras(layer.cell if kind == "cell" else layer)
    assert (stack.num_layers, stack.bidirectional) == (
        1 + (kind == "stacked"),
        kind == "bidirectional",
    )
    assert relative_error(oracle(stack, x.swapaxes(0, 1))[0], y) < 1e-5


@pytest.mark.parametrize("name", ["LSTMCell", "OptimizedLSTMCell"])
@pytest.mark.parametrize("side", ["linen", "nnx"])
def test_flax_cells(name: str, side: str) -> None:
    pytest.importorskip("flax")
    import flax.linen as nn
    import jax.numpy as jnp

    stack, x = problem()
    (params,) = stack
    if side == "linen":
        variables = {"params": params.to_flax()}
        step: Any = lambda carry, x_t: getattr(nn, name)(H).apply(variables, carry, x_t)  # noqa: E731
    else:
        variables = step = params.to_flax(form=f"nnx.{name}")
    carry: Any = (jnp.zeros((B, H)), jnp.zeros((B, H)))
    outputs = []
    for x_t in x:
        carry, h = step(carry, jnp.asarray(x_t, dtype=jnp.float32))
        outputs.append(h)
    assert relative_error(np.stack(outputs), oracle(stack, x)[0]) < 1e-5
    actual = lb.LSTMParams.from_flax(variables)
    assert relative_error(oracle(lb.StackParams([[actual]]), x)[0], oracle(stack, x)[0]) < 1e-6


@pytest.mark.parametrize("name", ["LSTMCell", "OptimizedLSTMCell"])
def test_parameters_that_linen_drew_are_taken_as_linen_means_them(name: str) -> None:
    nn = pytest.importorskip("flax.linen")
    import jax

    cell = getattr(nn, name)(H, bias_init=nn.initializers.normal())
    x_t = problem()[1][0].astype(np.float32)
    carry = cell.initialize_carry(jax.random.key(0), x_t.shape)
    variables = cell.init(jax.random.key(1), carry, x_t)
    _, h = cell.apply(variables, carry, x_t)
    params = lb.LSTMParams.from_flax(variables)
    assert params.bias.any()
    assert relative_error(oracle(lb.StackParams([[params]]), x_t[None])[0][0], h) < 1e-5


@pytest.mark.parametrize("name", ["LSTMCell", "OptimizedLSTMCell"])
@pytest.mark.parametrize("both", [False, True], ids=["RNN", "Bidirectional"])
def test_nnx_layers(name: str, both: bool) -> None:
    nnx = pytest.importorskip("flax.nnx")
    rngs, (_, x) = nnx.Rngs(0), problem()

    def rnn(features: int, **options: Any) -> Any:
        cell = getattr(nnx, name)(features, H, bias_init=nnx.initializers.normal(), rngs=rngs)
        return nnx.RNN(cell, time_major=True, **options)

    def layer(features: int) -> Any:
        if not both:
            return rnn(features, return_carry=False)
        return nnx.Bidirectional(
            rnn(features), rnn(features, reverse=True, keep_order=True), time_major=True
        )

    layers = [layer(I), layer(H * (1 + both))]
    x = x.astype(np.float32)
    y = layers[1](layers[0](x))
    states = [nnx.state(each, nnx.Param) for each in layers]
    for source in (layers, states, nnx.List(layers)):
        stack = lb.StackParams.from_flax(source)
        assert (stack.num_layers, stack.bidirectional) == (2, both)
        assert relative_error(oracle(stack, x)[0], y) < 1e-5
    one = lb.StackParams.from_flax(layers[0])
    assert relative_error(oracle(one, x)[0], layers[0](x)) < 1e-5


@pytest.mark.parametrize("name", ["LSTMCell", "OptimizedLSTMCell"])
@pytest.mark.parametrize("both", [False, True], ids=["RNN", "Bidirectional"])
def test_linen_layers(name: str, both: bool) -> None:
    nn = pytest.importorskip("flax.linen")
    import jax

    def rnn() -> Any:
        return nn.RNN(getattr(nn, name)(H, bias_init=nn.initializers.normal()), time_major=True)

    layer = nn.Bidirectional(rnn(), rnn(), time_major=True) if both else rnn()
    x = problem()[1].astype(np.float32)
    variables = layer.init(jax.random.key(0), x)
    y = layer.apply(variables, x)
    for source in (layer.bind(variables), variables, variables["params"]):
        stack = lb.StackParams.from_flax(source)
        assert (stack.num_layers, stack.bidirectional) == (1, both)
        assert relative_error(oracle(stack, x)[0], y) < 1e-5


@pytest.mark.parametrize("bias", [True, False])
def test_equinox_cells(bias: bool) -> None:
    eqx = pytest.importorskip("equinox")
    import jax

    stack, x = problem(bias=bias)
    (params,) = stack
    cell = params.to_equinox()
    assert isinstance(cell, eqx.nn.LSTMCell)
    assert (cell.input_size, cell.hidden_size, cell.use_bias) == (I, H, bias)
    state: Any = (jax.numpy.zeros((B, H)), jax.numpy.zeros((B, H)))
    for x_t in x:
        state = jax.vmap(cell)(jax.numpy.asarray(x_t, dtype="float32"), state)
    for actual, expected in zip(state, oracle(stack, x)[1:], strict=True):
        assert relative_error(actual, expected[0]) < 1e-5


@pytest.mark.parametrize(("num_layers", "bidirectional"), KINDS)
@pytest.mark.parametrize(
    "kind", [{}, {"bias": False}, {"peephole": True}], ids=["plain", "no bias", "peepholes"]
)
def test_onnxruntime(
    tmp_path: Path, num_layers: int, bidirectional: bool, kind: dict[str, bool]
) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    stack, x = problem(num_layers, bidirectional, **kind)
    stack.to_onnx(tmp_path / "lstm.onnx")
    session = runtime.InferenceSession(tmp_path / "lstm.onnx", providers=["CPUExecutionProvider"])
    actual = session.run(["y", "h", "c"], {"x": x.astype(np.float32)})
    for array, expected in zip(actual, oracle(stack, x), strict=True):
        assert array.shape == expected.shape
        assert relative_error(array, expected) < 1e-5
        np.testing.assert_allclose(array, expected, atol=1e-5)


@pytest.mark.parametrize(("num_layers", "bidirectional"), KINDS)
def test_onnxruntime_from_a_state_and_with_lengths(num_layers: int, bidirectional: bool) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    stack, x = problem(num_layers, bidirectional)
    random = np.random.default_rng(1)
    h0, c0 = random.normal(size=(2, num_layers * (1 + bidirectional), B, H))
    lengths = np.array([T, 1, 4], dtype=np.int32)
    model = stack.to_onnx(state=True, lengths=True).SerializeToString()
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    floats = {
        name: array.astype(np.float32) for name, array in {"x": x, "h0": h0, "c0": c0}.items()
    }
    y, h, c = session.run(["y", "h", "c"], floats | {"lengths": lengths})
    for row, length in enumerate(lengths):
        rows = slice(row, row + 1)
        wanted_y, wanted_h, wanted_c = oracle(stack, x[:length, rows], h0[:, rows], c0[:, rows])
        assert relative_error(y[:length, rows], wanted_y) < 1e-5
        assert not y[length:, rows].any()
        assert relative_error(h[:, rows], wanted_h) < 1e-5
        assert relative_error(c[:, rows], wanted_c) < 1e-5


def test_the_model_is_sound_and_old_enough_for_older_runtimes() -> None:
    onnx = pytest.importorskip("onnx")
    model = lb.StackParams.init(I, H, 2, True, peephole=True).to_onnx(state=True, lengths=True)
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, model.opset_import[0].version) == (7, 14)
    assert [each.name for each in model.graph.input] == ["x", "h0", "c0", "lengths"]
    assert [each.name for each in lb.StackParams.init(I, H).to_onnx().graph.input] == ["x"]


def test_gates_in_another_order_would_be_seen() -> None:
    stack, x = problem()
    (params,) = stack
    W, R, b = ({**zip_gates(array)} for array in (params.weight_ih, params.weight_hh, params.bias))
    swapped = lb.LSTMParams(
        *(np.concatenate([part[gate] for gate in "iogf"]) for part in (W, R, b))
    )
    assert relative_error(oracle(lb.StackParams([[swapped]]), x)[0], oracle(stack, x)[0]) > 0.01


def zip_gates(array: Array) -> dict[str, Array]:
    return dict(zip("ifgo", np.split(array, 4), strict=True))
