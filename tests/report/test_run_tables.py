"""Tables on a terminal: kinds that occur, runs beside each other, FMC only of lists; and the right answer in `show`."""

import json

import pytest

from listeval.cli.main import main
from listeval.contract import Kind
from listeval.report.console import ReportConsole
from listeval.report.explain import answer, print_rows
from listeval.report.terminal import print_runs
from listeval.runs import RunConfig, load_run, run
from tests.row_shapes import stored


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Make a null run by its name, model and task."""
    monkeypatch.chdir(tmp_path)

    def make(out, model="m", task="fashion"):
        return run(RunConfig(task=task, model=model, backend="null", limit=8, out=out))

    return make


def said(runs, width=80, **options):
    console = ReportConsole()
    console.size = (width, 25)
    with console.capture() as capture:
        print_runs(runs, console, **options)
    return capture.get()


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("detail", ["", "the item 'B07' " * 8, "a" * 100], ids=["meaning", "words", "one word"])
def test_no_line_of_an_answer_is_wider_than_the_terminal(width, detail):
    [row] = stored({"example": "ticket-number-17", "kind": "missing_key", "verdict": "partly right", "detail": detail})
    console = ReportConsole()
    console.size = (width, 25)
    with console.capture() as capture:
        print_rows([row.row()], console=console)
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= width
    head = "ticket-number-17 (seed 0)  missing_key, partly right: " + (detail or Kind.MISSING_KEY.meaning)
    assert "".join(" ".join(lines).split()).startswith("".join(head.split()))


def kinds_in(text):
    return {kind for kind in Kind for line in text.splitlines() if line.startswith(f"{kind} ")}


@pytest.mark.parametrize("model", ["gold", "garbage", "m"])
def test_only_kinds_that_occur_and_ok_are_listed(start, model):
    done = start("r", model)
    occur = {kind for kind in Kind if done.summary.kinds[kind]} | {Kind.OK}
    assert kinds_in(said([done])) == occur
    assert f"{len(Kind) - len(occur)} other kinds did not occur" in said([done])
    whole = said([done], all_kinds=True)
    assert kinds_in(whole) == set(Kind) and "did not occur" not in whole


@pytest.mark.parametrize(("width", "tables"), [(80, 3), (120, 2), (180, 1)])
def test_runs_stand_beside_each_other_as_far_as_they_fit(start, width, tables):
    runs = [start(f"run{n}", f"m{n}") for n in range(5)]
    text = said(runs, width)
    heads = [line for line in text.splitlines() if line.startswith("metric ")]
    assert len(heads) == tables
    assert [name for line in heads for name in line.split()[1:]] == [f"run{n}" for n in range(5)]
    body = text.partition("metric ")[2].partition("other kinds")[0]
    assert max(map(len, body.splitlines())) <= width


def test_fmc_is_of_lists_only(start):
    lists, records = start("l"), start("r", task="gsm8k")
    assert (lists.manifest.task.contract, records.manifest.task.contract) == ("KeyedList", "Record")
    assert "fmc" in said([lists]) and "fmc" not in said([records])
    assert "fmc" in said([lists, records])
    records.manifest.task.contract = ""
    assert "fmc" in said([records]), "a run from before it was noted"


def show(capsys, *args):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["show", *args])
    assert stop.value.code == 0
    return capsys.readouterr()


def test_show_puts_the_right_answer_beside_a_wrong_one(start, capsys):
    start("bad", "garbage")
    right = start("good", "gold").rows[0]
    shown = show(capsys, "bad", "--sample", right["example"])
    assert right["text"] in shown.out.partition("--- right answer ---")[2].replace("\n", "")
    rows = show(capsys, "bad", "--json").out.splitlines()
    assert set(json.loads(rows[0])) == set(load_run("bad").rows[0])


def test_what_is_chosen_comes_in_the_order_of_the_run_and_failures_one_of_each_kind_first(start, capsys):
    run = start("r", "faults")
    order = [row["key"] for row in run.rows]

    def keys(*args):
        return [json.loads(line)["key"] for line in show(capsys, "r", "--json", "--limit", "8", *args).out.splitlines()]

    assert keys("--kind", "any") == order
    kinds = [row["kind"] for key in keys() for row in run.rows if row["key"] == key]
    failures = {row["kind"] for row in run.rows} - {"ok"}
    assert failures and set(kinds[: len(failures)]) == failures


def test_where_nothing_is_shown_it_says_what_there_is(start, capsys):
    start("good", "gold")
    for args in ([], ["--kind", "no_json"], ["--json"]):
        shown = show(capsys, "good", *args)
        assert shown.err == "nothing to show: the run has ok 8 (--kind any shows every answer)\n"
        assert shown.out == ("" if args == ["--json"] else "0 of 0 shown (8 samples in the run)\n")


def test_only_where_a_model_generates_is_there_a_speed(start, monkeypatch):
    run = start("r")
    assert run.tokens_per_second is None and "tok/s" not in said([run])
    run.manifest.backend.name = "hf"
    assert run.tokens_per_second and "tok/s" in said([run])


def test_a_useful_metric_says_what_a_failure_counts(start):
    assert "8 scored, each failure as 0" in said([start("r", "garbage")])


TASK = """
from pathlib import Path
from listeval import Dataset, Example, Item, Message, Metric, Record, Task
Path("imported").touch()
class Word(Item):
    word: str
class Echo(Task):
    name, version, summary, metrics = "echo", 1, "repeat a word", (Metric("same", useful=True),)
    def load(self, data, seed): return Dataset([Example("a", (Message("user", "a"),), {"word": "a"})], "x", "v", {})
    def contract(self, target): return Record(Word)
    def gold(self, target): return '{"word": "%s"}' % target["word"]
    def score(self, targets, values): return [{"same": 1.0} for _ in targets]
"""


def test_code_of_the_working_folder_is_not_imported_for_it(start, capsys, tmp_path):
    (tmp_path / "tasks" / "echo").mkdir(parents=True)
    (tmp_path / "tasks" / "echo" / "task.py").write_text(TASK)
    start("e", "garbage", "echo")
    (tmp_path / "imported").unlink()
    shown = show(capsys, "e")
    assert "right answer" not in shown.out and "--trust imports it" in shown.err
    assert not (tmp_path / "imported").exists()
    assert '{"word": "a"}' in show(capsys, "e", "--trust").out.partition("--- right answer ---")[2]


def test_an_answer_that_was_cut_off_is_marked_where_it_ends_and_nowhere_else():
    right, long = '{"a": {"b": "right", "c": [1, 2', '{"a": "' + "x" * 3_000
    for text in (right, long, right + "\n \n"):
        found = answer({"text": text, "span": [max(0, len(text) - 40), len(text)], "kind": "truncated"})
        [span] = found.spans
        assert found.plain[span.start : span.end] == "⟨cut off here⟩"
        assert found.plain[: span.start].endswith(text.rstrip()[-20:])
        assert len(found.plain) < 1_000


@pytest.mark.parametrize("width", [80, 200])
def test_each_task_of_several_has_tables_of_its_own_rows(start, width):
    runs = [start("l", "m"), start("r", "faults", task="gsm8k"), start("l2", "gold"), start("j", "faults", task="json")]
    text = said(runs, width)
    blocks = [block.splitlines() for block in text.split("\n\n")[1:]]
    heads = [block[0].split() for block in blocks]
    assert [head[1:] for head in heads if head[0] == "metric"] == [["l", "l2"], ["r"], ["j"]]
    for head, block in zip(heads, blocks, strict=True):
        own = [run for run in runs if run.path.name in head[1:]]
        rows = [line for line in block[1:] if "other kinds" not in line]
        assert own and rows and all(len(line.split()) > 1 for line in rows), "no row is empty"
        if head[0] == "kind":
            found = {line.split()[0] for line in rows}
            assert found == {k for k in Kind if k == Kind.OK or any(run.summary.kinds[k] for run in own)}
            assert block[-1].startswith(f"{len(Kind) - len(found)} other kinds"), "below the table that it is of"
        else:
            assert "other kinds" not in "".join(block)


@pytest.mark.parametrize(("model", "task"), [("faults", "fashion"), ("m", "fashion"), ("faults:extra_key=0.9", "json")])
@pytest.mark.parametrize("plain", [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_the_faulty_span_is_marked_without_colours_too(start, capsys, monkeypatch, model, task, plain):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in plain.items():
        monkeypatch.setenv(name, value)
    done = start("r", model, task)
    spans = [row for row in done.rows if row["span"] and row["kind"] not in ("ok", "truncated")]
    with pytest.raises(SystemExit):
        main(["show", "r", "--limit", "99"])
    shown = capsys.readouterr().out
    assert spans and shown.count("⟦") == shown.count("⟧") == len(spans)
    for row in spans:
        start_, end = row["span"]
        assert f"⟦{row['text'][start_:end]}⟧"[:9] in answer(row, styled=False).plain
        [mark] = [span for span in answer(row).spans if span.style == "reverse"]
        assert answer(row).plain[mark.start : mark.end] == row["text"][start_:end]
        assert "⟦" not in answer(row).plain
