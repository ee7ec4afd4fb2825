"""What is written to a file needs no terminal: Markdown, LaTeX, JSON and the page load no rich."""

import subprocess
import sys

import pytest

WRITTEN = ("markdown", "comparison.markdown", "comparison.latex", "comparison.as_json", "comparison.page")


@pytest.mark.parametrize("name", WRITTEN)
def test_a_written_form_loads_no_terminal(name):
    code = f"import sys, listeval.report.{name}; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
