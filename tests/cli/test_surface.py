"""The command line is a frozen surface: verbs, flags, exit codes; and `--help` imports nothing heavy."""

import re
import subprocess
import sys

import click
import pytest

from docs.tools import cli_page
from listeval.cli.main import _run, cli
from listeval.errors import ExitCode

FLAGS = {
    "run": (
        "--adapter --allow-code-execution --api-key-env --attempts --backend --base-url --batch-size "
        "--chat-template-arg --concurrency --constraint --data --device --dtype --engine --engine-arg --fail-if "
        "--fail-on --fail-under --json --junit --limit --max-model-len --max-tokens "
        "--model --no-thinking --out --quiet --ray-address --reask --samples --seeds --serve --set --show-prompt "
        "--spacing --system --task --temperature --thinking --timeout-s --tokenizer --top-p --track --trust"
    ),
    "suite": (
        "--allow-code-execution --api-key-env --base-url --dry-run --fail-if --fail-on --fail-under --json --junit "
        "--limit --out --plan --quiet --seeds --trust"
    ),
    "score": "--allow-code-execution --fail-if --fail-on --fail-under --json --junit --quiet --trust",
    "show": "--json --kind --limit --prompt --sample --trust --verdict",
    "report": "--all --fail-if --fail-on --fail-under --figures --format --html --json --junit --trust",
    "compare": (
        "--across-prompts --alpha --cost-order --fail-if --fail-on --format --html --json --junit --margin --seed "
        "--trust"
    ),
    "export": "--dataset --dry-run --license --out --private --to",
    "train": "--card --json --out --quiet --resume --shards --trust",
    "probe": (
        "--base --bootstrap --cap --clip --curve --curve-figure --data --device --dtype --figure --floor --ids --json "
        "--kappa --lambdas --limit --max-tokens --no-thinking --on --out --quiet --recipe --scaffold --seeds --set "
        "--steps --student --task --teacher --temperature --thinking --trust"
    ),
    "label": (
        "--api-key-env --attempts --concurrency --data --json --judge --limit --max-tokens --out --price --quiet "
        "--rubric --task --temperature --timeout-s"
    ),
    "doctor": "--json",
}

ALWAYS = "numpy pydantic rich jinja2 yaml torch transformers vllm httpx scipy"
FRAMES = (
    "pandas",
    "pyarrow",
    "datasets",
    "huggingface_hub",
    "matplotlib",
    "inspect_ai",
    "outlines",
    "outlines_core",
    "peft",
    "tensorboard",
    "wandb",
    "trackio",
)
"""What frames, exports, trackers and some engines are made with."""


def flags(command: click.Command) -> str:
    options = [p for p in command.params if isinstance(p, click.Option)]
    return " ".join(sorted(name for option in options for name in option.opts + option.secondary_opts))


def verb(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def test_verbs_are_frozen():
    assert cli.list_commands(click.Context(cli)) == [
        "run", "suite", "score", "show", "report", "compare", "export", "train", "probe", "cliff", "tasks", "rubrics",
        "label", "doctor",
    ]  # fmt: skip
    assert {name: flags(command) for name, command in verb("rubrics").commands.items()} == {
        "list": "--json",
        "show": "",
        "agree": "--json --task --votes",
    }
    assert {name: flags(command) for name, command in verb("cliff").commands.items()} == {
        "plan": "--device --json --out --trust",
        "lock": "--device --json --out --quiet --trust",
        "sweep": "--device --jobs --json --out --part --quiet --trust",
        "verify": "--json --out",
        "report": "--json --out",
    }
    assert {name: flags(command) for name, command in verb("train").others.items()} == {
        "merge": "--base --dtype --out --trust",
        "push": "--base --dry-run --license --private --run",
    }
    assert {name: flags(command) for name, command in verb("tasks").commands.items()} == {
        "list": "--json",
        "show": "--data --set",
        "new": "",
        "check": "--allow-code-execution --data --json --model --set",
    }


@pytest.mark.parametrize("name", FLAGS)
def test_flags_are_frozen(name):
    assert flags(verb(name)) == FLAGS[name]


def test_exit_codes_are_frozen():
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0, "SAMPLES_ERRORED": 1, "USAGE": 2, "CANARY_FAILED": 3, "PREDICTION_MISSED": 4,
    }  # fmt: skip


@pytest.mark.parametrize("args", ["--help", "run --help", "suite --help", "export --help", "--version"])
def test_help_imports_nothing_heavy(args):
    heavy = [*ALWAYS.split(), *FRAMES]
    code = (
        "import sys; from listeval.cli.main import main\n"
        f"try: main({args.split()!r})\n"
        f"finally: print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout


def test_importing_listeval_imports_nothing_else():
    code = "import sys, listeval; print([m for m in ('numpy', 'pydantic', 'click') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_every_public_name_loads():
    import listeval

    assert all(getattr(listeval, name) for name in listeval.__all__)


def test_every_heading_of_the_command_line_s_page_can_be_typed(capsys):
    headings = re.findall(r"^##+ listeval (.+)$", cli_page.page(), re.MULTILINE)
    assert {"run", "tasks show", "train", "train merge", "train push", "cliff plan"} <= set(headings)
    for heading in headings:
        assert _run([*heading.split(), "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: listeval {heading} ")
