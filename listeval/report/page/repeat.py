"""The command that makes a run, a report or a comparison again, quoted for a shell."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from listeval.comparison import Comparison
    from listeval.runs.config import RunConfig

_NO_FLAG = frozenset({"clock", "out", "structured"})
"""The clock is set when a run begins, a repetition has a directory of its own, and `structured` comes from a file."""
_SET = {"options": "--set"}
"""Fields whose flag is not called as they are."""


def run_command(config: RunConfig) -> str:
    """`listeval run ...` with all that `config` does not leave to the defaults and a flag can say."""
    left = for_a_file(config)
    words = ["listeval", "run"]
    for name, value in sorted(_chosen(config), key=lambda pair: _plainness(pair[1])):
        if name not in left:
            words += _said(name, value)
    return shlex.join(words)


def not_in_command(config: RunConfig) -> str:
    """What a repetition needs besides its command, in words; else empty."""
    left = [f"'{name}: {json.dumps(value, ensure_ascii=False)}'" for name, value in for_a_file(config).items()]
    return f"with {' and '.join(left)} in a file named by @FILE" if left else ""


def for_a_file(config: RunConfig) -> dict[str, Any]:
    """The values that no flag can say, by the keys of a configuration file."""
    found: dict[str, Any] = {"structured": True} if config.structured else {}
    return found | {name: value for name, value in _chosen(config) if not _sayable(name, value)}


def _chosen(config: RunConfig) -> Iterator[tuple[str, Any]]:
    """The fields with a flag that are not as they are by default."""
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if name not in _NO_FLAG and value is not None and value != field.get_default(call_default_factory=True):
            yield name, value


def _plainness(value: Any) -> int:
    """What is one word stands first, lists after it, what is said in words of its own last."""
    return 1 if isinstance(value, tuple) else 2 if isinstance(value, dict | bool) else 0


def _sayable(name: str, value: Any) -> bool:
    """Whether the flag of a field can say this value of it."""
    if name == "system":
        return not value.startswith("@")
    if name == "places":
        return False
    if name == "adapter":
        return bool(value != "none")
    if isinstance(value, dict):
        return all(key and "=" not in key for key in value)
    texts = [one for one in value if isinstance(one, str)] if isinstance(value, tuple) else []
    return all(one and one == one.strip() and "," not in one for one in texts)


def _said(name: str, value: Any) -> list[str]:
    """A field as the words of its flag."""
    flag = _SET.get(name, f"--{name.replace('_', '-')}")
    if name == "enable_thinking":
        return ["--thinking" if value else "--no-thinking"]
    if name == "track":
        return [word for one in value for word in (flag, one)]
    if name == "base_url":
        return [flag, without_password(value)]
    if isinstance(value, bool):
        return [flag]
    if isinstance(value, tuple):
        return [flag, ",".join(map(str, value))]
    if isinstance(value, dict):
        written = _yaml if name == "options" else partial(json.dumps, ensure_ascii=False)
        return [word for key, one in value.items() for word in (flag, f"{key}={written(one)}")]
    return [flag, str(value)]


def _yaml(value: Any) -> str:
    """A value on one line as `--set` reads it: a text that YAML takes for itself stays bare."""
    import yaml

    from listeval.runs.plain_yaml import load_plain

    try:
        if isinstance(value, str) and value and load_plain(value) == value:
            return value
    except yaml.YAMLError:
        pass
    style = '"' if isinstance(value, str) else None
    text: str = yaml.safe_dump(value, default_flow_style=True, default_style=style, allow_unicode=True, width=10**9)
    return text.strip().removesuffix("\n...")


def compare_command(comparison: Comparison) -> str:
    """`listeval compare ...` over the same arms by the same rules."""
    rules, words = comparison.thresholds, ["listeval", "compare"]
    for arm in comparison.arms:
        policies = () if arm.repairs is None else arm.repairs.policies
        words.append("+".join([str(arm.run.path), *policies]))
    defaults = type(rules)()
    for name, value, default in (
        ("--margin", rules.margin, defaults.margin),
        ("--alpha", rules.alpha, defaults.alpha),
        ("--cost-order", ",".join(rules.order), ",".join(defaults.order)),
        ("--seed", comparison.seed, 0),
    ):
        words += [name, str(value)] if value != default else []
    words += ["--across-prompts"] if comparison.across_prompts else []
    return shlex.join([*words, "--html", "compare.html"])


def report_command(paths: list[str]) -> str:
    """`listeval report ...` of the same runs."""
    return shlex.join(["listeval", "report", *paths, "--html", "report.html"])


def without_password(url: str) -> str:
    """An address without the user and password that may stand in it: pages are passed on."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url
