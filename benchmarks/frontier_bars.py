"""Hold a run of ``frontier``, and one of ``long``, against what our own implementations are meant to reach.

    python benchmarks/frontier_bars.py FRONTIER_RUN LONG_RUN

Each line is a bar: what, the figure, the bar, and whether it is reached. Ratios are those of the runs' tables, taken
within rounds; one over the best of several is the quotient of two of them. Memory is the allocator's, beyond inputs,
weights and gradients. Exit code 1 if a bar is not reached.
"""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lstmbench.results.store import read_results

SIZE = ["batch_size", "seq_len", "hidden_size"]
LARGE = [(32, 100, 512), (64, 50, 1024), (128, 100, 128)]
OURS = ["torch.fused", "torch.recompute", "jax.fused", "numpy.fused", "numpy.numba"]
JAX_PEERS = ["jax.scan", "equinox.scan", "flax.nnx"]
SHARES = {(64, 50, 1024): 0.92, (128, 100, 128): 0.70, (16, 100, 256): 0.85}


class Bar(NamedTuple):
    """What was to be reached: ``figure`` at most ``bar``, or at least, where more is better."""

    what: str
    figure: float
    bar: float
    least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is; the last digit that is printed decides."""
        figure = round(self.figure, 3)
        return figure >= self.bar if self.least else figure <= self.bar


def table(run: Path, column: str, mode: str) -> pd.DataFrame:
    """Return a column of the cases that went well: workloads by (B, T, H), implementations across."""
    records = read_results(run)
    records = records[(records["status"] == "ok") & (records["mode"] == mode)]
    return records.pivot_table(index=SIZE, columns="implementation", values=column).astype(float)


def geometric(values: pd.Series) -> float:
    """Return the geometric mean."""
    return math.exp(np.log(values.to_numpy()).mean())


def speed(run: Path) -> Iterator[Bar]:
    """Yield the bars of time."""
    ratios = {mode: table(run, "ratio", mode) for mode in ("training", "inference")}
    over_nn = {mode: each.div(each["torch.nn"].fillna(1.0), axis=0) for mode, each in ratios.items()}
    over_jax = {mode: each["jax.fused"] / each[JAX_PEERS].min(axis=1) for mode, each in ratios.items()}
    for mode, mean, most in (("training", 0.85, 1.05), ("inference", 1.0, 1.15)):
        found = over_nn[mode]["torch.fused"]
        yield Bar(f"torch.fused over torch.nn, {mode}, geometric mean", geometric(found), mean)
        yield Bar(f"torch.fused over torch.nn, {mode}, at {found.idxmax()}", found.max(), most)
    for mode, mean in (("training", 0.7), ("inference", 0.8)):
        found = over_jax[mode]
        yield Bar(f"jax.fused over the best of {', '.join(JAX_PEERS)}, {mode}, geometric mean", geometric(found), mean)
        yield Bar(f"jax.fused over the best of them, {mode}, at {found.idxmax()}", found.max(), 1.0)
    yield Bar("jax.fused over torch.nn, training, geometric mean", geometric(over_nn["training"]["jax.fused"]), 1.0)
    for mode, most in (("training", 1.0), ("inference", 1.25)):
        for size in LARGE:
            yield Bar(f"numpy.fused over torch.nn, {mode}, at {size}", over_nn[mode]["numpy.fused"].loc[size], most)
    for name, most in (("numpy.fused", 3.5), ("numpy.numba", 1.2)):
        found = pd.concat([each[name] for each in over_nn.values()])
        yield Bar(f"{name} over torch.nn, anywhere, at {found.idxmax()}", found.max(), most)
    shares = table(run, "roofline_fraction", "training")[OURS]
    for size, least in SHARES.items():
        best = shares.loc[size]
        yield Bar(f"share of the rate of products, training, {size}, {best.idxmax()}", best.max(), least, least=True)


def beyond_gradients(run: Path) -> pd.DataFrame:
    """Return what training allocates beyond inputs, weights and gradients."""
    allocated = table(run, "allocated_bytes", "training")
    gradients = [4 * (T * B * H + 4 * H * (2 * H + 1) + 2 * B * H) for B, T, H in allocated.index]
    return allocated.sub(gradients, axis=0)


def memory(frontier: Path, long: Path) -> Iterator[Bar]:
    """Yield the bars of memory."""
    here, far = beyond_gradients(frontier), beyond_gradients(long)
    for size in (size for size in here.index if size[1] == 1000):
        yield Bar(
            f"memory of torch.fused over torch.nn at {size}", here["torch.fused"][size] / here["torch.nn"][size], 0.7
        )
    for size in (size for size in far.index if size[1] == 4096):
        quotient = far["torch.recompute"][size] / far["torch.nn"][size]
        yield Bar(f"memory of torch.recompute over torch.nn at {size}", quotient, 0.25)
        times = table(long, "ratio", "training").loc[size]
        yield Bar(
            f"time of torch.recompute over torch.fused at {size}", times["torch.recompute"] / times["torch.fused"], 1.35
        )


def growth(run: Path) -> Iterator[Bar]:
    """Yield how far from linear in T time and memory grow between 512 and the longest, and what jax compiles.

    The exponent of a power law through all lengths from 512 steps on; below, what a call takes once is seen.
    """
    for column, mode in (
        ("time_median_s", "inference"),
        ("time_median_s", "training"),
        ("allocated_bytes", "training"),
    ):
        found = table(run, column, mode).reset_index().query("seq_len >= 512")
        steps = np.log(found["seq_len"].to_numpy())
        for name in (name for name in found.columns if "." in name):
            known = found[name].notna().to_numpy()
            exponent = np.polyfit(steps[known], np.log(found[name].to_numpy()[known]), 1)[0]
            yield Bar(f"{column}, {mode}, {name}: exponent's distance from 1", abs(exponent - 1), 0.1)
    for mode in ("inference", "training"):
        first = table(run, "compile_s", mode).droplevel(["batch_size", "hidden_size"])
        for name in ("jax.scan", "jax.fused"):
            yield Bar(
                f"compile time of {name}, {mode}, T = 131072 over T = 64", first[name][131072] / first[name][64], 1.5
            )


def main() -> int:
    """Print every bar."""
    frontier, long = Path(sys.argv[1]), Path(sys.argv[2])
    missed = 0
    for bar in (*speed(frontier), *memory(frontier, long), *growth(long)):
        missed += not bar.reached
        sign = ">=" if bar.least else "<="
        print(f"{'reached' if bar.reached else 'MISSED '}  {bar.figure:7.3f} {sign} {bar.bar:<5} {bar.what}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
