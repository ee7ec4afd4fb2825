"""TREC run files and NDCG@10 of full lists against ir_measures, and against published figures of TREC-DL."""

from __future__ import annotations

import json
from random import Random

import pytest

from listeval.kit.files import local_file
from listeval.runs import RunConfig, run
from listeval.scoring.trec import trec_ndcg, trec_run
from tasks.msmarco.qrels import counts, read_qrels
from tasks.msmarco.readers import Listing, read
from tasks.msmarco.task import MsMarco, MsMarcoOptions

CHECK_VALUES = {
    ("dl19", "BM25"): 0.5058,
    ("dl19", "BM25_RM3"): 0.5216,
    ("dl19", "D_BERT_KD_TASB"): 0.7210,
    ("dl19", "OPEN_AI_ADA2"): 0.7035,
    ("dl19", "SPLADE_P_P_ENSEMBLE_DISTIL"): 0.7308,
    ("dl19", "REP_LLAMA"): 0.7439,
    ("dl20", "BM25"): 0.4649,
    ("dl20", "BM25_RM3"): 0.4711,
    ("dl20", "D_BERT_KD_TASB"): 0.6826,
    ("dl20", "OPEN_AI_ADA2"): 0.6784,
    ("dl20", "SPLADE_P_P_ENSEMBLE_DISTIL"): 0.7236,
    ("dl20", "REP_LLAMA"): 0.7252,
}
"""nDCG@10 of each run: 43 queries of dl19, 42 of dl20. 0.5058 is the published figure of BM25."""

FAST = [("dl19", "BM25"), ("dl20", "BM25"), ("dl19", "REP_LLAMA")]


def ir_ndcg(run_file, qrels, tmp_path, k=10):
    """Mean and each query's nDCG@k by ir_measures, from files."""
    ir_measures = pytest.importorskip("ir_measures", reason="needs ir_measures, the oracle")
    (tmp_path / "qrels").write_text(
        "".join(f"{qid} 0 {docid} {grade}\n" for qid, of_query in qrels.items() for docid, grade in of_query.items())
    )
    measure = ir_measures.nDCG @ k
    asked = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels")))
    ranked = list(ir_measures.read_trec_run(str(run_file)))
    each = {m.query_id: m.value for m in ir_measures.iter_calc([measure], asked, ranked)}
    return ir_measures.calc_aggregate([measure], asked, ranked)[measure], each


@pytest.mark.parametrize(
    ("year", "name"), [pair if pair in FAST else pytest.param(*pair, marks=pytest.mark.slow) for pair in CHECK_VALUES]
)
def test_first_stage_runs_reproduce_their_check_values_through_our_writer(shared_data, tmp_path, year, name):
    folder = shared_data / "msmarco"
    qrels = read_qrels([local_file(folder / f"qrels.{year}-passage.txt")])
    lists = local_file(folder / "retrieve_results" / name / f"retrieve_results_{year}.json.gz")
    queries = read([Listing(lists, name)], qrels, [], "test").queries
    assert len(queries) == len(qrels)
    file, ours = tmp_path / "run.trec", {}
    with file.open("w") as out:
        for query in queries:
            ranking = query.runs[name]
            ours[query.qid] = trec_ndcg([query.passages[docid].grade or 0 for docid in ranking], query.judged, 10)
            out.writelines(f"{line}\n" for line in trec_run(ranking, query.qid, "test"))
    mean, each = ir_ndcg(file, qrels, tmp_path)
    assert round(mean, 4) == CHECK_VALUES[year, name]
    assert ours == pytest.approx(each, rel=0, abs=1e-12)
    assert sum(ours.values()) / len(ours) == pytest.approx(mean, rel=0, abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 10, 100])
@pytest.mark.parametrize("seed", range(4))
def test_ndcg_equals_ir_measures_on_random_lists(tmp_path, seed, k):
    rng = Random(seed)
    qrels, rankings = {}, {}
    for n in range(40):
        ids = [f"d{i}" for i in range(rng.randrange(1, 60))]
        qrels[f"q{n}"] = {docid: rng.choice((0, 0, 1, 2, 3)) for docid in ids}
        pool = [*ids, *(f"u{i}" for i in range(30))]
        rankings[f"q{n}"] = rng.sample(pool, rng.randrange(1, len(pool)))
    file = tmp_path / "run.trec"
    file.write_text("".join(f"{line}\n" for qid, found in rankings.items() for line in trec_run(found, qid, "t")))
    _, each = ir_ndcg(file, qrels, tmp_path, k)
    ours = {
        qid: trec_ndcg([qrels[qid].get(docid, 0) for docid in found], counts(qrels[qid]), k)
        for qid, found in rankings.items()
    }
    assert ours == pytest.approx(each, rel=0, abs=1e-12)
    assert 0 < sum(ours.values()) < len(ours)


@pytest.mark.parametrize("split", ["dl19", pytest.param("dl20", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "options", [{"k": 20, "stride": 10}, pytest.param({"depth": 37}, marks=pytest.mark.slow)], ids=["windows", "short"]
)
def test_full_figures_equal_ir_measures_on_the_run_file(shared_data, tmp_path, split, options):
    folder = shared_data / "msmarco"
    config = RunConfig(
        task="msmarco", model="null", backend="null", data=str(folder), out=str(tmp_path / "out"),
        options={"mode": "rerank", "split": split, **options},
    )  # fmt: skip
    run(config)
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())["figures"]
    qrels = read_qrels([local_file(folder / f"qrels.{split}-passage.txt")])
    mean, _ = ir_ndcg(tmp_path / "out" / "run.trec", qrels, tmp_path)
    assert figures["full_ndcg@10"] == pytest.approx(mean, rel=0, abs=1e-12)
    assert figures["full_queries"] == len(qrels)
    assert round(figures["first_stage_ndcg@10"], 4) == CHECK_VALUES[split, "BM25"]
    assert 0 < figures["useful_full_ndcg@10"] < figures["full_ndcg@10"]


@pytest.mark.parametrize(("split", "best"), [("dl19", 0.8922), pytest.param("dl20", 0.8845, marks=pytest.mark.slow)])
def test_gold_answers_reach_the_best_possible_reordering(shared_data, tmp_path, split, best):
    """The best values were computed apart: the ten best grades of BM25's top 100 over the ten best of the qrels."""
    folder = str(shared_data / "msmarco")
    task = MsMarco(MsMarcoOptions(mode="rerank", split=split))
    examples = task.load(folder, 0).examples
    gold = tmp_path / "gold.jsonl"
    gold.write_text("".join(json.dumps({"example": e.id, "text": task.gold(e.target)}) + "\n" for e in examples))
    options = {"mode": "rerank", "split": split}
    out = str(tmp_path / "out")
    run(RunConfig(task="msmarco", model=str(gold), backend="replay", data=folder, out=out, options=options))
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())["figures"]
    assert round(figures["full_ndcg@10"], 4) == best
    assert figures["useful_full_ndcg@10"] == figures["full_ndcg@10"]
