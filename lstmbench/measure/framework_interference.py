"""Show why no two frameworks share a timed process: time both ways.

Both frameworks have their default settings, each with a pool of threads for all cores, as in a
script. In one process the idle threads of one pool spin for a while, waiting for the next call, on
the cores that the other pool needs. The workers of a run avoid that: each has one framework, and
the next one begins when its threads are idle.

Run as a module, it is such a script: it times the implementations that its argument names.
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
from lstmbench.measure.inputs import write_inputs
from lstmbench.measure.process.available_resources import available_cores
from lstmbench.measure.process.prepared_case import PreparedCase
from lstmbench.measure.process.worker_environment import pythonpath_variable
from lstmbench.measure.suites.case import Workload

SEPARATE, SHARED = "one each", "one for all"
"""The values of the column ``processes``."""
DEFAULT = Workload("inference", 16, 100, 256, 256, threads=available_cores())
"""Where nn.LSTM was seen to take 6 to 12 ms alone, and 94 to 450 ms in a shared process."""
WARM_UP = 3


def measure_interference(
    names: Sequence[str] = ("torch.nn", "jax.scan"),
    workload: Workload = DEFAULT,
    *,
    calls: int = 10,
    repeats: int = 2,
    timeout_s: float = 300.0,
) -> pd.DataFrame:
    """Time implementations in a process each, and alternating in one process.

    Args:
        names: implementations of different frameworks.
        workload: the sizes; the number of threads is each framework's default.
        calls: the number of timed calls of each in a process.
        repeats: the number of processes of each kind.
        timeout_s: the maximum time of a process.

    Returns:
        One row per call: ``implementation``, ``processes`` (``one each`` or ``one for all``),
        ``repeat``, ``call``, ``seconds``.

    Raises:
        LstmbenchError: if an implementation cannot run here.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="lstmbench-") as scratch:
        inputs = Path(scratch) / "inputs.npz"
        write_inputs(workload, 0, inputs)
        for repeat in range(repeats):
            for group in (*((name,) for name in names), tuple(names)):
                kind = SHARED if len(group) > 1 else SEPARATE
                times = _time_in_process(group, workload, inputs, calls, timeout_s)
                for name, seconds in times.items():
                    rows += [(name, kind, repeat, call, s) for call, s in enumerate(seconds)]
    return pd.DataFrame(rows, columns=["implementation", "processes", "repeat", "call", "seconds"])


def _time_in_process(
    names: Sequence[str], workload: Workload, inputs: Path, calls: int, timeout_s: float
) -> dict[str, list[float]]:
    """Start a new interpreter that runs ``main``; return the seconds of each call, by name."""
    arguments = json.dumps([list(names), vars(workload), str(inputs), calls])
    command = [sys.executable, "-P", "-m", __spec__.name, arguments]
    environment = os.environ | pythonpath_variable()
    label = " and ".join(names)
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise LstmbenchError(f"{label} took more than {timeout_s:.0f} s.") from None
    if done.returncode != 0:
        last_line = (done.stderr.strip().splitlines() or ["it printed no error"])[-1]
        raise LstmbenchError(f"{label} could not be timed: {last_line}")
    times: dict[str, list[float]] = json.loads(done.stdout.strip().splitlines()[-1])
    return times


def main(names: list[str], workload: dict[str, object], inputs: str, calls: int) -> None:
    """Time alternating calls in this process, and print the seconds of each, by name, as JSON."""
    with ExitStack() as scope:
        cases = {
            name: PreparedCase(name, Workload(**workload), Path(inputs), scope)  # type: ignore[arg-type]
            for name in names
        }
        for case in cases.values():
            for _ in range(WARM_UP):
                case.run(1)
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(calls):
            for name, case in cases.items():
                seconds[name] += case.samples(0.0)
    sys.stdout.write(json.dumps(seconds) + "\n")


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
