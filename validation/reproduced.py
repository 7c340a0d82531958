"""Check that ``lstmbench reproduce`` confirms a run here, and notices a slower implementation.

    python validation/reproduced.py RUN [--slow torch.loop] [--by 0.2] [--out FOLDER]

The table of ratios of RUN is measured again twice: as it is, and by a copy of this package in which
one implementation, of NumPy or PyTorch, spends a fifth more time in each call. In the first, at
least 95 % of the comparable ratios must agree. In the second, that implementation must stand out,
and no other. It takes twice as long as the run; keep the machine idle. Exit code 1 if one of the
two does not hold.
"""

import argparse
import importlib
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import lstmbench as lb
from lstmbench.report.comparison.reproduction import Reproduction, reproduction
from lstmbench.report.provenance import table_id
from lstmbench.results.store import read_manifest

SLOWER = """

def _spinning(call):
    import time

    def slower(*arguments):
        begin = time.perf_counter()
        found = call(*arguments)
        end = begin + {factor} * (time.perf_counter() - begin)
        while time.perf_counter() < end:
            pass
        return found

    return slower


for _name in ("forward", "forward_backward"):
    setattr({kind}, _name, _spinning(getattr({kind}, _name)))
"""


def copy_with_slower(name: str, by: float, folder: Path) -> Path:
    """Copy the package, and append to the file of an implementation what makes its calls take
    longer by this share.
    """
    package = Path(lb.__file__).parent
    shutil.copytree(package, folder / "lstmbench", ignore=shutil.ignore_patterns("__pycache__"))
    module = importlib.import_module(f"lstmbench.variants.{name.replace('.', '_')}")
    classes = inspect.getmembers(module, inspect.isclass)
    own = [(name_, cls) for name_, cls in classes if cls.__module__ == module.__name__]
    (kind,) = (name_ for name_, cls in own if hasattr(cls, "forward_backward"))
    with (folder / "lstmbench" / "variants" / Path(str(module.__file__)).name).open(
        "a", encoding="utf-8"
    ) as file:
        file.write(SLOWER.format(kind=kind, factor=1 + by))
    return folder


def measured_again(table: str, base: Path, out: Path, source: Path) -> Reproduction:
    """Measure a table again by the package that lies in a folder."""
    command = [
        sys.executable,
        "-m",
        "lstmbench",
        "reproduce",
        table,
        "--results",
        str(base),
        "--out",
        str(out),
    ]
    environment = os.environ | {"PYTHONPATH": str(source)}
    subprocess.run(
        [*command, "--no-progress"],
        cwd=source,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return reproduction(table, base, out)


def main() -> int:
    """Measure twice, and say what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--slow", default="torch.loop")
    parser.add_argument("--by", type=float, default=0.2)
    parser.add_argument("--out", type=Path, help="where both runs are kept; nowhere if not given")
    options = parser.parse_args()
    base = options.run.resolve()
    table = table_id([], [read_manifest(base)], "ratio")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out = (options.out or folder).resolve()
        as_it_is = measured_again(
            table, base, out / "as-it-is", Path(lb.__file__).resolve().parents[1]
        )
        print(
            f"as it is: {as_it_is.counts}, outliers: {dict(as_it_is.outlier_implementations)}",
            flush=True,
        )
        source = copy_with_slower(options.slow, options.by, folder / "slower")
        slower = measured_again(table, base, out / "slower-run", source)
        outliers = dict(slower.outlier_implementations)
        print(f"{options.slow} slower by {options.by:.0%}: {slower.counts}, outliers: {outliers}")
    is_confirmed = as_it_is.exit_code == 0 and not as_it_is.outlier_implementations
    return 0 if is_confirmed and list(outliers) == [options.slow] else 1


if __name__ == "__main__":
    sys.exit(main())
