"""Where the numbers come from: the lines beneath a table, and the identity of its data."""

import hashlib
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from lstmbench.core.registry import NOT_COMPILED
from lstmbench.report.labels import Row, ordered
from lstmbench.report.number_format import fixed, number, plural, slug
from lstmbench.results import machine_identity

Manifest = Mapping[str, Any]

MIN_PROCESSES = 5
"""With fewer processes per case a row is exploratory: the spread between processes is not known
well."""

SHOWN_PACKAGES = ("numpy", "torch", "jax", "jaxlib")


def content_hash(data: str) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of the data, which are CSV."""
    return hashlib.sha256(data.encode()).hexdigest()[:12]


def manifests_of(rows: Iterable[Row], given: Any) -> list[Manifest]:
    """Return the manifests, of one or several given, that belong to these rows, the newest
    first."""
    manifests: list[Manifest] = [given] if isinstance(given, Mapping) else list(given or [])
    runs = {row["run_id"] for row in rows}
    chosen = [
        one for one in manifests if one and (len(manifests) == 1 or one.get("run_id") in runs)
    ]
    return sorted(
        chosen, key=lambda one: (str(one.get("started")), str(one.get("run_id"))), reverse=True
    )


def suite_of(rows: Iterable[Row], manifests: Iterable[Manifest]) -> str:
    """Return the name of the suite, or of the suites, that these rows belong to."""
    names = ordered("suite", (str(row["suite"]) for row in rows if row["suite"] is not None))
    names = names or ordered(
        "suite", (str(one["suite"]["name"]) for one in manifests if _get(one, "suite", "name"))
    )
    return "+".join(names) or "records"


def table_id(rows: Iterable[Row], manifests: Iterable[Manifest], kind: str) -> str:
    """Return the table's stable name, such as ``quick-speed``: the same for the same suite on every
    machine."""
    return f"{slug(suite_of(rows, manifests))}-{kind}"


def footer(rows: list[Row], manifests: list[Manifest], identity: str, digest: str) -> list[str]:
    """Return the lines beneath a table: id, hash, run, machine, versions, extent, noise, and the
    command."""
    lines = [f"Table {identity}, data sha256 {digest}."]
    if not manifests:
        runs = ordered("run_id", (str(row["run_id"]) for row in rows if row["run_id"] is not None))
        lines.append(
            f"Run {', '.join(runs) or 'not recorded'}; there is no manifest: machine and versions not known."
        )
    for manifest in manifests:
        lines += [
            _run(manifest),
            f"Machine: {machine(manifest)}.",
            f"Versions: {versions(manifest)}.",
        ]
    lines += [_extent(rows), *dict.fromkeys(filter(None, map(worker_variables, manifests)))]
    lines += [f"Slower here: {path}." for manifest in manifests for path in not_compiled(manifest)]
    lines += [f"Noise floor: {noise_floor(manifest)}." for manifest in manifests or [{}]]
    lines += [f"Made again by: {command(manifest)}" for manifest in manifests]
    return lines


def date(manifest: Manifest) -> str:
    """Return the day on which the run started."""
    return str(manifest.get("started") or "date not recorded")[:10]


def _get(manifest: Manifest, *path: str) -> Any:
    value: Any = manifest
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def part(manifest: Manifest, key: str) -> Mapping[str, Any]:
    """Return one part of a manifest, nothing where something else stands there."""
    value = manifest.get(key)
    return value if isinstance(value, Mapping) else {}


def _run(manifest: Manifest) -> str:
    commit = _get(manifest, "git", "commit")
    reason = _get(manifest, "git", "reason")
    unknown = f"commit not recorded ({reason})" if reason else "commit not recorded"
    where = f"commit {str(commit)[:12]}" if commit else unknown
    if _get(manifest, "git", "dirty"):
        where += " with uncommitted changes"
    unfinished = "" if manifest.get("complete", True) else " (not finished)"
    return f"Run {manifest.get('run_id') or 'not recorded'}{unfinished}, {date(manifest)}, {where}."


def machine(manifest: Manifest) -> str:
    """Return the machine in one phrase."""
    memory = _get(manifest, "machine", "memory_bytes")
    parts = [machine_identity.describe_cpu(part(manifest, "machine")) or "CPU not recorded"]
    if _get(manifest, "machine", "cores"):
        parts.append(machine_identity.describe_cores(part(manifest, "machine")))
    if memory:
        parts.append(f"{fixed(memory / 2**30, 1)} GiB of memory")
    if _get(manifest, "machine", "os"):
        parts.append(str(_get(manifest, "machine", "os")))
    return ", ".join(parts)


def cpu(manifest: Manifest) -> str:
    """Return the processor in words."""
    return machine_identity.describe_cpu(part(manifest, "machine")) or machine_identity.UNKNOWN_CPU


def machine_name(manifest: Manifest) -> str:
    """Return the kind of machine in a few words; ratios of each kind are put side by side."""
    return machine_identity.describe_machine(part(manifest, "machine"))


def description(manifest: Manifest) -> str:
    """Return what the suite says about itself."""
    return str(_get(manifest, "suite", "description") or "")


def facts(rows: list[Row], manifest: Manifest) -> list[tuple[str, str]]:
    """Return all that describes a run, as pairs of name and value."""
    budget = _get(manifest, "suite", "budget")
    times = [str(manifest[key]) for key in ("started", "finished") if manifest.get(key)]
    return [
        ("run", _run(manifest).removeprefix("Run ").rstrip(".")),
        ("time (UTC)", " to ".join(times) or "not recorded"),
        ("machine", machine(manifest)),
        ("kernel", str(_get(manifest, "machine", "kernel") or "not recorded")),
        ("versions", versions(manifest)),
        ("extent", _extent(rows)),
        (
            "budget",
            ", ".join(f"{key} {budget[key]}" for key in sorted(budget))
            if budget
            else "not recorded",
        ),
        *(("slower here", path) for path in not_compiled(manifest)),
        ("noise floor", noise_floor(manifest)),
        ("seed", str(manifest.get("seed", "not recorded"))),
        ("command", command(manifest)),
    ]


def not_compiled(manifest: Manifest) -> list[str]:
    """Return what ran in a slower way than it could, and why."""
    workers = part(manifest, "environments")
    paths = (part(part(part(workers, name), "frameworks"), "code_paths") for name in workers)
    lines = {f"{name} {path}" for code_paths in paths for name, path in code_paths.items()}
    return sorted(line for line in lines if line.partition(" ")[2].startswith(NOT_COMPILED))


def versions(manifest: Manifest) -> str:
    """Return the versions of Python and the frameworks in one phrase."""
    parts = [f"Python {manifest.get('python') or 'not recorded'}"]
    if not manifest.get("packages"):
        return ", ".join([*parts, "packages not recorded"])
    packages = part(manifest, "packages")
    return ", ".join(
        [*parts, *(f"{name} {packages.get(name) or 'not installed'}" for name in SHOWN_PACKAGES)]
    )


def worker_variables(manifest: Manifest) -> str:
    """Return the environment variables of the workers, but for those that set the number of
    threads.

    "" for a run from before they were recorded.
    """
    chosen, passed, removed = set(), set(), set()
    for environment in part(manifest, "environments").values():
        variables = part(environment, "variables") if isinstance(environment, Mapping) else {}
        threads = str(environment.get("threads")) if variables else ""
        chosen |= {
            f"{name}={value}" for name, value in part(variables, "set").items() if value != threads
        }
        passed |= {f"{name}={value}" for name, value in part(variables, "passed").items()}
        removed |= set(map(str, variables.get("removed") or []))
    parts = {"": chosen, "set by the user: ": passed, "not passed on: ": removed}
    phrases = [words + ", ".join(sorted(names)) for words, names in parts.items() if names]
    return f"Environment variables of the workers: {'; '.join(phrases)}." if phrases else ""


def _extent(rows: list[Row]) -> str:
    """Say how much was measured: threads, processes and rounds of the rows that have a time."""
    threads = ordered("threads", (row["threads"] for row in rows if row["threads"] is not None))
    text = f"Threads: {', '.join(map(str, threads)) or 'not recorded'}."
    trainings = [row for row in rows if row.get("task") and row.get("epochs")]
    if trainings:
        return (
            f"{text} {len(trainings)} trainings, each in a process of its own, one after the other."
        )
    timed = [row for row in rows if row["status"] == "ok"]
    processes, rounds = (
        [row[name] for row in timed if row[name] is not None] for name in ("processes", "rounds")
    )
    if not processes:
        return f"{text} Processes and rounds: none timed."
    text += f" {_span(processes, 'process')} per case"
    if rounds:
        disturbed = sum(row["disturbed_rounds"] or 0 for row in timed)
        text += f", {_span(rounds, 'round')}. Disturbed: {disturbed} of {sum(rounds)} rounds"
    if min(processes) < MIN_PROCESSES:
        text += f". Exploratory: fewer than {MIN_PROCESSES} processes per case"
    return f"{text}."


def _span(counts: list[int], noun: str) -> str:
    low, high = min(counts), max(counts)
    return plural(low, noun) if low == high else f"{low} to {plural(high, noun)}"


def noise_floor(manifest: Manifest) -> str:
    """Return what the controls of the run showed, as one phrase."""
    controls = manifest.get("controls")
    if isinstance(controls, Mapping):
        values = ", ".join(f"{name} {_short(controls[name])}" for name in sorted(controls))
        controls = controls.get("noise_floor", values)
    if isinstance(controls, int | float) and not isinstance(controls, bool):
        return f"{number(100 * controls, 2)} %"
    return str(controls) if controls else "not measured"


def _short(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def command(manifest: Manifest) -> str:
    """Return the command that measures the same suite, or makes the same records, again."""
    recorded = str(manifest.get("command") or "")
    if recorded.startswith(("lstmbench run", "python -c")):
        return recorded
    return (
        f"lstmbench run {shlex.quote(str(_get(manifest, 'suite', 'name') or 'SUITE'))} --out FOLDER"
    )
