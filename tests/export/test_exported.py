"""Each format says what the run's figures say, and its owner's reader takes it."""

import json
import math
import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from listeval.cli.main import main
from listeval.errors import UserError
from listeval.export import FORMATS, export
from listeval.export.eee import record
from listeval.export.evaluated import limits
from listeval.export.figures import lower_is_better, per_sample
from listeval.export.lm_eval import results_json, sample_lines
from listeval.export.model_card import results
from listeval.report.shown import metrics_to_show
from listeval.runs import RunConfig, load_run, run
from tests.export.conftest import change
from tests.export.peers import peer

ROOT = Path(__file__).parents[2]
EEE = "LISTEVAL_EEE_SCHEMA"
"""The file eval.schema.json of Every Eval Ever."""

LM_EVAL = {
    "results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "config", "date",
    "task_hashes", "model_source", "model_name", "model_name_sanitized", "system_instruction",
}  # fmt: skip
"""Keys of a results file that lm-eval 0.4.13 writes, but for those of its own machine and versions."""
LM_EVAL_SAMPLE = {
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
    "target_hash",
}  # fmt: skip


def test_the_mean_over_samples_is_the_run_s_figure(mixed):
    samples = per_sample(mixed)
    assert samples[[row["outcome"] for row in mixed.rows].index("error")] == {}
    for name, value in mixed.summary.metrics.items():
        own = [sample[name] for sample in samples if name in sample]
        assert math.fsum(own) / len(own) == pytest.approx(value.value), name


def test_an_unscored_answer_counts_for_the_rates_alone(mixed):
    at = [row["outcome"] for row in mixed.rows].index("unscored")
    assert set(per_sample(mixed)[at]) <= {"parse_rate", "bare_rate", "fmc"}


def test_only_known_directions_are_claimed(mixed):
    assert lower_is_better(mixed) == {
        "parse_rate": False, "bare_rate": False, "fmc": True, "ndcg@1": False, "useful_ndcg@1": False, "mae": True,
    }  # fmt: skip


def test_every_figure_of_a_json_run_has_its_direction(tmp_path):
    done = run(RunConfig(task="json", model="gold", backend="null", limit=3, out=str(tmp_path / "r")))
    known = lower_is_better(done)
    assert known.keys() >= {name for name in done.summary.metrics if name != "fmc"}  # of lists alone
    assert {name for name, lower in known.items() if lower} == {"omitted_fields", "invented_fields"}
    assert results_json(done)["higher_is_better"]["json"]["path_precision"] is True
    told = {one["metric_config"]["metric_id"] for one in record(done, now=1)["evaluation_results"]}
    assert {"listeval.path_precision", "listeval.path_recall"} <= told


def test_lm_eval_has_the_keys_of_a_real_output(mixed, tmp_path):
    file, samples = export(mixed, "lm-eval", tmp_path / "lm")
    found = json.loads(file.read_text())
    assert found.keys() - {"listeval"} == LM_EVAL
    value = mixed.summary.metrics["parse_rate"].value
    assert found["results"]["fashion"]["parse_rate,none"] == value
    assert found["results"]["fashion"]["parse_rate_stderr,none"] == "N/A"
    lines = [json.loads(line) for line in samples.read_bytes().splitlines()]
    assert len(lines) == len({line["doc_id"] for line in lines}) == 24
    for line, row in zip(lines, mixed.rows, strict=True):
        assert line.keys() - {"listeval", *line["metrics"]} == LM_EVAL_SAMPLE
        assert line["resps"] == [[row["text"]]] and line["arguments"]["gen_args_0"]["arg_0"] == row["prompt"]
    assert [line["metrics"] for line in lines if line["listeval"]["outcome"] == "error"] == [[]]


@pytest.mark.slow
def test_lm_eval_itself_writes_those_keys_and_reads_ours(mixed, tmp_path):
    (tmp_path / "q.jsonl").write_text('{"q": "one?", "a": "1"}\n')
    (tmp_path / "tasks").mkdir()
    task = {
        "task": "own", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(tmp_path / "q.jsonl")}},
        "test_split": "test", "output_type": "generate_until", "doc_to_text": "{{q}}", "doc_to_target": "{{a}}",
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }  # fmt: skip
    (tmp_path / "tasks" / "own.yaml").write_text(yaml.safe_dump(task))
    given = ["--tasks", "own", "--include_path", str(tmp_path / "tasks"), "--output_path", str(tmp_path / "real")]
    peer("lm_eval", "-m", "lm_eval", "--model", "dummy", "--log_samples", *given)
    theirs = json.loads(next((tmp_path / "real").rglob("results_*.json")).read_text())
    sample = json.loads(next((tmp_path / "real").rglob("samples_*.jsonl")).read_text().splitlines()[0])
    assert theirs.keys() >= LM_EVAL
    assert sample.keys() - {"exact_match"} == LM_EVAL_SAMPLE
    assert theirs["results"]["own"].keys() - {"exact_match,none", "exact_match_stderr,none"} == (
        {name for name in results_json(mixed)["results"]["fashion"] if "," not in name}
    )
    assert type(theirs["date"]) is type(results_json(mixed)["date"])
    ours, _ = export(mixed, "lm-eval", tmp_path / "lm")
    code = f"import json; from lm_eval.utils import make_table; print(make_table(json.load(open({str(ours)!r}))))"
    assert f"{mixed.summary.metrics['parse_rate'].value:.4f}" in peer("lm_eval", "-c", code)


@pytest.mark.parametrize("suffix", [".eval", ".json"])
def test_inspect_reads_its_log_back(mixed, tmp_path, suffix):
    out = tmp_path / f"log{suffix}"
    peer("inspect_ai", "-m", "listeval", "export", str(mixed.path), "--to", "inspect", "--out", str(out))
    code = (
        f"from inspect_ai.log import read_eval_log; log = read_eval_log({str(out)!r})\n"
        "import json; print(json.dumps({'status': log.status, 'n': len(log.samples), 'task': log.eval.task,"
        "'values': {s.name: s.metrics['mean'].value for s in log.results.scores},"
        "'samples': [[s.id, s.epoch, s.output.completion, s.error and s.error.message,"
        "{n: v.value for n, v in (s.scores or {}).items()}] for s in log.samples]}))"
    )
    log = json.loads(peer("inspect_ai", "-c", code))
    assert (log["status"], log["n"], log["task"]) == ("success", 24, "fashion")
    assert log["values"] == pytest.approx({name: value.value for name, value in mixed.summary.metrics.items()})
    epochs, wanted = {3: 1, 5: 2}, {}
    for row, own in zip(mixed.rows, per_sample(mixed), strict=True):
        wanted[row["example"], epochs[row["seed"]]] = (row["text"], row["error"], own)
    found = {(name, epoch): (text, error, own) for name, epoch, text, error, own in log["samples"]}
    assert found == wanted


def test_a_record_of_every_eval_ever(mixed):
    found = record(mixed, now=1)
    assert found["retrieved_timestamp"] == "1"
    assert {one["metric_config"]["metric_id"] for one in found["evaluation_results"]} == {
        f"listeval.{name}" for name in lower_is_better(mixed)
    }
    for one in found["evaluation_results"]:
        value = mixed.summary.metrics[one["metric_config"]["metric_id"].removeprefix("listeval.")]
        assert one["score_details"]["score"] == value.value
        assert one["score_details"]["uncertainty"]["confidence_interval"]["lower"] == value.low


def test_the_record_fits_its_owner_s_schema(mixed):
    import jsonschema

    if EEE not in os.environ:
        pytest.skip(f"needs eval.schema.json of Every Eval Ever, which ${EEE} names")
    schema = json.loads(Path(os.environ[EEE]).read_text())
    jsonschema.Draft7Validator(schema).validate(record(mixed, now=1))


def test_the_hub_s_own_reader_takes_eval_results(mixed, tmp_path):
    theirs = pytest.importorskip("huggingface_hub._eval_results")
    (out,) = export(mixed, "hf-eval-results", tmp_path / "x.yaml", dataset="owner/name")
    (entry,) = theirs.parse_eval_result_entries(yaml.safe_load(out.read_text()))
    assert (entry.dataset_id, entry.task_id) == ("owner/name", "fashion")
    assert entry.value == mixed.summary.metrics["useful_ndcg@1"].value
    assert "useful_ndcg@1" in entry.notes and "constraint none" in entry.notes


def test_the_hub_s_own_reader_takes_a_model_index(mixed, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    (out,) = export(mixed, "model-index", tmp_path / "card.md")
    card = hub.ModelCard(out.read_text(), ignore_metadata_errors=False)
    found = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert found == {name: value.value for name, value in mixed.summary.metrics.items()}


@pytest.mark.parametrize("most", [1, 2, 4])
def test_every_format_that_has_figures_says_that_answers_were_asked_again(tmp_path, most):
    pytest.importorskip("huggingface_hub")
    again = {"attempts": most, "temperature": 0.7} if most > 1 else {}
    done = run(RunConfig(task="fashion", model="m", backend="null", limit=8, out=str(tmp_path / "r"), **again))
    said = f"up to {most} answers"
    (out,) = export(done, "hf-eval-results", tmp_path / "x.yaml", dataset="owner/name")
    assert (said in out.read_text()) == (most > 1)
    for one in results(done):
        assert (said in one.metric_name) == (most > 1 and not one.metric_type.startswith("raw_"))
        assert one.metric_args.get("attempts", 1) == most
    assert results_json(done)["listeval"]["attempts"]["most"] == most
    (details,) = {
        one["generation_config"]["additional_details"]["attempts"] for one in record(done, 1)["evaluation_results"]
    }
    assert details == str(most)
    assert any(said in line for line in limits(done)) == (most > 1)


@pytest.mark.parametrize(("task", "lists"), [("gsm8k", False), ("json", False), ("bfcl", False), ("fashion", True)])
@pytest.mark.parametrize("attempts", [1, 2])
def test_no_export_states_a_figure_that_a_report_withholds(tmp_path, task, lists, attempts):
    again = {"attempts": attempts, "temperature": 0.5} if attempts > 1 else {}
    done = run(RunConfig(task=task, model="m", backend="null", limit=5, out=str(tmp_path / "r"), **again))
    named = {
        "samples": {name for own in per_sample(done) for name in own},
        "directions": set(lower_is_better(done)),
        "lm-eval": set(results_json(done)["listeval"]["intervals"]),
        "eee": {
            one["metric_config"]["metric_id"].removeprefix("listeval.") for one in record(done, 1)["evaluation_results"]
        },
    }
    if find_spec("huggingface_hub"):
        named["model-index"] = {one.metric_type for one in results(done)}
    for where, names in named.items():
        assert names <= set(metrics_to_show([done])), where
        assert ("fmc" in names) == lists, where
    assert done.manifest.task.contract and ("fmc" in metrics_to_show([done])) == lists


def test_data_of_the_hub_needs_no_word(mixed, tmp_path):
    pytest.importorskip("huggingface_hub")
    for entry in mixed.manifest.data.values():
        entry.source = "hf://datasets/openai/gsm8k@abc123/main/test.parquet"
    (out,) = export(mixed, "hf-eval-results", tmp_path / "x.yaml")
    assert yaml.safe_load(out.read_text())[0]["dataset"] == {
        "id": "openai/gsm8k", "task_id": "fashion", "revision": "abc123",
    }  # fmt: skip
    assert record(mixed, 1)["evaluation_results"][0]["source_data"]["hf_repo"] == "openai/gsm8k"


@pytest.mark.parametrize("said", ["", "no-owner", "a/b/c", "../x"])
def test_a_data_set_that_nobody_names_is_one_line(mixed, tmp_path, said):
    pytest.importorskip("huggingface_hub")
    with pytest.raises(UserError, match="data set of the hub"):
        export(mixed, "hf-eval-results", tmp_path / "x.yaml", dataset=said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("inside", ["samples.jsonl", "manifest.json", "new", "."])
def test_no_export_takes_the_place_of_what_a_run_made(mixed, form, inside):
    before = {file.name: file.read_bytes() for file in mixed.path.iterdir()}
    with pytest.raises(UserError, match="beside the run"):
        export(mixed, form, mixed.path / inside)
    assert {file.name: file.read_bytes() for file in mixed.path.iterdir()} == before


@pytest.mark.parametrize("form", FORMATS)
def test_a_place_that_cannot_be_written_is_one_line(mixed, tmp_path, form):
    blocked = tmp_path / "x"
    blocked.write_text("a file") if form == "lm-eval" else blocked.mkdir()
    with pytest.raises(UserError, match=r"file|folder"):
        export(mixed, form, blocked)


@pytest.mark.parametrize("form", ["lm-eval", "eee", "hf-eval-results", "model-index"])
def test_a_run_that_measured_nothing_exports_no_figure(mixed_path, tmp_path, form):
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(mixed_path, copy)
    failed = {"outcome": "error", "kind": "engine_error", "error": "gone", "value": None, "bare": None}
    scores = dict.fromkeys(load_run(copy).rows[0]["scores"])
    change(copy, {at: {**failed, "scores": scores} for at in range(24)})
    with pytest.raises(UserError, match="no sample is answered"):
        export(load_run(copy), form, tmp_path / "out", dataset="a/b")
    assert not (tmp_path / "out").exists()


def test_the_verb_names_what_it_wrote(mixed_path, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(mixed_path), "--to", "csv", "--out", str(tmp_path / "a.csv")])
    said = capsys.readouterr()
    assert stopped.value.code == 0 and said.out == ""
    assert f"csv: {tmp_path / 'a.csv'}" in said.err


def test_samples_without_a_figure_say_so(mixed):
    lines = list(sample_lines(mixed))
    assert all(set(line["metrics"]) <= set(line) for line in lines)


@pytest.mark.parametrize("name", [*sorted(LM_EVAL_SAMPLE), "listeval"])
def test_a_metric_that_is_called_as_a_key_of_lm_eval_takes_no_key_s_place(mixed, name):
    plain = list(sample_lines(mixed))
    entry = next(one for one in mixed.manifest.task.metrics if one.name == "ndcg@1")
    mixed.manifest.task.metrics.append(entry.model_copy(update={"name": name, "useful": False}))
    mixed.manifest.task.metrics.append(entry.model_copy(update={"name": f"score_{name}", "useful": False}))
    for row in mixed.rows:
        row["scores"] |= {name: 0.25, f"score_{name}": 0.5} if row["scores"].get("ndcg@1") is not None else {}
    given = 0
    for line, before in zip(sample_lines(mixed), plain, strict=True):
        assert {key: line[key] for key in before if key != "metrics"} == {
            key: value for key, value in before.items() if key != "metrics"
        }
        assert set(line["metrics"]) <= set(line) - LM_EVAL_SAMPLE - {"listeval"}
        added = [line[key] for key in line["metrics"] if key not in before["metrics"]]
        assert sorted(added) in ([], [0.25, 0.5])
        given += len(added)
    assert given


def test_a_figure_without_an_end_is_in_no_record_and_the_record_fits(tmp_path):
    done = run(RunConfig(task="json", model="gold", backend="null", limit=3, out=str(tmp_path / "fields")))
    found = record(done, now=1)
    named = {one["metric_config"]["metric_id"]: one["metric_config"] for one in found["evaluation_results"]}
    assert "listeval.leaf_accuracy" in named and "listeval.invented_fields" not in named
    for told in named.values():
        assert isinstance(told["min_score"], float) and isinstance(told["max_score"], float)
