"""The command that makes a run, a report or a comparison again, quoted for a shell."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from listeval.comparison import Comparison
    from listeval.runs.config import RunConfig

_OWN_WAY = {"options", "samples", "seeds", "enable_thinking", "chat_template_arg", "allow_code_execution", "track"}
"""Fields that are not written as `--name value`."""
_NO_FLAG = {"clock", "structured", "out"}
"""The clock is set when a run begins, `structured` comes from a file, and a repetition has a directory of its own."""


def run_command(config: RunConfig) -> str:
    """`listeval run ...` with all that `config` does not leave to the defaults."""
    words = ["listeval", "run"]
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if name not in _OWN_WAY | _NO_FLAG and value is not None and value != field.default:
            words += [_flag(name), without_password(str(value)) if name == "base_url" else str(value)]
    return shlex.join([*words, *_others(config)])


def not_in_command(config: RunConfig) -> str:
    """What a repetition needs besides its command, in words; else empty."""
    return "with 'structured: true' in a file named by @FILE" if config.structured else ""


def _others(config: RunConfig) -> Iterator[str]:
    if config.seeds != (0,):
        yield from ("--seeds", ",".join(map(str, config.seeds)))
    if config.samples:
        yield from ("--samples", ",".join(config.samples))
    for name, value in config.options.items():
        yield from ("--set", f"{name}={_yaml(value)}")
    if config.enable_thinking is not None:
        yield "--thinking" if config.enable_thinking else "--no-thinking"
    for name, value in (config.chat_template_arg or {}).items():
        yield from ("--chat-template-arg", f"{name}={json.dumps(value, ensure_ascii=False)}")
    if config.allow_code_execution:
        yield "--allow-code-execution"
    for name in config.track:
        yield from ("--track", name)


def _yaml(value: Any) -> str:
    """A value on one line as `--set` reads it: a text that YAML takes for itself stays bare."""
    import yaml

    try:
        if isinstance(value, str) and value and yaml.safe_load(value) == value:
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


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
