"""Show why no two frameworks share a timed process: time both ways.

Each framework has a pool of threads for all cores, its default. In one process the idle threads of
one pool spin for a while, waiting for the next call, on the cores that the other pool needs. The
processes of a run avoid that: each has one framework, and the next one begins when its threads are
idle.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.measure.inputs import write_inputs
from lstmbench.measure.process.available_resources import available_cores
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.suites.case import Workload

SEPARATE, SHARED = "one each", "one for all"
"""The values of the column ``processes``."""
DEFAULT = Workload("inference", 16, 100, 256, 256, threads=available_cores())
"""Where nn.LSTM was seen to take 6 to 12 ms alone, and 94 to 450 ms in a shared process."""


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
        workload: the sizes and the number of threads.
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
    with (
        tempfile.TemporaryDirectory(prefix="lstmbench-") as scratch,
        WorkerPool(Path(scratch)) as pool,
    ):
        inputs = pool.scratch / "inputs.npz"
        write_inputs(workload, 0, inputs)
        case = {"workload": workload, "inputs": str(inputs), "calls": calls}
        for repeat in range(repeats):
            for group in (*([name] for name in names), [*names]):
                try:
                    with pool.running_worker(group[0], workload, fresh=True) as worker:
                        times = worker.request("alternate", timeout_s, names=group, **case)
                except LstmbenchError as error:
                    label = " and ".join(group)
                    raise LstmbenchError(f"{label} could not be timed: {error}") from None
                kind = SHARED if len(group) > 1 else SEPARATE
                for name, seconds in times.items():
                    rows += [(name, kind, repeat, call, s) for call, s in enumerate(seconds)]
    return pd.DataFrame(rows, columns=["implementation", "processes", "repeat", "call", "seconds"])
