"""A run's scope only grows, whatever a later command asks for, and no row that is there goes uncounted."""

import json
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.cli.main import main
from listeval.runs import RunConfig, load_run
from listeval.runs.scope import chosen, joined, scope_of
from listeval.task import Example

SIZE = 12


def examples(seed):
    """Seeds 0 and 1 share their ids, seed 2 has its own."""
    return [Example(f"{'x' if seed < 2 else 'y'}{(i + seed) % SIZE}", (), {}) for i in range(SIZE)]


ids = st.sampled_from([example.id for seed in (0, 2) for example in examples(seed)])
scopes = st.builds(
    RunConfig,
    task=st.just("t"), model=st.just("m"),
    seeds=st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=3, unique=True).map(tuple),
    samples=st.one_of(st.just(()), st.lists(ids, min_size=1, max_size=4).map(tuple)),
    limit=st.one_of(st.none(), st.integers(1, SIZE + 2)),
)  # fmt: skip


def cells(config):
    return {(seed, place) for seed in config.seeds for place, _ in chosen(examples(seed), seed, config)}


def after(asked):
    """The configuration after these commands."""
    return reduce(lambda old, new: joined(old, new, examples), asked)


@given(st.lists(scopes, min_size=1, max_size=5))
def test_a_scope_is_what_its_commands_asked_for_and_no_more(asked):
    found = after(asked)
    assert cells(found) == set().union(*map(cells, asked))
    assert RunConfig.model_validate_json(found.model_dump_json()) == found
    for one in (found, *asked):
        assert scope_of(joined(found, one, examples)) == scope_of(found), "asking again asks for nothing more"


@given(scopes, scopes)
def test_a_scope_keeps_the_words_of_a_command_that_asked_for_all(old, new):
    found = joined(old, new, examples)
    if set(old.seeds) == set(new.seeds) and not old.samples and not new.samples:
        most = max((old, new), key=lambda config: config.limit or SIZE + 3)
        assert (found.limit, found.places) == (most.limit, None)


@given(scopes, scopes)
def test_only_the_scope_is_merged(old, new):
    found = joined(old, new.model_copy(update={"temperature": 0.5, "out": "there"}), examples)
    assert (found.temperature, found.out) == (0.5, "there")


@given(scopes)
def test_the_same_scope_stays_and_asks_for_no_data(config):
    def none(seed):
        raise AssertionError

    assert scope_of(joined(config, config, none)) == scope_of(config)


@pytest.mark.parametrize(
    "less", [["--limit", "5"], ["--seeds", "1"], ["--samples", "ID"], ["--seeds", "0", "--limit", "3"]], ids=str
)
def test_a_finished_run_is_not_shrunk_by_asking_for_less(start, capsys, less):
    done = start(limit=12, seeds=(0, 1))
    before = (done.path / "metrics.json").read_bytes()
    rows = (done.path / "samples.jsonl").read_bytes()
    less = [done.rows[3]["example"] if word == "ID" else word for word in less]
    for flags in (less, []):
        with pytest.raises(SystemExit) as stopped:
            main(["run", f"@{done.path}", *flags, "--json"])
        assert stopped.value.code == 0
        assert json.loads(capsys.readouterr().out)["n"] == 24
        assert (done.path / "samples.jsonl").read_bytes() == rows
        assert (done.path / "metrics.json").read_bytes() == before
        assert scope_of(load_run(done.path).manifest.config) == ((0, 1), (), 12, None)


def test_asking_for_less_of_an_unfinished_run_makes_that_and_the_rest_stays_owed(start):
    done = start(limit=10)
    rows = (done.path / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (done.path / "samples.jsonl").write_bytes(b"".join(rows[:2]))
    assert start(limit=4).summary.n == 4
    config = load_run(done.path).manifest.config
    assert config.limit == 10
    assert start(limit=config.limit).summary.n == 10


def test_another_seed_is_added_with_its_data(start):
    start(limit=4)
    done = start(limit=4, seeds=(1,))
    assert (done.summary.n, done.manifest.config.seeds, set(done.manifest.data)) == (8, (0, 1), {"0", "1"})


def test_a_seed_is_added_to_a_run_of_exact_places_with_those_places_and_not_whole(start, capsys):
    first = start(limit=3)
    far = start(limit=9, out=str(first.path.parent / "other")).rows[8]["example"]
    done = start(limit=None, samples=(far,))
    assert done.manifest.config.places == {0: "0-2,8"}
    with pytest.raises(SystemExit):
        main(["run", f"@{done.path}", "--seeds", "0,1", "--json"])
    assert json.loads(capsys.readouterr().out)["n"] == 8
    assert load_run(done.path).manifest.config.places == {0: "0-2,8", 1: "0-2,8"}
