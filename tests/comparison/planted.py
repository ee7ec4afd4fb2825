"""Answers with a planted truth, and edits of a run on disk."""

import json
import random
from dataclasses import replace
from types import SimpleNamespace

from listeval.plugins.open import make_task
from listeval.runs.make_rows import parse_and_score
from listeval.runs.rows import encode


def rewrite(done, answer):
    """Replace the answers of a run and judge them again."""
    rows = done.rows
    for row in rows:
        said = answer(row)
        row["text"], row["finish_reason"] = said if isinstance(said, tuple) else (said, "stop")
        row["reasoning"] = None
    manifest = done.manifest
    parse_and_score(make_task(manifest.task.name, manifest.task.options), rows)
    (done.path / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))


def edit_manifest(path, change):
    """Change the manifest's JSON in place."""
    file = path / "manifest.json"
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))


def edit_rows(path, change):
    """`change(row)` on every stored row; returning False drops it."""
    file = path / "samples.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    kept = [row for row in rows if change(row) is not False]
    file.write_bytes(b"".join(map(encode, kept)))


def ranked(row, *, drop=0, noise=0):
    """An answer whose scores follow the grades, less `drop` objects; `noise` turns every noise-th order around."""
    ids = list(row["target"]["grades"])
    grades = row["target"]["grades"]
    turned = noise and row["index"] % noise == 0
    scores = {name: (-1 if turned else 1) * grades[name] for name in ids}
    return json.dumps([{"review_id": name, "score": scores[name]} for name in ids[: len(ids) - drop]])


def reversed_order(row):
    """Every id once, worst first."""
    grades = row["target"]["grades"]
    return json.dumps([{"review_id": name, "score": -grades[name]} for name in grades])


def constant(row):
    """Every id once, all with one score: a ranking of nothing."""
    return json.dumps([{"review_id": name, "score": 3} for name in row["target"]["grades"]])


def shuffled(row):
    """Every id once, in an order that knows nothing of the grades."""
    rng = random.Random(row["index"] + 1000 * row["seed"])
    return json.dumps([{"review_id": name, "score": rng.random()} for name in row["target"]["grades"]])


def noisy(row, spread, stream=0):
    """Every id once, the grades blurred by a normal error of `spread`."""
    rng = random.Random(row["index"] + 7919 * stream)
    grades = row["target"]["grades"]
    return json.dumps([{"review_id": name, "score": grades[name] + rng.gauss(0, spread)} for name in grades])


def first(n, answer):
    """`answer` for the first n questions, no list for the others."""
    return lambda row: answer(row) if row["index"] < n else "no list"


def configured(arm, **values):
    """The arm as if its run had been configured with `values`, known to this version or not."""
    config = SimpleNamespace(**{**vars(arm.run.manifest.config), **values})
    manifest = arm.run.manifest.model_copy(update={"config": config})
    return replace(arm, run=replace(arm.run, manifest=manifest))
