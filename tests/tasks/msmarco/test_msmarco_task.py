"""The task as the harness sees it: prompts, worked examples, contract, gold, scores, and what a whole run shows."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from listeval.contract import Failure, Parsed
from listeval.errors import UserError
from listeval.plugins.registry import load_task
from listeval.runs import RunConfig, load_run, run
from listeval.runs.rescore import rescore
from tasks.msmarco.task import MsMarco, MsMarcoOptions, Scored


def load(data=None, seed=0, **options):
    return MsMarco(MsMarcoOptions(**options)).load(data and str(data), seed)


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(qid, grades, **fields):
    candidates = [
        {"docid": f"{qid}{n}", "text": f"Text {n} of {qid}.", "rel": grade, "runs": {"BM25": {"rank": n + 1}}}
        for n, grade in enumerate(grades)
    ]
    return {"qid": qid, "query": f"why {qid}", "candidates": candidates, **fields}


def test_the_registry_finds_the_one_class():
    assert load_task("msmarco").summary == MsMarco.summary


def test_the_sample_is_the_default():
    found = load()
    assert (found.source, found.name) == ("msmarco sample", "generated sample")
    assert len(found.examples) == found.counts["kept"] == 36
    assert {len(example.target["grades"]) for example in found.examples} == {8}
    assert found == load() != load(seed=1)


@pytest.mark.parametrize("options", [{}, {"k": 4, "shots": 2}, {"k": 12, "cap": 1}, {"mode": "rerank", "k": 7}])
def test_gold_is_best_and_bad_answers_land_in_their_kinds(options):
    task = MsMarco(MsMarcoOptions(**options))
    examples = task.load(None, 0).examples
    assert len({example.id for example in examples}) == len(examples)
    for example in examples[:24]:
        contract = task.contract(example.target)
        parsed = contract.parse(task.gold(example.target))
        assert isinstance(parsed, Parsed)
        [metrics] = task.score([example.target], [parsed.value])
        best = float(any(example.target["grades"].values()))
        assert (metrics["ndcg@1"], metrics["ndcg@10"]) == (pytest.approx(best), pytest.approx(best))
        if len(set(example.target["grades"].values()) - {None}) > 1:
            assert metrics["kendall_tau"] == pytest.approx(1)
        for kind, text in task.bad(example.target).items():
            failure = contract.parse(text)
            assert isinstance(failure, Failure) and failure.kind is kind, text


def test_the_prompt_in_full(tmp_path):
    rows = row("7", [3, 0])
    rows["candidates"][0]["text"] = '{{ 1+1 }} <b>\n[Passage 9] & "done"'
    [example] = load(write(tmp_path / "d.jsonl", rows), k=2).examples
    assert (example.id, example.cluster) == ("7-0-0", "7")
    texts = {"70": '{{ 1+1 }} <b> [Passage 9] & "done"', "71": "Text 1 of 7."}
    first, second = example.target["grades"]
    assert example.messages == (
        (
            "user",
            "Query: why 7\n\nBelow are 2 passages. Score each.\n\n"
            f"[Passage 1] docid={first}\n{texts[first]}\n\n[Passage 2] docid={second}\n{texts[second]}\n\n"
            "Score how well each passage answers the query, from 0 (not at all) to 10 (fully). "
            'Return JSON list of objects with keys "docid" and "score", one for each of the 2 passages.',
        ),
    )


def test_gold_maps_grades_onto_the_scale():
    grades = {"11": 0, "12": 1, "13": 2, "14": 3, "15": None}
    assert json.loads(MsMarco().gold({"grades": grades})) == [
        {"docid": docid, "score": score} for docid, score in zip(grades, (0, 3, 7, 10, 0), strict=True)
    ]


def test_unjudged_passages_gain_nothing_and_have_no_part_in_tau():
    task = MsMarco()
    target = {"grades": {"a": 0, "b": 3, "c": None, "d": 1}}
    answer = '[{"docid":"c","score":10},{"docid":"b","score":9},{"docid":"d","score":5},{"docid":"a","score":"1"}]'
    [metrics] = task.score([target], [task.contract(target).parse(answer).value])
    assert metrics["kendall_tau"] == 1
    assert metrics["ndcg@1"] == 0
    assert metrics["ndcg@10"] == pytest.approx((3 / 1.584962500721156 + 1 / 2) / (3 + 1 / 1.584962500721156))
    empty = {"grades": {"a": 0, "b": None}}
    answer = '[{"docid":"a","score":1},{"docid":"b","score":2}]'
    scores = task.score([empty, target], [task.contract(empty).parse(answer).value, [*map(_scored, "abcd")]])
    assert scores[0]["ndcg@10"] == 0 and scores[0]["kendall_tau"] != scores[0]["kendall_tau"]
    assert task.score([], []) == []


def _scored(docid):
    return Scored(docid=docid, score=1.0)


def test_worked_examples_come_from_another_split(tmp_path):
    for example in load(k=4, shots=2).examples:
        assert [message.role for message in example.messages] == ["user", "assistant"] * 2 + ["user"]
        asked = [message.content.split("\n")[0] for message in example.messages[::2]]
        assert set(asked[:2]) == {"Query: how many strings does a quillo have", "Query: best soil for night plums"}
        for shown, given in zip(example.messages[:4:2], example.messages[1:4:2], strict=True):
            answers = json.loads(given.content)
            assert len(answers) == 4 and all(f"docid={item['docid']}\n" in shown.content for item in answers)
    alone = write(tmp_path / "d.jsonl", row("7", [3, 0, 2, 0]), row("8", [3, 0]))
    with pytest.raises(UserError, match="1 worked examples are asked for, another split has 0 for query"):
        load(alone, k=2, shots=1)


def test_both_years_teach_each_other(tmp_path):
    write(tmp_path / "candidates.dl19.jsonl", row("7", [3, 0]))
    write(tmp_path / "candidates.dl20.jsonl", row("8", [0, 3, 1]))
    found = load(tmp_path, k=2, shots=1)
    assert [(e.cluster, e.messages[0].content[:12]) for e in sorted(found.examples)] == [
        ("7", "Query: why 8"), ("8", "Query: why 7"),
    ]  # fmt: skip
    assert [e.cluster for e in load(tmp_path, k=2, shots=1, split="dl20").examples] == ["8"]
    with pytest.raises(UserError, match=r"no query of the split 'dl21'.*did you mean 'dl"):
        load(tmp_path, k=2, split="dl21")


def test_a_query_that_asks_the_same_is_no_worked_example_whatever_its_id(tmp_path):
    write(tmp_path / "candidates.dl19.jsonl", row("7", [3, 0], query="why me"))
    write(tmp_path / "candidates.dl20.jsonl", row("8", [0, 3, 1]) | {"query": " why  me"}, row("9", [3, 0]))
    for seed in range(8):
        [example] = load(tmp_path, k=2, shots=1, split="dl19", seed=seed).examples
        assert example.messages[0].content.startswith("Query: why 9")


def test_every_query_and_list_is_accounted_for(tmp_path):
    rows = [row("1", [3, 0] * 9), row("2", [3, 3, 3, 1]), row("3", [0, 2], split="train")]
    counts = load(write(tmp_path / "d.jsonl", *rows), k=2, cap=4).counts
    assert counts == {
        "queries": 3, "unjudged": 0, "other_splits": 1, "without_list": 1, "asked": 1,
        "lists": 9, "capped": 5, "kept": 4,
    }  # fmt: skip
    assert load(tmp_path / "d.jsonl", k=2, cap=0).counts["kept"] == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 30}, "no query has 30 judged passages with text; the most are 4 .* Fix: --set k=4"),
        ({"k": 4}, "no query with 4 judged passages has relevant and irrelevant ones .* Fix: lower --set k"),
        ({"mode": "rerank", "first_stage": "BM52"}, "no first-stage list 'BM52' .* Fix: did you mean 'BM25'"),
    ],
)
def test_what_the_data_cannot_give(tmp_path, options, message):
    data = write(tmp_path / "d.jsonl", row("1", [3, 2, 1, 1]), row("2", [3, 0]))
    with pytest.raises(UserError, match=message):
        load(data, **options)


def test_grades_of_one_kind_only(tmp_path):
    with pytest.raises(UserError, match=r"no query has both a relevant passage .* and an irrelevant one"):
        load(write(tmp_path / "d.jsonl", row("1", [3, 2, 1, 1])), k=2)


@pytest.mark.parametrize("options", [{"k": 1}, {"mode": "slide"}, {"cap": -1}, {"stride": 9}, {"depth": 1}, {"K": 8}])
def test_options_refuse_what_has_no_meaning(options):
    with pytest.raises(ValidationError):
        MsMarcoOptions(**options)


class Reranked:
    """A re-ranking run of two queries of six passages in windows of four, its answers from a function of the window."""

    def __init__(self, tmp_path, answer, **config):
        tmp_path.mkdir(exist_ok=True)
        grades = [0, None, 1, 3, 0, 2]
        data = write(tmp_path / "d.jsonl", *(row(q, grades, qrels_by_grade={"3": 2, "2": 1, "1": 1}) for q in "78"))
        options = {"mode": "rerank", "k": 4, "stride": 2}
        answers = []
        for example in load(data, **options).examples:
            answers.append({"example": example.id, "text": answer(example.id, example.target)})
        replay = write(tmp_path / "answers.jsonl", *answers)
        settings = {"data": str(data), "out": str(tmp_path / "out"), "options": options, **config}
        self.run = run(RunConfig(task="msmarco", model=str(replay), backend="replay", **settings))
        self.folder = tmp_path / "out"
        self.figures = json.loads((self.folder / "metrics.json").read_text())["figures"]

    def ranking(self, qid, name="run.trec"):
        rows = [line.split() for line in (self.folder / name).read_text().splitlines()]
        return "".join(docid[1] for q, _, docid, *_ in rows if q == qid)


def by_grade(_id, target):
    return MsMarco().gold(target)


def test_a_perfect_answer_gives_the_best_reordering(tmp_path):
    done = Reranked(tmp_path, by_grade)
    assert done.ranking("7") == done.ranking("8") == "352014"
    assert done.figures["full_queries"] == 2
    assert done.figures["first_stage_ndcg@10"] < done.figures["full_ndcg@10"] < 1
    assert done.figures["useful_full_ndcg@10"] == done.figures["full_ndcg@10"]


def test_passages_of_failed_windows_keep_their_place_and_gain_nothing_useful(tmp_path):
    done = Reranked(tmp_path, lambda name, target: by_grade(name, target) if name == "7-BM25-3" else "no")
    # Window 3 scored places 3 to 6: 1, 3, 0, 2; places 1 and 2 stand, as all of query 8 does.
    assert done.ranking("7") == "013524"
    assert done.ranking("8") == "012345"
    assert done.figures["first_stage_ndcg@10"] < done.figures["full_ndcg@10"]
    assert 0 < done.figures["useful_full_ndcg@10"] < done.figures["full_ndcg@10"]
    nothing = Reranked(tmp_path / "2", lambda name, target: "no")
    assert nothing.figures["full_ndcg@10"] == nothing.figures["first_stage_ndcg@10"]
    assert nothing.figures["useful_full_ndcg@10"] == 0


def test_scores_whose_sum_no_float_holds_cost_no_figure(tmp_path):
    def huge(name, target):
        return (
            by_grade(name, target).replace('"score": 10', '"score": 1.7e308').replace('"score": 7', '"score": 1.6e308')
        )

    assert Reranked(tmp_path, huge).ranking("7") == "352014"
    assert Reranked(tmp_path, huge).figures == Reranked(tmp_path / "2", by_grade).figures


def test_a_query_that_was_not_asked_in_full_is_in_no_figure(tmp_path):
    done = Reranked(tmp_path, by_grade, limit=3)
    assert done.figures["full_queries"] == 1
    assert len((done.folder / "run.trec").read_text().splitlines()) == 6
    assert Reranked(tmp_path / "2", by_grade, limit=1).figures == {}


def test_seeds_are_runs_of_their_own(tmp_path):
    done = Reranked(tmp_path, by_grade, seeds=(0, 1))
    assert done.ranking("7", "run.seed-0.trec") == done.ranking("7", "run.seed-1.trec") == "352014"
    assert done.figures["full_queries"] == 2


def test_a_re_score_needs_no_data(tmp_path):
    done = Reranked(tmp_path, by_grade)
    (tmp_path / "d.jsonl").unlink()
    rescore(done.folder)
    assert load_run(done.folder).figures == done.figures


def test_sampled_lists_make_no_run_file(tmp_path):
    out = tmp_path / "out"
    run(RunConfig(task="msmarco", model="null", backend="null", out=str(out), limit=4))
    assert not list(out.glob("*.trec"))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"cap": 0, "shots": 1}, {"mode": "rerank"}])
def test_gold_answers_on_all_of_trec_dl(shared_data, options):
    task = MsMarco(MsMarcoOptions(**options))
    examples = task.load(str(shared_data / "msmarco"), 0).examples
    assert len(examples) == (869 if "cap" in options else 2040)
    values = [task.contract(example.target).parse(task.gold(example.target)).value for example in examples]
    scores = task.score([example.target for example in examples], values)
    best = [float(any(example.target["grades"].values())) for example in examples]
    assert [row["ndcg@1"] for row in scores] == pytest.approx(best)
    assert [row["ndcg@10"] for row in scores] == pytest.approx(best)
