"""Peers: what is said of one that is not there, what each promises beside being the LSTM, and
Keras' two backends.

That they compute the LSTM is checked with all others, in test_conformance.py and
test_mathematics.py.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import KERAS, LOSES_NAN, NotTheLSTM, check, draw, results
from fresh import fresh

import lstmbench as lb
from lstmbench.core import registry

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "equinox.scan": "equinox",
    "flax.nnx": "flax",
    "keras.jax": "keras",
    "keras.lstm": "keras",
    "onnxruntime.lstm": "onnxruntime",
}
PEERS = {*PACKAGES, "jax.cudnn", "torch.compile", "torch.nn"}


def needs(name: str) -> None:
    row = registry.implementation_row(name)
    if not row["available"]:
        pytest.skip(row["reason"])


# What is there, and what is not


def test_every_peer_is_known_and_says_that_it_is_one() -> None:
    assert set(registry.names()) >= PEERS
    for name in PEERS:
        row = registry.implementation_row(name)
        assert row["peer"] or not row["available"], name


WITHOUT = """
for package in {packages}:
    sys.modules[package] = None  # importing it raises ModuleNotFoundError
import lstmbench as lb
from lstmbench.core import registry
out = {{}}
for name in {names}:
    try:
        lb.load(name, lb.LSTMParams.init(2, 3))
        sentence = ""
    except lb.LstmbenchError as error:
        sentence = str(error)
    out[name] = [registry.implementation_row(name), sentence]
"""


@pytest.mark.parametrize(
    "missing", [("equinox", "flax", "keras", "onnxruntime"), ("onnx",)], ids=["all of them", "onnx"]
)
def test_a_peer_whose_package_is_missing_is_listed_with_that_reason(
    missing: tuple[str, ...],
) -> None:
    for framework in ("torch", "jax"):
        pytest.importorskip(framework)
    names = {name: package for name, package in PACKAGES.items() if package in missing}
    if missing == ("onnx",):
        pytest.importorskip("onnxruntime")
        names = {"onnxruntime.lstm": "onnx"}
    found = fresh(WITHOUT.format(packages=missing, names=list(names)))
    for name, package in names.items():
        row, sentence = found[name]
        assert (row["available"], row["reason"]) == (
            False,
            f"the package {package} is not installed",
        )
        assert sentence == f"{name} is not available here: the package {package} is not installed."


# torch.compile


@pytest.fixture
def compiler() -> Iterator[Any]:
    needs("torch.compile")
    import torch._dynamo
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    with torch._dynamo.config.patch(
        fail_on_recompile_limit_hit=True
    ):  # instead of running the plain loop
        yield lambda: counters["stats"]["unique_graphs"]
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.compile
def test_torch_compile_compiles_at_the_first_call_and_once_for_every_length(compiler: Any) -> None:
    problem, longer = draw(3, 4, 12, 8), draw(17, 4, 12, 8)
    longer = type(longer)(problem.params, longer.x, longer.state, longer.dy, longer.dstate)
    lstm = lb.load("torch.compile", problem.params, dtype="float32")
    assert compiler() == 0
    results(lstm, problem)
    assert compiler() == 2  # inference, training
    check("torch.compile", "float32", "cpu", longer)
    assert compiler() == 2


@pytest.mark.parametrize("missing", ["compiler", "headers"])
def test_torch_compile_names_the_missing_requirement(missing: str) -> None:
    pytest.importorskip("torch")
    break_it = {
        "compiler": "os.environ['CXX'] = 'no-such-compiler'",
        "headers": "import shutil, sysconfig\n"
        "shutil.which = lambda name: name\n"
        "paths = sysconfig.get_paths\n"
        "without = {'include': '/nowhere'}\n"
        "sysconfig.get_paths = lambda *names, **options: paths(*names, **options) | without",
    }
    found = fresh(
        f"{break_it[missing]}\n"
        "from lstmbench.core import registry\n"
        "out = registry.implementation_row('torch.compile')"
    )
    wanted = {
        "compiler": "torch.compile needs a C++ compiler, and there is no no-such-compiler on the "
        "path",
        "headers": "torch.compile needs Python's C headers, and there is no /nowhere/Python.h",
    }
    assert (found["available"], found["reason"]) == (False, wanted[missing])


# onnxruntime


@pytest.mark.parametrize("threads", ["1", "2"])
def test_onnxruntime_has_as_many_threads_as_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    needs("onnxruntime.lstm")
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    lstm = lb.load("onnxruntime.lstm", lb.LSTMParams.init(2, 3))
    session: Any = lstm.implementation.session  # type: ignore[attr-defined]
    assert session.get_session_options().intra_op_num_threads == int(threads)
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_onnxruntime_has_no_backward_and_no_float64() -> None:
    needs("onnxruntime.lstm")
    params = lb.LSTMParams.init(2, 3)
    with pytest.raises(
        lb.LstmbenchError, match=r"^onnxruntime\.lstm does not support dtype 'float64'; it supports"
    ):
        lb.load("onnxruntime.lstm", params, dtype="float64")
    lstm = lb.load("onnxruntime.lstm", params)
    with pytest.raises(
        lb.LstmbenchError,
        match=r"^onnxruntime\.lstm has no backward: it is registered for inference",
    ):
        lstm.backward(np.ones((2, 1, 2)), np.ones((2, 1, 3)))


@pytest.mark.parametrize("name", LOSES_NAN)
def test_peers_excused_from_keeping_nan_do_lose_it(name: str) -> None:
    needs(name)
    problem = draw(4, 2, 3, 5)
    x = problem.x.copy()
    x[1, 0, 0] = np.nan
    y, _ = lb.load(name, problem.params).forward(x, problem.state)
    assert not np.isnan(y).any()


# Weights


def test_a_peer_with_its_gates_in_another_order_fails_the_check(own_registrations: None) -> None:
    needs("equinox.scan")
    right = registry.find("equinox.scan").cls

    class Swapped(right):  # type: ignore[misc, valid-type]
        def __init__(self, params: lb.LSTMParams, framework: Any) -> None:
            order = (
                np.arange(4 * params.hidden_size).reshape(4, -1)[[0, 3, 1, 2]].ravel()
            )  # i, o, f, g
            arrays = (params.weight_ih, params.weight_hh, params.bias)
            super().__init__(lb.LSTMParams(*(array[order] for array in arrays)), framework)

    lb.register("equinox.swapped", framework="jax", peer=True)(Swapped)
    with pytest.raises(NotTheLSTM, match="y is wrong against the oracle"):
        check("equinox.swapped", "float32", "cpu", draw(3, 2, 3, 4))


# cuDNN through JAX


def test_jax_cudnn_passes_weights_and_inputs_in_the_layout_of_jax_rnn(
    own_registrations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a GPU: JAX's own reference for that function, which is made for its tests, stands in
    for cuDNN.
    """
    pytest.importorskip("jax")
    from jax.experimental import rnn

    from lstmbench.variants import jax_cudnn

    def stand_in(
        x: Any, h0: Any, c0: Any, weights: Any, lengths: Any, *sizes: Any, precision: Any
    ) -> Any:
        *widths, dropout, bidirectional = sizes
        arrays = rnn.unpack_lstm_weights(weights, *widths, bidirectional)
        return rnn.lstm_ref(x, h0, c0, *arrays, lengths, *widths, dropout, bidirectional)

    monkeypatch.setattr(rnn, "lstm", stand_in)
    lb.register("jax.stand_in", framework="jax", dtypes=("float32",))(
        type("StandIn", (jax_cudnn.JaxCudnn,), {})
    )
    jax_cudnn._functions.cache_clear()
    try:
        check("jax.stand_in", "float32", "cpu", draw(5, 3, 4, 6))
    finally:
        jax_cudnn._functions.cache_clear()


# Keras: one backend in a process

EACH = """
import lstmbench as lb
from conformance import check, draw
from lstmbench.core import registry
names = ("keras.jax", "keras.lstm")
rows = [registry.implementation_row(name) for name in names]
out = [[row["available"] for row in rows], "keras" in sys.modules]
for dtype in registry.implementation_row({name!r})["dtypes"]:
    if not registry.unsupported_reason(dtype, "cpu"):
        check({name!r}, dtype, "cpu", draw(6, 4, 12, 8))
out.append(os.environ.get("KERAS_BACKEND"))
try:
    lb.load({other!r}, lb.LSTMParams.init(2, 3))
except lb.LstmbenchError as error:
    out.append(str(error))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "given"), [("torch", None), ("torch", "jax"), ("jax", "torch")]
)
def test_keras_is_imported_with_the_needed_backend_and_the_other_is_refused(
    monkeypatch: pytest.MonkeyPatch, backend: str, given: str | None
) -> None:
    (other,) = set(KERAS) - {backend}
    for name in KERAS.values():
        needs(name)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    code = EACH.format(name=KERAS[backend], other=KERAS[other])
    available, imported, left, sentence = fresh(code, **({"KERAS_BACKEND": given} if given else {}))
    assert available == [True, True]
    assert not imported  # listing them decides nothing
    assert left == given  # processes that are started later choose for themselves
    assert sentence == (
        f"{KERAS[other]} needs Keras on the backend {other}, but this process has imported it on "
        f"{backend}, and a process can have one only; load it in another process."
    )
