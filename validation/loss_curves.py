"""Do the frameworks learn the same in float32? Their loss curves from one seed, beside the spread
over the seeds.

    python validation/loss_curves.py results/RUN [RUN ...]

From one seed all implementations have the same initial weights and batches; what they differ by is
rounding, which grows as they learn. Per task: the distance between the implementations of one seed
as a share of that between the seeds of one implementation (the mean over implementations), its
median and largest over epochs and seeds, and how often it is at most 1. Both distances are from the
least to the most, so that implementations whose curves had come apart altogether, as if they were
other seeds, would stay below 1 where there are more seeds than implementations. The last column is
how often it is at most 1 in the epochs that end within 200 updates.
"""

import sys

import numpy as np
import pandas as pd

from lstmbench.results.store import read_samples


def shares(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return, by epoch and seed of one task, the distance within the seed as a share of that
    between seeds.
    """
    losses = (
        epochs.pivot_table(index="round", columns=["implementation", "seed"], values="loss")
        .astype(float)
        .dropna()
    )
    within, between = (
        (losses.T.groupby(level=level).max() - losses.T.groupby(level=level).min()).T
        for level in ("seed", "implementation")
    )
    return within.div(between.mean(axis=1), axis=0)


def main(runs: list[str]) -> None:
    """Print a line for each task of each run."""
    print(
        "| run | task | epochs | closer than seeds | median share | largest share | closer in 200 updates |"
    )
    print("| :-- | :-- | --: | --: | --: | --: | --: |")
    for run in runs:
        samples = read_samples(run)
        for task, epochs in samples[samples["cell"] == "lstm"].groupby("task", sort=False):
            share = shares(epochs).to_numpy()
            early = shares(epochs[epochs["updates"] <= 200]).to_numpy()
            closer, at_first = (
                f"{(each <= 1).mean():.0%}" if len(each) else "" for each in (share, early)
            )
            told = [
                run,
                task,
                len(share),
                closer,
                f"{np.median(share):.2g}",
                f"{share.max():.2g}",
                at_first,
            ]
            print(f"| {' | '.join(map(str, told))} |")


if __name__ == "__main__":
    main(sys.argv[1:])
