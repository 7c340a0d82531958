"""Measure how many flipped bits of a results file are read as other values.

    python validation/bitflips.py [--flips 1000] [--seed 0]

One bit is flipped at a random position in three forms of the same records (plain Parquet, Parquet
with page checksums, the file as the store writes it) and in the manifest. Each damaged file is
found (an error), harmless (the same values are read) or wrong. Exit code 1 if a file of the store
was ever read as other values.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from lstmbench.errors import LstmbenchError
from lstmbench.results.schema import COLUMNS
from lstmbench.results.store import Store, read_manifest, read_results


def rows(count: int, generator: random.Random) -> list[dict[str, Any]]:
    """Return records with a number in every column that holds numbers."""
    kinds = {
        "Int64": lambda: generator.randrange(10**6),
        "Float64": generator.random,
        "boolean": lambda: True,
    }
    made = [
        {name: kinds[kind]() for name, kind in COLUMNS.items() if kind in kinds}
        for _ in range(count)
    ]
    words = {name: f"{name} of a row" for name, kind in COLUMNS.items() if kind == "string"}
    return [
        row | words | {"implementation": f"numpy.{k}", "workload": f"{k:012d}"}
        for k, row in enumerate(made)
    ]


def same(one: Any, other: Any) -> bool:
    """Return whether a table or manifest says what the other does, names and types included.

    A manifest may say more: a bit that flips in the name of its seal makes that an unknown key.
    """
    if isinstance(one, dict):
        return bool(other.items() <= one.items())
    return bool(
        list(one) == list(other) and (one.dtypes == other.dtypes).all() and one.equals(other)
    )


def outcome(path: Path, damaged: bytes, read: Callable[[], Any], right: Any) -> str:
    """Return what becomes of a damaged file."""
    path.write_bytes(damaged)
    try:
        return "harmless" if same(read(), right) else "WRONG"
    except LstmbenchError:
        return "found"
    except Exception:  # of Parquet's own reader, any error counts as found
        return "found"


def plain(path: Path, verify: bool) -> pd.DataFrame:
    """Read a Parquet file with pyarrow alone."""
    return pq.read_table(path, page_checksum_verification=verify).to_pandas()


def main() -> int:
    """Flip bits, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="lstmbench-bitflips-") as temporary:
        folder = Path(temporary) / "run"
        store = Store(folder)
        store.write_manifest(
            {"seed": 7, "complete": True, "controls": {"floor": 0.0123}, "machine": {"cores": 2}}
        )
        store.append("00000", rows(40, generator), [])
        store.finish()
        table, where = read_results(folder), Path(temporary)
        table.to_parquet(where / "plain.parquet", index=False)
        table.to_parquet(where / "pages.parquet", index=False, write_page_checksum=True)
        files: dict[str, tuple[Path, Callable[[], Any]]] = {
            "plain Parquet": (
                where / "plain.parquet",
                partial(plain, where / "plain.parquet", False),
            ),
            "page checksums": (
                where / "pages.parquet",
                partial(plain, where / "pages.parquet", True),
            ),
            "sealed, as stored": (folder / "records.parquet", partial(read_results, folder)),
            "manifest": (folder / "manifest.json", partial(read_manifest, folder)),
        }
        for name, (path, read) in files.items():
            whole, right, found = path.read_bytes(), read(), Counter[str]()
            for _ in range(options.flips):
                damaged = bytearray(whole)
                damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
                found[outcome(path, bytes(damaged), read, right)] += 1
            path.write_bytes(whole)
            counts = ", ".join(f"{found[key]} {key}" for key in ("found", "harmless", "WRONG"))
            print(f"{name:18} {len(whole):6} bytes, {options.flips} flips: {counts}")
            wrong += found["WRONG"] if path.parent == folder else 0
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
