"""How many samples of a run have no row, whatever ended it and however often its scope was changed."""

import json
import shlex

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from listeval.cli.main import main
from listeval.cli.say import say_unfinished
from listeval.plugins.open import make_task
from listeval.runs import RunConfig, load_run
from listeval.runs.entries import DataEntry
from listeval.runs.ledger import FILE
from listeval.runs.scope import counted, joined, planned
from tests.runs.test_scope import cells, examples, scopes


def entries(config):
    """What a manifest says of the data of `config`."""
    own = {seed: len([place for at, place in cells(config) if at == seed]) for seed in config.seeds}
    return {str(seed): DataEntry(source="s", fingerprint="f", asked=n) for seed, n in own.items()}


@given(st.lists(scopes, min_size=1, max_size=5))
def test_a_run_owes_what_its_commands_asked_for(asked):
    config, data, wanted = asked[0], entries(asked[0]), cells(asked[0])
    for new in asked[1:]:
        config = joined(config, new, examples)
        data, wanted = counted(config, data, entries(new), examples), wanted | cells(new)
    assert planned(config, data) == len(wanted)
    for seed in config.seeds:
        assert data[str(seed)].asked == len([at for at, _ in wanted if at == seed])


SEVERAL = {
    "a seed more, of which little is asked": [{"limit": None}, {"seeds": (1,), "limit": 5}],
    "less of the first": [{"limit": 5}, {"seeds": (1,), "limit": 7}],
    "both, and then one": [{"limit": 5, "seeds": (0, 1)}, {"seeds": (2,), "limit": 3}, {"seeds": (1,), "limit": 4}],
    "a sample of another seed": [{"limit": 3}, {"seeds": (1,), "limit": None, "samples": 2}],
    "a sample, twice": [{"limit": 3}, *[{"seeds": (1,), "limit": None, "samples": 2}] * 2],
}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_run_is_whole_when_every_command_was(start, capsys, name):
    for changes in SEVERAL[name]:
        if "samples" in changes:
            found = make_task("fashion", {}).load(None, changes["seeds"][0]).examples[: changes["samples"]]
            changes = changes | {"samples": tuple(example.id for example in found)}
        done = start(**changes)
        assert done.without_row == load_run(done.path).without_row == 0
    with pytest.raises(SystemExit) as stopped:
        main(["report", str(done.path), "--fail-under", "parse_rate=0"])
    assert stopped.value.code == 0 and "no row" not in capsys.readouterr().err


@given(cut=st.lists(st.integers(0, 60), max_size=61, unique=True))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_missing_of_parts_of_seeds_is_counted_and_completed_alone(start, capsys, cut):
    start(limit=None)
    start(seeds=(1,), limit=2)
    named = tuple(example.id for example in make_task("fashion", {}).load(None, 1).examples[9:12])
    done = start(seeds=(1,), limit=None, samples=named)
    file = done.path / "samples.jsonl"
    rows = file.read_bytes().splitlines(keepends=True)
    assert len(rows) == 61
    file.write_bytes(b"".join(row for at, row in enumerate(rows) if at not in cut))
    assert load_run(done.path).without_row == len(cut)
    say_unfinished([load_run(done.path)])
    words = shlex.split(capsys.readouterr().err.partition("complete it: listeval ")[2])
    with pytest.raises(SystemExit) as stopped:
        main([*(words or ["run", f"@{done.path}"]), "--json", "--quiet"])
    assert (stopped.value.code, json.loads(capsys.readouterr().out)["n"]) == (0, 61)
    made = [(row["seed"], row["index"]) for row in map(json.loads, file.read_bytes().splitlines())]
    assert sorted(made) == [*((0, at) for at in range(56)), *((1, at) for at in (0, 1, 9, 10, 11))]
    assert load_run(done.path).manifest.config.places == {0: "0-", 1: "0-1,9-11"}


def test_a_limit_says_anew_what_a_run_asks_for(start, capsys):
    start(limit=3)
    done = start(seeds=(1,), limit=2)
    assert done.manifest.config.places == {0: "0-2", 1: "0-1"}
    for flags, n in ((["--seeds", "1"], 5), (["--limit", "4"], 8)):
        with pytest.raises(SystemExit):
            main(["run", f"@{done.path}", *flags, "--json", "--quiet"])
        assert json.loads(capsys.readouterr().out)["n"] == n


def test_one_seed_that_is_not_counted_leaves_the_whole_unknown():
    config = RunConfig(task="t", model="m", seeds=(0, 1))
    data = entries(config)
    assert planned(config, data) == 24
    del data["1"]
    assert planned(config, data) is None
    assert planned(config, data | {"1": DataEntry(source="s", fingerprint="f")}) is None


@pytest.mark.parametrize("left", [0, 1, 7, 23])
@pytest.mark.parametrize("noted", [True, False], ids=["asked", "by the ledger"])
def test_rows_that_are_gone_are_counted_and_going_on_makes_them(start, left, noted):
    done = start(limit=12, seeds=(0, 1))
    assert done.without_row == 0
    rows = (done.path / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (done.path / "samples.jsonl").write_bytes(b"".join(rows[:left]))
    if not noted:
        values = json.loads((done.path / "manifest.json").read_text())
        for entry in values["data"].values():
            del entry["asked"]
        (done.path / "manifest.json").write_text(json.dumps(values))
    assert load_run(done.path).without_row == 24 - left
    assert start(limit=12, seeds=(0, 1)).without_row == 0
    assert load_run(done.path).without_row == 0


def test_a_run_from_before_both_says_nothing(start):
    done = start(limit=3)
    values = json.loads((done.path / "manifest.json").read_text())
    del values["data"]["0"]["asked"]
    (done.path / "manifest.json").write_text(json.dumps(values))
    (done.path / FILE).unlink()
    assert load_run(done.path).without_row == 0


def test_a_run_that_was_stopped_before_it_asked_for_all_owes_the_rest(start):
    """A ledger has what was asked for, and an engine that takes one prompt at a time was asked for little."""
    done = start(limit=None)
    for name in ("samples.jsonl", FILE):
        lines = (done.path / name).read_bytes().splitlines(keepends=True)
        (done.path / name).write_bytes(b"".join(lines[:7]))
    assert (load_run(done.path).summary.n, load_run(done.path).without_row) == (7, 49)


def test_samples_that_the_engine_failed_have_rows(start):
    done = start(limit=6)
    row = json.loads((done.path / "samples.jsonl").read_text().splitlines()[0])
    row |= {"outcome": "error", "kind": "engine_error", "error": "gone", "scores": {}}
    lines = (done.path / "samples.jsonl").read_text().splitlines()[1:]
    (done.path / "samples.jsonl").write_text("\n".join([json.dumps(row, separators=(",", ":")), *lines, ""]))
    found = load_run(done.path)
    assert (found.summary.errors, found.without_row) == (1, 0)


@pytest.mark.parametrize("verb", [["report"], ["score", "--quiet"], ["export", "--to", "csv", "--out", "x.csv"]])
def test_who_reads_an_unfinished_run_is_told_once(start, tmp_path, monkeypatch, capsys, verb):
    monkeypatch.chdir(tmp_path)
    done = start(limit=9)
    lines = (done.path / "samples.jsonl").read_bytes().splitlines(keepends=True)
    for there, said in ((9, 0), (4, 1)):
        (done.path / "samples.jsonl").write_bytes(b"".join(lines[:there]))
        with pytest.raises(SystemExit) as stop:
            main([verb[0], str(done.path), *verb[1:]])
        err = capsys.readouterr().err
        assert stop.value.code == 0 and err.count("5 of 9 samples have no row") == said
        assert err.count(f"listeval run @{done.path}") == said
