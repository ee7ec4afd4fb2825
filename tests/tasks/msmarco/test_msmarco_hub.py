"""The hub route against stand-ins for the hub and for `ir_datasets`."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from listeval.errors import UserError
from tasks.msmarco.task import MsMarco, MsMarcoOptions
from tests.hub_server import lines

NAME = "castorini/rank_llm_data"
QIDS = {"msmarco-passage/trec-dl-2019/judged": "19", "msmarco-passage/trec-dl-2020/judged": "20"}


def listing(year):
    """A list of four passages for one query of a year, and one that nobody judged."""
    candidates = [
        {"docid": str(n), "score": 9.0 - n, "doc": {"id": str(n), "contents": f"Text {n}."}} for n in range(4)
    ]
    queries = [{"text": f"query {qid}", "qid": qid} for qid in (year, year + 100)]
    return lines([{"query": query, "candidates": candidates} for query in queries])


@pytest.fixture
def hub(serve_hub):
    return serve_hub(
        {NAME: {f"retrieve_results/BM25/retrieve_results_dl{y}_top100.jsonl": listing(y) for y in (19, 20)}}
    )


class Grades:
    """Stands for `ir_datasets`."""

    def load(self, name):
        grades = {"0": 3, "1": 0, "2": 2, "3": 0, "99": 3}
        found = [SimpleNamespace(query_id=QIDS[name], doc_id=d, relevance=g) for d, g in grades.items()]
        return SimpleNamespace(qrels_iter=lambda: iter(found))


def load(monkeypatch, grades=None, **options):
    monkeypatch.setitem(sys.modules, "ir_datasets", grades or Grades())
    return MsMarco(MsMarcoOptions(k=2, **options)).load("hub", 0)


def test_lists_and_grades_meet(hub, monkeypatch):
    found = load(monkeypatch)
    assert found.counts["queries"] == 4 and found.counts["unjudged"] == 2
    assert {example.cluster for example in found.examples} == {"19", "20"}
    assert found.source == "hf://datasets/castorini/rank_llm_data"
    [one] = {tuple(sorted(e.target["judged"].items())) for e in load(monkeypatch, mode="rerank").examples}
    assert one == (("0", 2), ("2", 1), ("3", 2))


def test_years_are_splits(hub, monkeypatch):
    found = load(monkeypatch, split="dl20", shots=1)
    assert {example.cluster for example in found.examples} == {"20"}
    assert all(example.messages[0].content.startswith("Query: query 19\n") for example in found.examples)


def test_unreachable_grades_are_a_user_error(hub, monkeypatch):
    grades = SimpleNamespace(load=lambda name: (_ for _ in ()).throw(ConnectionError("no route")))
    with pytest.raises(UserError, match=r"the grades cannot be read: .*no route \(msmarco-passage.*Fix: check the net"):
        load(monkeypatch, grades=grades)


def test_a_missing_package_names_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(UserError, match=r"'ir_datasets', which is not installed. Fix: pip install 'listeval\[hub\]'"):
        MsMarco().load("hub", 0)
