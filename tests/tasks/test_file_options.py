"""Options of tasks that name a file: what is wrong with the file is put right at that option, not at --data."""

import pytest

from listeval.cli.main import main
from listeval.labelling.labels import Label, write_labels
from listeval.plugins.open import make_task
from listeval.plugins.registry import find_all, load_task
from listeval.runs import load_run

NAMED = sorted(
    (task, field.alias or name)
    for task in find_all()
    for name, field in load_task(task).Options.model_fields.items()
    if "file" in (field.description or "")
)
WRONG = {
    "missing": lambda folder: folder / "nowhere.json",
    "a folder": lambda folder: folder,
    "unreadable": lambda folder: folder / "file" / "below",
}


def test_options_that_name_a_file_are_found():
    assert {("json", "schema"), ("fashion", "labels"), ("baby", "labels")} <= set(NAMED)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("task", "option"), NAMED)
def test_the_fix_names_the_option(task, option, wrong, tmp_path, capsys):
    (tmp_path / "file").write_text("{}")
    path = WRONG[wrong](tmp_path)
    args = ["run", "--task", task, "--model", "gold", "--backend", "null", "--limit", "1", "--out", str(tmp_path / "o")]
    with pytest.raises(SystemExit) as stop:
        main([*args, "--set", f"{option}={path}"])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and str(path) in err and "--data" not in err, err
    if wrong != "unreadable":
        assert f"--set {option}" in err, err
    assert not (tmp_path / "o").exists()


def test_labels_to_agree_with_are_arguments(tmp_path, capsys):
    (tmp_path / "labels.jsonl").write_text('{"key": "a", "grade": 1}\n')
    for names, said in ((("no", tmp_path), "give A an existing path"), ((tmp_path, "no"), "give B an existing path")):
        with pytest.raises(SystemExit):
            main(["rubrics", "agree", *map(str, names)])
        assert said in capsys.readouterr().err


def test_data_are_still_put_right_at_data(tmp_path, capsys):
    assert make_task("json", {}).options.schema_ is None
    for data, said in (("nowhere.jsonl", "give --data an existing path"), (str(tmp_path), "no data file")):
        with pytest.raises(SystemExit):
            main(["run", "--task", "json", "--data", data, "--model", "gold", "--backend", "null"])
        assert said in capsys.readouterr().err


def exit_code(args):
    with pytest.raises(SystemExit) as stop:
        main(args)
    return stop.value.code


def made(folder, task, option):
    """A file that the option takes, below `folder`."""
    if option == "schema":
        (folder / "given").write_text('{"type": "object"}')
    else:
        (folder / "given").mkdir()
        pieces = make_task(task, {}).pieces(None).pieces
        write_labels([Label(key=piece.key, grade=n % 7) for n, piece in enumerate(pieces)], folder / "given")


@pytest.mark.parametrize("name", ["given", "./given", "../here/given"])
@pytest.mark.parametrize(("task", "option"), NAMED)
def test_a_run_is_completed_from_another_folder(task, option, name, tmp_path, monkeypatch):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    made(tmp_path / "here", task, option)
    monkeypatch.chdir(tmp_path / "here")
    args = ["run", "--task", task, "--model", "gold", "--backend", "null", "--limit", "1", "--out", "run", "--quiet"]
    for _ in range(2):
        assert exit_code([*args, "--set", f"{option}={name}"]) == 0
    monkeypatch.chdir(tmp_path / "there")
    assert exit_code(["run", "@../here/run", "--limit", "2", "--quiet"]) == 0
    assert len((tmp_path / "here" / "run" / "samples.jsonl").read_text().splitlines()) == 2
    config = load_run(tmp_path / "here" / "run").manifest.config
    assert config.options == {option: str(tmp_path / "here" / "given")}
    assert not list((tmp_path / "there").iterdir())


def test_other_options_stay_as_they_are_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exact").write_text("a file of the same name")
    args = ["run", "--task", "json", "--model", "gold", "--backend", "null", "--limit", "1", "--out", "run", "--quiet"]
    assert exit_code([*args, "--set", "text=exact", "--set", "tolerance=1e-9"]) == 0
    assert load_run(tmp_path / "run").manifest.config.options == {"text": "exact", "tolerance": "1e-9"}


def test_what_is_no_path_stays_as_it_is(tmp_path):
    for name in ("nowhere.json", "~no such user/x", "x" * 5000, ""):
        assert make_task("json", {"schema": name}).options.schema_ == name
