"""Verdicts, unscored answers, pass@k and appendices: what a task says beyond a number per answer."""

import itertools
import json
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval import Appendix
from listeval.errors import UserError
from listeval.plugins.open import make_task
from listeval.runs import RunConfig, rescore, run
from listeval.runs.figures.columns import at_least_one
from listeval.runs.make_rows import parse_and_score
from listeval.runs.metrics import summarise
from listeval.runs.store import load_run
from listeval.runs.stored_row import JudgedRow

TASK = '''
"""A coin: the verdict depends on the example and on a file, so that a re-score can change it."""
from pathlib import Path
from listeval import Appendix, Dataset, Example, Item, Metric, Record, Task, Unscored, Verdict
from listeval.backends.protocol import Message


class Anything(Item):
    pass


class Coin(Task):
    name, version, summary = "coin", 1, "toss"
    metrics = (Metric("won", bounds=(0, 1), at=(1, 2, 5)),)
    verdicts = ("heads", "tails", "edge")
    executes_code = EXECUTES

    def load(self, data, seed):
        rows = [Example(f"c{n}", (Message("user", f"toss {n}"),), {"n": n, "seed": seed}) for n in range(4)]
        return Dataset(rows, "inline", "1", {}, name="four coins")

    def prepare(self):
        print("prepared")

    def close(self):
        print("closed")

    def contract(self, target):
        return Record(Anything)

    def gold(self, target):
        return "{}"

    def score(self, targets, values):
        return [self._one(**target) for target in targets]

    def _one(self, n, seed):
        if n == 3:
            return Unscored("the coin rolled away")
        side = "heads" if n < seed else "tails"
        return Verdict({"won": float(side == "heads")}, WORD or side, "as it fell")

    def appendix(self, rows):
        if not rows:
            raise ValueError("no rows")
        return Appendix({"tosses.txt": " ".join(str(row["verdict"]) for row in rows)}, {"tosses": len(rows)})
'''


@pytest.fixture
def coin(tmp_path, monkeypatch):
    """Run the task from a folder of its own; keywords change its source or the configuration."""
    monkeypatch.chdir(tmp_path)

    def make(executes=False, word=None, **changes):
        import sys

        folder = tmp_path / "tasks" / "coin"
        folder.mkdir(parents=True, exist_ok=True)
        source = dedent(TASK).replace("EXECUTES", repr(executes)).replace("WORD", repr(word))
        (folder / "task.py").write_text(source)
        for name in [name for name in sys.modules if name.startswith("listeval_tasks.coin")]:
            del sys.modules[name]
        values = {"task": "coin", "model": "m", "backend": "null", "seeds": (0, 1, 2), "out": str(tmp_path / "run")}
        return run(RunConfig(**{**values, **changes}))

    return make


def test_verdicts_are_counted_with_zeros_and_unscored_answers_are_in_no_mean(coin):
    found = coin().to_json()
    assert found["verdicts"] == {"heads": 3, "tails": 6, "edge": 0}
    assert (found["scored"], found["unscored"]) == (9, 3)
    assert found["won"]["value"] == pytest.approx(3 / 9)
    assert found["parse_rate"]["value"] == 1.0


def test_pass_at_k_is_unbiased_and_stops_at_the_number_of_seeds(coin):
    found = coin().to_json()
    # Wins of three samples: example 0 has two, example 1 has one, example 2 none; example 3 is unscored.
    assert found["won@1"]["value"] == pytest.approx((2 / 3 + 1 / 3 + 0) / 3)
    assert found["won@2"]["value"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert "won@5" not in found


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_at_least_one_equals_the_count_over_all_draws(case):
    n, right, k = case
    draws = list(itertools.combinations(range(n), k))
    assert at_least_one(n, right, k) == pytest.approx(sum(min(draw) < right for draw in draws) / len(draws))


def test_rows_keep_verdict_and_reason(coin):
    rows = coin().rows
    assert [row["verdict"] for row in rows[:4]] == ["tails", "tails", "tails", None]
    assert rows[3]["outcome"] == "unscored"
    assert rows[3]["reason"] == "the coin rolled away"


def test_an_appendix_is_written_and_its_figures_are_read_back(coin):
    done = coin()
    assert (done.path / "tosses.txt").read_text().split()[:2] == ["tails", "tails"]
    assert load_run(done.path).figures == {"tosses": 12}
    assert json.loads((done.path / "metrics.json").read_text())["figures"] == {"tosses": 12}


def test_figures_of_fewer_rows_are_not_shown(coin):
    done = coin()
    kept = json.loads((done.path / "metrics.json").read_text())
    (done.path / "metrics.json").write_text(json.dumps(kept | {"n": 3}))
    assert load_run(done.path).figures == {}


def test_a_verdict_that_the_task_does_not_declare_leaves_the_answer_unscored(coin):
    found = coin(word="jackpot")
    assert found.summary.scored == 0
    assert "jackpot" in found.rows[0]["reason"]


def test_code_runs_only_when_allowed(coin, tmp_path, capsys):
    with pytest.raises(UserError, match="--allow-code-execution"):
        coin(executes=True)
    assert not (tmp_path / "run").exists()
    assert "prepared" not in capsys.readouterr().out
    done = coin(executes=True, allow_code_execution=True)
    with pytest.raises(UserError, match="--allow-code-execution"):
        rescore(done.path)
    assert rescore(done.path, allow_code_execution=True).to_json() == done.to_json()
    assert capsys.readouterr().out.split() == ["prepared", "closed"] * 2


def test_the_report_names_data_verdicts_and_figures(coin, capsys):
    from listeval.report.markdown import markdown
    from listeval.report.terminal import print_runs

    done = coin()
    capsys.readouterr()
    print_runs([done])
    text = capsys.readouterr().out
    assert "four coins" in text
    assert "tails" in text
    assert "6 (66.7 %)" in text
    assert "the whole run" in text
    assert "| tails | 6 |" in markdown([done])


@pytest.mark.parametrize("name", ["samples.jsonl", "manifest.json", "../out.txt", "sub/x.txt", ".lock", ""])
def test_an_appendix_cannot_touch_what_is_not_its_own(coin, name, tmp_path, monkeypatch):
    done = coin()
    before = (done.path / "samples.jsonl").read_bytes()
    task = make_task("coin", {})
    monkeypatch.setattr(task, "appendix", lambda rows: Appendix({name: "x"}, {}))
    with pytest.raises(UserError, match="cannot be called"):
        done.conclude(task)
    assert (done.path / "samples.jsonl").read_bytes() == before
    assert json.loads((done.path / "metrics.json").read_text())["n"] == 12


def test_a_file_that_the_appendix_no_longer_has_goes(coin, monkeypatch):
    done = coin()
    task = make_task("coin", {})
    monkeypatch.setattr(task, "appendix", lambda rows: Appendix({"other.txt": "x"}, {}))
    done.conclude(task)
    assert not (done.path / "tosses.txt").exists()
    assert (done.path / "other.txt").exists()


def test_an_answer_that_a_broken_contract_cannot_read_is_not_counted_as_parsed(coin, monkeypatch):
    rows = [dict(row) for row in coin().rows]
    task = make_task("coin", {})
    monkeypatch.setattr(task, "contract", lambda target: 1 / 0)
    parse_and_score(task, rows)
    found = summarise(list(map(JudgedRow.of, rows)), task.metrics, task.verdicts)
    assert (found.scored, found.unscored, found.kinds["ok"]) == (0, 12, 0)
    assert str(found.metrics["parse_rate"].value) == "nan"
