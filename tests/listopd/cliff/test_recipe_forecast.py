"""What is foretold of a pair of checkpoints, also where its template makes thoughts of right answers."""

from __future__ import annotations

import json
import math

import pytest
import yaml

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from listeval.cli.main import main  # noqa: E402
from listeval.errors import UserError  # noqa: E402
from listopd.cliff.recipe_forecast import foretell  # noqa: E402
from listopd.cliff.study import RecipeRunnerSpec, StudyFile  # noqa: E402
from listopd.probe.probe_config import build_config  # noqa: E402
from tests.listopd.tiny import CHAT  # noqa: E402

OPENED = CHAT + "{% if add_generation_prompt %}<think>\n{% endif %}"
SWITCH = CHAT + "{% if add_generation_prompt %}<think>{% if enable_thinking is false %}</think>{% endif %}{% endif %}"
THOUGHTS = [(CHAT, None, False), (OPENED, None, True), (OPENED, False, True), (SWITCH, None, True),
            (SWITCH, True, True), (SWITCH, False, False)]  # fmt: skip
"""A template, a recipe's `thinking`, and whether the prompt opens a thought."""
LAMS = [1.0, 1.5]


@pytest.fixture
def study(pairs, checkpoint, tmp_path):
    """`study(chat, thinking, **predictions)`: the file of a study of one pair, which claims these midpoints by rule."""

    def make(chat, thinking=None, **rules):
        models = {"student": checkpoint(0, chat=chat), "teacher": checkpoint(1, chat=chat)}
        opd = models | {"steps": 1, "batch": 4, "max_tokens": 6, "optimiser": {"lr": 1e-2}}
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"task": "pairs", "thinking": thinking, "opd": opd}))
        claims = [
            {"id": name, "kind": "midpoint", "of": {"part": "E"}, "at": rule, "within": 0.05, "says": "so"}
            for name, rule in rules.items()
        ]
        runner = {
            "kind": "recipes",
            "recipe": str(tmp_path / "recipe.yaml"),
            "evaluation": {"limit": 3, "max_tokens": 6},
        }
        part = {"pairs": ["p"], "lams": LAMS, "lrs": [0.01], "seeds": [0], "budgets": [1]}
        found = {"name": "s", "runner": runner, "pairs": {"p": models}, "parts": {"E": part}, "draws": 100}
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(found | {"predictions": claims}))
        return StudyFile(tmp_path / "study.yaml")

    return make


@pytest.mark.parametrize(("chat", "thinking", "thought"), THOUGHTS, ids=range(len(THOUGHTS)))
def test_a_pair_is_foretold_whether_its_prompts_open_a_thought_or_not(study, chat, thinking, thought):
    file = study(chat, thinking)
    assert isinstance(file.study.runner, RecipeRunnerSpec)
    found = foretell(file.study.runner, file.arms[0].pair, LAMS, "cpu")
    assert found.lams == tuple(LAMS)
    assert [len(told) for told in found.outcomes] == [3, 3] and all(
        one.known for told in found.outcomes for one in told
    )
    assert (found.positions == {}) is thought


def test_a_study_of_thinking_models_is_locked_and_what_right_answers_tell_abstains(study, tmp_path, capsys):
    file = study(OPENED, a="A", b="B", c="flip", d="curve")
    with pytest.raises(SystemExit) as ended:
        main(["cliff", "lock", str(file.path), "--out", str(tmp_path / "out"), "--device", "cpu", "--quiet", "--trust"])
    assert ended.value.code in (0, None), capsys.readouterr().err
    lock = json.loads((tmp_path / "out" / "lock.json").read_text())
    assert set(lock["numbers"]) == set("abcd") and all(math.isnan(float(lock["numbers"][name])) for name in "abc")
    assert lock["foretold"]["p"]["positions"] == {} and len(lock["foretold"]["p"]["outcomes"]) == 2


def test_a_curve_alone_is_asked_for_only_with_a_curve():
    asked = {"teacher": "t", "base": "b", "task": "pairs", "on": "none"}
    with pytest.raises(UserError, match="nothing but the curve"):
        build_config(asked)
    assert build_config(asked | {"curve": True}).on == "none"
