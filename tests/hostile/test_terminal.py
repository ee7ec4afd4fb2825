"""Nothing from data, models, servers or file names reaches a terminal raw, in any verb."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from listeval.report.console import ReportConsole
from listeval.report.markdown import code, escape
from listeval.visible import inline, visible
from tests.backends.fake_server import FakeServer, Reply, chat

RAW = re.compile(r"[^\n\x20-\x7e\xa0-\U0010ffff]|[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u2066\nlisteval: all done\r\x08\x7f[red]x[/red]\U000e0041"
NAME = EVIL.replace("/", "|")


def clean(*texts, block=False):
    """Nothing raw; outside of a `block` of text, no line that is not ours either."""
    for text in texts:
        assert not RAW.search(text), ascii(text)
        assert block or "\nlisteval: all done" not in text, text


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_shown_is_printable_and_says_what_it_hides(text):
    assert not RAW.search(visible(text))
    assert inline(text).isprintable()
    if text.isprintable():
        assert inline(text) == text


@given(st.text(st.characters(exclude_categories=())))
def test_the_console_lets_nothing_through(text):
    console = ReportConsole()
    with console.capture() as capture:
        console.print(Text(text), text)
    assert not RAW.search(capture.get())


@given(st.text(st.characters(exclude_categories=())))
def test_markdown_of_any_text_is_text(text):
    commonmark = pytest.importorskip("markdown_it")
    plain = commonmark.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    (block,) = [token for token in plain.parse(f"x{escape(text)}x") if token.type == "inline"]
    kinds = {token.type for token in block.children}
    assert kinds <= {"text", "text_special"}
    assert "".join(token.content for token in block.children) == f"x{inline(text)}x"
    (block,) = [token for token in plain.parse(f"x {code(text)} x") if token.type == "inline"]
    if text.strip(" ") and not text.startswith(" ") and not text.endswith(" "):
        assert [token.content for token in block.children if token.type == "code_inline"] == [inline(text)]


@pytest.fixture
def hostile_data(tmp_path):
    """Review groups whose ids, titles and texts try everything."""
    file = tmp_path / "data.jsonl"
    with file.open("w") as stream:
        for group in range(4):
            reviews = [{"id": f"{EVIL}{n}", "text": f"{EVIL} {n}", "votes": n} for n in range(8)]
            stream.write(json.dumps({"product": f"{EVIL}{group}", "title": EVIL, "reviews": reviews}) + "\n")
    return file


@pytest.fixture
def hostile_run(cli, hostile_data, tmp_path):
    """A run of a hostile model on a hostile server over hostile data, in a folder with a hostile name."""
    replies = [chat(EVIL), chat(None, reasoning_content=EVIL), chat(f'[{{"{EVIL}": 1}}]'.replace("\n", " "), EVIL)]

    def answer(call):
        nth = len(server.calls) % 4
        return Reply(replies[nth]) if nth < 3 else Reply({"error": {"message": EVIL}}, 400)

    name = f"r{NAME}"
    with FakeServer(answer).running() as server:
        server.models = [{"id": EVIL, "owned_by": EVIL}]
        args = ["run", "--task", "fashion", "--set", "split=all", "--data", hostile_data, "--model", EVIL]
        args += ["--backend", "openai", "--base-url", server.url, "--out", name, "--show-prompt"]
        said = cli(args)
        clean(*said[1:], block=True)
        assert said[0] in (0, 1)
    return name


def test_a_hostile_run_in_every_verb(cli, hostile_run, tmp_path):
    shutil.copytree(tmp_path / hostile_run, tmp_path / f"{hostile_run}2")
    for args in (
        ["report", hostile_run],
        ["report", hostile_run, "--json"],
        ["report", hostile_run, f"{hostile_run}2"],
        ["report", hostile_run, "--format", "markdown"],
        ["show", hostile_run, "--kind", "any", "--limit", "9", "--prompt"],
        ["show", hostile_run, "--kind", "any", "--json"],
        ["show", hostile_run, "--sample", f"{EVIL}nope"],
        ["score", hostile_run],
        ["compare", hostile_run, f"{hostile_run}2"],
        ["compare", hostile_run, f"{hostile_run}+truncation"],
        ["compare", hostile_run, f"{hostile_run}2", "--format", "latex"],
        ["compare", hostile_run, f"{hostile_run}2", "--format", "markdown", "--html", f"p{NAME}.html"],
        ["run", f"@{hostile_run}"],
        ["run", "--task", "fashion", "--backend", "replay", "--model", hostile_run, "--out", "again"],
    ):
        code, out, err = cli(args)
        clean(out, err, block=args[0] == "show")
        assert code in (0, 1, 2), args
        assert "Traceback" not in err


@pytest.mark.parametrize(
    "args",
    [
        ["run", "--task", EVIL, "--model", "m"],
        ["run", "--task", "fashion", "--model", f"./{EVIL}", "--backend", "hf"],
        ["run", "--task", "fashion", "--model", EVIL, "--backend", EVIL],
        ["run", "--task", "fashion", "--model", "m", "--backend", "null", "--data", EVIL],
        ["run", "--task", "fashion", "--model", "m", "--backend", "null", "--samples", EVIL],
        ["run", "--task", "fashion", "--model", "m", "--backend", "null", "--set", f"{EVIL}=1"],
        ["run", "--task", "fashion", "--model", "m", "--backend", "null", "--set", f"k={EVIL}"],
        ["run", f"@{EVIL}"],
        ["run", f"--{EVIL}"],
        ["report", EVIL],
        ["show", EVIL],
        ["score", EVIL],
        ["compare", EVIL, "b"],
        ["train", "sft", EVIL],
        ["probe", "--teacher", EVIL, "--base", EVIL, "--task", EVIL],
        ["label", "--rubric", EVIL, "--judge", f"http://127.0.0.1:9#{EVIL}"],
        ["label", "--rubric", "helpfulness", "--judge", EVIL],
        ["rubrics", "show", EVIL],
        ["rubrics", "agree", EVIL, EVIL],
        ["tasks", "show", EVIL],
        ["tasks", "new", EVIL],
        ["tasks", "check", EVIL],
        [EVIL],
    ],
)
def test_whatever_is_typed_comes_back_on_one_line(cli, args):
    code, out, err = cli(args)
    clean(out, err)
    assert code == 2
    assert [line for line in err.splitlines() if line.startswith("listeval: ")] == err.splitlines()[-1:]


def test_names_of_files_and_words_of_plug_ins(cli, tmp_path):
    for folder, file, text in (
        (f"tasks/{NAME}", "task.py", "x = 1"),
        ("rubrics", f"a{NAME}.yaml", "name: x"),
        ("tasks/loud", "task.py", f"raise RuntimeError({EVIL!r})"),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / file).write_text(text)
    for args in (
        ["tasks", "list"],
        ["tasks", "list", "--json"],
        ["doctor"],
        ["doctor", "--json"],
        ["rubrics", "list"],
        ["rubrics", "list", "--json"],
        ["rubrics", "show", f"a{NAME}"],
        ["tasks", "show", "loud"],
        ["run", "--task", "loud", "--model", "m"],
    ):
        code, out, err = cli(args)
        clean(out, err)
        assert code in (0, 2)
        assert "Traceback" not in err


def test_a_name_that_is_no_unicode(cli, tmp_path):
    name = os.fsdecode(b"r\xff\x1b[31m")
    run = ["run", "--task", "fashion", "--model", "m", "--backend", "null", "--limit", "2", "--out"]
    code, out, err = cli([*run, name])
    clean(out, err)
    assert (code, "not UTF-8" in err, err.count("\n")) == (2, True, 1)
    assert cli([*run, "r"])[0] == 0
    (tmp_path / "r").rename(tmp_path / name)
    for verb in ("report", "show", "score"):
        code, out, err = cli([verb, name])
        clean(out, err)
        assert code == 0


def test_a_config_file_and_a_rubric_of_words(cli, tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({EVIL: 1, "task": "fashion", "model": "m"}))
    (tmp_path / "d.json").write_text(json.dumps({"task": EVIL, "model": EVIL, "base_url": EVIL, "backend": "openai"}))
    (tmp_path / "e.yaml").write_text("task: fashion\nmodel: [\n\x1b")
    for file in ("c.json", "d.json", "e.yaml"):
        code, out, err = cli(f"run @{file}")
        clean(out, err)
        assert (code, err.count("\n")) == (2, 1)


def test_there_is_one_way_to_a_terminal():
    """Verbs print by `say`, reports on the console; a new way must come through `visible` too."""
    root = Path(__file__).resolve().parents[2]
    ways = re.compile(r"click\.(echo|secho|style)\(|(?<![\w.])print\(|std(out|err)\.write\(|(?<!\w)Console\(")
    found = {
        str(file.relative_to(root))
        for folder in ("listeval", "training/listopd")
        for file in (root / folder).rglob("*.py")
        if ways.search(file.read_text(encoding="utf-8")) and "scoring/execution" not in str(file)
    }
    assert found == {
        "listeval/cli/say.py",
        "listeval/cli/main.py",
        "listeval/cli/tasks.py",  # the coloured word before a finding
        "listeval/cli/live_line.py",  # the line that is written over
        "listeval/cli/progress.py",  # the bar, which shows numbers
        "training/listopd/cli/train.py",  # the line that is written over
        "listeval/cli/config_page.py",  # the page that it generates
        "listeval/kit/notice.py",  # below the verbs
    }
