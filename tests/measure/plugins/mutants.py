"""A plug-in of implementations that misbehave, each in one way. In the tests, workers find it
through PYTHONPATH.

They go wrong only in the worker: an import of this module in the parent is as harmless as that of
any other plug-in.
"""

import ctypes
import hashlib
import json
import math
import os
import signal
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lstmbench.core.registry import register
from lstmbench.variants.numpy_fused import NumpyFused


class _Mutant:
    """Honest arithmetic, with a place before and after it to go wrong."""

    def __init__(self, params: Any, framework: Any) -> None:
        self.inner = NumpyFused(params, framework)
        self.calls = 0

    def forward(self, x: Any, h0: Any, c0: Any) -> Any:
        self.calls += 1
        self.before(x)
        return self.after(self.inner.forward(x, h0, c0))

    def forward_backward(self, x: Any, h0: Any, c0: Any, dy: Any, dh: Any, dc: Any) -> Any:
        self.calls += 1
        self.before(x)
        outputs, gradients = self.inner.forward_backward(x, h0, c0, dy, dh, dc)
        return self.after(outputs), self.after_gradients(gradients)

    def before(self, x: Any) -> None:
        pass

    def after(self, outputs: Any) -> Any:
        return outputs

    def after_gradients(self, gradients: Any) -> Any:
        return gradients


@register("mutant.honest")
class Honest(_Mutant):
    pass


@register("mutant.raises")
class Raises(_Mutant):
    def before(self, x: Any) -> None:
        raise RuntimeError("the sky fell\nand this line is not for the record")


@register("mutant.raises_when_loaded")
class RaisesWhenLoaded(_Mutant):
    def __init__(self, params: Any, framework: Any) -> None:
        raise KeyError("no such weight")


@register("mutant.raises_later")
class RaisesLater(_Mutant):
    """Passes the gate of the first process, and dies in the second."""

    def before(self, x: Any) -> None:
        if os.environ["PYTHONHASHSEED"] == "2":
            raise RuntimeError("not twice")


@register("mutant.exits")
class Exits(_Mutant):
    def before(self, x: Any) -> None:
        os._exit(3)


@register("mutant.leaves")
class Leaves(_Mutant):
    def before(self, x: Any) -> None:
        sys.exit("I am off")


@register("mutant.segfaults")
class Segfaults(_Mutant):
    def before(self, x: Any) -> None:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        ctypes.string_at(0)


@register("mutant.hangs")
class Hangs(_Mutant):
    def before(self, x: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if "HANGS_NOW" in os.environ:  # a named pipe: opening it waits for its reader
            Path(os.environ["HANGS_NOW"]).write_text("hanging")
        threading.Event().wait()


@register("mutant.hangs_later")
class HangsLater(_Mutant):
    """Hangs in the rounds, when it has passed the gate and was warmed up."""

    def before(self, x: Any) -> None:
        if self.calls > 200:
            threading.Event().wait()


@register("mutant.asks_too_much")
class AsksTooMuch(_Mutant):
    def before(self, x: Any) -> None:
        np.empty(2**50)


@register("mutant.is_killed")
class IsKilled(_Mutant):
    """Ends as the kernel ends the process that took too much memory."""

    def before(self, x: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@register("mutant.hoards")
class Hoards(_Mutant):
    """Takes memory, a little at a time, and never gives it back."""

    def before(self, x: Any) -> None:
        kept = [np.ones(2**21) for _ in range(32)]  # 512 MiB
        threading.Event().wait(kept[0][0] * 600)


@register("mutant.swarms")
class Swarms(_Mutant):
    """Starts threads, and waits for them for ever."""

    def before(self, x: Any) -> None:
        forever = threading.Event()
        for _ in range(100):
            threading.Thread(target=forever.wait, daemon=True).start()
        forever.wait()


@register("mutant.breeds")
class Breeds(_Mutant):
    """Starts processes, and waits for them for ever."""

    def before(self, x: Any) -> None:
        for _ in range(20):
            _start(signal.pause)
        signal.pause()


@register("mutant.hoards_below")
class HoardsBelow(_Mutant):
    """Has another process take memory, and waits for it for ever."""

    def before(self, x: Any) -> None:
        _start(lambda: Hoards.before(self, x))  # type: ignore[arg-type]
        signal.pause()


@register("mutant.leaves_a_child")
class LeavesAChild(_Mutant):
    """Right, but it starts a process that belongs to nobody any more, and lasts for ever."""

    def before(self, x: Any) -> None:
        if self.calls == 1:
            reading, writing = os.pipe()
            os.waitpid(_start(lambda: self._leave(writing)), 0)
            os.read(reading, 1)

    def _leave(self, writing: int) -> None:
        os.setsid()
        if os.fork() == 0:
            (Path(os.environ["LEFT_FOLDER"]) / str(os.getpid())).touch()
            os.write(writing, b"x")
            signal.pause()


@register("mutant.leaves_a_child_and_exits")
class LeavesAChildAndExits(_Mutant):
    """Its child has inherited all that was open."""

    def before(self, x: Any) -> None:
        _start(signal.pause)
        os._exit(3)


@register("mutant.delegates")
class Delegates(_Mutant):
    """Right, but it has another process at work beside its own."""

    def before(self, x: Any) -> None:
        if self.calls == 1:
            _start(_burn)


def _start(what: Callable[[], Any]) -> int:
    """Fork a process that does this and no more; return its id."""
    pid = os.fork()
    if pid == 0:
        try:
            what()
        finally:
            os._exit(0)
    return pid


@register("mutant.fails_in_the_memory_pass")
class FailsInTheMemoryPass(_Mutant):
    def before(self, x: Any) -> None:
        if tracemalloc.is_tracing():
            raise MemoryError("one pass too many")


@register("mutant.talks")
class Talks(_Mutant):
    """More than a pipe holds, on both streams, at every call."""

    def before(self, x: Any) -> None:
        print("x" * 2**18)
        print("y" * 2**18, file=sys.stderr)


@register("mutant.narrow")
class Narrow(_Mutant):
    def after(self, outputs: Any) -> Any:
        y, h, c = outputs
        return y[:, :, :1], h, c


@register("mutant.incomplete")
class Incomplete(_Mutant):
    def after(self, outputs: Any) -> Any:
        return outputs[:2]


@register("mutant.nan")
class Nan(_Mutant):
    def after(self, outputs: Any) -> Any:
        y, h, c = outputs
        y[0, 0, 0] = np.nan
        return y, h, c


@register("mutant.rough")
class Rough(_Mutant):
    def after(self, outputs: Any) -> Any:
        return tuple(output * (1 + 1e-7) for output in outputs)


@register("mutant.swapped")
class Swapped(_Mutant):
    def after(self, outputs: Any) -> Any:
        y, h, c = outputs
        return y, c, h


@register("mutant.detached")
class Detached(_Mutant):
    """The gradient of the recurrent weights lacks what flows through one gate."""

    def after_gradients(self, gradients: Any) -> Any:
        wrong = gradients[1].copy()
        wrong[: len(wrong) // 4] = 0
        return gradients[0], wrong, *gradients[2:]


@register("mutant.caches")
class Caches(_Mutant):
    """Computes once, and returns that for ever."""

    kept: Any = None

    def after(self, outputs: Any) -> Any:
        self.kept = self.kept or outputs
        return self.kept


@register("mutant.stale")
class Stale(_Mutant):
    """The state of the last call is where the next one begins."""

    def forward(self, x: Any, h0: Any, c0: Any) -> Any:
        h0, c0 = self.__dict__.get("state", (h0, c0))
        y, h, c = self.inner.forward(x, h0, c0)
        self.state = h, c
        return y, h, c


@register("mutant.spoils")
class Spoils(_Mutant):
    """Leaves something else where its input was."""

    def forward(self, x: Any, h0: Any, c0: Any) -> Any:
        outputs = self.inner.forward(x, h0, c0)
        x *= 0.5
        return outputs


@register("mutant.sleeps")
class Sleeps(_Mutant):
    """Right, but for part of its time it does nothing."""

    def before(self, x: Any) -> None:
        time.sleep(1e-3)


@register("mutant.crowds")
class Crowds(_Mutant):
    """Right, but it has eight threads at work beside its own, which rest between calls."""

    def before(self, x: Any) -> None:
        if self.calls == 1:
            self.pool = ThreadPoolExecutor(8)
        million = bytes(2**20)
        list(self.pool.map(lambda _: hashlib.sha256(million), range(8)))


@register("mutant.spins")
class Spins(_Mutant):
    """Right, but from its first call on one of its threads computes for ever."""

    def before(self, x: Any) -> None:
        if self.calls == 1:
            threading.Thread(target=_burn, daemon=True).start()


@register("mutant.spins_a_while")
class SpinsAWhile(_Mutant):
    """Right, but after each call a thread waits for the next one by computing, as those of pools
    do: for 50 ms.
    """

    def after(self, outputs: Any) -> Any:
        threading.Thread(target=_burn, args=(0.05,), daemon=True).start()
        return outputs


def _burn(seconds: float = math.inf) -> None:
    end = time.perf_counter() + seconds
    million = bytes(2**20)
    while time.perf_counter() < end:
        hashlib.sha256(million)


def spy(name: str) -> None:
    """Leave a note of what the process that is timed looks like:
    ``<name>.<threads>.<layout>.json``.
    """
    from threadpoolctl import threadpool_info

    found = {
        "modules": sorted({"numpy", "torch", "jax"} & set(sys.modules)),
        "pools": {
            f"{pool['internal_api']} {pool['prefix']}": pool["num_threads"]
            for pool in threadpool_info()
        },
        "environment": dict(os.environ),
        "torch_threads": sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None,
        "threads": sorted(
            (task / "comm").read_text().strip() for task in Path("/proc/self/task").glob("*")
        ),
        "pid": os.getpid(),
    }
    which = f"{name}.{os.environ['OMP_NUM_THREADS']}.{os.environ['PYTHONHASHSEED']}.json"
    (Path(os.environ["SPY_FOLDER"]) / which).write_text(json.dumps(found), encoding="utf-8")


@register("numpy.spy")
class NumpySpy(_Mutant):
    def before(self, x: Any) -> None:
        if self.calls == 1:
            spy("numpy.spy")
