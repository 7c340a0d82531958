"""Measure what sequences of different lengths cost, relative to the padded run.

    python validation/variable_lengths.py [--rounds 20] [--processes 3]
        [--only numpy.fused jax.scan] [--limit 1.15]

Each implementation runs in new processes with one thread, on its own arrays, without conversions.
In each round the two runs take turns in random order, and their ratio is taken; printed are the
median of the ratios and their quartiles. Several processes are used, since memory layout differs
between them. ``nn.LSTM`` with a PackedSequence is shown too, without a limit. Lengths are uniform
from 1 to T; the longest is T. Exit code 0 if no other median is above the limit.
"""

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

LIMIT = 1.15
OURS = ("numpy.fused", "torch.fused", "jax.fused", "jax.scan")
BESIDE = ("torch.nn",)
SHAPES = ((64, 8, 64, 64), (256, 16, 64, 64), (256, 16, 256, 256))  # T, B, I, H
STACKS = ((1, False), (2, True))  # layers, both directions
MODES = ("inference", "training")
SAMPLE_S = 0.02
"""As long as a turn of the harness, and like there each begins untimed: what the other run evicted
comes back first.
"""


def seconds(call: Callable[[], Any], calls: int) -> float:
    """Return the seconds that so many calls take together."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def ratios(case: dict[str, Any], rounds: int) -> list[float]:
    """Return the ratio of each round, in this process."""
    import numpy as np

    import lstmbench as lb

    T, B, features, H = case["shape"]
    layers, bidirectional = case["stack"]
    params = lb.StackParams.init(features, H, layers, bidirectional)
    stack = lb.load(case["implementation"], params)
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, T + 1, B)
    lengths[0] = T
    directions = params.num_directions
    outputs, states = (T, B, directions * H), (layers * directions, B, H)
    training = case["mode"] == "training"
    shapes = [(T, B, features), states, states, *([outputs, states, states] * training)]
    native = stack.implementation.forward_backward if training else stack.implementation.forward
    with stack.framework.scope():
        arrays = [stack.framework.from_numpy(generator.standard_normal(shape)) for shape in shapes]
        padded, varied = (
            lambda given=given: stack.framework.synchronize(native(*arrays, given))  # type: ignore[misc]
            for given in (None, lengths)
        )
        for _ in range(3):
            padded(), varied()
        calls = max(1, round(SAMPLE_S / min(seconds(padded, 1) for _ in range(3))))
        found = []
        for _ in range(rounds):
            pair = [padded, varied]
            random.shuffle(pair)
            taken = {call: seconds(call, 1 + calls // 5) and seconds(call, calls) for call in pair}
            found.append(taken[varied] / taken[padded])
    return found


def in_new_process(
    implementation: str, cases: list[dict[str, Any]], rounds: int, layout: int
) -> list[list[float]]:
    """Run ``ratios`` for all cases of one implementation in a new interpreter with one thread."""
    from lstmbench.measure.process.worker_environment import worker_environment

    command = [sys.executable, __file__, "--rounds", str(rounds), "--child", json.dumps(cases)]
    environment = worker_environment(1, "cpu", layout)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{implementation} failed with exit code {done.returncode}")
    return json.loads(done.stdout)


def main() -> int:
    """Measure all cases, and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[*OURS, *BESIDE])
    parser.add_argument("--limit", type=float, default=LIMIT)
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        print(json.dumps([ratios(case, options.rounds) for case in json.loads(options.child)]))
        return 0

    print(f"one thread, float32, {options.processes} processes of {options.rounds} rounds")
    print("median [quartiles] of the time with lengths / padded")
    worst = 0.0
    for name in options.only:
        keys = ("implementation", "shape", "stack", "mode")
        cases = [
            dict(zip(keys, each, strict=True))
            for each in itertools.product([name], SHAPES, STACKS, MODES)
        ]
        runs = [
            in_new_process(name, cases, options.rounds, layout)
            for layout in range(options.processes)
        ]
        for case, *found in zip(cases, *runs, strict=True):
            low, median, high = statistics.quantiles(itertools.chain(*found), n=4)
            verdict = (
                "      " if name in BESIDE else "ok    " if median <= options.limit else "ABOVE "
            )
            worst = worst if name in BESIDE else max(worst, median)
            (T, B, features, H), (layers, both) = case["shape"], case["stack"]
            sizes = f"T={T:<4} B={B:<3} I={features:<4} H={H:<4} L={layers} D={1 + both}"
            print(
                f"{verdict}{name:12} {case['mode']:9} {sizes} "
                f"{median:7.3f} [{low:.3f}, {high:.3f}]",
                flush=True,
            )
    print(f"the largest median of ours is {worst:.3f}; the limit is {options.limit}")
    return 0 if worst <= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
