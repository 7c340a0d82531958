"""A YAML file read as data: safe, bounded, no key twice, and each part of it with its line."""

from pathlib import Path
from typing import Any

import yaml

from lstmbench.errors import LstmbenchError

MAX_BYTES = 2**20
MAX_PARTS = 200_000
"""Most parts of a document, counted as often as aliases repeat them: a small file may say a lot by
them.
"""
MERGE = "tag:yaml.org,2002:merge"


class YamlFile:
    """What a YAML file says.

    Attributes:
        path: where it is.
        content: what it says, in plain Python.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            LstmbenchError: if it cannot be read, or is not valid YAML; the sentence names the file
                and the line.
        """
        self.path = path
        try:
            if path.stat().st_size > MAX_BYTES:
                raise LstmbenchError(f"The suite {path} is larger than {MAX_BYTES:,} bytes.")
            text = path.read_text(encoding="utf-8")
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            _check_keys(self._root)
            if _parts(self._root, {}) > MAX_PARTS:
                many = f"more than {MAX_PARTS:,} parts, counting those again that aliases repeat"
                raise LstmbenchError(f"The suite {path} has {many}.")
            self.content: Any = yaml.safe_load(text)
        except (OSError, UnicodeDecodeError) as error:
            raise LstmbenchError(f"The suite {path} cannot be read: {error}.") from None
        except LstmbenchError:
            raise
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            problem = (
                getattr(error, "problem", None)
                or getattr(error, "reason", None)
                or "it cannot be parsed"
            )
            raise LstmbenchError(f"The suite {path}{line} is not valid YAML: {problem}.") from None

    def error(self, where: tuple[Any, ...], problem: str) -> LstmbenchError:
        """Return an error that names the file, the line and the key that ``where`` leads to."""
        key = ".".join(str(part) for part in where)
        end = "" if problem.endswith((".", "?")) else "."
        return LstmbenchError(
            f"The suite {self.path}, line {self._line(where)}, key {key!r}: {problem}{end}"
        )

    def _line(self, where: tuple[Any, ...]) -> int:
        """Return the line of the innermost part of the document that ``where`` leads to, counted
        from 1.
        """
        node: Any = self._root
        line = node.start_mark.line + 1
        for part in where:
            if isinstance(node, yaml.MappingNode):
                pairs = [(key, value) for key, value in node.value if key.value == str(part)]
                if not pairs:
                    break
                line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
            elif (
                isinstance(node, yaml.SequenceNode)
                and isinstance(part, int)
                and part < len(node.value)
            ):
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                break
        return int(line)


def _check_keys(root: Any) -> None:
    """Refuse a key that is there twice, of which YAML would keep one, and ``<<``, which makes a
    small file huge.
    """
    seen, left = set(), [root]
    while left:
        node = left.pop()
        if id(node) in seen:  # an alias of what was looked at already
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                if key.tag == MERGE:
                    raise yaml.MarkedYAMLError(
                        problem="the key '<<' is not taken here", problem_mark=key.start_mark
                    )
                if isinstance(key, yaml.ScalarNode) and key.value in keys:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark
                    )
                keys.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
                left += [key, value]


def _parts(node: Any, known: dict[int, float]) -> float:
    """Return of how many parts a document consists, those that an alias repeats counted again; inf
    if it holds itself.

    Args:
        node: where it begins.
        known: of nodes that were counted already, their parts.
    """
    if id(node) not in known:
        known[id(node)] = float(
            "inf"
        )  # until it is counted: who finds it below itself has found a ring
        below: list[Any] = []
        if isinstance(node, yaml.SequenceNode):
            below = node.value
        elif isinstance(node, yaml.MappingNode):
            below = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_parts(part, known) for part in below)
    return known[id(node)]
