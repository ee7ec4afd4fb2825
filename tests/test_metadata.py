"""What the project says of itself in several files is one thing: name, version, licence; and `make help` names all."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

import listeval

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_citation_package_and_project_agree():
    citation, project = yaml.safe_load((ROOT / "CITATION.cff").read_text()), PROJECT["project"]
    assert citation["title"] == project["name"] == listeval.__name__
    assert citation["version"] == project["version"] == listeval.__version__
    assert citation["license"] == project["license"]


def test_no_lint_rule_is_both_selected_and_ignored():
    lint = PROJECT["tool"]["ruff"]["lint"]
    assert set(lint["select"]) & set(lint["ignore"]) == set()


def test_make_help_has_a_line_for_every_command():
    text = (ROOT / "Makefile").read_text()
    commands = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert commands
    assert sorted(re.findall(r"^([a-z-]+):.*? ## \S", text, re.MULTILINE)) == sorted(commands[1].split())


def test_every_place_that_contributing_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = {*re.findall(r"`([\w.]+/[\w./]*)`", text), *re.findall(r"\]\(([^)#]+)\)", text)}
    # What a contributor is about to add, and what lies beside a clone.
    places = {place for place in named if not re.search(r"NAME|triage_mail|\.\./", place)}
    assert len(places) > 20
    assert [place for place in sorted(places) if not (ROOT / place).exists()] == []
