"""Read a YAML file safely: bounded, no key twice, and each part with its line."""

from pathlib import Path
from typing import Any

import yaml

from lstmbench.errors import LstmbenchError
from lstmbench.measure.suites.interface import KeyPath

MAX_FILE_BYTES = 2**20
"""Far larger than any suite: those of the package have at most a few kilobytes."""
MAX_PARTS = 200_000
"""Maximum number of scalars, lists and mappings, where aliases count as often as they are used:
with them a small file may expand to any size."""
MERGE_TAG = "tag:yaml.org,2002:merge"


class YamlFile:
    """A YAML file.

    Attributes:
        path: where it is.
        content: what it contains, as plain Python objects.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            LstmbenchError: if it cannot be read or is not valid YAML; the message names the file
                and the line.
        """
        self.path = path
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise LstmbenchError(f"The suite {path} is larger than {MAX_FILE_BYTES:,} bytes.")
            text = path.read_text(encoding="utf-8")
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            _check(self._root)
            self.content: Any = yaml.safe_load(text)
        except (OSError, UnicodeDecodeError) as error:
            raise LstmbenchError(f"The suite {path} cannot be read: {error}.") from None
        except LstmbenchError:
            raise
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or getattr(error, "reason", None)
            problem = problem or "it cannot be parsed"
            raise LstmbenchError(f"The suite {path}{line} is not valid YAML: {problem}.") from None

    def error(self, key_path: KeyPath, problem: str) -> LstmbenchError:
        """Return an error that names the file, the line and the key."""
        key = ".".join(map(str, key_path))
        end = "" if problem.endswith((".", "?")) else "."
        return LstmbenchError(
            f"The suite {self.path}, line {self._line(key_path)}, key {key!r}: {problem}{end}"
        )

    def _line(self, key_path: KeyPath) -> int:
        """Return the line, from 1, of the innermost node on the path that exists."""
        node: Any = self._root
        line: int = node.start_mark.line
        for part in key_path:
            if isinstance(node, yaml.MappingNode):
                children = {key.value: (key, value) for key, value in node.value}
            else:
                items = node.value if isinstance(node, yaml.SequenceNode) else []
                children = {str(k): (item, item) for k, item in enumerate(items)}
            if str(part) not in children:
                break
            start, node = children[str(part)]
            line = start.start_mark.line
        return line + 1


def _check(root: Any) -> None:
    """Refuse duplicate keys, of which YAML would keep one, merge keys, and too many parts."""
    pending, parts = [root], 0
    while pending:
        node = pending.pop()
        parts += 1
        if parts > MAX_PARTS:
            problem = f"it has more than {MAX_PARTS:,} parts, counting repeated aliases"
            raise yaml.MarkedYAMLError(problem=problem)
        if isinstance(node, yaml.SequenceNode):
            pending += node.value
        elif isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                problem = "the key '<<' is not supported" if key.tag == MERGE_TAG else ""
                if isinstance(key, yaml.ScalarNode):
                    if key.value in seen:
                        problem = f"the key {key.value!r} is there twice"
                    seen.add(key.value)
                if problem:
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                pending += [key, value]
