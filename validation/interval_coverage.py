"""How often intervals hold the truth, and how wide they are, on simulated runs of a workload.

    python validation/interval_coverage.py [--runs 1000]

Each run has cases that share the noise of one reference. A process shifts a case by Student noise
with five degrees of freedom, whose size differs from case to case; rounds add noise with three
degrees, and a slow drift (autocorrelation 0.5). Sizes are those of committed samples: up to 5 %
between processes, 8 to 15 % between rounds. Printed: for Student's interval and for the moderated
one of ``lstmbench.measure.statistics``, how many hold the truth, and the median half-width.
"""

import argparse
import math

import numpy as np
import pandas as pd

from lstmbench.measure.statistics import NO_PRIOR, process_interval, variance_prior

BETWEEN = {"none": [0.0], "up to 5 %": [0.0, 0.01, 0.03, 0.05], "up to 10 %": [0.0, 0.03, 0.10]}
WITHIN = [0.08, 0.10, 0.15]
DRIFT = 0.5


def heavy(generator: np.random.Generator, freedom: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return Student noise of variance one."""
    return generator.standard_t(freedom, shape) / math.sqrt(freedom / (freedom - 2))


def simulate(
    generator: np.random.Generator, cases: int, processes: int, rounds: int, between: list[float]
) -> list[list[np.ndarray]]:
    """Return the ratios of each case, one array per process; the truth is 1."""

    def times(count: int) -> np.ndarray:
        levels = generator.choice(between, (count, 1, 1)) * heavy(
            generator, 5, (count, processes, 1)
        )
        noise = heavy(generator, 3, (count, processes, rounds + 1))
        noise = noise[..., 1:] * math.sqrt(1 - DRIFT**2) + DRIFT * noise[..., :-1]
        return levels + generator.choice(WITHIN, (count, 1, 1)) * noise

    return [list(np.exp(case)) for case in times(cases) - times(1)]


def main() -> None:
    """Simulate, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000, help="for each line of the table")
    options = parser.parse_args()
    rows = []
    for name, between in BETWEEN.items():
        for processes in (2, 3, 5, 8):
            generator, found = np.random.default_rng(0), []
            for _ in range(options.runs):
                run = simulate(generator, 7, processes, 7, between)
                prior = variance_prior(run)
                for groups in run:
                    for method, used in (("Student", NO_PRIOR), ("moderated", prior)):
                        interval = process_interval(groups, used)
                        holds = interval.low <= 1 <= interval.high
                        half = math.log(interval.high / interval.low) / 2
                        found.append((method, 100 * holds, 100 * half))
            table = pd.DataFrame(found, columns=["method", "holds, %", "half-width, %"])
            summary = table.groupby("method", sort=False).agg(
                {"holds, %": "mean", "half-width, %": "median"}
            )
            rows.append(summary.assign(between=name, processes=processes).reset_index())
    result = pd.concat(rows).set_index(["between", "processes", "method"]).unstack("method")
    print(result.round(1).to_string())


if __name__ == "__main__":
    main()
