"""Why no two frameworks share a process that is timed: the same calls, each in a process of its
own, and all in one.

This is how a script would do it: with the settings that the frameworks have by themselves, each
with a pool of threads for all cores. In one process the threads of a pool that has nothing to do
keep its cores, waiting for the next call,
while the other pool wants them: what is timed is then no longer the implementation. A worker has
one framework, and the next one's turn begins when its threads rest (see ``worker.respond``); here
they are not used.

Run as a module it is such a script, and prints what it timed.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.measure.inputs import write_with_answers
from lstmbench.measure.process.available_resources import available_cores
from lstmbench.measure.process.prepared_case import PreparedCase
from lstmbench.measure.process.worker_environment import pythonpath_variable
from lstmbench.measure.suites.case import Workload

APART, TOGETHER = "one each", "one for all"
DEFAULT = Workload(
    "inference",
    batch_size=16,
    seq_len=100,
    input_size=256,
    hidden_size=256,
    threads=available_cores(),
)
WARM_UP = 3


def together(
    names: Sequence[str] = ("torch.nn", "jax.scan"),
    workload: Workload = DEFAULT,
    *,
    calls: int = 10,
    repeats: int = 2,
    timeout_s: float = 300.0,
) -> pd.DataFrame:
    """Time implementations, each alone in a process, and all of them in one process, where they
    take turns.

    Args:
        names: implementations of different frameworks.
        workload: the sizes; the threads are what the frameworks take.
        calls: how often each is called in a process.
        repeats: how many processes there are of each kind.
        timeout_s: how long a process may take.

    Returns:
        One row per call: ``implementation``, ``processes`` (``one each`` or ``one for all``),
        ``repeat``, ``call``, ``seconds``.

    Raises:
        LstmbenchError: if an implementation cannot run here.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="lstmbench-") as scratch:
        inputs = Path(scratch) / "inputs.npz"
        write_with_answers(workload, 0, inputs)
        for repeat in range(repeats):
            for several in (*((name,) for name in names), tuple(names)):
                kind = TOGETHER if len(several) > 1 else APART
                for name, times in _in_one_process(
                    several, workload, inputs, calls, timeout_s
                ).items():
                    rows += [
                        (name, kind, repeat, call, seconds) for call, seconds in enumerate(times)
                    ]
    return pd.DataFrame(rows, columns=["implementation", "processes", "repeat", "call", "seconds"])


def _in_one_process(
    names: Sequence[str], workload: Workload, inputs: Path, calls: int, timeout_s: float
) -> dict[str, list[float]]:
    """Start a new interpreter that times these implementations."""
    asked = {
        "names": list(names),
        "workload": vars(workload),
        "inputs": str(inputs),
        "calls": calls,
    }
    command = [
        sys.executable,
        "-P",
        "-m",
        "lstmbench.measure.framework_interference",
        json.dumps(asked),
    ]
    environment = dict(os.environ) | pythonpath_variable()
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise LstmbenchError(f"{' and '.join(names)} took more than {timeout_s:.0f} s.") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LstmbenchError(f"{' and '.join(names)} could not be timed: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _time(
    names: Sequence[str], workload: Workload, inputs: Path, calls: int
) -> dict[str, list[float]]:
    """Time calls of these implementations, in turn, in this process."""
    with ExitStack() as scope:
        held = {name: PreparedCase(name, workload, inputs, scope) for name in names}
        for each in held.values():
            for _ in range(WARM_UP):
                each.run(1)
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(calls):
            for name, each in held.items():
                seconds[name] += each.samples(0.0)
    return seconds


def main() -> None:
    """Do what the only argument asks for, as JSON, and print what was timed."""
    asked = json.loads(sys.argv[1])
    found = _time(
        asked["names"], Workload(**asked["workload"]), Path(asked["inputs"]), asked["calls"]
    )
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
