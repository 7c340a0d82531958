"""Compare runs of ``frontier``, ``ours`` and ``long`` with the goals for our implementations.

    python validation/frontier_goals.py RUN [RUN ...]

Only the goals for a run's own workloads are checked. Each line is a goal: name, figure, goal, and
whether it is reached. Ratios are those of the run's tables, taken within rounds; a ratio to the
best of several is a quotient of two of them. Memory is the allocator's, beyond inputs, weights and
gradients. Exit code 1 if a goal is missed.
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
EIGHT = [(1, 100, 64), (1, 100, 256), (1, 1000, 128), (16, 100, 256), (16, 1000, 64),
         (32, 100, 512), (64, 50, 1024), (128, 100, 128)]  # fmt: skip
LARGE = [(32, 100, 512), (64, 50, 1024), (128, 100, 128)]
OURS = ["torch.fused", "torch.recompute", "jax.fused", "numpy.fused", "numpy.numba"]
JAX_PEERS = ["jax.scan", "equinox.scan", "flax.nnx"]
LONGEST = 131072
SHARES = {(64, 50, 1024): 0.92, (128, 100, 128): 0.70, (16, 100, 256): 0.85}


class Goal(NamedTuple):
    """What was to be reached: ``figure`` at most ``limit``, or at least, if more is better."""

    what: str
    figure: float
    limit: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is reached; the last digit that is printed decides."""
        figure = round(self.figure, 3)
        return figure >= self.limit if self.at_least else figure <= self.limit


def table(records: pd.DataFrame, column: str, mode: str) -> pd.DataFrame:
    """Return a column of the ok cases: rows are workloads, columns implementations."""
    records = records[(records["status"] == "ok") & (records["mode"] == mode)]
    return records.pivot_table(index=SIZE, columns="implementation", values=column).astype(float)


def geometric(values: pd.Series) -> float:
    """Return the geometric mean."""
    return math.exp(np.log(values.to_numpy()).mean())


def largest(values: pd.Series) -> tuple[int, ...]:
    """Return the workload at which they are largest."""
    return tuple(map(int, values.idxmax()))


def all_speed_goals(records: pd.DataFrame) -> Iterator[Goal]:
    """Yield the goals of time, of a run of the eight workloads."""
    for mode in ("training", "inference"):
        ratios = table(records, "ratio", mode)
        if set(EIGHT) <= set(ratios.index):
            yield from speed_goals(mode, ratios, ratios.div(ratios["torch.nn"].fillna(1.0), axis=0))


def speed_goals(mode: str, ratios: pd.DataFrame, over_nn: pd.DataFrame) -> Iterator[Goal]:
    """Yield those of one mode."""
    training = mode == "training"
    fused = over_nn["torch.fused"]
    yield Goal(
        f"torch.fused over torch.nn, {mode}, geometric mean",
        geometric(fused),
        0.85 if training else 1.0,
    )
    yield Goal(
        f"torch.fused over torch.nn, {mode}, at {largest(fused)}",
        fused.max(),
        1.05 if training else 1.15,
    )
    over_jax = ratios["jax.fused"] / ratios[JAX_PEERS].min(axis=1)
    peers = f"the best of {', '.join(JAX_PEERS)}"
    yield Goal(
        f"jax.fused over {peers}, {mode}, geometric mean",
        geometric(over_jax),
        0.7 if training else 0.8,
    )
    yield Goal(f"jax.fused over {peers}, {mode}, at {largest(over_jax)}", over_jax.max(), 1.0)
    if training:
        yield Goal(
            "jax.fused over torch.nn, training, geometric mean",
            geometric(over_nn["jax.fused"]),
            1.0,
        )
    for name, most in (("numpy.fused", 3.5), ("numpy.numba", 1.2)):
        if name in over_nn:
            found = over_nn[name]
            yield Goal(f"{name} over torch.nn, {mode}, at {largest(found)}", found.max(), most)
    for size in LARGE if "numpy.fused" in over_nn else []:
        found = over_nn["numpy.fused"][size]
        yield Goal(
            f"numpy.fused over torch.nn, {mode}, at {size}", found, 1.0 if training else 1.25
        )


def roofline_goals(records: pd.DataFrame) -> Iterator[Goal]:
    """Yield the goals of the share of the machine's rate of products, for the sizes of a run."""
    found = table(records, "roofline_fraction", "training")
    for size in (size for size in SHARES if size in found.index):
        ours = found[OURS].loc[size]
        what = f"share of the rate of products, training, {size}, {ours.idxmax()}"
        yield Goal(what, ours.max(), SHARES[size], at_least=True)


def beyond_gradients(records: pd.DataFrame) -> pd.DataFrame:
    """Return what training allocates beyond inputs, weights and gradients."""
    allocated = table(records, "allocated_bytes", "training")
    gradients = [4 * (T * B * H + 4 * H * (2 * H + 1) + 2 * B * H) for B, T, H in allocated.index]
    return allocated.sub(gradients, axis=0)


def memory_goals(records: pd.DataFrame) -> Iterator[Goal]:
    """Yield the goals of memory, of a run that has those lengths."""
    found = beyond_gradients(records)
    for size in (size for size in found.index if size[1] == 1000):
        quotient = found["torch.fused"][size] / found["torch.nn"][size]
        yield Goal(f"memory of torch.fused over torch.nn at {size}", quotient, 0.7)
    for size in (size for size in found.index if size[1] == 4096):
        quotient = found["torch.recompute"][size] / found["torch.nn"][size]
        yield Goal(f"memory of torch.recompute over torch.nn at {size}", quotient, 0.25)
        times = table(records, "ratio", "training").loc[size]
        quotient = times["torch.recompute"] / times["torch.fused"]
        yield Goal(f"time of torch.recompute over torch.fused at {size}", quotient, 1.35)


def growth_goals(records: pd.DataFrame) -> Iterator[Goal]:
    """Yield how far from linear in T time and memory grow, and what jax compiles, of a run that has
    the longest T.

    Growth is the exponent of a power law through all lengths.
    """
    if LONGEST not in table(records, "time_median_s", "inference").index.get_level_values(
        "seq_len"
    ):
        return
    grown = {
        f"time, {mode}": table(records, "time_median_s", mode) for mode in ("inference", "training")
    }
    for what, amounts in (
        *grown.items(),
        ("memory beyond gradients, training", beyond_gradients(records)),
    ):
        found = amounts.reset_index()
        steps = np.log(found["seq_len"].to_numpy())
        for name in (name for name in (*OURS, "jax.scan") if name in found):
            known = found[name].notna().to_numpy()
            exponent = np.polyfit(steps[known], np.log(found[name].to_numpy()[known]), 1)[0]
            yield Goal(
                f"{what}, {name}: distance of the exponent, {exponent:.3f}, from 1",
                abs(exponent - 1),
                0.1,
            )
    for mode in ("inference", "training"):
        first = table(records, "compile_s", mode).droplevel(["batch_size", "hidden_size"])
        for name in ("jax.scan", "jax.fused"):
            quotient = first[name][LONGEST] / first[name][64]
            yield Goal(f"compile time of {name}, {mode}, T = {LONGEST} over T = 64", quotient, 1.5)


def main() -> int:
    """Print every goal."""
    missed = 0
    for run in map(Path, sys.argv[1:]):
        print(run.name)
        records = read_results(run)
        for goal in (
            *all_speed_goals(records),
            *roofline_goals(records),
            *memory_goals(records),
            *growth_goals(records),
        ):
            missed += not goal.reached
            sign = ">=" if goal.at_least else "<="
            print(
                f"  {'reached' if goal.reached else 'MISSED '}  {goal.figure:7.3f} {sign} "
                f"{goal.limit:<5} {goal.what}"
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
