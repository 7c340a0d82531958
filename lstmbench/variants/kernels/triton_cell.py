"""The equations of one time step in Triton, forward and backward, on blocks of float32: parts of
other kernels.
"""

import triton
import triton.language as tl


@triton.jit
def sigmoid(x):
    """Return 1 / (1 + exp(-x)), from an exponential that cannot overflow."""
    e = tl.exp(-tl.abs(x))
    part = 1 / (1 + e)
    return tl.where(x >= 0, part, e * part)


@triton.jit
def tanh(x):
    """Return tanh(x) to a few of its last digits: near 0 from its series, for there 1 - exp(-2x)
    cancels.
    """
    size = tl.abs(x)
    e = tl.exp(-2 * size)
    q = x * x
    near = x * (1 + q * (-1 / 3 + q * (2 / 15 + q * (-17 / 315 + q * (62 / 2835)))))
    far = (1 - e) / (1 + e)
    return tl.where(size < 0.25, near, tl.where(x < 0, -far, far))


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
def cell_back(i, f, g, o, c, c_before, dh, dc):
    """Return dz of the four gates, and dc of the step before, from dh and dc that come from above
    and from later.
    """
    tanh_c = tanh(c)
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    dz_i = dc * g * i * (1 - i)
    dz_f = dc * c_before * f * (1 - f)
    dz_g = dc * i * (1 - g * g)
    dz_o = dh * tanh_c * o * (1 - o)
    return dz_i, dz_f, dz_g, dz_o, dc * f
