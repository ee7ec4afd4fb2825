"""YAML as plain values: trees of mappings, lists and scalars, or an error of YAML's own and no other."""

from __future__ import annotations

from typing import Any

import yaml


def load_plain(text: str | bytes) -> Any:
    """The value of a text; nothing of it runs code.

    Raises yaml.YAMLError, also where PyYAML raises something else (`!!bool x`, a 13th month, a number that is too
    large, a text that nests too deep), and for a value that holds itself, which no reader of a configuration comes to
    the end of.
    """
    try:
        value = yaml.safe_load(text)
        _refuse_cycles(value, set(), set())
    except RecursionError:
        raise yaml.YAMLError("it nests too deep") from None
    except (ValueError, ArithmeticError) as error:
        raise yaml.YAMLError(str(error)) from None
    except (LookupError, AttributeError, TypeError):
        raise yaml.YAMLError("a value is none of its tag (!!...)") from None
    return value


def merged_pairs(node: yaml.MappingNode) -> dict[str, yaml.Node]:
    """The values of a mapping by the text of their keys, with those that `<<` merges into it.

    Raises yaml.YAMLError where what is to be merged is no mapping.
    """
    flat = yaml.MappingNode(node.tag, list(node.value))
    yaml.SafeLoader("").flatten_mapping(flat)
    return {key.value: value for key, value in flat.value}


def _refuse_cycles(value: object, above: set[int], known: set[int]) -> None:
    # A pair of `!!pairs` and `!!omap` is a tuple.
    if not isinstance(value, dict | list | tuple) or id(value) in known:
        return
    if id(value) in above:
        raise ValueError("a value holds itself (an alias inside its own anchor)")
    for part in value.values() if isinstance(value, dict) else value:
        _refuse_cycles(part, above | {id(value)}, known)
    known.add(id(value))
