"""The conformance check has teeth: each of these broken LSTMs must fail it, for the reason that was
put in.

A mutant is ``tests/plain.py`` with one piece of its text replaced, registered and loaded like any
other.
"""

from pathlib import Path
from typing import NamedTuple

import plain
import pytest
from conformance import NotTheLSTM, check, draw

import lstmbench as lb

pytestmark = pytest.mark.usefixtures("own_registrations")

NAME = "numpy.mutant"


class Mutant(NamedTuple):
    old: str
    new: str
    fault: str  # how the check must put it


ORACLE = "is wrong against the oracle"
MUTANTS = {
    # the function
    "input and forget gates swapped": Mutant(
        "i, f, g, o = np.split", "f, i, g, o = np.split", f"y {ORACLE}"
    ),
    "weights taken in the order i, f, o, g": Mutant(
        "i, f, g, o = np.split", "i, f, o, g = np.split", f"y {ORACLE}"
    ),
    "bias dropped": Mutant(" + self.b", "", f"y {ORACLE}"),
    "bias added twice": Mutant(" + self.b", " + 2 * self.b", f"y {ORACLE}"),
    "weight_hh transposed": Mutant(
        "framework.from_numpy(params.weight_hh)",
        "np.concatenate([W.T for W in np.split(framework.from_numpy(params.weight_hh), 4)])",
        f"y {ORACLE}",
    ),
    "h0 ignored": Mutant("h, c = h0, c0", "h, c = np.zeros_like(h0), c0", f"y {ORACLE}"),
    "c0 ignored": Mutant("h, c = h0, c0", "h, c = h0, np.zeros_like(c0)", f"y {ORACLE}"),
    "h not carried": Mutant("h_prev, c_prev = h, c", "h_prev, c_prev = h0, c", f"y {ORACLE}"),
    "c not carried": Mutant("h_prev, c_prev = h, c", "h_prev, c_prev = h, c0", f"y {ORACLE}"),
    "last h is the one before": Mutant(
        "return (y, h, c), steps", "return (y, h_prev, c), steps", f"h {ORACLE}"
    ),
    "last c is the one before": Mutant(
        "return (y, h, c), steps", "return (y, h, c_prev), steps", f"c {ORACLE}"
    ),
    "output not squashed": Mutant("h = o * np.tanh(c)", "h = o * c", f"y {ORACLE}"),
    "sigmoid hardened": Mutant(
        "return 1 / (1 + np.exp(-z))", "return np.clip(z / 4 + 0.5, 0, 1)", f"y {ORACLE}"
    ),
    # its gradients
    "detached from h": Mutant(
        "dh = dz @ self.W_hh", "dh = np.zeros_like(dh)", f"weight_ih {ORACLE}"
    ),
    "detached from c": Mutant("dc = dc * f", "dc = np.zeros_like(dc)", f"weight_ih {ORACLE}"),
    "dh of the last step ignored": Mutant(
        "dh, dc = dh_T, dc_T", "dh, dc = 0 * dh_T, dc_T", f"weight_ih {ORACLE}"
    ),
    "dh of the last step at every step": Mutant(
        "dh = dh + dy[t]", "dh = dh + dy[t] + dh_T", f"weight_ih {ORACLE}"
    ),
    "dc of the last step ignored": Mutant(
        "dh, dc = dh_T, dc_T", "dh, dc = dh_T, 0 * dc_T", f"weight_ih {ORACLE}"
    ),
    "dy of the last step only": Mutant("dy[t]", "dy[t] * (t == len(x) - 1)", f"weight_ih {ORACLE}"),
    "derivative of tanh(c) forgotten": Mutant(" * (1 - tanh_c**2)", "", f"weight_ih {ORACLE}"),
    "derivative of a sigmoid forgotten": Mutant("df * f * (1 - f)", "df", f"weight_ih {ORACLE}"),
    "gradients in the order i, f, o, g": Mutant(
        "dg * (1 - g**2), do * o * (1 - o)",
        "do * o * (1 - o), dg * (1 - g**2)",
        f"weight_ih {ORACLE}",
    ),
    "weight_ih's gradient of one step only": Mutant(
        "dW_ih += dz.T", "dW_ih = dz.T", f"weight_ih {ORACLE}"
    ),
    "weight_hh's gradient from the later h": Mutant(
        "dz.T @ h_prev", "dz.T @ outputs[0][t]", f"weight_hh {ORACLE}"
    ),
    "bias's gradient not summed over the batch": Mutant(
        "dz.sum(axis=0)", "dz[0]", f"bias {ORACLE}"
    ),
    "bias's gradient averaged over the batch": Mutant(
        "dz.sum(axis=0)", "dz.mean(axis=0)", f"bias {ORACLE}"
    ),
    "x's gradient a step late": Mutant("dx[t] = dz", "dx[t - 1] = dz", f"x {ORACLE}"),
    "gradients of the initial state swapped": Mutant("dx, dh, dc)", "dx, dc, dh)", f"h0 {ORACLE}"),
    # its behaviour over several calls
    "cached output": Mutant(
        "outputs, _ = self.run(x, h0, c0)",
        "outputs = self.__dict__.setdefault('kept', self.run(x, h0, c0)[0])",
        "y is wrong for a second input",
    ),
    "output cached by shape": Mutant(
        "outputs, _ = self.run(x, h0, c0)",
        "outputs = self.__dict__.setdefault(str(x.shape), self.run(x, h0, c0)[0])",
        "y is wrong for a second input",
    ),
    "gradient cached": Mutant(
        "outputs, steps = self.run(x, h0, c0)",
        "outputs, steps = self.__dict__.setdefault('kept', self.run(x, h0, c0))",
        "weight_ih is wrong for a second input",
    ),
    "state kept from the call before": Mutant(
        "h, c = h0, c0",
        "h, c = self.__dict__.get('kept', (h0, c0)); self.kept = (h0, c0)",
        "y is wrong for a second",
    ),
    "weights trained in passing": Mutant(
        "dc = dc * f", "dc = dc * f; self.b -= 0.01 * db", "y is wrong for a second"
    ),
    "output buffer used again": Mutant(
        "y = np.empty((*x.shape[:2], h0.shape[1]), dtype=x.dtype)",
        "y = self.__dict__.setdefault(x.shape, np.empty((*x.shape[:2], h0.shape[1]), x.dtype))",
        "y of the first call is overwritten by the second",
    ),
    "x used as scratch": Mutant(
        "+= dz.T @ x_t", "+= dz.T @ x_t; x_t *= 2", "its input x is modified"
    ),
    "h0 used as scratch": Mutant(
        "+= dz.T @ h_prev", "+= dz.T @ h_prev; h_prev *= 2", "its input h0 is modified"
    ),
    "c0 updated in place": Mutant(
        "c = f * c_prev + i * g", "c = c_prev; c *= f; c += i * g", f"weight_ih {ORACLE}"
    ),
    "dy updated in place": Mutant(
        "dh = dh + dy[t]", "dy[t] += dh; dh = dy[t]", "its input dy is modified"
    ),
    "outputs of the training call left out": Mutant(
        "return outputs, (dW_ih",
        "return tuple(map(np.zeros_like, outputs)), (dW_ih",
        "y is wrong from the native call",
    ),
    # its numbers
    "computed in float16": Mutant(
        "y[t] = h", "h = h.astype(np.float16).astype(x.dtype); y[t] = h", f"y {ORACLE}"
    ),
    "returned in another dtype": Mutant(
        "return outputs\n",
        "return tuple(array.astype(np.longdouble) for array in outputs)\n",
        "y has dtype",
    ),
    "NaN swallowed": Mutant(
        "h, c = h0, c0", "h, c = h0, c0; x = np.nan_to_num(x)", "NaN in x at t="
    ),
    "NaN of the state swallowed": Mutant(
        "h, c = h0, c0", "h, c = h0, np.nan_to_num(c0)", "NaN in c0"
    ),
    "NaN spread over the batch": Mutant(
        "h, c = h0, c0", "h, c = h0, c0 + 0 * x.sum()", "NaN in x at t="
    ),
    "NaN lost in the gradient": Mutant(
        "dh = dh + dy[t]", "dh = dh + np.nan_to_num(dy[t])", "NaN in dy at t="
    ),
}


def _register(source: str) -> type:
    namespace = {"__name__": "mutant"}
    exec(compile(source, "mutant", "exec"), namespace)
    return lb.register(NAME)(namespace["Plain"])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_unbroken_lstm_passes(dtype: str) -> None:
    _register(Path(plain.__file__).read_text())
    check(NAME, dtype, "cpu", draw(4, 3, 5, 6))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_mutant_is_rejected(mutant: Mutant, dtype: str) -> None:
    source = Path(plain.__file__).read_text()
    assert source.count(mutant.old) in (1, 2), "the text to break has moved"
    _register(source.replace(mutant.old, mutant.new))
    with pytest.raises(NotTheLSTM, match=mutant.fault):
        check(NAME, dtype, "cpu", draw(4, 3, 5, 6))


def test_float32_arithmetic_cannot_pass_for_float64() -> None:
    source = Path(plain.__file__).read_text()
    _register(source.replace("y[t] = h", "h = h.astype(np.float32).astype(x.dtype); y[t] = h"))
    check(NAME, "float32", "cpu", draw(4, 3, 5, 6))
    with pytest.raises(NotTheLSTM, match=f"y {ORACLE}"):
        check(NAME, "float64", "cpu", draw(4, 3, 5, 6))


def test_an_implementation_for_inference_is_checked_without_gradients() -> None:
    namespace = {"__name__": "mutant"}
    exec(Path(plain.__file__).read_text().replace("def forward_backward", "def unused"), namespace)
    lb.register(NAME, modes=("inference",))(namespace["Plain"])
    check(NAME, "float64", "cpu", draw(4, 3, 5, 6))
