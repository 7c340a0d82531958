"""Compare ways to take turns, by the spread of the ratio that each of them gives at equal time.

    python validation/noise_schemes.py [--shape T B I H] [--replicates 10] [--seconds 0.5]
        [--processes 3] [--busy N] [--out samples.csv]

Every replicate starts new processes. In each process all schemes run, in random order and for the
same time, so schemes differ in nothing else. The schemes:

    rounds 20 ms       random order in every round, turns of 20 ms (what version 0.1 did)
    rounds 4 ms        the same with turns of 4 ms
    palindrome 4 ms    a random order, then its reverse (A B C C B A); bound: what a run does
    pairs 4 ms         the reference around each candidate, A B B A (the reference costs twice)

Each runs with free workers and with workers bound to one core. The reference runs twice, under two
names, so its own ratio (A/A) shows the noise alone. The estimators are the mean, the trimmed mean,
the median and the Hodges-Lehmann estimate of the log ratios of a round. Printed for each scheme and
estimator: the standard deviation over the replicates, in percent, for A/A and for real pairs.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from processes import busy_neighbours
from scipy.stats import trim_mean

from lstmbench.measure.process.available_resources import available_cores
from lstmbench.measure.process.forkserver import Worker
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.statistics import location
from lstmbench.measure.suites.case import Workload

TIMEOUT_S = 120.0
Order = Callable[[list[int], random.Random], list[int]]


def shuffled(cases: list[int], generator: random.Random) -> list[int]:
    """Return the cases in random order."""
    return generator.sample(cases, len(cases))


def palindrome(cases: list[int], generator: random.Random) -> list[int]:
    """Return the cases in random order, then in its reverse."""
    order = shuffled(cases, generator)
    return order + order[::-1]


def pairs(cases: list[int], generator: random.Random) -> list[int]:
    """Return reference, candidate, candidate, reference for each candidate, or the opposite."""
    turns: list[int] = []
    for candidate in shuffled(cases[1:], generator):
        turns += generator.choice([[0, candidate, candidate, 0], [candidate, 0, 0, candidate]])
    return turns


SCHEMES: dict[str, tuple[Order, float]] = {
    "rounds 20 ms": (shuffled, 0.020),
    "rounds 4 ms": (shuffled, 0.004),
    "palindrome 4 ms": (palindrome, 0.004),
    "pairs 4 ms": (pairs, 0.004),
}


ESTIMATORS: dict[str, Callable[[pd.Series], float]] = {
    "mean": lambda values: float(np.mean(values)),
    "trimmed mean": lambda values: float(trim_mean(values, 0.1)),
    "median": lambda values: float(np.median(values)),
    "Hodges-Lehmann": lambda values: location(np.exp(values.to_numpy())),
}


def log_ratios(rounds: Sequence[Sequence[tuple[int, float]]], case: int) -> np.ndarray:
    """Return one log ratio of a case to the reference for each round that holds both.

    Args:
        rounds: turns in order, as (case, seconds a call).
        case: its number; the reference is case 0.
    """
    ratios = []
    for turns in rounds:
        own = [k for k, (number, _) in enumerate(turns) if number == case]
        if not own:
            continue
        near = [k for k, (number, _) in enumerate(turns) if number == 0]
        # The reference's turns nearest to the candidate's: in A B B A those of the same block
        near = sorted(near, key=lambda k: min(abs(k - other) for other in own))[: len(own)]
        mean = [np.mean([np.log(turns[k][1]) for k in chosen]) for chosen in (own, near)]
        ratios.append(mean[0] - mean[1])
    return np.array(ratios)


def run_scheme(
    workers: list[Worker], name: str, seconds: float, generator: random.Random
) -> list[list[tuple[int, float]]]:
    """Take turns for so many seconds a case; return the rounds."""
    order, turn_s = SCHEMES[name]
    end = time.perf_counter() + seconds * len(workers)
    rounds: list[list[tuple[int, float]]] = []
    while len(rounds) < 3 or time.perf_counter() < end:
        turns = []
        for case in order(list(range(len(workers))), generator):
            answer = workers[case].request("measure", TIMEOUT_S, turn_s=turn_s)
            turns.append((case, float(np.median(np.abs(answer["seconds"])))))
        rounds.append(turns)
    return rounds


def start_workers(
    pool: WorkerPool, names: list[str], workload: Workload, inputs: Path
) -> Iterator[Worker]:
    """Start a process for each case, and warm it up."""
    for name in names:
        worker = pool.worker(name, workload)
        worker.request(
            "prepare",
            TIMEOUT_S,
            implementation=name,
            workload=workload,
            inputs=str(inputs),
        )
        worker.request("check_accuracy", TIMEOUT_S)
        worker.request("warm_up", TIMEOUT_S, turn_s=0.020)
        yield worker


def bind(workers: list[Worker], core: int | None) -> None:
    """Bind every thread of the workers to one core, or to none."""
    cores = list(range(available_cores())) if core is None else [core]
    for worker in workers:
        worker.request("bind", TIMEOUT_S, cores=cores)


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """Return one row for each log ratio: replicate, process, scheme, bound, case, value."""
    T, B, I, H = options.shape  # noqa: E741 - the letters of the equations
    workload = Workload(
        mode=options.mode, batch_size=B, seq_len=T, input_size=I, hidden_size=H, dtype="float32"
    )
    names = [options.implementations[0], *options.implementations]
    generator, rows = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as scratch, WorkerPool(Path(scratch)) as pool:
        inputs = Path(scratch) / "inputs.npz"
        pool.write_inputs(workload, options.seed, inputs, TIMEOUT_S)
        for replicate in range(options.replicates):
            for process in range(options.processes):
                workers = list(start_workers(pool, names, workload, inputs))
                runs = [(name, bound) for name in SCHEMES for bound in (False, True)]
                for scheme, bound in generator.sample(runs, len(runs)):
                    bind(workers, available_cores() - 1 if bound else None)
                    seconds = options.seconds / options.processes
                    rounds = run_scheme(workers, scheme, seconds, generator)
                    for case, name in enumerate(names[1:], start=1):
                        kind = "A/A" if name == names[0] else "real"
                        rows += [
                            (replicate, process, scheme, bound, kind, name, value)
                            for value in log_ratios(rounds, case)
                        ]
                for worker in workers:
                    worker.kill()
            print(f"replicate {replicate + 1} of {options.replicates}", file=sys.stderr)
    columns = ["replicate", "process", "scheme", "bound", "kind", "implementation", "log_ratio"]
    return pd.DataFrame(rows, columns=columns)


def spreads(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the spread of each estimate over the replicates, in percent, the median over cases."""
    rows = []
    for name, estimate in ESTIMATORS.items():
        keys = ["scheme", "bound", "kind", "implementation", "replicate"]
        estimates = samples.groupby(keys)["log_ratio"].agg(estimate)
        deviation = estimates.groupby(keys[:-1]).std() * 100
        rows.append(deviation.groupby(keys[:-2]).median().rename(name))
    table = pd.concat(rows, axis=1).unstack("kind")
    return table.reindex(list(SCHEMES), level="scheme")


def main() -> None:
    """Measure, print the table, keep the samples."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", type=int, nargs=4, default=[64, 4, 64, 64])
    parser.add_argument("--mode", default="inference", choices=["inference", "training"])
    parser.add_argument(
        "--implementations",
        nargs="+",
        default=["torch.nn", "torch.fused", "numpy.fused", "torch.recompute", "jax.scan"],
        help="the first is the reference",
    )
    parser.add_argument("--replicates", type=int, default=10)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each case and scheme")
    parser.add_argument("--busy", type=int, default=0, help="busy neighbours to start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep all log ratios in this CSV file")
    options = parser.parse_args()
    with busy_neighbours(options.busy):
        samples = measure(options)
    if options.out:
        samples.to_csv(options.out, index=False)
    print(spreads(samples).round(2).to_string())


if __name__ == "__main__":
    main()
