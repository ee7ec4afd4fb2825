"""Damage anywhere in a run's directory is one line with its place, in every verb; and only owed rows are counted."""

import json
import random
import re

import pytest

from listeval.errors import UserError
from listeval.runs import load_run
from tests.hostile.damage import NASTY, Original, damage

VERBS = (
    "report r", "report r --json", "report r other --format markdown", "report r other other --format table",
    "show r --kind any --limit 9 --prompt", "show r --json", "score r", "score r --json", "run @r --quiet",
    "run @r --quiet --json --limit 9", "compare r other", "compare other r --json",
    "compare other r+truncation+permutation --format markdown", "compare r other --format latex",
    "compare other r --html page.html",
    "run --task fashion --backend replay --model r --limit 6 --out replayed --quiet",
    "export r --to lm-eval --out lm", "export r --to eee --out eee.json", "export r --to csv --out rows.csv",
)  # fmt: skip
GOOD_ATTEMPT = {
    "attempt": 1, "seed": 0, "kind": "no_json", "detail": "", "missing": 0, "text": "x", "reasoning": None,
    "finish_reason": "stop", "n_tokens": 1, "n_prompt_tokens": 1, "latency_s": 0.1, "masked": None,
}  # fmt: skip
_STILL_WORKING = re.compile(r"[a-z ]+: \d+ s")
_RAW = re.compile(r"[^\n\x20-\x7e\xa0-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def runs(null_run, cli):
    """A run to damage, in memory too, and one that stays whole."""
    cli("run --task fashion --model m --backend null --limit 8 --out other --quiet")
    return Original(null_run)


def check(said, place):
    code, out, err = said
    assert code in (0, 1, 2)
    assert "Traceback" not in err
    assert not _RAW.search(out + err), (out, err)
    if code == 2:
        # On a machine that is busy with other things a command says every few seconds that it still works.
        *told, line = (one for one in err.splitlines() if not _STILL_WORKING.fullmatch(one))
        # What an export says of the rows before it looks whether any is left.
        assert all("no row" in one or "left out" in one for one in told), told
        assert line.startswith("listeval: ")
        assert ". Fix: " in line
        assert place in line, line
    if code == 1:
        assert "listeval: " in err or '"errors": ' in out or "errors" in out


def hit(cli, runs, rng, verb):
    runs.restore()
    name = damage(runs.folder, rng)
    check(cli(verb), "r")
    return name


@pytest.mark.parametrize("verb", VERBS)
def test_some_damage_in_every_verb(cli, runs, verb):
    rng = random.Random(VERBS.index(verb))
    for _ in range(25):
        hit(cli, runs, rng, verb)


def test_some_damage_read_back(runs):
    read_back(runs, random.Random(1), 500)


def read_back(runs, rng, times):
    """Whatever is counted was asked for by this run, and every figure can be written as JSON."""
    own = {(row["key"], row["example"], row["seed"]) for row in load_run(runs.folder).rows}
    for _ in range(times):
        runs.restore()
        name = damage(runs.folder, rng)
        try:
            run = load_run(runs.folder)
            found = run.to_json()
            json.dumps(found, allow_nan=False)
            if name != "ledger":
                assert {(row["key"], row["example"], row["seed"]) for row in run.rows} <= own
            assert len({(row["example"], row["seed"]) for row in run.rows}) == found["n"] <= len(own)
        except UserError as error:
            assert error.place
            assert error.fix
            assert "\n" not in str(error)


@pytest.mark.parametrize("place", [("created",), ("attempts", 0, "started"), ("attempts", 0, "seconds")])
@pytest.mark.parametrize("value", ["é", "", "soon", "0001-01-01", "9999-12-31T23:59:59", 1e12])
def test_what_is_no_moment_is_a_damaged_manifest(cli, runs, place, value):
    runs.restore()
    file = runs.folder / "manifest.json"
    told = json.loads(file.read_text())
    part = told
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    file.write_text(json.dumps(told))
    for verb in ("score r", "export r --to lm-eval --out lm"):
        code, _, err = cli(verb)
        assert code == 2 and "manifest.json" in err and err.count("\n") == 1, err


@pytest.mark.slow
def test_100_000_damages(cli, runs):
    rng = random.Random(2)
    read_back(runs, rng, 97_000)
    for at in range(3_000):
        hit(cli, runs, rng, VERBS[at % len(VERBS)])


def stray(cli, line, n, *words):
    code, out, err = cli(line)
    assert code == 1, err
    named = [line for line in err.splitlines() if "left out" in line]
    assert len(named) == 1
    for word in words:
        assert word in named[0]
    if "--json" in line and "show" not in line:
        assert (json.loads(out)["n"], json.loads(out)["left_out"]) == (n, 1)


COUNTING = ("report r --json", "report r", "show r", "show r --json", "score r --json", "compare other r")


def lines(run):
    return (run / "samples.jsonl").read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("line", COUNTING)
def test_a_row_of_another_run_is_named_and_left_out(cli, runs, line):
    cli("run --task fashion --model m --backend null --limit 9 --max-tokens 77 --out foreign --quiet")
    rows = lines(runs.folder)
    (runs.folder / "samples.jsonl").write_bytes(b"".join([*rows, lines(runs.folder.parent / "foreign")[8]]))
    stray(cli, line, 8, "samples.jsonl:9", "r")


@pytest.mark.parametrize("line", COUNTING)
def test_a_row_that_stands_twice_is_named_and_counted_once(cli, runs, line):
    rows = lines(runs.folder)
    (runs.folder / "samples.jsonl").write_bytes(b"".join([*rows, rows[2]]))
    stray(cli, line, 8, "samples.jsonl:9", "second row")


ALTERED = {
    "key": lambda row: row.update(key="f" * 32),
    "example": lambda row: row.update(example="another"),
    "seed": lambda row: row.update(seed=row["seed"] + 1),
}


@pytest.mark.parametrize("field", ALTERED)
@pytest.mark.parametrize("line", COUNTING)
def test_an_altered_key_is_named_left_out_and_asked_for_again(cli, runs, line, field):
    whole = load_run(runs.folder).to_json()
    rows = lines(runs.folder)
    row = json.loads(rows[4])
    ALTERED[field](row)
    rows[4] = json.dumps(row).encode() + b"\n"
    (runs.folder / "samples.jsonl").write_bytes(b"".join(rows))
    stray(cli, line, 7, "samples.jsonl:", "no sample that this run asked for")
    stray(cli, "run @r --json --quiet", 8, "samples.jsonl:")
    assert load_run(runs.folder).to_json()["parse_rate"] == whole["parse_rate"]


def test_two_keys_that_changed_places_are_both_asked_for_again(cli, runs):
    rows = lines(runs.folder)
    first, second = json.loads(rows[0]), json.loads(rows[1])
    first["key"], second["key"] = second["key"], first["key"]
    (runs.folder / "samples.jsonl").write_bytes(
        b"".join([json.dumps(r).encode() + b"\n" for r in (first, second)] + rows[2:])
    )
    assert len(load_run(runs.folder).strays) == 2
    assert json.loads(cli("run @r --json --quiet")[1])["n"] == 8


def test_another_run_s_manifest_makes_every_row_a_stray(cli, runs):
    other = (runs.folder.parent / "other" / "manifest.json").read_bytes()
    (runs.folder / "manifest.json").write_bytes(other)
    code, out, err = cli("report r --json")
    assert (code, json.loads(out)["n"], json.loads(out)["left_out"]) == (1, 0, 8)
    assert "8 rows left out" in err and err.count("\n") == 1
    (runs.folder / "samples.jsonl").write_bytes(lines(runs.folder)[0])
    err = cli("report r --json")[2]
    assert "1 rows left out" in err and "8 of 8 samples have no row" in err and err.count("\n") == 2


def test_scoring_again_keeps_strays_as_they_are(cli, runs):
    rows = lines(runs.folder)
    (runs.folder / "samples.jsonl").write_bytes(b"".join([*rows, rows[2].replace(b'"key":"', b'"key":"0')]))
    for _ in range(2):
        stray(cli, "score r --json", 8, "samples.jsonl:9")
    assert len(lines(runs.folder)) == 9


def test_a_lost_ledger_is_made_anew_and_a_damaged_one_mends(cli, runs):
    before = (runs.folder / "metrics.json").read_bytes()
    (runs.folder / "ledger").unlink()
    code, out, _ = cli("report r --json")
    assert code == 0 and "its ledger is lost" in json.loads(out)["notices"][0]
    assert "r: its ledger is lost" in " ".join(cli("compare other r")[1].split())
    assert cli("run @r --quiet")[0] == 0
    assert (runs.folder / "ledger").read_bytes().count(b"\n") == 8
    (runs.folder / "ledger").write_bytes(b"0123456789abcdef\n\xff\xff\n")
    assert cli("report r")[0] == 1
    assert cli("run @r --quiet")[0] == cli("report r")[0] == 0
    assert (runs.folder / "metrics.json").read_bytes() == before
    assert len(lines(runs.folder)) == 8


@pytest.mark.parametrize("line", ["report r", "show r", "score r", "run @r", "compare other r",
                                  "run --task fashion --model m --backend null --out r"])  # fmt: skip
def test_rows_without_a_manifest_are_refused(cli, runs, line):
    (runs.folder / "manifest.json").unlink()
    code, _, err = cli(line)
    assert code == 2
    assert "no manifest.json" in err.splitlines()[-1]


@pytest.mark.parametrize("value", NASTY)
def test_metrics_that_are_damaged_are_said_and_made_anew(cli, runs, value):
    (runs.folder / "metrics.json").write_text(json.dumps({"n": 8, "figures": {"x": value}, "files": [value, "../x"]}))
    code, _, err = cli("report r")
    assert code in (0, 2) and (code == 0 or "listeval score r" in err)
    assert cli("score r")[0] == cli("report r")[0] == 0


ATTEMPTS = [
    [1], [{}], [[]], "x", 7, {"0": 1}, [{"kind": "none"}],
    *([{**GOOD_ATTEMPT, name: wrong}] for name, wrong in (
        ("attempt", 2), ("attempt", None), ("seed", "x"), ("kind", "no_such"), ("kind", []), ("detail", None),
        ("text", 3),
        ("n_tokens", -1), ("n_tokens", 1e300), ("latency_s", "x"), ("masked", "x"), ("reasoning", 1), ("missing", None),
    )),
]  # fmt: skip


@pytest.mark.parametrize("attempts", ATTEMPTS, ids=str)
def test_damaged_attempts_are_one_line_in_every_verb(cli, tmp_path, attempts):
    line = "run --task fashion --model m --backend null --limit 6 --attempts 3 --out r --quiet"
    assert cli(line)[0] == 0
    rows = [json.loads(row) for row in (tmp_path / "r/samples.jsonl").read_text().splitlines()]
    rows[-1] |= {"attempts": attempts, "outcome": "error", "kind": "engine_error", "error": "attempt 2 of 3 is owed"}
    (tmp_path / "r/samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for verb in ("report r", "show r --kind any", "score r", "compare r r", line):
        check(cli(verb), "r")
        assert cli(verb)[0] == 2


def test_attempts_of_a_foreign_row_are_not_gone_on_with(cli, tmp_path):
    line = "run --task fashion --model m --backend null --limit 6 --attempts 3 --out r --quiet"
    assert cli(line)[0] == 0
    rows = [json.loads(row) for row in (tmp_path / "r/samples.jsonl").read_text().splitlines()]
    foreign = {**rows[-1], "outcome": "error", "kind": "engine_error", "example": "of another run"}
    foreign["attempts"] = [{**GOOD_ATTEMPT, "text": "forged"}]
    kept = [row for row in rows if row["key"] != rows[-1]["key"]]
    (tmp_path / "r/samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*kept, foreign]))
    assert cli(line)[0] == 1
    assert (tmp_path / "r/samples.jsonl").read_text().count("forged") == 1
    (tmp_path / "r/samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    assert cli(line)[0] == 0


def test_more_attempts_than_are_allowed_do_not_lose_the_sample(cli, tmp_path):
    line = "run --task fashion --model m --backend null --limit 6 --attempts 3 --out r --quiet"
    assert cli(line)[0] == 0
    rows = [json.loads(row) for row in (tmp_path / "r/samples.jsonl").read_text().splitlines()]
    rows[-1] |= {"outcome": "error", "kind": "engine_error", "error": "owed"}
    rows[-1]["attempts"] = [{**GOOD_ATTEMPT, "attempt": number} for number in range(1, 8)]
    (tmp_path / "r/samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _ = cli(line + " --json")
    assert (code, json.loads(out)["errors"]) == (0, 0)


@pytest.mark.parametrize("verb", ["run @r --quiet", "score r", "compare other r+permutation"])
def test_an_option_that_no_task_has_is_named_with_its_run(cli, runs, verb):
    runs.restore()
    path = runs.folder / "manifest.json"
    path.write_text(path.read_text().replace('"shots"', '"sh\\ufeffots"'))
    code, _, err = cli(verb)
    assert code in (1, 2)
    assert code == 1 or ("ots" in err and "(" in err.splitlines()[-1]), err
