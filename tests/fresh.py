"""Run code in a new interpreter, with imports and environment variables of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent


def fresh(code: str, **environment: str) -> Any:
    """Run code in a new interpreter with additional variables; return its variable ``out``."""
    path = os.pathsep.join(
        filter(None, [str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH")])
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import json, os, sys\n{code}\nprint('OUT' + json.dumps(out))"],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("OUT"))
    return json.loads(line.removeprefix("OUT"))
