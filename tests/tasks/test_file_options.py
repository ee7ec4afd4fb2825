"""Options of tasks that name a file: what is wrong with the file is put right at that option, not at --data."""

import pytest

from listeval.cli.main import main
from listeval.plugins.open import make_task
from listeval.plugins.registry import find_all, load_task

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
