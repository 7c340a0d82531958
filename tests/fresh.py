"""A new interpreter: for what depends on the imports, or on the environment, of a whole process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent


def fresh(code: str, **environment: str) -> Any:
    """Run the code in a new interpreter, with these variables besides; return what it left in
    ``out``.
    """
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
