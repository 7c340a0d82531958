"""How near to the rate of a large matrix product do the compiled steps run, and did a change make
them faster?

    python validation/step_rates.py [--seconds S] [--shapes B,H ...] [REVISION ...]

One core, float32, GFLOP/s by shapes (B, H), the steps of this checkout in the first line of each
shape, below it
those of the file as it was at some commits: all take turns, in random order. A figure is the median
of these turns, and behind the stroke the fastest twentieth. The two may be far apart: where another
program keeps the core's second thread busy, what counts is how many instructions there are, and a
faster version in a quiet moment need not be one in most. In brackets the median of the time over
that of the first line in the same round.

``forward`` and ``backward`` are the steps with all their elementwise work, counted as their matrix
product with W_hh alone, and ``inference`` is forward without what training keeps; ``inputs`` is the
product of all inputs, ``weights`` that for the gradient of the weights, with the sum for the bias;
``PyTorch`` the same as ``inputs`` by PyTorch's own, ``NumPy`` a large square one by NumPy's.
"""

import argparse
import ctypes
import io
import random
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lstmbench.measure.environment import run_git
from lstmbench.variants.kernels.cpp_library import (
    HERE,
    compile_library,
    cpp_functions,
    with_argument_types,
)

SHAPES = [(1, 64), (1, 256), (16, 64), (16, 256), (32, 512), (64, 1024), (128, 128)]
WORK = 3e8  # floating-point operations a call
OLD_NAMES = {
    "recompute_gates": "cells",
    "input_gradients": "inputs_back",
    "weight_gradients": "weights_back",
}
"""What functions of the library were called at earlier commits."""
OLD_ARGUMENT = ctypes.c_size_t(0)
"""Earlier versions take the number of steps before the given ones; today's ignore it."""
Calls = dict[str, Callable[[], object]]


def built(revision: str, folder: Path) -> ctypes.CDLL:
    """Return the steps as they were at a commit; their functions must take what they take today."""
    packed = run_git(HERE.parents[2], "archive", revision, "lstmbench/variants")
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        files.extractall(folder / revision, filter="data")
    library_path = folder / f"{revision.replace('/', '_')}.so"
    compile_library(next((folder / revision).rglob("*recurrence.cpp")), library_path)
    library = ctypes.CDLL(str(library_path))
    for name, old_name in OLD_NAMES.items():
        if not hasattr(library, name):
            setattr(library, name, getattr(library, old_name))
    if not hasattr(library, "packed_size"):
        library.packed_size = cpp_functions().packed_size
    return with_argument_types(library)


class Arrays:
    """What the steps read and write at one shape; every version lays out its own weights."""

    def __init__(self, B: int, H: int) -> None:
        self.sizes = T, _, _ = max(2, min(2000, round(WORK / (8 * B * H * H)))), B, H
        self.work = 8.0 * T * B * H * H
        self.W, self.b, self.dW = (
            torch.randn(4 * H, H) / H**0.5,
            torch.zeros(4 * H),
            torch.empty(4 * H, H),
        )
        self.x, self.gates = torch.randn(T, B, H), torch.empty(T, B, 4 * H)
        self.h, self.c, self.dh, self.dc = (torch.zeros(B, H) for _ in range(4))
        self.y, self.cs = torch.empty(T, B, H), torch.empty(T, B, H)

    def calls(self, steps: ctypes.CDLL) -> Calls:
        """Return what one version computes."""
        T, B, H = self.sizes
        ahead, back = (torch.empty(steps.packed_size(H, H)) for _ in range(2))
        steps.pack_forward(self.W, ahead, H, H)
        steps.pack_backward(self.W, back, 4 * H, H)

        def forward(c_step: int) -> None:
            arrays = (ahead, self.h, self.c, self.gates, self.y, self.cs)
            steps.forward(T, B, H, *arrays, c_step, None, OLD_ARGUMENT)

        def backward() -> None:
            arrays = (back, self.c, self.cs, self.x, self.gates, self.dh, self.dc)
            steps.backward(T, B, H, *arrays, None)

        def inputs() -> None:
            arrays = (ahead, self.x, self.b, self.gates)
            steps.inputs(T, B, H, H, *arrays, None, OLD_ARGUMENT)

        def weights() -> None:
            arrays = (self.gates, self.x, self.dW, self.b)
            steps.weight_gradients(T * B, H, H, *arrays, False)

        return {
            "inference": lambda: forward(0),
            "forward": lambda: forward(B * H),
            "backward": backward,
            "inputs": inputs,
            "weights": weights,
        }


def times(
    versions: dict[str, Calls], arrays: Arrays, seconds: float
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Call all in turn for so many seconds, and return the times of each, by version and what it
    computes.
    """
    turns = [(version, what) for version, calls in versions.items() for what in calls]
    found: dict[tuple[str, str], list[float]] = {turn: [] for turn in turns}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(found[turns[0]]) < 3:
        for version, what in random.sample(turns, len(turns)):
            arrays.gates.fill_(0.1)
            start = time.perf_counter()
            versions[version][what]()
            found[version, what].append(time.perf_counter() - start)
    return {turn: np.array(each) for turn, each in found.items()}


def main() -> None:
    """Print one line for each shape and version."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revisions", nargs="*", metavar="REVISION")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each shape")
    parser.add_argument(
        "--shapes", nargs="*", default=[f"{B},{H}" for B, H in SHAPES], metavar="B,H"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)  # NumPy's
    steps = cpp_functions()
    if steps is None:
        raise SystemExit("There is no compiler here, and so there are no compiled steps.")
    with tempfile.TemporaryDirectory() as folder:
        every = {"now": steps} | {
            revision: built(revision, Path(folder)) for revision in asked.revisions
        }
    whats = ["inference", "forward", "backward", "inputs", "weights"]
    head = ["B", "H", "steps", *whats, "PyTorch", "NumPy"]
    print("| " + " | ".join(head) + " |\n|" + " --: |" * len(head))
    square = np.ones((512, 512), dtype=np.float32)
    for B, H in (map(int, shape.split(",")) for shape in asked.shapes):
        arrays = Arrays(B, H)
        versions = {name: arrays.calls(each) for name, each in every.items()}
        x, W = arrays.x.flatten(0, 1), arrays.W.t()
        versions["products"] = {"PyTorch": lambda x=x, W=W: x @ W, "NumPy": lambda: square @ square}
        found = times(versions, arrays, asked.seconds)
        for version in every:
            cells = [str(B), str(H), version]
            for what in whats:
                mine, first = found[version, what], found["now", what]
                ratio = "" if version == "now" else f" ({np.median(mine / first):.2f})"
                cells.append(rates(arrays.work, mine) + ratio)
            beside = {"PyTorch": arrays.work, "NumPy": 2 * 512.0**3}
            cells += [
                rates(work, found["products", name]) if version == "now" else ""
                for name, work in beside.items()
            ]
            print("| " + " | ".join(cells) + " |", flush=True)


def rates(work: float, seconds: NDArray[np.float64]) -> str:
    """Return GFLOP/s by the median time, and by the fastest twentieth."""
    return "/".join(f"{work / np.quantile(seconds, share) / 1e9:.0f}" for share in (0.5, 0.05))


if __name__ == "__main__":
    main()
