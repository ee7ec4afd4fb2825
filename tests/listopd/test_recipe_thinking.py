"""`thinking` of a recipe: false asks for none where the template has that switch, and keeps nobody from training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

pytest.importorskip("transformers", reason="needs transformers")
pytest.importorskip("accelerate", reason="needs accelerate")

from listeval.cli.main import main
from listeval.errors import UserError
from listopd.cliff.arms import ArmSpec, StudyPair
from listopd.cliff.recipe_forecast import foretell
from listopd.cliff.recipe_job import Job
from listopd.cliff.study import RecipeRunnerSpec
from listopd.networks import open_model, told_thinking
from listopd.probe.probe_config import ProbeConfig
from listopd.probe.recipe_settings import read_plan
from listopd.probe.run_probe import probe
from listopd.recipe import Recipe, read_recipe
from tests.listopd.tiny import CHAT

ROOT = Path(__file__).parents[2]
SWITCH = CHAT + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>{% endif %}"
TOLD = [(CHAT, False, None), (CHAT, None, None), (SWITCH, False, False), (SWITCH, None, None), (SWITCH, True, True)]
"""A template, a recipe's `thinking`, and what the template is told."""
ASKED = pytest.mark.parametrize(("chat", "thinking", "told"), TOLD)
RECIPES = sorted(path.stem for path in (ROOT / "training" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("model", ["tiny-sft", "tiny-teacher", "tiny-listopd"])
def test_every_bundled_recipe_takes_every_bundled_model(name, model):
    opened = open_model(str(ROOT / "checkpoints" / model), read_recipe(name).thinking)
    assert opened.renderer.thinking is None


@ASKED
def test_a_warm_start_trains_on_either_template_and_says_what_it_was_told(
    pairs, train, checkpoint, chat, thinking, told
):
    section = {"model": checkpoint(0, chat=chat), "steps": 1, "batch": 4, "optimiser": {"lr": 1e-3}}
    run = train(Recipe.model_validate({"task": "pairs", "thinking": thinking, "sft": section}), stage="sft")
    assert run.manifest["thinking"] is told
    assert read_recipe(run.out).thinking is thinking, "what was asked stays as it was asked"


@pytest.mark.parametrize(("chat", "told"), [(CHAT, None), (SWITCH, False)])
@pytest.mark.parametrize("base", [False, True])
def test_a_distillation_asks_it_of_all_its_models(opd_recipe, train, checkpoint, chat, told, base):
    models = {"student": checkpoint(0, chat=chat), "teacher": checkpoint(1, chat=chat)}
    if base:
        models |= {"base": checkpoint(5, chat=chat), "objective": {"base": "path"}}
    assert train(opd_recipe(shared={"thinking": False}, **models)).manifest["thinking"] is told


def test_a_shared_tokenizer_may_lack_the_switch(pairs, train, checkpoint):
    scratch = {"tokenizer": checkpoint(0), "hidden": 16, "heads": 2, "layers": 1, "intermediate": 16}
    section = {"model": scratch, "steps": 1, "batch": 4, "optimiser": {"lr": 1e-3}}
    run = train(Recipe.model_validate({"task": "pairs", "thinking": False, "sft": section}), stage="sft")
    assert run.manifest["thinking"] is None


def test_thinking_that_is_asked_for_and_cannot_be_had_is_refused_by_the_recipe_s_key(checkpoint):
    for call in (open_model, told_thinking):
        with pytest.raises(UserError, match=r"no switch for thinking .* \(thinking\). Fix: thinking=null, or"):
            call(checkpoint(0), True)


@ASKED
def test_a_probe_of_a_recipe_is_told_what_its_training_is(opd_recipe, checkpoint, tmp_path, chat, thinking, told):
    models = {"student": checkpoint(0, chat=chat), "teacher": checkpoint(1, chat=chat)}
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(opd_recipe(shared={"thinking": thinking}, **models).model_dump(mode="json")))
    asked = read_plan(str(file)) | {"on": "gold", "limit": 2, "bootstrap": 100}
    assert probe(ProbeConfig(**asked)).manifest["config"]["enable_thinking"] is told


def probe_words(capsys, *words):
    """(exit code, stdout, stderr) of the command on two right answers."""
    few = ["--on", "gold", "--limit", "2", "--bootstrap", "100", "--trust", "--json", "--quiet"]
    with pytest.raises(SystemExit) as stopped:
        main(["probe", *words, *few])
    said = capsys.readouterr()
    return stopped.value.code, said.out, said.err


@pytest.mark.parametrize("thinking", [None, False, True])
@pytest.mark.parametrize("flag", ["--thinking", "--no-thinking"])
@pytest.mark.parametrize("chat", [CHAT, SWITCH], ids=["no switch", "a switch"])
def test_a_flag_asks_for_what_it_says_beside_a_recipe_too(
    opd_recipe, checkpoint, tmp_path, capsys, thinking, flag, chat
):
    models = {"student": checkpoint(0, chat=chat), "teacher": checkpoint(1, chat=chat)}
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(opd_recipe(shared={"thinking": thinking}, **models).model_dump(mode="json")))
    alone = ["--base", models["student"], "--teacher", models["teacher"], "--task", "pairs"]
    for words in (["--recipe", str(file)], alone):
        code, out, error = probe_words(capsys, *words, flag)
        if chat == SWITCH:
            assert code == 0 and json.loads(out)["manifest"]["config"]["enable_thinking"] is (flag == "--thinking")
        else:
            assert code == 2 and "does not mention enable_thinking" in error and "thinking=null" not in error


def test_a_recipe_s_thinking_is_told_to_the_base_that_a_flag_names(opd_recipe, checkpoint, tmp_path, capsys):
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(opd_recipe(shared={"thinking": False}).model_dump(mode="json")))
    named = ["--base", checkpoint(0, chat=SWITCH), "--teacher", checkpoint(1, chat=SWITCH)]
    code, out, error = probe_words(capsys, "--recipe", str(file), *named)
    assert code == 0, error
    assert json.loads(out)["manifest"]["config"]["enable_thinking"] is False


@ASKED
def test_a_study_foretells_and_evaluates_as_its_arms_train(checkpoint, tmp_path, monkeypatch, chat, thinking, told):
    pair = StudyPair("p", checkpoint(0, chat=chat), checkpoint(1, chat=chat))
    spec = RecipeRunnerSpec.model_validate({"kind": "recipes", "recipe": "listopd", "changes": {"thinking": thinking}})
    seen = []
    monkeypatch.setattr("listopd.probe.run_probe.probe", lambda config: seen.append(config) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        foretell(spec, pair, (1.0, 1.5), "cpu")
    assert seen[0].enable_thinking is told
    arm = ArmSpec("P", pair, "listopd", 1.25, 5.0, 3e-4, 7, 16, (20, 50))
    words = Job(spec, read_recipe("listopd", [f"thinking={json.dumps(thinking)}"]), arm, tmp_path, None)._evaluation(20)
    assert [w for w in words if "thinking" in w] == {None: [], True: ["--thinking"], False: ["--no-thinking"]}[told]


@pytest.mark.parametrize(("chat", "told"), [(CHAT, None), (SWITCH, False)])
def test_the_engine_of_rollouts_is_told_what_the_student_is(checkpoint, monkeypatch, chat, told):
    torch = pytest.importorskip("torch", reason="needs torch")
    from listopd.rollout import vllm

    seen = []
    monkeypatch.setattr("listeval.backends.vllm.vllm_engine.open", lambda path, options: seen.append(options))
    recipe = Recipe.model_validate({"thinking": False})
    vllm._open(torch.device("cpu"), open_model(checkpoint(0, chat=chat), False), 6, recipe, 1)
    assert seen[0].enable_thinking is told
