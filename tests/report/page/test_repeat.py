"""The command that a page shows makes the same configuration again."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.cli import run as run_verb
from listeval.errors import UserError
from listeval.report.page.repeat import compare_command, not_in_command, run_command, without_password
from listeval.runs.config import RunConfig, build_config

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
VALUES = st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False) | WORDS
NAMES = st.text("abcdefgh_", min_size=1, max_size=8)
CONFIGS = st.fixed_dictionaries(
    {"task": st.just("fashion"), "model": WORDS.filter(lambda word: not word.startswith("-"))},
    optional={
        "options": st.dictionaries(NAMES, VALUES | st.lists(VALUES, max_size=3), max_size=3),
        "limit": st.integers(1, 99),
        "seeds": st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True).map(tuple),
        "samples": st.lists(st.text("abcXYZ-./ '\"$", min_size=1).map(str.strip).filter(bool), max_size=2).map(tuple),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0.1, 1),
        "max_tokens": st.integers(1, 999),
        "attempts": st.integers(1, 9),
        "enable_thinking": st.booleans(),
        "chat_template_arg": st.dictionaries(
            NAMES, VALUES.filter(lambda v: v not in ("True", "False", "None")), min_size=1
        ),
        "system": WORDS.filter(lambda word: not word.startswith("@")),
        "constraint": st.sampled_from(["none", "schema", "permutation"]),
        "timeout_s": st.floats(1, 100),
        "allow_code_execution": st.just(True),
        "backend": st.sampled_from(["auto", "hf", "null"]),
        "track": st.lists(st.sampled_from(["tensorboard", "wandb", "trackio"]), max_size=2, unique=True).map(tuple),
    },
)


def told(command, monkeypatch):
    """What `listeval run` would build from a command line."""
    kept = {}

    def keep(values):
        kept.update(values)
        raise UserError("far enough")

    monkeypatch.setattr("listeval.runs.config.build_config", keep)
    words = shlex.split(command)
    assert words[:2] == ["listeval", "run"]
    with pytest.raises(UserError, match="far enough"):
        run_verb.command.main(words[2:], standalone_mode=False)
    return kept


@given(CONFIGS)
def test_the_command_says_the_whole_configuration(values):
    try:
        config = build_config(values)
    except UserError:
        return
    with pytest.MonkeyPatch.context() as patch:
        found = told(run_command(config), patch)
    assert RunConfig.model_validate(found).model_dump() == config.model_dump()


def test_what_has_no_flag_is_said():
    config = RunConfig(task="fashion", model="m", structured=True)
    assert "structured: true" in not_in_command(config)
    assert not_in_command(RunConfig(task="fashion", model="m")) == ""


@pytest.mark.parametrize(("url", "shown"), [
    ("http://user:secret@host:8000/v1", "http://host:8000/v1"), ("http://host/v1", "http://host/v1"), ("http://[", "http://["),
])  # fmt: skip
def test_no_password_is_passed_on(url, shown):
    assert without_password(url) == shown
    config = RunConfig(task="fashion", model="m", backend="openai", base_url=url)
    assert "secret" not in run_command(config)


def test_a_comparison_is_made_again_by_its_command(two_runs):
    from listeval.comparison import compare
    from listeval.comparison.thresholds import Thresholds

    paths = [str(run.path) for run in two_runs]
    found = compare([paths[0], f"{paths[0]}+permutation"], thresholds=Thresholds(0.2), seed=3)
    words = shlex.split(compare_command(found))
    assert words == [
        "listeval", "compare", paths[0], f"{paths[0]}+permutation", "--margin", "0.2", "--seed", "3",
        "--html", "compare.html",
    ]  # fmt: skip
    assert Path(words[2]).is_dir()
