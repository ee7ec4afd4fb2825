"""FMC is of answers that are lists by id; of others it is measured nowhere: no figure says 0, no gate holds."""

import json
import math

import pytest

from listeval.comparison import compare
from listeval.errors import UserError
from listeval.report.gates import check_comparison, check_run, fail_if
from listeval.runs import RunConfig, load_run, run
from listeval.runs.tracking.tracked import figures_of

TASKS = [("json", False), ("gsm8k", False), ("bfcl", False), ("fashion", True)]


@pytest.fixture(params=TASKS, ids=lambda task: task[0])
def pair(request, tmp_path):
    """Two runs that ask again, of two seeds, and whether their answers have ids."""
    task, has_ids = request.param
    for model in ("gold", "m"):
        asked = {"seeds": (0, 1), "limit": 4, "attempts": 2, "temperature": 0.5, "reask": "same"}
        run(RunConfig(task=task, model=model, backend="null", out=str(tmp_path / model), **asked))
    return load_run(tmp_path / "gold"), load_run(tmp_path / "m"), has_ids


def test_no_surface_of_a_run_measures_it(pair):
    done, _, has_ids = pair
    written = json.loads((done.path / "metrics.json").read_text())
    for name in ("fmc", "raw_fmc"):
        for found in (done.to_json(), written):
            assert [end is not None for end in found[name].values()] == [has_ids] * 3
        assert (done.summary.over[name] > 0) == has_ids
        assert (name in figures_of(done)) == has_ids
    assert all((means["fmc"] is not None) == has_ids for means in written["by_seed"].values())


def test_no_surface_of_a_comparison_measures_it(pair):
    base, arm, has_ids = pair
    found = compare([base.path, arm.path])
    told = {*found.frame()["figure"], *found.contrasts[0].differences}
    assert ("fmc" in told) == has_ids
    assert all(("fmc" in values) == has_ids for values in found.values)
    assert ('"fmc"' in json.dumps(found.to_json())) == has_ids


def test_no_gate_can_be_on_it(pair):
    base, arm, has_ids = pair
    gates = [fail_if("fmc > 0.9", "value")]
    if has_ids:
        assert math.isfinite(base.summary.metrics["fmc"].value)
        assert not check_run(base, gates)[0].missed
        assert not check_comparison(compare([base.path, arm.path]), gates)[0].missed
        return
    with pytest.raises(UserError, match="this run has no figure 'fmc'") as refused:
        check_run(base, gates)
    assert "fmc" not in refused.value.fix
    with pytest.raises(UserError, match="no difference is taken of 'fmc'"):
        check_comparison(compare([base.path, arm.path]), gates)
