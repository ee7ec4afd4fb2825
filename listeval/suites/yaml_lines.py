"""A YAML file as values, and the line of each: so that what is wrong with a value is said with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from listeval.errors import UserError
from listeval.runs.config_file import decoded
from listeval.runs.plain_yaml import load_plain, merged_pairs

_NAMED = ("backend", "model")
"""Keys whose `null` is a name: that of the engine without a model."""


@dataclass(frozen=True)
class YamlFile:
    """`values` is the mapping that the file holds."""

    path: Path
    values: dict[str, Any]
    root: yaml.MappingNode

    def place(self, keys: Sequence[str | int]) -> str:
        """`FILE:LINE` of the value behind `keys`, or of as much of the way there as the file has."""
        node: yaml.Node = self.root
        line = node.start_mark.line
        for key in keys:
            step = _step(node, key)
            if step is None:
                break
            line, node = step
        return f"{self.path}:{line + 1}"


def read_yaml(path: Path) -> YamlFile:
    """The mapping in a file; nothing of it runs code. Raises UserError, with the line, where there is none.

    A key that stands twice is an error too: YAML would keep the last one without a word.
    """
    try:
        text = decoded(path.read_bytes())
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = load_plain(text)
    except OSError as error:
        raise UserError(f"no suite: {error.strerror}", place=str(path), fix="name a suite file") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f":{mark.line + 1}"
        raise UserError(f"not YAML: {error.problem}", place=f"{path}{line}", fix="correct the file") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        cause = f"not YAML: {' '.join(str(error).split())}"
        raise UserError(cause, place=str(path), fix="correct the file") from None
    if not isinstance(root, yaml.MappingNode) or not isinstance(values, dict):
        raise UserError("no mapping of keys", place=str(path), fix="write 'tasks: [fashion]', 'models: [CKPT]', ...")
    _refuse_repeated(root, path, set())
    return YamlFile(path, _with_null_names(root, values), root)


def _step(node: yaml.Node, key: str | int) -> tuple[int, yaml.Node] | None:
    """The line and node of one key or place below `node`."""
    if isinstance(node, yaml.MappingNode):
        return next(((k.start_mark.line, v) for k, v in node.value if k.value == str(key)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        found: yaml.Node = node.value[key]
        return found.start_mark.line, found
    return None


def _refuse_repeated(node: yaml.Node, path: Path, seen: set[int]) -> None:
    # Aliases make the nodes a graph: each is looked at once.
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated(item, path, seen)
    elif isinstance(node, yaml.MappingNode):
        known: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in known:
                place = f"{path}:{key.start_mark.line + 1}"
                raise UserError(f"the key '{name}' stands twice", place=place, fix="keep one of them")
            known.add(name)
            _refuse_repeated(value, path, seen)


def _with_null_names(root: yaml.MappingNode, values: dict[str, Any]) -> dict[str, Any]:
    """`backend: null`, `model: null` and `models: [null]` name the null engine, where YAML reads that nothing is given.

    `backend:` and `backend: ~` give none.
    """
    changed = dict(values)
    for name, node in merged_pairs(root).items():
        items = values.get(name)
        if name in _NAMED and _says_null(node):
            changed[name] = "null"
        elif isinstance(items, list) and isinstance(node, yaml.SequenceNode):
            pairs = zip(node.value, items, strict=True)
            changed[name] = [_item(name, part, value) for part, value in pairs]
    return changed


def _item(axis: str, node: yaml.Node, value: Any) -> Any:
    if axis == "models" and value is None and _says_null(node):
        return "null"
    if isinstance(node, yaml.MappingNode) and isinstance(value, dict):
        named = {key: "null" for key, part in merged_pairs(node).items() if key in _NAMED and _says_null(part)}
        return {**value, **named}
    return value


def _says_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null") and node.value.lower() == "null"
