"""`listeval tasks`: a new plug-in passes its checks at once, and a check fails with exit code 1."""

import ast
import json
import re
import sys
from pathlib import Path

import pytest

from listeval.cli.main import _run
from listeval.cli.tasks import show_task

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.startswith("listeval_tasks.triage_mail")]:
        monkeypatch.delitem(sys.modules, name)

    def call(line):
        code = _run(line.split())
        return code, *capsys.readouterr()

    return call


def states(out):
    return {check["check"]: check["state"] for check in json.loads(out)["checks"]}


def test_a_new_task_passes_its_checks_and_runs(cli, tmp_path):
    code, out, _ = cli("tasks new triage_mail")
    assert code == 0
    assert "listeval tasks check triage_mail" in out
    code, out, _ = cli("tasks check triage_mail --json")
    assert code == 0
    assert set(states(out).values()) <= {"ok", "skipped"}
    assert states(out)["gold"] == states(out)["bad"] == states(out)["version"] == "ok"
    code, out, _ = cli("run --task triage_mail --model m --backend null --json")
    assert code == 0
    assert json.loads(out)["n"] == 6


@pytest.mark.parametrize("name", ["task", "answer", "label", "record", "message", "any", "none", "path", "literal"])
def test_a_new_task_s_class_hides_nothing_that_it_uses(cli, name):
    assert cli(f"tasks new {name}")[0] == 0
    code, out, err = cli(f"tasks check {name} --json")
    assert code == 0, out + err


def test_a_changed_prompt_fails_until_the_version_is_raised(cli, tmp_path):
    cli("tasks new triage_mail")
    cli("tasks check triage_mail")
    prompt = tmp_path / "tasks" / "triage_mail" / "prompt.jinja"
    prompt.write_text(prompt.read_text().replace("Which topic", "Tell me which topic"))
    from listeval import prompt_template

    prompt_template.cache_clear()
    code, out, _ = cli("tasks check triage_mail --json")
    assert code == 1
    assert states(out)["version"] == "failed"


def test_a_plug_in_that_cannot_load_is_named_with_its_line(cli, tmp_path):
    cli("tasks new triage_mail")
    data = tmp_path / "mail.jsonl"
    data.write_text('{"id": "x", "message": "m", "topic": "payment"}')
    plugin = tmp_path / "tasks" / "triage_mail" / "task.py"
    plugin.write_text(plugin.read_text().replace("    if row.get", "    1 / 0\n    if row.get", 1))
    for verb in (
        "run --model m --backend null --task triage_mail",
        "tasks show triage_mail",
        "tasks check triage_mail",
    ):
        code, _, err = cli(f"{verb} --data {data}")
        assert code == 2
        assert "ZeroDivisionError" in err
        assert "task.py:" in err
        assert err.count("\n") == 1


def test_what_a_task_remembers_does_not_hide_that_it_draws_anew(cli, tmp_path):
    cli("tasks new triage_mail")
    plugin = tmp_path / "tasks" / "triage_mail" / "task.py"
    source = plugin.read_text().replace("    def load(", "    @read_once\n    def load(", 1)
    source = source.replace("    prompt_template,\n", "    prompt_template,\n    read_once,\n", 1)
    source = source.replace("from pathlib", "from random import random\nfrom pathlib", 1)
    plugin.write_text(source.replace("Example(id,", "Example(f'{id}-{random()}',", 1))
    code, out, _ = cli("tasks check triage_mail --json")
    assert code == 1
    assert states(out)["data"] == "failed"


def test_a_terminal_is_told_which_check_runs_and_keeps_nothing_of_it(cli, monkeypatch):
    assert cli("tasks check fashion")[2] == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "500")
    code, out, err = cli("tasks check fashion")
    begun = re.findall(r"\r\x1b\[Kchecking fashion: (\w+) \.\.\.", err)
    assert code == 0 and begun == ["loading", *(line.split()[1] for line in out.splitlines())]
    assert err.endswith("\r\x1b[K") and "\n" not in err
    code, _, err = cli("tasks check fashion --data nowhere.jsonl")
    assert code == 2 and "\r\x1b[Klisteval: no such" in err, "an error begins where the line stood"


RAISING = {
    "made": ("    def contract(", "    def __init__(self, options=None):\n        1 / 0\n\n    def contract("),
    "ready": ("    def contract(", "    def prepare(self):\n        1 / 0\n\n    def contract("),
    "close": ("    def contract(", "    def close(self):\n        1 / 0\n\n    def contract("),
    "appendix": ("    def contract(", "    def appendix(self, rows):\n        1 / 0\n\n    def contract("),
    "load": ("        examples = [", "        return None\n        examples = ["),
    "import": ("class Answer", "import sys\nsys.exit(3)\n\n\nclass Answer"),
}


@pytest.mark.parametrize("step", RAISING)
def test_whatever_a_plug_in_raises_is_one_line_with_its_own_place(cli, tmp_path, step):
    cli("tasks new triage_mail")
    plugin = tmp_path / "tasks" / "triage_mail" / "task.py"
    plugin.write_text(plugin.read_text().replace(*RAISING[step], 1))
    code, _, err = cli("run --model m --backend null --quiet --task triage_mail")
    assert code == 2
    assert step in err
    assert "triage_mail" in err.split("Fix:")[0].rpartition("(")[2]
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tasks new fashion", "there is a 'fashion' already"),
        ("tasks new Not-A-Name", "cannot be a task's name"),
        ("tasks check nothing", "unknown task 'nothing'"),
        ("tasks check fashion --data nowhere.jsonl", "nowhere.jsonl"),
        ("tasks check fashion --model ./nowhere", "there is no such model folder"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_line(cli, line, said):
    code, _, err = cli(line)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("width", [80, 50])
@pytest.mark.parametrize("task", ["fashion", "json", "bfcl", "mbpp"])
def test_what_is_said_of_a_task_keeps_to_the_terminal_s_width(cli, monkeypatch, task, width):
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = cli(f"tasks show {task}")
    ours = out.partition("\n\n[")[0].splitlines()
    assert len(ours) > 3
    assert [line for line in ours if len(line) > width and len(line.split()) > 1] == []
    allowed = " --allow-code-execution" if task == "mbpp" else ""
    _, out, _ = cli(f"tasks check {task} --model tiny-sft{allowed}")
    assert [line for line in out.splitlines() if len(line) > width] == []
    monkeypatch.setenv("COLUMNS", "10000")
    whole = cli(f"tasks check {task} --model tiny-sft{allowed}")[1]
    assert whole.split() == out.split() and whole.count("\n") < out.count("\n"), "only line ends differ"


@pytest.mark.parametrize("name", ["gsm8k", "json", "fashion"])
@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")])
@pytest.mark.parametrize("part", ["[user]", "[contract]", "[gold answer]"])
def test_a_reader_that_goes_away_is_no_fault_of_the_task(monkeypatch, name, error, part):
    def echo(text, **rest):
        if text.startswith(f"\n{part}"):
            raise error

    monkeypatch.setattr("click.echo", echo)
    with pytest.raises(type(error)) as raised:
        show_task.callback(name, (), None)
    assert raised.value is error, "main says what became of the output"


def test_nothing_is_printed_where_a_task_is_to_blame():
    """What is computed in a `with blame(...)` is the task's; what is said in it would be, too."""
    printing = {"say", "say_block", "say_json", "print", "echo", "secho"}
    blocks = 0
    for file in [*(ROOT / "listeval").rglob("*.py"), *(ROOT / "training").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.With) and any("blame(" in ast.unparse(item) for item in node.items):
                blocks += 1
                called = {ast.unparse(x.func).rpartition(".")[2] for x in ast.walk(node) if isinstance(x, ast.Call)}
                assert not called & printing, f"{file}:{node.lineno}"
    assert blocks > 8
