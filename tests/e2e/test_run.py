"""`listeval run` and its neighbours on the null engine, from a shell."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NULL = ("run", "--task", "fashion", "--model", "m", "--backend", "null")


def test_json_is_one_object_on_stdout_and_nothing_else(listeval):
    done = listeval(*NULL, "--limit", 20, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["n"] == sum(found["kinds"].values()) == 20
    assert found["run"].startswith("runs/fashion-m-")


def test_the_table_fits_80_columns_and_leads_on(listeval):
    done = listeval(*NULL, "--limit", 20, "--set", "k=4")
    assert max(map(len, done.stdout.splitlines()[:-3])) <= 80
    for word in (
        "parse_rate",
        "fmc",
        "kendall_tau",
        "useful_ndcg@1",
        "other kinds did not occur",
        "listeval show runs/",
    ):
        assert word in done.stdout
    run = done.stdout.splitlines()[-2].removeprefix("run: ")
    assert "contract_other" not in done.stdout and "contract_other" in listeval("report", run, "--all").stdout


def test_show_report_score_and_rerun(listeval, tmp_path):
    listeval(*NULL, "--limit", 30, "--out", "r")
    shown = listeval("show", "r", "--limit", 2)
    assert "2 of" in shown.stdout
    kinds = [json.loads(line)["kind"] for line in listeval("show", "r", "--limit", 4, "--json").stdout.splitlines()]
    assert len(set(kinds)) == 4 and "ok" not in kinds
    assert listeval("show", "r", "--kind", "duplicate_id").stdout.count("stands 2 times") <= 3
    before = json.loads(listeval("report", "r", "--json").stdout)
    assert json.loads(listeval("score", "r", "--json").stdout) == before
    assert "| parse_rate |" in listeval("report", "r", "--format", "markdown").stdout
    assert len(json.loads(listeval("report", "r", "r", "--format", "json").stdout)) == 2
    size = (tmp_path / "r" / "samples.jsonl").stat().st_size
    again = listeval("run", "@r", "--json")
    assert json.loads(again.stdout)["n"] == 30
    assert (tmp_path / "r" / "samples.jsonl").stat().st_size == size
    repeated = listeval("run", "@r", "--out", "r2", "--json")
    ignored = ("run", "tokens_per_second")
    assert {k: v for k, v in json.loads(repeated.stdout).items() if k not in ignored} == {
        k: v for k, v in before.items() if k not in ignored
    }


def test_a_config_file_runs(listeval, tmp_path):
    (tmp_path / "c.yaml").write_text("task: fashion\nmodel: m\nbackend: 'null'\nlimit: 3\noptions: {k: 4}\n")
    assert json.loads(listeval("run", "@c.yaml", "--json").stdout)["n"] == 3
    assert json.loads(listeval("run", "@c.yaml", "--limit", 5, "--json").stdout)["n"] == 5


def test_show_prompt_goes_to_stderr(listeval):
    done = listeval(*NULL, "--limit", 1, "--show-prompt", "--json")
    assert "[Review 1] id=" in done.stderr
    assert json.loads(done.stdout)


def test_a_task_from_a_folder_of_the_users_own(listeval, tmp_path):
    folder = tmp_path / "tasks" / "echo"
    folder.mkdir(parents=True)
    (folder / "task.py").write_text(
        "from listeval import Dataset, Example, Item, Metric, Record, Task\n"
        "from listeval.backends.protocol import Message\n"
        "class Word(Item):\n    word: str\n"
        "class Echo(Task):\n"
        "    name, version, summary, metrics = 'echo', 1, 'repeat a word', (Metric('same', useful=True),)\n"
        "    def load(self, data, seed):\n"
        "        e = [Example(w, (Message('user', w),), {'word': w}) for w in ('a', 'b')]\n"
        "        return Dataset(e, 'inline', 'v1', {})\n"
        "    def contract(self, target): return Record(Word)\n"
        "    def gold(self, target): return '{\"word\": \"%s\"}' % target['word']\n"
        "    def score(self, targets, values):\n"
        "        return [{'same': float(v.word == t['word'])} for t, v in zip(targets, values)]\n"
    )
    (tmp_path / "answers.jsonl").write_text(
        '{"example": "a", "text": "{\\"word\\": \\"a\\"}"}\n{"example": "b", "text": "b"}\n'
    )
    found = json.loads(
        listeval("run", "--task", "echo", "--backend", "replay", "--model", "answers.jsonl", "--json").stdout
    )
    assert (found["same"]["value"], found["useful_same"]["value"], found["kinds"]["no_json"]) == (1.0, 0.5, 1)
    assert "echo" in listeval("tasks", "list").stdout
    assert "repeat a word" in listeval("tasks", "show", "echo").stdout


def test_doctor_answers(listeval):
    checks = {check["name"]: check for check in json.loads(listeval("doctor", "--json").stdout)}
    assert checks["task fashion"]["state"] == "ok"
    assert all(check["fix"] for check in checks.values() if check["state"] == "missing")


def test_ctrl_c_leaves_a_run_that_goes_on(listeval, tmp_path):
    script = (
        "import sys\nfrom listeval.backends import null\n"
        "make = null.open\n"
        "null.open = lambda m, o: null.NullBackend(m, 1, 0.02)\n"
        "from listeval.cli.main import main\nmain(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", script, *NULL, "--out", "r", "--set", "k=4"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )
    rows = tmp_path / "r" / "samples.jsonl"
    for _ in range(1000):
        time.sleep(0.02)
        if rows.exists() and rows.stat().st_size:
            break
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130
    assert "goes on from here" in stderr and "Traceback" not in stderr
    kept = rows.read_bytes()
    assert 0 < kept.count(b"\n") < 112


def test_a_reader_that_leaves_is_no_error(tmp_path, listeval):
    listeval(*NULL, "--limit", 30, "--out", "r")
    for args in ("report r", "report r --json", "show r --kind any --limit 30", "show r --limit 30 --json"):
        line = f"{sys.executable} -m listeval {args} | head -c 1 > /dev/null; echo ${{PIPESTATUS[0]}}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True)
        # On a busy machine the pulse says that the verb is still at work.
        said = [one for one in done.stderr.splitlines() if not re.fullmatch(r"listeval \w+: \d+ s", one)]
        assert (done.stdout.strip(), said) == ("0", [])


def test_a_terminal_that_knows_only_ascii_gets_its_table(listeval):
    done = listeval(*NULL, "--limit", 3, "--out", "r", env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert (done.returncode, "parse_rate" in done.stdout) == (0, True)
    assert listeval("show", "r", "--kind", "any", "--prompt", env={"PYTHONIOENCODING": "ascii"}).returncode == 0
