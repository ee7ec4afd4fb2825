"""The JSON Schemas of docs/schemas say what a run really writes: no key is missing there, and none is too many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from docs.tools.imports import ROOT
from listeval.cli.main import main
from listeval.runs import RunConfig, run

RUNS: dict[str, dict[str, Any]] = {
    "gold": {"model": "gold"},
    "faults": {"model": "faults"},
    "garbage": {"model": "garbage"},
    "seeds": {"model": "faults", "seeds": (0, 1), "temperature": 1.0},
    "asked again": {"model": "faults", "attempts": 2, "reask": "explain"},
    "functions": {"task": "bfcl", "model": "faults"},
    "numbers": {"task": "gsm8k", "model": "gold"},
    "ranked": {"task": "msmarco", "model": "gold", "options": {"mode": "rerank"}},
}


def schema(name: str) -> Draft202012Validator:
    file = ROOT / "docs" / "schemas" / f"{name}.schema.json"
    found = json.loads(file.read_text())
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name, values in RUNS.items():
        run(RunConfig(**{"task": "fashion", "backend": "null", "limit": 12, "out": str(folder / name)} | values))
    return {name: folder / name for name in RUNS}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_s_files_are_as_their_schemas_say(runs, name):
    schema("manifest").validate(json.loads((runs[name] / "manifest.json").read_text()))
    schema("metrics").validate(json.loads((runs[name] / "metrics.json").read_text()))
    rows = [json.loads(line) for line in (runs[name] / "samples.jsonl").read_text().splitlines()]
    assert rows
    for row in rows:
        schema("row").validate(row)


def test_a_comparison_is_as_its_schema_says(runs, capsys):
    arms = [str(runs["faults"]), str(runs["gold"]), str(runs["garbage"]), f"{runs['faults']}+permutation"]
    with pytest.raises(SystemExit) as done:
        main(["compare", *arms, "--json"])
    assert done.value.code == 0
    schema("comparison").validate(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("name", ["vllm-k4-one-example", "hf-k4-one-example"])
def test_the_published_comparisons_are_as_the_schema_says(name):
    file = ROOT / "reports" / "published" / "2026-11-26-smollm2-constraints" / f"{name}.json"
    schema("comparison").validate(json.loads(file.read_text()))


def test_every_published_manifest_is_as_the_schema_says():
    files = [*(ROOT / "reports" / "published").glob("2026-11-26-*/manifests/*.json")]
    assert len(files) > 5
    for file in files:
        schema("manifest").validate(json.loads(file.read_text()))


@pytest.mark.parametrize(
    ("name", "file"), [("manifest", "manifest.json"), ("row", "samples.jsonl"), ("metrics", "metrics.json")]
)
def test_a_key_that_is_gone_or_of_another_type_is_refused(runs, name, file):
    found = json.loads(
        (runs["gold"] / file).read_text().splitlines()[0] if name == "row" else (runs["gold"] / file).read_text()
    )
    checked = schema(name)
    for key in checked.schema["required"]:
        with pytest.raises(ValidationError):
            checked.validate({other: value for other, value in found.items() if other != key})
        if checked.schema["properties"][key].keys() - {"description"}:  # else it may hold anything
            with pytest.raises(ValidationError):
                checked.validate(found | {key: object})
