"""A workload is what all rows of one comparison share; a case is one implementation at one workload."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Workload:
    """The sizes are T = seq_len, B = batch_size, I = input_size, H = hidden_size, L = num_layers."""

    mode: str
    batch_size: int
    seq_len: int
    input_size: int
    hidden_size: int
    num_layers: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    threads: int = 1
    input: str = "random"

    @property
    def id(self) -> str:
        """A short name that is the same wherever the workload is the same."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:12]

    @property
    def flops(self) -> float:
        """Floating-point operations of the matrix products, 2 T B 4H (I + H); training takes them three times."""
        forward = 2.0 * self.seq_len * self.batch_size * 4 * self.hidden_size * (self.input_size + self.hidden_size)
        return forward * (3 if self.mode == "training" else 1)

    @property
    def formula_bytes(self) -> int:
        """Bytes that an LSTM must keep beyond inputs and weights, as numbers of the dtype.

        Inference: the outputs and the last state, T B H + 2 B H. Training: h, c and the four gates of every step,
        6 T B H, and the gradients, which are as large as weights, inputs and states.
        """
        T, B, features, H = self.seq_len, self.batch_size, self.input_size, self.hidden_size
        weights = 4 * H * (features + H + 1)
        if self.mode == "inference":
            numbers = T * B * H + 2 * B * H
        else:
            numbers = 6 * T * B * H + 4 * B * H + weights + T * B * features
        return numbers * self.item_bytes

    @property
    def formula_bytes_per_step(self) -> int:
        """Bytes by which ``formula_bytes`` grows with each time step."""
        numbers = self.hidden_size if self.mode == "inference" else 6 * self.hidden_size + self.input_size
        return self.batch_size * numbers * self.item_bytes

    @property
    def item_bytes(self) -> int:
        """Bytes of one number of the dtype."""
        return {"float64": 8, "float32": 4}.get(self.dtype, 2)

    def __str__(self) -> str:
        sizes = f"T={self.seq_len} B={self.batch_size} I={self.input_size} H={self.hidden_size}"
        return f"{self.mode} {sizes} {self.dtype} {self.device} {self.input}"


@dataclass(frozen=True)
class Case:
    """One implementation at one workload.

    The implementation may be a side of a duel, ``backend.variant@where``, see ``lstmbench.measure.duel``.
    """

    implementation: str
    workload: Workload

    def columns(self) -> dict[str, Any]:
        """Return the columns of a record that say what was asked for."""
        backend, _, variant = self.implementation.partition("@")[0].partition(".")
        return {"implementation": self.implementation, "backend": backend, "variant": variant} | asdict(self.workload)
