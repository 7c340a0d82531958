"""Do the frameworks learn the same in float32? Their loss curves from one seed, beside the spread over the seeds.

    python benchmarks/loss_curves.py results/RUN [RUN ...]

From one seed all implementations have the same initial weights and batches; what they differ by is rounding, which
grows as they learn. Per task, over the epochs: in how many the implementations of every seed lie closer together than
the seeds do; and the largest distance between implementations as a share of that between seeds, median and largest.
"""

import sys

import pandas as pd

from lstmbench.results.store import read_samples


def spreads(epochs: pd.DataFrame) -> pd.Series:
    """Return, for each epoch of one task, the largest distance within a seed as a share of that between seeds."""
    losses = epochs.pivot_table(index="round", columns=["seed", "implementation"], values="loss").astype(float).dropna()
    seeds = losses.columns.get_level_values("seed").unique()
    within = pd.concat([losses[seed].max(axis=1) - losses[seed].min(axis=1) for seed in seeds], axis=1).max(axis=1)
    means = pd.concat([losses[seed].mean(axis=1) for seed in seeds], axis=1)
    return within / (means.max(axis=1) - means.min(axis=1))


def main(runs: list[str]) -> None:
    """Print a line for each task of each run."""
    print("| run | task | epochs | closer than seeds | median share | largest share |")
    print("| :-- | :-- | --: | --: | --: | --: |")
    for run in runs:
        samples = read_samples(run)
        for task, epochs in samples[samples["cell"] == "lstm"].groupby("task", sort=False):
            share = spreads(epochs)
            closer = f"{(share <= 1).mean():.0%}"
            print(f"| {run} | {task} | {len(share)} | {closer} | {share.median():.2g} | {share.max():.2g} |")


if __name__ == "__main__":
    main(sys.argv[1:])
