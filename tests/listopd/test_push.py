"""`train push`: checkpoint, record and card in one commit; runs of this very checkpoint, files of a checkpoint only."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

hub = pytest.importorskip("huggingface_hub", reason="cards are made by its classes")
pytest.importorskip("torch", reason="needs torch")

from listeval.bundled import bundled  # noqa: E402
from listeval.cli.main import main  # noqa: E402
from listeval.models.resolve import fingerprint  # noqa: E402
from listeval.runs import RunConfig, load_run, run  # noqa: E402
from listopd.push.training_facts import portable  # noqa: E402

NAME = "me/student"


def push(capsys, *args):
    """(exit code, stdout, stderr) of the command."""
    with pytest.raises(SystemExit) as stopped:
        main(["train", "push", *map(str, args)])
    said = capsys.readouterr()
    return stopped.value.code, said.out, said.err


@pytest.fixture
def training(tmp_path):
    """A training's directory, made of a checkpoint that ships: its record says where the models were."""
    out = tmp_path / "home" / "somebody" / "run"
    shutil.copytree(bundled() / "checkpoints" / "tiny-listopd", out / "checkpoint")
    (out / "checkpoint" / "training.json").rename(out / "manifest.json")
    (out / "checkpoint" / "recipe.yaml").rename(out / "recipe.yaml")
    (out / "log.jsonl").write_text("{}\n")
    return out


@pytest.fixture
def evaluation(training, tmp_path):
    """`evaluation(constraint=...)`: a run whose manifest says that it is of the training's checkpoint."""

    def make(name="eval", of=None, **config):
        config = {"task": "fashion", "model": "noise", "backend": "null", "limit": 12} | config
        out = run(RunConfig(**config, out=str(tmp_path / name))).path
        said = json.loads((out / "manifest.json").read_text())
        said["model"] |= {"fingerprint": of or fingerprint(training / "checkpoint"), "name": str(training)}
        (out / "manifest.json").write_text(json.dumps(said))
        return out

    return make


def test_checkpoint_record_and_card_go_up_in_one_commit(training, evaluation, uploads, capsys):
    (training / "checkpoint" / ".env").write_text("SECRET")
    (training / "checkpoint" / "notes.txt").write_text("private")
    code, said, err = push(capsys, training, NAME, "--run", evaluation(), "--license", "apache-2.0")
    assert code == 0 and said.startswith(f"uploaded: {uploads.endpoint}/{NAME}/commit/"), err
    assert len(uploads.commits) == 1 and uploads.tokens - {None} == {"Bearer hf_test"}
    files = uploads.files[f"model {NAME}"]
    own = {"README.md", "recipe.yaml", "training.json"}
    assert set(files) - own == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja",
    }  # fmt: skip
    assert all(files[name] == (training / "checkpoint" / name).read_bytes() for name in set(files) - own)
    assert ".env, notes.txt" in err


def test_the_card_is_valid_and_says_what_is_known(training, evaluation, uploads, capsys):
    found = load_run(evaluation(seeds=(3, 5)))
    assert push(capsys, training, NAME, "--run", found.path, "--license", "mit", "--base", "me/base")[0] == 0
    text = uploads.files[f"model {NAME}"]["README.md"].decode()
    card = hub.ModelCard(text, ignore_metadata_errors=False)
    assert (card.data.license, card.data.base_model, card.data.model_name) == ("mit", "me/base", "student")
    values = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert values == {name: value.value for name, value in found.summary.metrics.items()}
    rate = found.summary.metrics["parse_rate"]
    parse = next(one for one in card.data.eval_results if one.metric_type == "parse_rate")
    assert parse.metric_args["interval"] == [rate.low, rate.high] and parse.metric_args["samples"] == 24
    assert f"{100 * rate.value:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}]" in text
    for said in ("kind constant, value 1.25", "41a2df66f0c5", "optimiser steps | 200", "24 samples", "Not measured"):
        assert said in text, said
    (command,) = [line for line in text.splitlines() if line.startswith("listeval run")]
    assert all(word in f"{command} " for word in (f"--model {NAME} ", "--limit 12 ", "--seeds 3,5 "))
    assert "--backend" not in command and "--out" not in command


def test_two_ways_of_decoding_keep_their_own_figures(training, evaluation, uploads, capsys):
    runs = [evaluation("free"), evaluation("held", limit=6)]
    assert push(capsys, training, NAME, "--run", runs[0], "--run", runs[1])[0] == 0
    card = hub.ModelCard(uploads.files[f"model {NAME}"]["README.md"].decode(), ignore_metadata_errors=False)
    samples = [one.metric_args["samples"] for one in card.data.eval_results if one.metric_type == "parse_rate"]
    assert sorted(samples) == [6, 12]


def test_without_a_run_the_card_says_that_nothing_is_known(training, uploads, capsys):
    assert push(capsys, training, NAME)[0] == 0
    text = uploads.files[f"model {NAME}"]["README.md"].decode()
    assert "nothing is known of how it keeps a contract" in text and "stated none yet" in text
    assert hub.ModelCard(text, ignore_metadata_errors=False).data.license is None


@pytest.mark.parametrize("of", ["sha256:" + "0" * 64, "server", None])
def test_a_run_of_another_checkpoint_is_refused_before_anything_is_sent(training, evaluation, uploads, capsys, of):
    other = evaluation(of=of or fingerprint(bundled() / "checkpoints" / "tiny-sft"))
    code, _, said = push(capsys, training, NAME, "--run", evaluation("mine"), "--run", other)
    assert code == 2 and "is of another model" in said and str(other) in said and said.count("\n") == 1
    assert uploads.asked == []


def test_a_run_of_this_checkpoint_under_an_adapter_is_of_another_model(training, evaluation, uploads, capsys):
    out = evaluation()
    said = json.loads((out / "manifest.json").read_text())
    said["model"]["adapter"] = {"name": "lora", "fingerprint": "sha256:" + "1" * 64}
    (out / "manifest.json").write_text(json.dumps(said))
    code, _, error = push(capsys, training, NAME, "--run", out)
    assert code == 2 and "is of another model" in error and uploads.asked == []


def test_a_run_that_is_named_twice_is_refused(training, evaluation, uploads, capsys):
    code, _, said = push(capsys, training, NAME, "--run", evaluation(), "--run", evaluation().parent / "." / "eval")
    assert code == 2 and "named twice" in said and uploads.asked == []


def test_a_dry_run_writes_what_would_go_and_asks_nobody(training, evaluation, uploads, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    code, said, _ = push(capsys, training, NAME, "--run", evaluation(), "--dry-run", tmp_path / "d")
    assert code == 0 and said == f"would be uploaded: {tmp_path / 'd'}\n" and uploads.asked == []
    assert fingerprint(tmp_path / "d") == fingerprint(training / "checkpoint")
    assert not any(file.is_symlink() for file in (tmp_path / "d").iterdir())
    assert hub.ModelCard.load(tmp_path / "d" / "README.md").data.eval_results
    assert push(capsys, training, NAME, "--dry-run", tmp_path / "d")[0] == 2


def test_nothing_that_goes_up_names_a_folder_of_this_machine(training, evaluation, uploads, capsys):
    secret = str(training)
    for name, load, dump in (
        ("manifest.json", json.loads, json.dumps),
        ("recipe.yaml", yaml.safe_load, yaml.safe_dump),
    ):
        said = load((training / name).read_text())
        part = said.get("models", said.get("opd"))
        for role in ("student", "teacher", "base"):
            part[role] = secret if isinstance(part[role], str | None) else part[role] | {"name": secret}
        (training / name).write_text(dump(said))
    assert push(capsys, training, NAME, "--run", evaluation())[0] == 0
    assert not any(b"somebody" in content for content in uploads.files[f"model {NAME}"].values())
    recipe = yaml.safe_load(uploads.files[f"model {NAME}"]["recipe.yaml"])
    assert recipe["opd"]["student"] == "run" and recipe["opd"]["extrapolation"] == {"kind": "constant", "value": 1.25}


def test_a_hub_s_model_and_data_are_named_in_the_metadata_where_the_record_is_sure(training, uploads, capsys):
    said = json.loads((training / "manifest.json").read_text())
    said["models"]["student"] |= {"name": "Qwen/Qwen3-1.7B", "revision": "a" * 40}
    said["data"]["source"] = "hf://datasets/openai/gsm8k@abc/main/train.parquet"
    (training / "manifest.json").write_text(json.dumps(said))
    assert push(capsys, training, NAME)[0] == 0
    card = hub.ModelCard(uploads.files[f"model {NAME}"]["README.md"].decode())
    assert card.data.base_model == "Qwen/Qwen3-1.7B" and card.data.datasets == ["openai/gsm8k"]


def test_a_checkpoint_on_the_way_says_after_which_step(training, uploads, capsys):
    (training / "checkpoints").mkdir()
    shutil.copytree(training / "checkpoint", training / "checkpoints" / "step-000014")
    assert push(capsys, training / "checkpoints" / "step-000014", NAME)[0] == 0
    assert "optimiser steps | 14 of 200 |" in uploads.files[f"model {NAME}"]["README.md"].decode()


def test_an_earlier_end_is_not_pushed_as_the_longer_training(opd_recipe, train, tmp_path, uploads, capsys):
    """Two steps were done, four were asked for, and three of them came about."""

    def stop(step, steps, figures):
        if step == 3:
            raise KeyboardInterrupt

    train(opd_recipe(shared={"save_every": 1}), out=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(opd_recipe(steps=4, shared={"save_every": 1}), out=tmp_path / "run", resume=True, report=stop)
    for place in (tmp_path / "run", tmp_path / "run" / "checkpoint"):
        code, _, said = push(capsys, place, NAME)
        assert code == 2 and ("has written no checkpoint yet" in said or "there is no such folder" in said)
    assert push(capsys, tmp_path / "run" / "checkpoints" / "step-000002", NAME)[0] == 0
    assert "optimiser steps | 2 of 4 |" in uploads.files[f"model {NAME}"]["README.md"].decode()


def test_data_that_was_trained_on_is_said_to_be(training, evaluation, uploads, capsys):
    found = evaluation()
    said, seen = json.loads((training / "manifest.json").read_text()), load_run(found).manifest
    said["data"]["fingerprint"] = next(iter(seen.data.values())).fingerprint
    for split, word in (("train", "read the same file; their options differ"), (None, "what the model was trained on")):
        said["task"]["options"] = dict(seen.task.options) | ({"split": split} if split else {})
        (training / "manifest.json").write_text(json.dumps(said))
        assert push(capsys, training, NAME, "--run", found)[0] == 0
        assert word in uploads.files[f"model {NAME}"]["README.md"].decode()


@pytest.mark.parametrize("which", ["training", "evaluation"])
def test_a_part_that_is_all_of_the_file_is_no_new_data_whatever_it_is_called(
    training, evaluation, uploads, capsys, which
):
    """As of a file without parts, which is read as the one for training and as the other for evaluation."""
    found = evaluation()
    for folder, name in ((training, "training"), (found, "evaluation")):
        said = json.loads((folder / "manifest.json").read_text())
        for data in [said["data"]] if name == "training" else said["data"].values():
            data["fingerprint"] = "sha256:same"
            data["counts"] = data["counts"] | {"other_splits": int(name != which)}
        said["task"]["options"] |= {"split": name}
        (folder / "manifest.json").write_text(json.dumps(said))
    assert push(capsys, training, NAME, "--run", found)[0] == 0
    card = uploads.files[f"model {NAME}"]["README.md"].decode()
    assert "one of them read all of it: the figures are of data that was trained on" in card


def link_out(out):
    secret = out.parent / "secret"
    secret.write_text("x")
    (out / "checkpoint" / "LICENSE").symlink_to(secret)


DAMAGES = {
    "link out of the folder": (link_out, "leads out of the checkpoint"),
    "no checkpoint yet": (lambda out: shutil.rmtree(out / "checkpoint"), "has written no checkpoint yet"),
    "torn weights": (
        lambda out: (out / "checkpoint" / "model.safetensors").write_bytes(b"x" * 30), "model.safetensors is damaged"
    ),
    "no tokenizer": (lambda out: [f.unlink() for f in (out / "checkpoint").glob("tokenizer*")], "no tokenizer"),
    "torn record": (lambda out: (out / "manifest.json").write_text("{"), "cannot be read"),
    "a list for a record": (lambda out: (out / "manifest.json").write_text("[]"), "does not hold a training's record"),
    "torn recipe": (lambda out: (out / "recipe.yaml").write_text("a: ["), "cannot be read"),
    "gone": (shutil.rmtree, "no such folder"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES)
def test_what_cannot_be_pushed_is_one_line_and_nothing_is_sent(training, uploads, capsys, damage, said):
    damage(training)
    code, _, error = push(capsys, training, NAME)
    assert code == 2 and said in error and error.count("\n") == 1, error
    assert uploads.asked == []


@pytest.mark.parametrize("record", [{}, {"stage": 3, "models": [], "data": "x", "objective": {"clips": None}},
                                    {"stage": "|`*\n# x", "task": {"name": "a; rm -rf ~"}}])  # fmt: skip
def test_a_record_of_any_shape_makes_a_card(training, uploads, capsys, record):
    (training / "manifest.json").write_text(json.dumps(record))
    (training / "recipe.yaml").write_text("x: 1\n")
    assert push(capsys, training, NAME)[0] == 0
    text = uploads.files[f"model {NAME}"]["README.md"].decode()
    hub.ModelCard(text, ignore_metadata_errors=False)
    assert "\n# x" not in text and "--task a; rm" not in text


@pytest.mark.parametrize("args", [("student",), ("a/b/c",), ("me/x", "--base", "no-owner")])
def test_a_name_that_the_hub_cannot_have_is_one_line(training, uploads, capsys, args):
    code, _, said = push(capsys, training, *args)
    assert code == 2 and "of the hub" in said and said.count("\n") == 1 and uploads.asked == []


def test_portable_keeps_all_but_paths():
    value = {"lr": 0.1, "data": "/home/me/x.jsonl", "batch": [1, None], "note": "a/b/c d", "teacher": "Qwen/Qwen3-4B"}
    assert portable(value) == value | {"data": "x.jsonl"}
