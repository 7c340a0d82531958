"""What a number depends on beside the code: the machine, the software, the threads. Read, never
set, here.
"""

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from lstmbench import __version__
from lstmbench.errors import LstmbenchError
from lstmbench.measure.process.available_resources import available_cores, available_memory
from lstmbench.measure.process.system_monitor import gpus
from lstmbench.results import machine_identity

_X86 = {"family": "cpu family", "model": "model", "stepping": "stepping"}
_ARM = {
    "implementer": "CPU implementer",
    "variant": "CPU variant",
    "part": "CPU part",
    "revision": "CPU revision",
}
"""What tells one processor from another, and how /proc/cpuinfo calls it."""


def machine() -> dict[str, Any]:
    """Describe the machine: CPU, its flags and numbers, cores, memory, system, and GPUs where there
    are any.
    """
    told: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            told.setdefault(key.strip(), value.strip())  # of the first core
    cpu_id = _cpu_id(told)
    cores, memory_bytes = os.cpu_count(), psutil.virtual_memory().total
    limits = {"available_cores": available_cores(), "available_memory_bytes": available_memory()}
    return {
        "cpu": told.get("model name") or platform.processor() or platform.machine(),
        **({"cpu_id": cpu_id} if cpu_id else {}),
        "cpu_flags": sorted((told.get("flags") or told.get("Features") or "").split()),
        "cores": cores,
        "memory_bytes": memory_bytes,
        **{name: limit for name, limit in limits.items() if limit not in (cores, memory_bytes)},
        "os": _os(),
        "kernel": platform.release(),
        "arch": platform.machine(),
        **gpus(),
    }


def _cpu_id(told: Mapping[str, str]) -> str:
    """Return vendor, family, model and stepping, or what an ARM processor has instead; empty where
    none is told.
    """
    vendor, names = (told["vendor_id"], _X86) if "vendor_id" in told else ("CPU", _ARM)
    numbers = [f"{name} {told[key]}" for name, key in names.items() if told.get(key)]
    return " ".join([vendor, *numbers]) if numbers else ""


def kind(machine: Mapping[str, Any]) -> str:
    """Return in what the hosts of one run must be alike: the processor, the cores, the GPUs and
    their driver.
    """
    gpus = [str(machine[key]) for key in sorted(machine) if key.startswith("gpu")]
    return ", ".join(
        [machine_identity.describe_cpu(machine), machine_identity.describe_cores(machine), *gpus]
    )


def _os() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):  # no Linux, or a very small one
        return platform.platform()


def packages() -> dict[str, str]:
    """Return the version of every installed package, and of this one, which may run from a
    checkout.
    """
    found = {"lstmbench": __version__}
    for distribution in metadata.distributions():
        with suppress(Exception):  # one that is broken says nothing
            told = distribution.metadata  # parsed anew each time it is asked for
            # Of two that bear the same name, the first on the path is the one that is imported
            found.setdefault(told["Name"].lower(), told["Version"])
    return dict(sorted(found.items()))


def software() -> dict[str, str]:
    """Return the versions that a ratio depends on most, and the commit, by name."""
    found, source = packages(), git()
    versions = {
        name: found.get(name, "not installed")
        for name in ("lstmbench", "numpy", "torch", "jax", "jaxlib")
    }
    commit = f"{source['commit']}{' with changes' if source['dirty'] else ''}"
    return {"python": platform.python_version(), **versions, "commit": commit}


def run_git(root: Path, *words: str) -> bytes:
    """Return what git says of the repository whose top folder is ``root``.

    Variables that name another repository, as those of a hook do, are taken out; settings stay.

    Raises:
        LstmbenchError: with git's own reason, which may be empty.
    """
    foreign = {name for name in os.environ if re.match("GIT_(?!CONFIG)", name)}
    variables = {name: os.environ[name] for name in os.environ.keys() - foreign}
    variables |= {"GIT_CEILING_DIRECTORIES": str(root.parent), "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(root), *words]
    try:
        return subprocess.run(
            command, env=variables, capture_output=True, check=True, timeout=60
        ).stdout
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.decode(errors="replace").split()).removeprefix("fatal: ")
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"git cannot be run: {getattr(error, 'strerror', None) or error}"
    raise LstmbenchError(
        reason.replace(str(root), "the checkout")
    )  # no path of this machine in a manifest


def git() -> dict[str, Any]:
    """Return the commit of the package's source, and whether what was measured differs from it.

    Both are None outside a checkout; in one that git does not read, too, and ``reason`` says why.
    """
    root = Path(__file__).resolve().parents[2]
    nothing: dict[str, Any] = {"commit": None, "dirty": None}
    if not os.path.exists(root / ".git"):
        return nothing
    source = ("lstmbench", "pyproject.toml", "constraints.txt")
    try:
        commit = run_git(root, "rev-parse", "HEAD").decode().strip()
        changes = run_git(root, "status", "--porcelain", "-unormal", "--", *source)
        return {"commit": commit, "dirty": bool(changes)}
    except LstmbenchError as error:
        return nothing | {"reason": str(error)}


def load_average() -> float | None:
    """Return the load of the last minute, where the system tells."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def frameworks() -> dict[str, Any]:
    """Describe the frameworks and thread pools of this process, as far as they are loaded."""
    from threadpoolctl import threadpool_info

    kept = ("user_api", "internal_api", "num_threads", "version", "threading_layer", "architecture")
    pools = [
        {key: pool[key] for key in kept if pool.get(key) is not None} for pool in threadpool_info()
    ]
    described: dict[str, Any] = {
        "python": platform.python_version(),
        "pools": sorted(pools, key=json.dumps),
    }
    for name in ("numpy", "torch", "jax"):
        if name in sys.modules:
            described[name] = str(sys.modules[name].__version__)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        described["torch_threads"] = torch.get_num_threads()
        described["torch_cpu_capability"] = torch.backends.cpu.get_cpu_capability()
    described["code_paths"] = code_paths()
    described["xla_flags"] = os.environ.get("XLA_FLAGS", "") if "jax" in sys.modules else None
    return described


def code_paths() -> dict[str, str]:
    """Return what is in use here of all that depends on the processor, the compiler or the version
    of a library.

    By module, from the ``code_path()`` of each variant that is loaded and has one; and by which
    instructions NumPy computes exp and tanh in float32.
    """
    found = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith("lstmbench.variants.") and (
            path := getattr(module, "code_path", lambda: None)()
        ):
            found[name.rpartition(".")[2]] = path
    if "numpy" in sys.modules:
        from numpy.lib import introspect

        for function in ("exp", "tanh"):
            kernels = introspect.opt_func_info(func_name=f"^{function}$", signature="float32")
            found[f"numpy.{function}"] = ", ".join(
                kernel["current"]
                for signatures in kernels.values()
                for kernel in signatures.values()
            )
    return found


def environment_id(*parts: Any) -> str:
    """Return a short hash of everything that describes an environment."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
