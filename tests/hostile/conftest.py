"""The command line in this process, in a folder of its own, with a state folder of its own."""

import json
import sys

import pytest

from listeval.backends.openai.http import Retry
from listeval.cli.main import _run


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("LISTEVAL_PATH", raising=False)
    monkeypatch.setattr(Retry, "pause", lambda self, attempt: 0.001)
    for name in [name for name in sys.modules if name.startswith("listeval_tasks")]:
        monkeypatch.delitem(sys.modules, name)

    def call(line):
        code = _run(line.split() if isinstance(line, str) else list(map(str, line)))
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def null_run(cli, tmp_path):
    """A finished run of eight null answers in `r`."""
    code, _, err = cli("run --task fashion --model m --backend null --limit 8 --out r --quiet")
    assert code == 0, err
    return tmp_path / "r"


@pytest.fixture
def edit(null_run):
    """Change the manifest's JSON in place."""

    def change(**config):
        file = null_run / "manifest.json"
        values = json.loads(file.read_bytes())
        values["config"].update(config)
        file.write_text(json.dumps(values))

    return change
