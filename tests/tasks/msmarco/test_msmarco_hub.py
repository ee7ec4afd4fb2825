"""The hub route against stand-ins for the hub's client and for `ir_datasets`."""

from __future__ import annotations

import builtins
import io
import json
import sys
from types import SimpleNamespace

import pytest

from listeval.errors import UserError
from tasks.msmarco.task import MsMarco, MsMarcoOptions

pytest.importorskip("httpx")

ROOT = "datasets/castorini/rank_llm_data@abc123/retrieve_results/BM25/retrieve_results_{}_top100.jsonl"
QIDS = {"msmarco-passage/trec-dl-2019/judged": "19", "msmarco-passage/trec-dl-2020/judged": "20"}


class Hub:
    """Stands for `huggingface_hub`: a list of four passages for one query of each year, and one nobody judged."""

    def __init__(self):
        self.HfApi = self.HfFileSystem = lambda: self

    def dataset_info(self, repository):
        return SimpleNamespace(sha="abc123", siblings=[])

    def open(self, path, mode):
        year = {ROOT.format("dl19"): 19, ROOT.format("dl20"): 20}[path]
        candidates = [
            {"docid": str(n), "score": 9.0 - n, "doc": {"id": str(n), "contents": f"Text {n}."}} for n in range(4)
        ]
        rows = [{"query": {"text": f"query {qid}", "qid": qid}, "candidates": candidates} for qid in (year, year + 100)]
        return io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())


class Grades:
    """Stands for `ir_datasets`."""

    def load(self, name):
        grades = {"0": 3, "1": 0, "2": 2, "3": 0, "99": 3}
        found = [SimpleNamespace(query_id=QIDS[name], doc_id=d, relevance=g) for d, g in grades.items()]
        return SimpleNamespace(qrels_iter=lambda: iter(found))


def load(monkeypatch, hub=None, grades=None, **options):
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub or Hub())
    monkeypatch.setitem(sys.modules, "ir_datasets", grades or Grades())
    return MsMarco(MsMarcoOptions(k=2, **options)).load("hub", 0)


def test_lists_and_grades_meet(monkeypatch):
    found = load(monkeypatch)
    assert found.counts["queries"] == 4 and found.counts["unjudged"] == 2
    assert {example.cluster for example in found.examples} == {"19", "20"}
    assert found.source == "hf://datasets/castorini/rank_llm_data"
    [one] = {tuple(sorted(e.target["judged"].items())) for e in load(monkeypatch, mode="rerank").examples}
    assert one == (("0", 2), ("2", 1), ("3", 2))


def test_years_are_splits(monkeypatch):
    found = load(monkeypatch, split="dl20", shots=1)
    assert {example.cluster for example in found.examples} == {"20"}
    assert all(example.messages[0].content.startswith("Query: query 19\n") for example in found.examples)


def test_unreachable_grades_are_a_user_error(monkeypatch):
    grades = SimpleNamespace(load=lambda name: (_ for _ in ()).throw(ConnectionError("no route")))
    with pytest.raises(UserError, match=r"the grades cannot be read: .*no route \(msmarco-passage.*Fix: check the net"):
        load(monkeypatch, grades=grades)


def test_a_missing_package_names_the_install_line(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "ir_datasets":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match=r"'ir_datasets', which is not installed. Fix: pip install 'listeval\[hub\]'"):
        MsMarco().load("hub", 0)
