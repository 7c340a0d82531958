import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_lines_on_weights_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("torch", "onnx", "safetensors"):
        pytest.importorskip(package)
    section = (
        README.read_text(encoding="utf-8")
        .partition("## Weights in and out\n")[2]
        .partition("\n## ")[0]
    )
    (lines,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(lines, "README.md", "exec"), {})
    assert capsys.readouterr().out == "True\n"
    assert {path.name for path in tmp_path.iterdir()} == {"lstm.safetensors", "lstm.onnx"}
