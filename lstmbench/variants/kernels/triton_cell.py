"""One time step in Triton, forward and backward, on blocks of float32: parts of other kernels."""

import triton
import triton.language as tl


@triton.jit
def sigmoid(x):
    """Return 1 / (1 + exp(-x)), from an exponential that cannot overflow."""
    e = tl.exp(-tl.abs(x))
    positive = 1 / (1 + e)
    return tl.where(x >= 0, positive, e * positive)


@triton.jit
def tanh(x):
    """Return tanh(x) to a few units in the last place.

    Near 0 it comes from Taylor's series, since 1 - exp(-2x) cancels there.
    """
    magnitude = tl.abs(x)
    e = tl.exp(-2 * magnitude)
    q = x * x
    series = x * (1 + q * (-1 / 3 + q * (2 / 15 + q * (-17 / 315 + q * (62 / 2835)))))
    quotient = (1 - e) / (1 + e)
    return tl.where(magnitude < 0.25, series, tl.where(x < 0, -quotient, quotient))


@triton.jit
def cell(z_i, z_f, z_g, z_o, c):
    """Return the gates i, f, g, o, and the next c and h, from the pre-activations and c."""
    i = sigmoid(z_i)
    f = sigmoid(z_f)
    g = tanh(z_g)
    o = sigmoid(z_o)
    c = f * c + i * g
    return i, f, g, o, c, o * tanh(c)


@triton.jit
def cell_backward(i, f, g, o, c, c_before, dh, dc):
    """Return dz of the four gates, and dc of the step before, from dh and dc of this step."""
    tanh_c = tanh(c)
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    dz_i = dc * g * i * (1 - i)
    dz_f = dc * c_before * f * (1 - f)
    dz_g = dc * i * (1 - g * g)
    dz_o = dh * tanh_c * o * (1 - o)
    return dz_i, dz_f, dz_g, dz_o, dc * f


@triton.jit
def load_gates(gates, H, inside):
    """Return i, f, g, o: ``gates`` points to i, and f, g, o lie H, 2H and 3H numbers further on."""
    i = tl.load(gates, inside, other=0.0)
    f = tl.load(gates + H, inside, other=0.0)
    g = tl.load(gates + 2 * H, inside, other=0.0)
    o = tl.load(gates + 3 * H, inside, other=0.0)
    return i, f, g, o


@triton.jit
def store_gates(gates, H, inside, i, f, g, o):
    """Store i, f, g, o where ``load_gates`` reads them."""
    tl.store(gates, i, inside)
    tl.store(gates + H, f, inside)
    tl.store(gates + 2 * H, g, inside)
    tl.store(gates + 3 * H, o, inside)
