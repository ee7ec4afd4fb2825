"""Recipes: every bundled one is legal, and what is wrong with one is said in a line that names the key."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from listeval.errors import UserError
from listopd.recipe import Recipe, read_recipe

BUNDLED = sorted((Path(__file__).parents[2] / "training" / "recipes").glob("*.yaml"))
SCRATCH = "sft={model: {%s}, steps: 2, optimiser: {lr: 1.0e-3}}"


@pytest.mark.parametrize("file", BUNDLED, ids=lambda file: file.stem)
def test_bundled_recipes_are_legal_and_found_by_name(file):
    recipe = read_recipe(file.stem)
    assert recipe.sft or recipe.opd
    assert Recipe.model_validate(yaml.safe_load(yaml.safe_dump(recipe.model_dump(mode="json")))) == recipe


def test_reading_needs_no_torch():
    import subprocess
    import sys

    code = (
        "import sys; from listopd.recipe import read_recipe; read_recipe('listopd'); assert 'torch' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": f"{root}:{root / 'training'}"})


def test_a_run_directory_is_a_recipe(tmp_path):
    (tmp_path / "recipe.yaml").write_text(BUNDLED[0].read_text())
    assert read_recipe(tmp_path) == read_recipe(BUNDLED[0])


def test_a_resolved_recipe_is_a_recipe_also_with_a_shared_tokenizer(tmp_path):
    recipe = read_recipe("tiny", ["sft.model.tokenizer=somewhere"])
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert read_recipe(tmp_path) == recipe


@pytest.mark.parametrize("value", ["on", "off"])
def test_a_bare_on_or_off_is_not_a_truth_value(value):
    assert read_recipe("tiny", [f"precision.packing={value}"]).precision.packing == value


def test_changes_replace_values_by_their_path():
    recipe = read_recipe("listopd", ["opd.steps=40", "opd.epochs=null", "opd.optimiser.lr=2e-4", "seed=3"])
    assert (recipe.opd.steps, recipe.opd.epochs, recipe.opd.optimiser.lr, recipe.seed) == (40, None, 2e-4, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("opd={student: S, teacher: T, steps: 1, optimiser: {lr: 1}, curve: C, objective: {base: none}}", "no base"),
        ("opd.objectiv=1", "unknown key 'opd.objectiv'.*did you mean 'objective'"),
        ("opd.objective.clips={epsilon: 3}", "unknown key 'opd.objective.clips.epsilon'.*did you mean 'epsilon_low'"),
        ("opd.extrapolation={kind: guarded, valu: 2}", "unknown key 'opd.extrapolation.valu'.*did you mean 'value'"),
        ("opd.extrapolation={kind: per_position, scafold: 2}", "did you mean 'scaffold'"),
        ("opd.extrapolation={kind: bogus}", "opd.extrapolation: .*'constant', 'per_position', 'auto', 'guarded'"),
        (SCRATCH % "hiden: 64", "unknown key 'sft.model.hiden'.*did you mean 'hidden'"),
        (SCRATCH % "hidden: x", "sft.model.hidden: .*integer"),
        (SCRATCH % "hidden: 30", "sft.model: 4 heads do not divide a hidden size of 30"),
        (SCRATCH % "tokenizer: x, vocab: 99", "a shared tokenizer has its own vocabulary"),
        ("opd.objective.base=path", "opd.base names a checkpoint exactly when"),
        ("opd.base=somewhere", "opd.base names a checkpoint exactly when"),
        ("opd.objective.base=none", "set base_neutral_offset"),
        ("opd.objective.minibatches=5", "5 minibatches do not divide"),
        ("opd.steps=3", "set one of them, and the other to null"),
        ("precision.device=cuda:1", "precision.device: .*'cpu' or 'cuda'"),
        ("precision.packing=maybe", "precision.packing"),
        ("opd.steps={", "the value of 'opd.steps' is no YAML"),
        ("opd.steps=!!bool x", "the value of 'opd.steps' is no YAML"),
        ("options.k=&a [*a]", "the value of 'options.k' is no YAML"),
        ("opd.steps", "not of the form key=value"),
        ("opd.batch.x=1", "'batch' in 'opd.batch.x' has no keys of its own"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(change, said):
    with pytest.raises(UserError, match=said) as error:
        read_recipe("listopd", [change])
    assert "\n" not in str(error.value)


def test_a_section_that_is_missing_is_named():
    with pytest.raises(UserError, match=r"no section 'sft'.*train opd"):
        read_recipe("listopd").section("sft", "listopd")


def test_an_unknown_recipe_and_a_broken_file(tmp_path):
    with pytest.raises(UserError, match=r"no such recipe.*did you mean 'listopd'"):
        read_recipe("listop")
    for text, said in (("a: [", "cannot be read"), ("options: &a {k: *a}", "holds itself"), ("- 1", "not a mapping")):
        (tmp_path / "r.yaml").write_text(text)
        with pytest.raises(UserError, match=said):
            read_recipe(tmp_path / "r.yaml")
