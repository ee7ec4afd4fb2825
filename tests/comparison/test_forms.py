"""Terminal, Markdown and LaTeX of a comparison: whole, in 80 columns, and no name becomes markup."""

import re
import shutil
import subprocess

import pytest
from planted import ranked
from rich.cells import cell_len

from listeval.comparison import compare
from listeval.report.comparison.as_latex import comparison_latex
from listeval.report.comparison.as_markdown import comparison_markdown
from listeval.report.comparison.on_terminal import print_comparison
from listeval.report.comparison.sentence import sentence
from listeval.report.console import ReportConsole
from listeval.runs import RunConfig, run


@pytest.fixture
def found(make_run):
    half = lambda row: ranked(row, drop=row["index"] % 2)  # noqa: E731
    run = make_run("free_run", half, limit=20)
    perm = make_run("a|b*<b>", ranked, limit=20, constraint="permutation")
    return compare([run, perm, f"{run}+truncation+permutation", *(make_run(n, limit=20, model=n) for n in "xyz")])


def said(found, width=80):
    console = ReportConsole()
    console.size = (width, 25)
    with console.capture() as capture:
        print_comparison(found, console)
    return capture.get()


def test_the_terminal_fits_80_columns_and_says_all(found):
    text = said(found)
    assert max(map(len, text.splitlines())) <= 80
    assert " ".join(text.split()).startswith(" ".join(sentence(found.verdict).split()))
    for part in ("parse rate raw 50.0 %, repaired 100.0 %", "Headline figures", "missing_id → ok", "did not occur"):
        assert part in " ".join(text.split())


def test_a_long_name_leaves_the_figures_their_room(make_run):
    names = ["fashion-" + "x" * 90, "長い名前の実行ディレクトリ" * 4]
    text = said(compare([make_run("a", ranked, limit=8), *(make_run(n, limit=8, model=n) for n in names)]))
    assert max(map(cell_len, text.splitlines())) <= 80
    assert "unchanged" in text and re.search(r"unchanged +\d", text)
    assert re.search(r"\[3\] 長い.*\d %? ?\[\d", text)


def test_markdown_tables_are_whole(found):
    text = comparison_markdown(found)
    tables = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    assert len(tables) == 5
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1
    assert r"a\|b\*\<b\>" in text


def test_latex_escapes_everything(found):
    text = comparison_latex(found)
    assert r"free\_run" in text
    assert r"missing\_id $\to$ ok" in text
    assert r"50.0 \%" in text
    body = re.sub(r"\\[a-z]+\*?|\\.", "", "\n".join(line for line in text.splitlines() if not line.startswith("%")))
    assert not set("#_~^") & set(body)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert rows
    # What follows `\\\\` must be neither a bracket (its argument) nor a group (a cell, in which no rule may stand).
    assert not any(line.startswith("[") or r"\\{" in line for line in text.splitlines())
    assert all(r"{[}1] " in row for row in rows if r"free\_run" in row and "permutation" not in row)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(found, tmp_path):
    source = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n%s\n\\end{document}\n"
    (tmp_path / "t.tex").write_text(source % comparison_latex(found), encoding="utf-8")
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)


def test_control_characters_of_a_name_stay_inert(make_run):
    found = compare([make_run("a", ranked, limit=5), make_run("b\x1b[31m", ranked, limit=5, model="b")])
    assert "\x1b[31m" not in said(found) + comparison_markdown(found) + comparison_latex(found)


def test_fmc_is_a_figure_of_lists_only(found, tmp_path):
    from listeval.report.comparison.tables import untested

    assert "fmc" in untested(found)
    told = {"task": "gsm8k", "backend": "null", "limit": 8}
    records = compare(
        [run(RunConfig(**told, model=name, out=str(tmp_path / name))).path for name in ("gold", "garbage")]
    )
    assert "fmc" not in untested(records)
    assert "fmc" not in said(records)
