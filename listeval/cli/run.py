"""`listeval run`: a task, a model, a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listeval.cli.completion import configs, options_of
from listeval.cli.consent import allow_options, permit
from listeval.cli.gate import foresee, judge_runs, run_gates, wanted
from listeval.cli.named_values import ENGINE, TEMPLATE
from listeval.cli.say import say, say_json, say_strays
from listeval.disk import absolute_path, user_path
from listeval.errors import ExitCode, UserError, placed

if TYPE_CHECKING:
    from listeval.cli.suite_result import SuiteOutput
    from listeval.runs import Run
    from listeval.suites.expand import PlannedRun

PATHS = ("data", "model", "tokenizer", "adapter")
"""What may name a file or folder."""


class _Concurrency(click.ParamType):  # type: ignore[type-arg]
    """A number, or `auto`."""

    name = "concurrency"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        return value if value == "auto" else int(click.IntRange(min=1).convert(value, param, ctx))


_OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("--task", str, "NAME", "Task plug-in; see `listeval tasks list`."),
    (
        "--model",
        str,
        "CKPT",
        "Checkpoint folder, hub id, `smollm2`, what the backend serves; null: gold, faults or garbage.",
    ),
    ("--backend", str, "NAME", "auto (default), vllm, hf, ray, openai, replay or null."),
    ("--constraint", str, "KIND", "none (default), schema, permutation or scaffold."),
    ("--engine", str, "NAME", "What constrains: auto (default), xgrammar, llguidance, outlines or own."),
    ("--spacing", str, "POLICY", "Spaces that a constraint leaves: either (default), gold, compact or free."),
    ("--data", str, "PATH|hub", "Data file or folder; default: the task's bundled sample."),
    ("--limit", int, "N", "Only the first N examples of each seed."),
    ("--samples", str, "ID,ID", "Only these example ids."),
    ("--seeds", str, "0,1,2", "Each seed groups and orders the data anew (default 0)."),
    ("--max-tokens", int, "N", "Token budget of one answer (default: the task's)."),
    ("--attempts", int, "N", "Most answers to a sample; one that breaks the contract is asked for again (default 1)."),
    ("--reask", str, "HOW", "How to ask again: explain the failure (default), or same: same prompt, another seed."),
    ("--temperature", float, "T", "0 is greedy (default)."),
    ("--top-p", float, "P", "Nucleus (default 1)."),
    ("--dtype", str, "NAME", "float32, bfloat16, ... (default: the backend's choice)."),
    ("--device", str, "NAME", "cpu, cuda, cuda:1, ... (default: the best there is)."),
    ("--batch-size", int, "N", "Sequences decoded together."),
    ("--concurrency", _Concurrency(), "N|auto", "Requests in flight (openai, vllm, null); auto (openai): by a ramp."),
    ("--max-model-len", int, "N", "Prompt plus answer in tokens (hf, vllm; default: the model's)."),
    ("--base-url", str, "URL", "Server of the openai backend, repeatable; the key comes from $OPENAI_API_KEY."),
    ("--api-key-env", str, "NAME", "Variable that holds the server's key (default OPENAI_API_KEY)."),
    ("--ray-address", str, "HOST:PORT", "Ray cluster of the ray backend (default: one started here)."),
    ("--tokenizer", str, "PATH", "Another tokenizer; with openai: render here, send token ids."),
    ("--timeout-s", float, "S", "openai: seconds to wait for one answer (default 600)."),
    ("--out", str, "DIR", "Run directory (default: runs/<task>-<model>-<hash>)."),
)


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for flag, kind, metavar, text in reversed(_OPTIONS):
        more: dict[str, Any] = {"multiple": True, "callback": _joined} if flag == "--base-url" else {}
        function = click.option(flag, type=kind, metavar=metavar, help=text, **options_of(flag), **more)(function)
    return function


def _joined(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> str | None:
    """Several servers as a configuration has them."""
    return ",".join(given) or None


@click.command("run", short_help="Run a task on a model and report how its contract holds.")
@click.argument("config", required=False, metavar="[@RUN|@FILE]", shell_complete=configs)
@_options
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Task option, repeatable: --set k=4; k=2,4,8 makes three runs.",
)
@click.option(
    "--thinking/--no-thinking",
    "enable_thinking",
    default=None,
    help="Passed to the chat template (default: not passed).",
)
@click.option(
    "--chat-template-arg",
    "template_args",
    multiple=True,
    metavar="NAME=JSON",
    help="Passed to the chat template, repeatable: reasoning_effort=low, tools_in_user=false.",
)
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="PATH",
    help="LoRA adapter on top of the model (hf, vllm), repeatable: a run each; none: the model alone.",
    **options_of("--adapter"),
)
@click.option(
    "--engine-arg",
    "engine_args",
    multiple=True,
    metavar="NAME=JSON",
    help="Argument of the engine's own (hf, vllm, ray), repeatable: tensor_parallel_size=2.",
)
@click.option(
    "--serve",
    is_flag=True,
    default=None,
    help="Start `vllm serve` of the model for this run, ask it as the openai backend does, and stop it.",
)
@click.option("--system", metavar="TEXT|@FILE", help="A system turn before the task's messages.")
@click.option(
    "--allow-code-execution",
    is_flag=True,
    default=None,
    help="Let a task such as mbpp run the code that the model writes, sandboxed.",
)
@click.option(
    "--track",
    multiple=True,
    type=click.Choice(["tensorboard", "wandb", "trackio"]),
    help="Tell this tracker the run's figures, repeatable; never a prompt or an answer.",
)
@click.option(
    "--trust", is_flag=True, help="Take from @RUN or @FILE what else needs your word: server, key, hub, code."
)
@click.option("--show-prompt", is_flag=True, help="Print the first rendered prompt to stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
@run_gates
def command(
    config: str | None,
    settings: tuple[str, ...],
    template_args: tuple[str, ...],
    adapters: tuple[str, ...],
    engine_args: tuple[str, ...],
    system: str | None,
    track: tuple[str, ...],
    trust: bool,
    show_prompt: bool,
    as_json: bool,
    quiet: bool,
    fail_under: tuple[str, ...],
    fail_if: tuple[str, ...],
    fail_on: str,
    junit: str | None,
    **flags: Any,
) -> ExitCode:
    """Run TASK on MODEL: prompts, answers, contract, scores, intervals.

    The same command again runs only what is owed. @RUN completes an earlier run from its own
    directory; with --out it repeats it. @FILE reads options from JSON or YAML. Flags win. A server, a key, a
    download or code that only the file names needs your word: its flag again, --trust, or yes on the terminal.
    Several values of a task option are several runs on one loaded model, below --out a directory each.
    """
    from listeval.cli.progress import Progress
    from listeval.cli.suite_result import SuiteOutput
    from listeval.runs.config import build_config
    from listeval.runs.run_adapters import run_each, with_adapters
    from listeval.suites.axes import axes, planned

    asked = wanted(fail_under, fail_if, fail_on, junit)
    flags["track"] = list(track) or None
    values = _from_file(config)
    from_file = dict(values)
    if config is not None and Path(config[1:]).is_dir():
        del from_file["out"]  # a run's directory is where the user says that it is
    values = _overridden(values, {name: value for name, value in flags.items() if value is not None})
    own: dict[str, Any] = dict(flags)
    given = {"chat_template_arg": TEMPLATE.read(template_args), "engine_arg": ENGINE.read(engine_args)}
    _take(values, own, {"options": dict(map(parse_setting, settings)), **given})
    if system is not None:
        values["system"] = _text_or_file(system)
    typed = [f"--{name.replace('_', '-')}" for name, value in own.items() if value is not None]
    with placed((config or "").removeprefix("@"), typed):
        resolved = build_config(_as_meant(values))
        _permit(config, from_file, own, trusted=trust)
        allow_options(resolved.task, resolved.options)
        configs = with_adapters(resolved, [str(absolute(name, bare=True)) for name in adapters])
        several = axes(resolved)
        runs = planned(configs, several)
        foresee([run.config for run in runs] if several else configs, asked)
        if several:
            return _several(runs, SuiteOutput.of(resolved, asked, as_json), quiet)
        with Progress(quiet=quiet, show_prompt=show_prompt) as progress:
            finished = list(run_each(configs, progress))
    _print(finished, as_json)
    errored = ExitCode.SAMPLES_ERRORED if any(one.summary.unanswered for one in finished) else ExitCode.OK
    return max(say_strays(finished), errored, judge_runs(finished, asked))


def _permit(config: str | None, from_file: Mapping[str, Any], own: Mapping[str, Any], *, trusted: bool) -> None:
    """Raises UserError where a file asks for what the user's `own` flags do not allow."""
    from listeval.runs.consent_requests import of_config

    if config is not None:
        permit(of_config(from_file, own), config, trusted=trusted)


def _overridden(values: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Values of a file under flags: what these say of all seeds wins over the places of each."""
    places = values.get("places")
    if isinstance(places, dict):
        from listeval.runs.config import listed
        from listeval.runs.places import of_seeds

        if given.keys() & {"limit", "samples"}:
            values = {name: value for name, value in values.items() if name != "places"}
        elif isinstance(seeds := listed(given.get("seeds")), list | tuple):
            values = {**values, "places": of_seeds(seeds, places)}
    return values | given


def _take(values: dict[str, Any], own: dict[str, Any], given: Mapping[str, Mapping[str, Any]]) -> None:
    """Add to the mappings in `values` what the user gave by name; `own` is what the user said.

    What is no mapping there stays, for the configuration to refuse.
    """
    for key, told in given.items():
        own[key] = told or None
        known = values.get(key)
        if told and isinstance(known, Mapping | None):
            values[key] = {**(known or {}), **told}


def _several(runs: Sequence[PlannedRun], asked: SuiteOutput, quiet: bool) -> ExitCode:
    """Runs that differ in an option with several values, as a suite of them."""
    from listeval.cli.suite_result import conclude, work
    from listeval.suites.execute_suite import prospects

    return conclude(work(prospects(runs), quiet=quiet), asked)


def _as_meant(values: dict[str, Any]) -> dict[str, Any]:
    """Values without those that are not given; lists as lists, paths of what is there made absolute."""
    from listeval.runs.config import listed

    paths = {name: absolute(values.get(name), bare=name == "data") for name in PATHS}
    lists = {name: listed(values.get(name)) for name in ("seeds", "samples", "track")}
    return {name: value for name, value in {**values, **paths, **lists}.items() if value is not None}


def _print(runs: Sequence[Run], as_json: bool) -> None:
    if as_json:
        objects = [run.to_json() for run in runs]
        say_json(objects[0] if len(objects) == 1 else objects)
        return
    from listeval.report.terminal import print_runs

    print_runs(runs)
    say()
    for run in runs:
        say(f"run: {run.path}")
        if run.summary.n > run.summary.kinds["ok"]:
            say(f"why they failed: listeval show {run.path}")
    if len(runs) > 1:
        say(f"side by side: listeval compare {' '.join(str(run.path) for run in runs)}")


def _from_file(config: str | None) -> dict[str, Any]:
    if config is None:
        return {}
    if not config.startswith("@"):
        raise UserError(f"unexpected argument '{config}'", fix=f"for an earlier run or a config file write @{config}")
    from listeval.runs.config_file import read_config

    return read_config(Path(config[1:]))


def parse_setting(text: str) -> tuple[str, Any]:
    """`k=4` as ("k", 4); values are read as YAML.

    Raises UserError without a name or an equals sign, and for a value in which a key stands twice.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UserError(f"'{text}' is not NAME=VALUE", place="--set", fix="write --set k=4")
    import yaml

    from listeval.runs.unique_keys import yaml_values

    try:
        return name, yaml_values(value, f"--set {name}", lines=False)
    except yaml.YAMLError:
        return name, value


def _text_or_file(given: str) -> str:
    """The text itself, or that of the file behind `@`. Raises UserError for a file that cannot be read."""
    if not given.startswith("@"):
        return given
    try:
        return user_path(given[1:]).read_text(encoding="utf-8-sig").rstrip("\n")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"no system text: {cause}", place=given[1:], fix="name a text file, or give the text") from None


def absolute(value: object, *, bare: bool) -> object:
    """As `absolute_path`, of what has the form of a path.

    A `bare` name counts as a path too, where it cannot be the name of something else.
    """
    if not isinstance(value, str) or not value or not (bare or "/" in value or value.startswith(".")):
        return value
    return absolute_path(value)
