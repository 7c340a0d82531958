"""Describe what a number depends on: machine, software, threads. Nothing is set here."""

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
from lstmbench.errors import LstmbenchError, os_error_reason
from lstmbench.measure.process.available_resources import available_cores, available_memory
from lstmbench.measure.process.hardware_state import gpus
from lstmbench.results import machine_identity

_X86 = {"family": "cpu family", "model": "model", "stepping": "stepping"}
_ARM = {
    "implementer": "CPU implementer",
    "variant": "CPU variant",
    "part": "CPU part",
    "revision": "CPU revision",
}
"""The numbers that identify a processor, and their names in /proc/cpuinfo."""


def machine() -> dict[str, Any]:
    """Describe the machine: processor and its flags, cores, memory, system, and GPUs if any."""
    cpu = _cpu_info()
    cpu_id = _cpu_id(cpu)
    cores, memory_bytes = os.cpu_count(), psutil.virtual_memory().total
    limits = {"available_cores": available_cores(), "available_memory_bytes": available_memory()}
    return {
        "cpu": cpu.get("model name") or platform.processor() or platform.machine(),
        **({"cpu_id": cpu_id} if cpu_id else {}),
        "cpu_flags": sorted((cpu.get("flags") or cpu.get("Features") or "").split()),
        "cores": cores,
        "memory_bytes": memory_bytes,
        **{name: limit for name, limit in limits.items() if limit not in (cores, memory_bytes)},
        "os": _os_name(),
        "kernel": platform.release(),
        "arch": platform.machine(),
        **gpus(),
    }


def _cpu_info() -> dict[str, str]:
    """Return what /proc/cpuinfo says of the first core; {} on other systems than Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = re.findall(r"^(.+?)[ \t]*:[ \t]*(.*?)[ \t]*$", text, re.MULTILINE)
    return dict(reversed(pairs))


def _cpu_id(cpu: Mapping[str, str]) -> str:
    """Return the vendor and the numbers that identify a processor; "" where there are none."""
    vendor, names = (cpu["vendor_id"], _X86) if "vendor_id" in cpu else ("CPU", _ARM)
    numbers = [f"{name} {cpu[key]}" for name, key in names.items() if cpu.get(key)]
    return " ".join([vendor, *numbers]) if numbers else ""


def kind(machine: Mapping[str, Any]) -> str:
    """Return what all hosts of a run must share: the processor, the cores, the GPUs, the driver."""
    gpus = [str(machine[key]) for key in sorted(machine) if key.startswith("gpu")]
    cpu, cores = machine_identity.describe_cpu(machine), machine_identity.describe_cores(machine)
    return ", ".join([cpu, cores, *gpus])


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):  # another system than Linux, or a minimal one
        return platform.platform()


def packages() -> dict[str, str]:
    """Return the version of every installed package, by name; this one may run from a checkout."""
    versions = {"lstmbench": __version__}
    for distribution in metadata.distributions():
        with suppress(Exception):  # damaged metadata raise errors of many types
            header = distribution.metadata  # parsed at each access
            # Of two of one name, the first on the path is imported
            versions.setdefault(header["Name"].lower(), header["Version"])
    return dict(sorted(versions.items()))


def software() -> dict[str, str]:
    """Return the versions that a ratio depends on most, and the commit, by name."""
    versions, source = packages(), git()
    names = ("lstmbench", "numpy", "torch", "jax", "jaxlib")
    return {
        "python": platform.python_version(),
        **{name: versions.get(name, "not installed") for name in names},
        "commit": f"{source['commit']}{' with changes' if source['dirty'] else ''}",
    }


def run_git(root: Path, *words: str) -> bytes:
    """Return the output of git in the repository with the top folder ``root``.

    Environment variables that name another repository, as in a hook, are removed.

    Raises:
        LstmbenchError: with git's own reason, which may be empty.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not re.match("GIT_(?!CONFIG)", name)
    }
    settings = {"GIT_CEILING_DIRECTORIES": str(root.parent), "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(root), *words]
    try:
        done = subprocess.run(
            command, env=inherited | settings, capture_output=True, check=True, timeout=60
        )
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.decode(errors="replace").split()).removeprefix("fatal: ")
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"git cannot be run: {os_error_reason(error)}"
    else:
        return done.stdout
    raise LstmbenchError(reason.replace(str(root), "the checkout"))  # manifests hold no paths


def git() -> dict[str, Any]:
    """Return the ``commit`` of the package, and whether its source is ``dirty``: differs from it.

    Both are None outside a checkout, and where git fails; then ``reason`` says why.
    """
    root = Path(__file__).resolve().parents[2]
    unknown: dict[str, Any] = {"commit": None, "dirty": None}
    if not os.path.exists(root / ".git"):
        return unknown
    source = ("lstmbench", "pyproject.toml", "constraints.txt")
    try:
        commit = run_git(root, "rev-parse", "HEAD").decode().strip()
        changes = run_git(root, "status", "--porcelain", "-unormal", "--", *source)
    except LstmbenchError as error:
        return unknown | {"reason": str(error)}
    return {"commit": commit, "dirty": bool(changes)}


def load_average() -> float | None:
    """Return the load of the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def frameworks() -> dict[str, Any]:
    """Describe the frameworks and thread pools that this process has loaded."""
    from threadpoolctl import threadpool_info

    keys = ("user_api", "internal_api", "num_threads", "version", "threading_layer", "architecture")
    pools = [
        {key: pool[key] for key in keys if pool.get(key) is not None} for pool in threadpool_info()
    ]
    described: dict[str, Any] = {
        "python": platform.python_version(),
        "pools": sorted(pools, key=json.dumps),
    }
    loaded = [name for name in ("numpy", "torch", "jax") if name in sys.modules]
    described |= {name: str(sys.modules[name].__version__) for name in loaded}
    if torch := sys.modules.get("torch"):
        described["torch_threads"] = torch.get_num_threads()
        described["torch_cpu_capability"] = torch.backends.cpu.get_cpu_capability()
    described["code_paths"] = code_paths()
    described["xla_flags"] = os.environ.get("XLA_FLAGS", "") if "jax" in loaded else None
    return described


def code_paths() -> dict[str, str]:
    """Return which code is used where it depends on the processor, compiler or a library's version.

    By module, or its ``CODE_NAME``: the ``code_path()`` of each loaded variant that has one, and
    the instructions with which NumPy computes exp and tanh in float32.
    """
    paths = {}
    for name, module in sorted(sys.modules.items()):
        code_path = getattr(module, "code_path", lambda: None)
        if name.startswith("lstmbench.variants.") and (path := code_path()):
            paths[getattr(module, "CODE_NAME", name.rpartition(".")[2])] = path
    if "numpy" in sys.modules:
        from numpy.lib import introspect

        for function in ("exp", "tanh"):
            info = introspect.opt_func_info(func_name=f"^{function}$", signature="float32")
            kernels = [kernel for signatures in info.values() for kernel in signatures.values()]
            paths[f"numpy.{function}"] = ", ".join(kernel["current"] for kernel in kernels)
    return paths


def environment_id(*parts: Any) -> str:
    """Return a short hash of everything that describes an environment."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
