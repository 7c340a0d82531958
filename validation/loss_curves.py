"""Compare the loss curves of the frameworks in float32 with the spread over seeds.

    python validation/loss_curves.py results/RUN [RUN ...]

From one seed all implementations have the same initial weights and batches; they differ by
rounding, which grows during training. Per task: the distance between the implementations of one
seed as a fraction of that between the seeds of one implementation (mean over implementations), its
median and maximum over epochs and seeds, and how often it is at most 1. Both distances are from
minimum to maximum, so implementations whose curves had separated completely would still be below 1
if there are more seeds than implementations. The last column is limited to epochs within 200
updates.
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
        "| run | task | epochs | closer than seeds | median share | largest share "
        "| closer in 200 updates |"
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
            cells = [
                run,
                task,
                len(share),
                closer,
                f"{np.median(share):.2g}",
                f"{share.max():.2g}",
                at_first,
            ]
            print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main(sys.argv[1:])
