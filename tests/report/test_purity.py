"""Same records in, same bytes out, in any process; and no framework is needed for it."""

import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from lstmbench.report.page import write_report

SCRIPT = """
import sys
from lstmbench import report
report.write(sys.argv[1])
report.write_index(sys.argv[2])
frameworks = {"torch", "jax", "jaxlib", "flax", "equinox"}
loaded = sorted({name.partition(".")[0] for name in sys.modules} & frameworks)
print(",".join(loaded))
"""


def render(folder, seed, **settings):
    environment = os.environ | {"PYTHONHASHSEED": seed} | settings
    command = [sys.executable, "-c", SCRIPT, str(folder), str(folder.parent)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    digests = {
        str(path.relative_to(folder.parent)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.parent.rglob("*"))
        if path.is_file()
    }
    return digests, done.stdout.strip()


def test_a_small_run_is_painted_in_every_form(folder):
    files = write_report.render(folder)
    begins = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    figures = {name: content for name, content in files.items() if name.startswith("figures/")}
    assert len(figures) == 18
    assert all(content.startswith(begins[name[-4:]]) for name, content in figures.items())


@pytest.mark.slow
def test_two_fresh_processes_write_the_same_bytes_and_load_no_framework(folder, tmp_path):
    other = tmp_path / "elsewhere" / "here"
    shutil.copytree(folder, other)
    first, loaded = render(folder, "1", TZ="UTC", LC_ALL="C")
    second, _ = render(other, "2", TZ="Asia/Tokyo", MPLBACKEND="svg", SOURCE_DATE_EPOCH="0")
    assert first == second
    assert len([name for name in first if name.endswith((".svg", ".png", ".pdf"))]) == 18
    assert loaded == ""
