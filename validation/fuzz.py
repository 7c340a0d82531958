"""Feed nonsense to everything that reads from outside: suites, results files, the command line.

    python validation/fuzz.py [EXAMPLES, default 100,000]

That many examples of each. Nothing is measured. Every input must be read or refused in one sentence
(LstmbenchError, exit code 2). Anything else is a fault, which Hypothesis shrinks and prints.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lstmbench import cli
from lstmbench.errors import LstmbenchError
from lstmbench.measure.suites.suite_file import read_suite
from lstmbench.measure.suites.timing_suite import Budget, Grid, TimingSuite
from lstmbench.results.store import Store, read_manifest, read_results, read_samples

KEYS = sorted(
    {key for model in (TimingSuite, Grid, Budget) for key in model.model_fields}
    | {"tasks", "seeds", "recipe"}
)
GOOD = {
    "implementations": ["numpy.fused"],
    "reference": "numpy.fused",
    "grids": [{"seq_len": [3], "batch_size": 2, "hidden_size": 4}],
}
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(KEYS)
)
trees = st.recursive(
    scalars,
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | scalars, below, max_size=4)
    ),
    max_leaves=12,
)
suites = (
    st.text()
    | trees.map(lambda tree: yaml.dump(tree, allow_unicode=True))
    | st.dictionaries(st.sampled_from(KEYS), trees, max_size=3).map(
        lambda change: yaml.dump(GOOD | change)
    )
)
damages = st.lists(st.tuples(st.integers(min_value=0), st.binary(max_size=4)), max_size=4)
WORDS = [
    "run", "table", "compare", "notebook", "--out", "--resume", "--seed", "--task", "--ab", "--id",
    "--by", "--threshold", "--format", "-p", "--no-wait", "--no-progress", "--across-machines",
    "smoke", "duel", "learning", "RUN", "NONE", "FILE", "03_speed", "suite=quick", "1", "-1", "nan",
    "md", "json", "numpy.fused",
]  # fmt: skip
words = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=7)


def fuzz(folder: Path, examples: int) -> None:
    """Try so many examples of each; ``folder`` is an empty one to work in."""
    store = Store(folder / "run")
    store.write_manifest({"run_id": "run", "seed": 1, "complete": True, "suite": GOOD})
    store.append(
        "00000",
        [{"implementation": "numpy.fused", "status": "ok", "seq_len": 3, "workload": "a"}],
        [],
    )
    store.finish()
    names = ("manifest.json", "records.parquet", "samples.parquet")
    whole = {name: (folder / "run" / name).read_bytes() for name in names}
    file = folder / "fuzz.yaml"
    file.write_text("", encoding="utf-8")
    names_of = {"RUN": folder / "run", "NONE": folder / "none", "FILE": file}
    often = settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )

    @often
    @given(text=suites)
    def suite(text: str) -> None:
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            read_suite(file)
        except LstmbenchError as error:
            if not str(error).strip():
                raise

    @often
    @given(name=st.sampled_from(names), damage=damages, cut=st.none() | st.integers(min_value=0))
    def records(name: str, damage: list[tuple[int, bytes]], cut: int | None) -> None:
        content = bytearray(whole[name])
        for at, what in damage:
            content[at % len(content) : at % len(content) + len(what)] = what
        (folder / "run" / name).write_bytes(
            content if cut is None else content[: cut % len(content)]
        )
        try:
            for read in (read_manifest, read_results, read_samples):
                read(folder / "run")
        except LstmbenchError as error:
            if name not in str(error):
                raise
        finally:
            (folder / "run" / name).write_bytes(whole[name])

    @often
    @given(given_words=words)
    def command_line(given_words: list[str]) -> None:
        def refused(*_: Any, **__: Any) -> Any:
            raise LstmbenchError("not measured here")

        arguments = [str(names_of.get(word, word)) for word in given_words]
        with (
            mock.patch("lstmbench.measure.runner._measure", refused),
            mock.patch("lstmbench.notebooks.execute", refused),
            mock.patch("lstmbench.report.write", return_value=None),
            mock.patch("lstmbench.report.write_index", return_value="index"),
        ):
            done = CliRunner().invoke(cli.app, arguments)
        assert isinstance(done.exception, LstmbenchError | SystemExit | None), done.exception

    suite()
    records()
    command_line()


def main() -> int:
    """Fuzz in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("examples", type=int, nargs="?", default=100_000)
    examples = parser.parse_args().examples
    with tempfile.TemporaryDirectory(prefix="lstmbench-fuzz-") as temporary:
        os.chdir(temporary)  # a word may be taken for the name of a folder
        fuzz(Path(temporary), examples)
    print(
        f"{examples:,} examples each of suites, results files and command lines: "
        "read, or refused in a sentence"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
