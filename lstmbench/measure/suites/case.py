"""A workload is what all rows of one comparison share; a case adds the implementation."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from lstmbench.measure.suites.interface import AnyWorkload


@dataclass(frozen=True)
class Workload:
    """Sizes T = seq_len, B = batch_size, I = input_size, H = hidden_size, L = num_layers.

    With ``lengths="full"`` every sequence has T steps. With ``"staggered"`` the B sequences have
    ceil(T / B), ceil(2 T / B), ..., T steps, in random order.
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
        """A short hash of all fields: equal workloads of two runs have the same."""
        return hashlib.sha256(repr(sorted(vars(self).items())).encode()).hexdigest()[:12]

    @property
    def stacked(self) -> bool:
        """Whether it needs more than one forward layer over full sequences."""
        return self.num_layers > 1 or self.bidirectional or self.lengths != "full"

    @property
    def directions(self) -> int:
        """D: 2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def layer_inputs(self) -> list[int]:
        """The input size of every layer and direction, in the order of a state's first axis."""
        D = self.directions
        return [self.input_size] * D + [D * self.hidden_size] * (D * (self.num_layers - 1))

    @property
    def steps(self) -> int:
        """The number of time steps of all sequences, padding excluded."""
        T, B = self.seq_len, self.batch_size
        return T * B if self.lengths == "full" else sum(-(-T * b // B) for b in range(1, B + 1))

    @property
    def flops(self) -> float:
        """Operations of the matrix products: 2 * 4H (I + H) per step, layer and direction.

        I is the input size of the layer. Training needs three times as many: one forward and two
        backward products. Padding is not counted.
        """
        H = self.hidden_size
        forward = 2.0 * self.steps * sum(4 * H * (features + H) for features in self.layer_inputs)
        return forward * (3 if self.mode == "training" else 1)

    @property
    def work(self) -> float:
        """The expected time of measuring it, relative to others: overhead plus arithmetic."""
        return 1 + self.flops / 4e9

    @property
    def formula_bytes(self) -> int:
        """Bytes that an LSTM must keep in addition to inputs and weights.

        Inference: the outputs of the last layer and of the layer below, if any (T B D H each), and
        the last states (2 L D B H). Training: h, c and the four gates of every step, layer and
        direction (6 T B L D H), and the gradients of weights, inputs and states. Padding is
        counted, since arrays are padded.
        """
        H, inputs = self.hidden_size, self.layer_inputs
        fixed = 2 * len(inputs) * self.batch_size * H
        if self.mode == "training":
            fixed += fixed + sum(4 * H * (features + H + 1) for features in inputs)
        return self.seq_len * self.formula_bytes_per_step + fixed * self.item_bytes

    @property
    def formula_bytes_per_step(self) -> int:
        """The growth of ``formula_bytes`` with each time step."""
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

    def columns(self) -> dict[str, Any]:
        """Return the columns of a record that describe the workload."""
        return asdict(self)

    def __str__(self) -> str:
        sizes = f"T={self.seq_len} B={self.batch_size} I={self.input_size} H={self.hidden_size}"
        sizes += f" L={self.num_layers}" * (self.num_layers > 1)
        sizes += " bidirectional" * self.bidirectional
        sizes += f" {self.lengths} lengths" * (self.lengths != "full")
        return f"{self.mode} {sizes} {self.dtype} {self.device} {self.input}"


@dataclass(frozen=True)
class Case:
    """One implementation at one workload.

    The implementation may be a variant of an A/B comparison, ``backend.variant@version``; see
    ``lstmbench.measure.ab_sources``.
    """

    implementation: str
    workload: AnyWorkload

    def columns(self) -> dict[str, Any]:
        """Return the columns of a record that identify the case."""
        backend, _, variant = self.implementation.partition("@")[0].partition(".")
        name = {"implementation": self.implementation, "backend": backend, "variant": variant}
        return name | self.workload.columns()
