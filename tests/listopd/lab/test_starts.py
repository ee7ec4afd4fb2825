"""Starts are accepted by what they measure, are kept exactly, and come from their origins."""

import math

import pytest
import torch

from listeval.errors import UserError
from listopd.lab.language import Language
from listopd.lab.network import Network
from listopd.lab.starts import TRIES, MeasuredStart, Phase, StartRecipe, Window, split_name, train_starts, with_origins
from listopd.lab.store import load_start, save_start, weights_digest

NETWORK, CPU = Network(Language(items=3, ids=6)), torch.device("cpu")


def test_a_start_comes_after_its_origins():
    expected = ["teacher@2", "S_sharp@2", "T_noise@2", "S_half", "teacher"]
    assert with_origins(["T_noise@2", "S_half", "teacher@0"]) == expected


@pytest.mark.parametrize("name", ["tutor", "teacher@x", "teacher@-1", "@1", ""])
def test_unknown_starts_are_refused(name):
    with pytest.raises(UserError, match="no start"):
        split_name(name)


def test_names_and_recipes_give_the_same_bits_in_any_company(quick):
    alone = train_starts(NETWORK, ["T_flip@1"], {}, CPU)
    among = train_starts(NETWORK, ["S_sharp", "T_flip", "T_flip@1", "teacher@2"], {}, CPU)
    assert torch.equal(alone["T_flip@1"].weights, among["T_flip@1"].weights)
    assert not torch.equal(among["T_flip"].weights, among["T_flip@1"].weights)
    assert set(among) == {"teacher", "teacher@1", "teacher@2", "S_sharp", "T_flip", "T_flip@1"}


def test_known_starts_are_not_trained_again(quick):
    known = train_starts(NETWORK, ["teacher"], {}, CPU)
    moved = {"teacher": known["teacher"]._replace(weights=known["teacher"].weights + 1)}
    found = train_starts(NETWORK, ["T_flip"], moved, CPU)
    assert torch.equal(found["teacher"].weights, moved["teacher"].weights)
    assert not torch.equal(found["T_flip"].weights, train_starts(NETWORK, ["T_flip"], {}, CPU)["T_flip"].weights)


def test_what_is_outside_the_window_is_trained_again_from_another_seed(quick, monkeypatch):
    seen = []
    monkeypatch.setattr(Window, "holds", lambda self, found: seen.append(found.seed) or len(seen) == 3)
    assert train_starts(NETWORK, ["teacher"], {}, CPU)["teacher"].measured.seed == seen[2]
    assert len(set(seen)) == 3


def test_a_recipe_that_never_fits_is_said_so(quick):
    quick["teacher"] = StartRecipe(None, (Phase(1, 4, 1e-3),), Window(parse=(0.9, 1.0)))
    with pytest.raises(UserError, match=f"{TRIES} trainings of the start 'teacher'"):
        train_starts(NETWORK, ["teacher"], {}, CPU)


@pytest.mark.parametrize(
    ("parse", "odds", "holds"), [(0.5, 1.0, True), (0.5, 2.1, False), (0.2, 1.0, False), (0.5, math.nan, False)]
)
def test_a_window_takes_both_figures(parse, odds, holds):
    assert Window((0.4, 0.6), (0.0, 2.0)).holds(MeasuredStart(parse, 0.0, odds, 0)) is holds


def test_noise_moves_each_matrix_by_a_part_of_its_spread(quick):
    quick["T_noise"] = StartRecipe("teacher", (), Window(), noise=0.1)
    found = train_starts(NETWORK, ["T_noise"], {}, CPU)
    moved = found["T_noise"].weights - found["teacher"].weights
    rows, columns = NETWORK.shapes[0]
    first = slice(0, rows * columns)
    assert moved[first].std() == pytest.approx(0.1 * float(found["teacher"].weights[first].std()), rel=0.2)
    assert (moved[NETWORK.parameters :] == 0).all()


def test_a_file_holds_a_start_exactly(quick, tmp_path):
    start = train_starts(NETWORK, ["teacher"], {}, CPU)["teacher"]
    assert load_start(tmp_path, "teacher", "sizes") is None
    save_start(tmp_path, "teacher", start, "sizes")
    found = load_start(tmp_path, "teacher", "sizes")
    assert torch.equal(found.weights, start.weights)
    assert found.measured == start.measured
    assert weights_digest(found) == weights_digest(start)
    assert (tmp_path / "teacher.safetensors").stat().st_size < 2 * len(start.weights) + 1_000


def test_a_file_of_another_making_or_a_damaged_one_is_refused(quick, tmp_path):
    save_start(tmp_path, "teacher", train_starts(NETWORK, ["teacher"], {}, CPU)["teacher"], "sizes")
    with pytest.raises(UserError, match="another recipe, or for other sizes"):
        load_start(tmp_path, "teacher", "others")
    quick["teacher"] = StartRecipe(None, (Phase(4, 8, 5e-3),), Window())
    with pytest.raises(UserError, match="another recipe"):
        load_start(tmp_path, "teacher", "sizes")
    file = tmp_path / "teacher.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="cannot be read"):
        load_start(tmp_path, "teacher", "sizes")
