"""`export --to hub`: rows and card in one commit to a stand-in of the hub; what it refuses is one line."""

from __future__ import annotations

import pytest

from listeval.cli.main import main
from listeval.errors import UserError
from listeval.export.evaluated import evaluated, local_name
from listeval.export.hub_upload import Repository, push
from listeval.export.rows_card import push_rows

datasets = pytest.importorskip("datasets", reason="reads what was uploaded")
NAME = "me/answers"


def export(capsys, *args):
    """(exit code, stderr) of the command."""
    with pytest.raises(SystemExit) as stopped:
        main(["export", *map(str, args)])
    return stopped.value.code, capsys.readouterr().err


def test_what_is_uploaded_is_the_run_s_data_set_with_a_card_in_one_commit(mixed, uploads, tmp_path, capsys):
    code, said = export(capsys, mixed.path, "--to", "hub", "--out", NAME)
    assert code == 0 and f"hub: {uploads.endpoint}/{NAME}/commit/" in said
    assert len(uploads.commits) == 1 and uploads.tokens - {None} == {"Bearer hf_test"}
    files = uploads.files[f"dataset {NAME}"]
    assert sorted(files) == ["README.md", "data/rows.parquet"]
    for path, content in files.items():
        (tmp_path / "d" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / path).write_bytes(content)
    read = datasets.load_dataset(str(tmp_path / "d"), split="test", cache_dir=str(tmp_path / "cache"))
    own = mixed.dataset()
    assert read.column_names == own.column_names and read.features == own.features
    assert read.to_list() == own.to_list()


def test_the_card_says_what_the_run_found_and_what_it_left_out(mixed, uploads):
    push_rows(mixed, NAME, licence="cc-by-4.0")
    hub = pytest.importorskip("huggingface_hub")
    card = hub.DatasetCard(uploads.files[f"dataset {NAME}"]["README.md"].decode(), ignore_metadata_errors=False)
    assert card.data.license == "cc-by-4.0" and card.data.configs[0]["data_files"][0]["split"] == "test"
    rate = mixed.summary.metrics["parse_rate"]
    assert f"{100 * rate.value:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}]" in card.text
    assert "The engine failed 1 samples" in card.text and "1 answers are unscored" in card.text
    assert "Only a part of the data" in card.text and str(mixed.path.parent) not in card.content


def test_the_card_says_what_no_flag_says(mixed):
    assert "To be typed" not in evaluated(mixed, NAME)
    mixed.manifest.config = mixed.manifest.config.model_copy(update={"structured": True, "serve": True})
    found = evaluated(mixed, NAME)
    assert " --serve\n```" in found
    assert "To be typed with 'structured: true' in a file named by" in found


def test_a_dry_run_writes_the_folder_and_asks_nobody(mixed, uploads, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    code, said = export(capsys, mixed.path, "--to", "hub", "--out", NAME, "--dry-run", tmp_path / "d")
    assert code == 0 and f"hub: {tmp_path / 'd'}" in said
    assert uploads.asked == []
    assert {p.relative_to(tmp_path / "d").as_posix() for p in (tmp_path / "d").rglob("*") if p.is_file()} == {
        "README.md", "data/rows.parquet",
    }  # fmt: skip
    code, said = export(capsys, mixed.path, "--to", "hub", "--out", NAME, "--dry-run", tmp_path / "d")
    assert code == 2 and "not there yet" in said


@pytest.mark.parametrize("name", ["no-owner", "a/b/c", "../x", "a b/c", "", "a/b.git", "/etc/passwd"])
def test_what_is_no_name_is_one_line_and_asks_nobody(mixed, uploads, capsys, name):
    code, said = export(capsys, mixed.path, "--to", "hub", "--out", name)
    assert code == 2 and "data set of the hub" in said and said.count("\n") == 1
    assert uploads.asked == []


REFUSALS = {
    "wrong token": ({"repos/create": 401}, "does not accept the token"),
    "no rights": ({"repos/create": 403}, "may not write there"),
    "rights end at the commit": ({"/commit/": 403}, "may not write there"),
    "no such owner": ({"repos/create": 404}, "no such owner"),
    "a full disk there": ({"/blob/": 507}, "refused"),
    "too large": ({"/commit/": 413}, "files of this size"),
}


@pytest.mark.parametrize(("refuse", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_the_hub_refuses_is_one_line(mixed, uploads, capsys, refuse, said):
    uploads.refuse = refuse
    code, error = export(capsys, mixed.path, "--to", "hub", "--out", NAME)
    assert code == 2 and said in error and NAME in error and error.count("\n") == 1, error
    assert uploads.commits == [] and "hf_test" not in error


def test_a_licence_that_the_hub_does_not_know_is_one_line_before_anything_is_uploaded(mixed, uploads, capsys):
    code, said = export(capsys, mixed.path, "--to", "hub", "--out", NAME, "--license", "nonesuch")
    assert code == 2 and '"license" must be one of' in said and said.count("\n") == 1
    assert uploads.commits == [] and uploads.blobs == {}


def test_without_a_token_nobody_is_asked(mixed, uploads, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    code, said = export(capsys, mixed.path, "--to", "hub", "--out", NAME)
    assert code == 2 and "hf auth login" in said and said.count("\n") == 1
    assert uploads.asked == []


def test_a_hub_that_is_away_is_one_line(mixed, uploads, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    code, said = export(capsys, mixed.path, "--to", "hub", "--out", NAME)
    assert code == 2 and "cannot be reached" in said and said.count("\n") == 1


def test_private_is_private_or_nothing_is_uploaded(mixed, uploads, capsys):
    assert export(capsys, mixed.path, "--to", "hub", "--out", NAME, "--private")[0] == 0
    assert uploads.private[f"dataset {NAME}"] is True
    uploads.private["dataset me/open"] = False
    code, said = export(capsys, mixed.path, "--to", "hub", "--out", "me/open", "--private")
    assert code == 2 and "it is public" in said and "dataset me/open" not in uploads.files


@pytest.mark.parametrize("flag", [("--private",), ("--license", "mit"), ("--dry-run", "x")])
def test_flags_of_the_hub_are_refused_elsewhere(mixed, tmp_path, capsys, flag):
    code, said = export(capsys, mixed.path, "--to", "csv", "--out", tmp_path / "x.csv", *flag)
    assert code == 2 and f"no use for {flag[0]}" not in said and "only --to hub" in said
    assert list(tmp_path.iterdir()) == []


def test_offline_is_offline(tmp_path, uploads, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "x").write_text("x")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        push(tmp_path, Repository(NAME, "model"), "x")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("owner/name", "owner/name"), ("smollm2", "smollm2"), ("/home/me/data.jsonl", "data.jsonl"),
        ("~/models/x", "x"), ("runs/sft-2/checkpoint", "sft-2/checkpoint"), ("../a/checkpoints/step-000014",
        "checkpoints/step-000014"), ("hf://datasets/o/s@abc/x.json", "hf://datasets/o/s@abc/x.json"), (".", "."),
        ("/", "/"), ("https://me:key@x.example/d/a.jsonl?sig=1#f", "https://x.example/d/a.jsonl"),
    ],
)  # fmt: skip
def test_paths_of_this_machine_stand_on_cards_by_their_last_name(text, short):
    assert local_name(text) == short
