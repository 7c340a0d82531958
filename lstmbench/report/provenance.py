"""Where the numbers come from: the lines beneath a table, and the identity of its data."""

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lstmbench.core.registry import NOT_COMPILED
from lstmbench.report.labels import Row, ordered
from lstmbench.report.number_format import fixed, plural, slug
from lstmbench.results import machine_identity

Manifest = Mapping[str, Any]

MIN_PROCESSES = 5
"""With fewer processes per case a row is exploratory: their spread is not known well."""

SHOWN_PACKAGES = ("numpy", "torch", "jax", "jaxlib")


def content_hash(data: str) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of the data, which are CSV."""
    return hashlib.sha256(data.encode()).hexdigest()[:12]


def part(manifest: Manifest, key: str) -> Mapping[str, Any]:
    """Return one part of a manifest; empty if it is missing or not a mapping."""
    value = manifest.get(key)
    return value if isinstance(value, Mapping) else {}


def manifests_of(rows: Iterable[Row], manifests: Any) -> list[Manifest]:
    """Return the manifests, of one or several, that belong to these rows, the newest first."""
    known = [manifests] if isinstance(manifests, Mapping) else list(manifests or [])
    runs = {row["run_id"] for row in rows}
    chosen = [one for one in known if one and (len(known) == 1 or one.get("run_id") in runs)]
    return sorted(
        chosen, key=lambda one: (str(one.get("started")), str(one.get("run_id"))), reverse=True
    )


def suite_of(rows: Iterable[Row], manifests: Iterable[Manifest]) -> str:
    """Return the name of the suite, or of the suites, that these rows belong to."""
    names = _recorded(rows, "suite") or [part(one, "suite").get("name") for one in manifests]
    return "+".join(ordered("suite", map(str, filter(None, names)))) or "records"


def table_id(rows: Iterable[Row], manifests: Iterable[Manifest], kind: str) -> str:
    """Return the table's name, such as ``quick-speed``: the same for a suite on every machine."""
    return f"{slug(suite_of(rows, manifests))}-{kind}"


def footer(rows: Sequence[Row], manifests: list[Manifest], identity: str, digest: str) -> list[str]:
    """Return the lines beneath a table: id, hash, run, machine, versions, extent, noise."""
    lines = [f"Table {identity}, data sha256 {digest}."]
    if not manifests:
        runs = ", ".join(ordered("run_id", map(str, _recorded(rows, "run_id")))) or "not recorded"
        lines.append(f"Run {runs}; there is no manifest: machine and versions not known.")
    for manifest in manifests:
        lines += [f"Run {_run(manifest)}.", f"Machine: {machine(manifest)}."]
        lines += [f"Versions: {versions(manifest)}."]
    lines += [
        _extent(rows) + max(map(_binding, manifests), default=""),
        *dict.fromkeys(filter(None, map(worker_variables, manifests))),
    ]
    lines += [f"Slower here: {path}." for manifest in manifests for path in _not_compiled(manifest)]
    lines += [f"Noise floor: {noise_floor(manifest)}." for manifest in manifests or [{}]]
    return lines + [f"Made again by: {_command(manifest)}" for manifest in manifests]


def facts(rows: Sequence[Row], manifest: Manifest) -> list[tuple[str, str]]:
    """Return all that describes a run, as pairs of name and value."""
    budget = part(part(manifest, "suite"), "budget")
    times = [str(manifest[key]) for key in ("started", "finished") if manifest.get(key)]
    return [
        ("run", _run(manifest)),
        ("time (UTC)", " to ".join(times) or "not recorded"),
        ("machine", machine(manifest)),
        ("kernel", str(part(manifest, "machine").get("kernel") or "not recorded")),
        ("versions", versions(manifest)),
        ("extent", _extent(rows)),
        ("budget", ", ".join(f"{key} {budget[key]}" for key in sorted(budget)) or "not recorded"),
        *(("slower here", path) for path in _not_compiled(manifest)),
        ("noise floor", noise_floor(manifest)),
        ("seed", str(manifest.get("seed", "not recorded"))),
        ("command", _command(manifest)),
    ]


def date(manifest: Manifest) -> str:
    """Return the day on which the run started."""
    return str(manifest.get("started") or "date not recorded")[:10]


def description(manifest: Manifest) -> str:
    """Return the suite's description of itself."""
    return str(part(manifest, "suite").get("description") or "")


def cpu(manifest: Manifest) -> str:
    """Return the processor in words."""
    processor = machine_identity.describe_cpu(part(manifest, "machine"))
    return processor or machine_identity.UNKNOWN_CPU


def machine_name(manifest: Manifest) -> str:
    """Return the kind of machine in a few words, the same for all machines of a kind."""
    return machine_identity.describe_machine(part(manifest, "machine"))


def worker_variables(manifest: Manifest) -> str:
    """Return the environment variables of the workers, without those for the number of threads.

    The text is empty for a run of an earlier version, which did not record them.
    """
    chosen, passed, removed = set(), set(), set()
    for environment in _environments(manifest):
        variables, threads = part(environment, "variables"), str(environment.get("threads"))
        pairs = part(variables, "set").items()
        chosen |= {f"{name}={value}" for name, value in pairs if value != threads}
        passed |= {f"{name}={value}" for name, value in part(variables, "passed").items()}
        removed |= set(map(str, variables.get("removed") or []))
    groups = {"": chosen, "set by the user: ": passed, "not passed on: ": removed}
    phrases = [words + ", ".join(sorted(names)) for words, names in groups.items() if names]
    return f"Environment variables of the workers: {'; '.join(phrases)}." if phrases else ""


def _recorded(rows: Iterable[Row], column: str) -> list[Any]:
    return [row[column] for row in rows if row[column] is not None]


def _environments(manifest: Manifest) -> list[Mapping[str, Any]]:
    environments = part(manifest, "environments")
    return [part(environments, name) for name in environments]


def _run(manifest: Manifest) -> str:
    git = part(manifest, "git")
    reason = f" ({git['reason']})" if git.get("reason") else ""
    commit = str(git.get("commit") or "")[:12] or f"not recorded{reason}"
    changes = " with uncommitted changes" if git.get("dirty") else ""
    unfinished = "" if manifest.get("complete", True) else " (not finished)"
    run = f"{manifest.get('run_id') or 'not recorded'}{unfinished}"
    return f"{run}, {date(manifest)}, commit {commit}{changes}"


def machine(manifest: Manifest) -> str:
    """Return the machine in one phrase."""
    recorded = part(manifest, "machine")
    memory = recorded.get("memory_bytes")
    phrases = [
        machine_identity.describe_cpu(recorded) or "CPU not recorded",
        machine_identity.describe_cores(recorded) if recorded.get("cores") else "",
        f"{fixed(memory / 2**30, 1)} GiB of memory" if memory else "",
        str(recorded.get("os") or ""),
    ]
    return ", ".join(filter(None, phrases))


def versions(manifest: Manifest) -> str:
    """Return the versions of Python and the frameworks in one phrase."""
    python = f"Python {manifest.get('python') or 'not recorded'}"
    packages = part(manifest, "packages")
    shown = [f"{name} {packages.get(name) or 'not installed'}" for name in SHOWN_PACKAGES]
    return ", ".join([python, *(shown if packages else ["packages not recorded"])])


def _not_compiled(manifest: Manifest) -> list[str]:
    """Return which code ran slower than it could, and why."""
    frameworks = [part(environment, "frameworks") for environment in _environments(manifest)]
    paths = [item for one in frameworks for item in part(one, "code_paths").items()]
    slower = {f"{name} {path}" for name, path in paths if str(path).startswith(NOT_COMPILED)}
    return sorted(slower)


def _extent(rows: Sequence[Row]) -> str:
    """Return the threads, processes and rounds of the rows that have a time."""
    threads = ordered("threads", _recorded(rows, "threads"))
    text = f"Threads: {', '.join(map(str, threads)) or 'not recorded'}."
    if trainings := sum(bool(row.get("task") and row.get("epochs")) for row in rows):
        return f"{text} {trainings} trainings, each in a process of its own, one after the other."
    timed = [row for row in rows if row["status"] == "ok"]
    processes, rounds = _recorded(timed, "processes"), _recorded(timed, "rounds")
    if not processes:
        return f"{text} Processes and rounds: none timed."
    text += f" {_range(processes, 'process')} per case"
    if rounds:
        disturbed = sum(_recorded(timed, "disturbed_rounds"))
        text += f", {_range(rounds, 'round')}. Disturbed: {disturbed} of {sum(rounds)} rounds"
    if min(processes) < MIN_PROCESSES:
        text += f". Exploratory: fewer than {MIN_PROCESSES} processes per case"
    return f"{text}."


def _binding(manifest: Manifest) -> str:
    """Return that workers were bound to cores, if any was; earlier versions bound none."""
    frameworks = [part(environment, "frameworks") for environment in _environments(manifest)]
    is_bound = any(one.get("bound_cores") for one in frameworks)
    return " Workers were bound to as many cores as they have threads." if is_bound else ""


def _range(counts: list[int], noun: str) -> str:
    low, high = min(counts), max(counts)
    return plural(low, noun) if low == high else f"{low} to {plural(high, noun)}"


def noise_floor(manifest: Manifest) -> str:
    """Return what the controls of the run showed, as one phrase."""
    return str(part(manifest, "controls").get("noise_floor") or "not measured")


def _command(manifest: Manifest) -> str:
    """Return the command that measures the same suite, or makes the same records, again."""
    recorded = str(manifest.get("command") or "")
    if recorded.startswith(("lstmbench run", "python -c")):
        return recorded
    suite = str(part(manifest, "suite").get("name") or "SUITE")
    return f"lstmbench run {shlex.quote(suite)} --out FOLDER"
