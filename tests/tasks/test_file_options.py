"""Options of tasks that name a file: what is wrong with the file is put right at that option, not at --data."""

import json
from pathlib import Path

import pytest
from pydantic import Field

from listeval import FileOption, TaskOptions
from listeval.cli.main import main
from listeval.comparison import compare
from listeval.errors import UserError
from listeval.kit.file_option import files_named
from listeval.labelling.labels import Label, write_labels
from listeval.plugins.open import make_task
from listeval.plugins.registry import find_all, load_task
from listeval.runs import RunConfig, load_run, rescore, run
from listeval.runs.preparation import row_key

NAMED = sorted(
    (task, field.alias or name)
    for task in find_all()
    for name, field in load_task(task).Options.model_fields.items()
    if "file" in (field.description or "")
)
KINDS = [("fashion", "labels"), ("json", "schema")]
"""One task of each kind: the review tasks share their options."""
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


@pytest.fixture
def twice(tmp_path, monkeypatch):
    """`twice(task, option)`: the same file in two folders, as `--set` has it."""
    monkeypatch.chdir(tmp_path)

    def make(task, option):
        for folder in ("here", "there"):
            (tmp_path / folder).mkdir()
            made(tmp_path / folder, task, option)
        return [{option: str(tmp_path / folder / "given")} for folder in ("here", "there")]

    return make


def of(task, options, out="", **changes):
    values = {"task": task, "model": "gold", "backend": "null", "limit": 2, "options": options, "out": out or None}
    return run(RunConfig(**{**values, **changes}))


def edit(path, change):
    values = json.loads((path / "manifest.json").read_text())
    change(values)
    (path / "manifest.json").write_text(json.dumps(values))


def as_before(values):
    """A manifest from before an identity left out where a file lies, and before there was a ledger."""
    del values["ledger"]
    del values["task"]["files"]
    values["identity"]["task"]["options"] = values["task"]["options"]


def another_template(path):
    edit(path, lambda values: values["identity"]["model"].update(template="another"))
    lines = [json.loads(line) for line in (path / "samples.jsonl").read_text().splitlines()]
    for row in lines:
        row["prompt"] = f"<|user|>{row['prompt']}"
    (path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))


@pytest.mark.parametrize("old", [(), ("a",), ("b",)], ids=str)
@pytest.mark.parametrize(("task", "option"), KINDS)
def test_the_same_file_elsewhere_is_the_same_option(task, option, old, twice):
    here, there = twice(task, option)
    for name, options in (("a", here), ("b", there)):
        path = of(task, options, name).path
        if name in old:
            edit(path, as_before)
    another_template(load_run("b").path)
    assert compare(["a", "b"]).pairing.left_out == {}
    assert compare(["a", "b"]).pairing.notes == ["b: 2 rendered prompts differ (same messages, another chat template)"]


@pytest.mark.parametrize(("task", "option"), KINDS)
def test_runs_from_before_are_brought_together_by_scoring_them(task, option, twice):
    for name, options in zip("ab", twice(task, option), strict=True):
        edit(of(task, options, name).path, as_before)
    assert any("options differ" in note for note in compare(["a", "b"]).pairing.notes)
    for name in "ab":
        rescore(name)
    another_template(load_run("b").path)
    assert compare(["a", "b"]).pairing.notes == ["b: 2 rendered prompts differ (same messages, another chat template)"]


@pytest.mark.parametrize("old", [False, True], ids=["new", "from before"])
@pytest.mark.parametrize("out", ["r", ""], ids=["--out", "default"])
@pytest.mark.parametrize(("task", "option"), KINDS)
def test_the_same_command_goes_on_where_the_file_lies_elsewhere(task, option, out, old, twice, tmp_path):
    here, there = twice(task, option)
    first = of(task, here, out)
    path = first.path
    if old:
        # The keys of its rows held its path, too.
        edit(path, as_before)
        before = load_run(path).manifest
        hashed = out or f"{path.name.rpartition('-')[0]}-{before.identity_hash[:8]}"
        path = path.rename(path.with_name(hashed))
        rows = list(map(json.loads, (path / "samples.jsonl").read_text().splitlines()))
        (path / "ledger").unlink()
        prefix = bytes.fromhex(before.identity_hash)
        data = make_task(task, here).load(None, 0).examples
        for row, example in zip(rows, data, strict=False):
            row["key"] = row_key(prefix, example, 0, make_task(task, here).contract(example.target))
        (path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    again = [here] if old and not out else [here, there]
    for limit, options in enumerate(again, 3):
        done = of(task, options, out, limit=limit)
        assert (done.path.resolve(), done.summary.n, done.strays) == (path.resolve(), limit, [])
        assert done.manifest.config.options == options


@pytest.mark.parametrize(("task", "option"), KINDS)
def test_another_content_in_the_same_place_is_another_run(task, option, twice):
    here, _ = twice(task, option)
    of(task, here, "r")
    if option == "schema":
        (Path(here[option])).write_text('{"type": "array"}')
    else:
        pieces = make_task(task, {}).pieces(None).pieces
        write_labels([Label(key=piece.key, grade=n % 5) for n, piece in enumerate(pieces)], Path(here[option]))
    with pytest.raises(UserError, match=r"another run \(data: "):
        of(task, here, "r")


def test_options_that_name_no_file_stay_in_a_run_s_identity(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = of("json", {"tolerance": 0.5}, "r")
    assert done.manifest.task.files == [] and "files" not in json.loads(Path("r/manifest.json").read_text())["task"]
    assert done.manifest.identity["task"]["options"] == done.manifest.task.options


class Several(TaskOptions):
    """Every way to say that an option names a file."""

    plain: FileOption = "given"
    perhaps: FileOption | None = Field(None, alias="maybe")
    text: str = "given"
    none: FileOption | None = None


def test_a_file_option_is_known_however_it_is_declared():
    assert files_named(Several(maybe="given")) == ["plain", "perhaps"]
