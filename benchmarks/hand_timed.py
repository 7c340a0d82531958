"""Hold the ratios of a run against a plain check by hand: a loop, a clock, one new interpreter per implementation.

    python benchmarks/hand_timed.py results/RUN [--rows 12] [--processes 5]

Nothing of the harness is used but the inputs' form and the thread settings. Implementation and reference take turns
(A B, B A, A B, ...), each in a process of its own; the ratio by hand is the median of the ratios of these pairs, with
an interval of its own, since it is noisy too. Printed are the rows whose ratio by hand lies within the interval that
the table prints, and those where the two intervals overlap. Exit code 0 if the latter are at least nine in ten.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from typing import Any

CALL_FOR_S = 0.3
AGREE = 0.9


def time_by_hand(case: dict[str, Any]) -> float:
    """Return the median seconds of a call, in this process."""
    import lstmbench as lb
    from lstmbench.measure.case import Workload
    from lstmbench.measure.inputs import INFERENCE, TRAINING, WEIGHTS, draw

    workload = Workload(**case["workload"])
    arrays = draw(workload, seed=random.randrange(2**31))
    params = lb.LSTMParams(*(arrays[name] for name in WEIGHTS))
    lstm = lb.load(case["implementation"], params, dtype=workload.dtype)
    training = workload.mode == "training"
    call = lstm.implementation.forward_backward if training else lstm.implementation.forward
    names = TRAINING if training else INFERENCE
    with lstm.framework.scope():
        arguments = [lstm.framework.from_numpy(arrays[f"{name}0"]) for name in names]
        for _ in range(3):
            lstm.framework.synchronize(call(*arguments))
        seconds: list[float] = []
        while sum(seconds) < CALL_FOR_S or len(seconds) < 3:
            start = time.perf_counter()
            lstm.framework.synchronize(call(*arguments))
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def in_new_process(implementation: str, workload: dict[str, Any], layout: int) -> float:
    """Run ``time_by_hand`` in a new interpreter, on the workload's number of threads."""
    from lstmbench.measure.environment import worker_environment

    case = json.dumps({"implementation": implementation, "workload": workload})
    environment = worker_environment(workload["threads"], workload["device"], layout)
    command = [sys.executable, __file__, "--child", case]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> int:
    """Check some rows of a run, and print each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        print(time_by_hand(json.loads(options.child)))
        return 0

    from dataclasses import fields

    import numpy as np

    import lstmbench as lb
    from lstmbench.measure.case import Workload
    from lstmbench.measure.statistics import median_interval

    records = lb.read_results(options.folder)
    rows = records[(records["status"] == "ok") & (records["implementation"] != records["ratio_to"])]
    chosen = rows.sample(min(options.rows, len(rows)), random_state=options.seed)
    within = agreed = 0
    for _, row in chosen.iterrows():
        workload = {field.name: row[field.name] for field in fields(Workload)}
        workload = {name: value if isinstance(value, str) else int(value) for name, value in workload.items()}
        ratios = []
        for k in range(options.processes):
            pair = [row["implementation"], row["ratio_to"]]
            order = pair if k % 2 == 0 else pair[::-1]
            seconds = {name: in_new_process(name, workload, layout=k) for name in order}
            ratios.append(seconds[pair[0]] / seconds[pair[1]])
        by_hand = median_interval([np.array([ratio]) for ratio in ratios])
        agrees = by_hand.low <= row["ratio_high"] and row["ratio_low"] <= by_hand.high
        inside = row["ratio_low"] <= by_hand.median <= row["ratio_high"]
        agreed, within = agreed + agrees, within + inside
        where = f"{row['implementation']:16} {row['mode']:9} T={workload['seq_len']:<5} H={workload['hidden_size']:<4}"
        hand = f"{by_hand.median:6.3f} [{by_hand.low:.3f}, {by_hand.high:.3f}]"
        table = f"{row['ratio']:6.3f} [{row['ratio_low']:.3f}, {row['ratio_high']:.3f}]"
        verdict = "within  " if inside else "overlaps" if agrees else "DIFFERS "
        print(f"{verdict} {where} by hand {hand}, table {table}")
    print(f"of {len(chosen)} rows, {within} lie within the table's interval; at {agreed} the two intervals overlap")
    return 0 if agreed >= AGREE * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
