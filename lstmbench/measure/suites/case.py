"""A workload is what all rows of one comparison share; a case is one implementation at one
workload.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Workload:
    """The sizes are T = seq_len, B = batch_size, I = input_size, H = hidden_size, L = num_layers.

    ``lengths`` is ``full``, or ``staggered``: one of B sequences has ceil(T / B) steps, the next
    ceil(2 T / B), up to T; the order is drawn.
    """

    mode: str
    batch_size: int
    seq_len: int
    input_size: int
    hidden_size: int
    num_layers: int = 1
    bidirectional: bool = False
    lengths: str = "full"
    dtype: str = "float32"
    device: str = "cpu"
    threads: int = 1
    input: str = "random"

    @property
    def id(self) -> str:
        """A short name that is the same wherever the workload is the same."""
        return hashlib.sha256(repr(sorted(vars(self).items())).encode()).hexdigest()[:12]

    @property
    def stacked(self) -> bool:
        """Whether it takes more than one layer, read forward and to its end."""
        return self.num_layers > 1 or self.bidirectional or self.lengths != "full"

    @property
    def directions(self) -> int:
        """D, 1 or 2."""
        return 2 if self.bidirectional else 1

    @property
    def layer_inputs(self) -> list[int]:
        """The input size of every layer and direction, in the order of a state's first axis."""
        D = self.directions
        return [self.input_size] * D + [D * self.hidden_size] * (D * (self.num_layers - 1))

    @property
    def steps(self) -> int:
        """The time steps of all sequences together, up to their lengths."""
        T, B = self.seq_len, self.batch_size
        return T * B if self.lengths == "full" else sum(-(-T * b // B) for b in range(1, B + 1))

    @property
    def flops(self) -> float:
        """Floating-point operations of the matrix products, 2 * 4H (I + H) a step; training takes
        them three times.

        I is the input size of each layer and direction. Steps beyond a sequence's length are not
        counted.
        """
        H = self.hidden_size
        forward = 2.0 * self.steps * sum(4 * H * (features + H) for features in self.layer_inputs)
        return forward * (3 if self.mode == "training" else 1)

    @property
    def work(self) -> float:
        """How long measuring it takes, beside others of its run, as far as can be said before."""
        return 1 + self.flops / 4e9

    @property
    def formula_bytes(self) -> int:
        """Bytes that an LSTM must keep beyond inputs and weights, as numbers of the dtype.

        Inference: the outputs of the last layer and, where there is one, of the layer below, T B D
        H each, and the last states, 2 L D B H. Training: h, c and the four gates of every step,
        layer and direction, 6 T B L D H, and the gradients, which are as large as weights, inputs
        and states. Steps beyond a sequence's length are counted: arrays are padded.
        """
        B, H, many = self.batch_size, self.hidden_size, len(self.layer_inputs)
        if self.mode == "inference":
            fixed = 2 * many * B * H
        else:
            fixed = 4 * many * B * H + sum(
                4 * H * (features + H + 1) for features in self.layer_inputs
            )
        return self.seq_len * self.formula_bytes_per_step + fixed * self.item_bytes

    @property
    def formula_bytes_per_step(self) -> int:
        """Bytes by which ``formula_bytes`` grows with each time step."""
        H = self.hidden_size
        if self.mode == "inference":
            numbers = self.directions * H * min(2, self.num_layers)
        else:
            numbers = 6 * len(self.layer_inputs) * H + self.input_size
        return self.batch_size * numbers * self.item_bytes

    @property
    def item_bytes(self) -> int:
        """Bytes of one number of the dtype."""
        return {"float64": 8, "float32": 4, "tf32": 4}.get(self.dtype, 2)

    def __str__(self) -> str:
        sizes = f"T={self.seq_len} B={self.batch_size} I={self.input_size} H={self.hidden_size}"
        sizes += (
            f" L={self.num_layers}" * (self.num_layers > 1) + " bidirectional" * self.bidirectional
        )
        sizes += f" {self.lengths} lengths" * (self.lengths != "full")
        return f"{self.mode} {sizes} {self.dtype} {self.device} {self.input}"


@dataclass(frozen=True)
class Case:
    """One implementation at one workload.

    The implementation may be a side of a duel, ``backend.variant@where``, see
    ``lstmbench.measure.ab``.
    """

    implementation: str
    workload: Workload

    def columns(self) -> dict[str, Any]:
        """Return the columns of a record that say what was asked for."""
        backend, _, variant = self.implementation.partition("@")[0].partition(".")
        return {
            "implementation": self.implementation,
            "backend": backend,
            "variant": variant,
        } | asdict(self.workload)
