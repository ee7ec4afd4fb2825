"""A key that stands twice is refused in every file that a user writes, at every depth, with its line."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from listeval.cli.run import parse_setting
from listeval.errors import UserError
from listeval.labelling.rubric import read_rubric
from listeval.runs.config_file import read_config
from listeval.runs.unique_keys import json_values, yaml_values
from listeval.suites.yaml_lines import read_yaml
from listopd.cliff.study import StudyFile
from listopd.recipe import read_recipe

TWICE = [
    ("task: a\ntask: b\n", "task", 2),
    ("task: a\n'task': b\n", "task", 2),
    ("options: {k: 1, k: 2}\n", "k", 1),
    ("opd:\n  optimiser: {lr: 1e-5,\n    lr: 3e-3}\n", "lr", 3),
    ("a: [1, {b: {c: 1,\n c: 2}}]\n", "c", 2),
    ("a: &x\n  b: 1\n  b: 2\nc: *x\n", "b", 3),
    ("? a\n: 1\n? a\n: 2\n", "a", 3),
]
READERS = {"recipe": read_recipe, "study": StudyFile, "run": read_config, "suite": read_yaml, "rubric": read_rubric}


@pytest.mark.parametrize(("text", "key", "line"), TWICE)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path, read, text, key, line):
    file = tmp_path / "f.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as told:
        read(file)
    assert str(told.value) == f"the key '{key}' stands twice ({file}:{line}). Fix: keep one of them"


@pytest.mark.parametrize("text", ['{"task": "a", "task": "b"}', '{"config": {"options": {"k": 1,\n\t"k": 2}}}'])
def test_json_too(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(UserError, match=r"stands twice .*c\.json"):
        read_config(tmp_path / "c.json")


def test_a_value_on_the_command_line_too():
    with pytest.raises(UserError, match=r"'lr' stands twice \(opd\.optimiser\)"):
        read_recipe("listopd", ["opd.optimiser={lr: 1, lr: 2}"])
    with pytest.raises(UserError, match=r"'k' stands twice \(--set part\)"):
        parse_setting("part={k: 1, k: 2}")
    assert parse_setting("part={k: 1, l: 2}") == ("part", {"k": 1, "l": 2})


@pytest.mark.parametrize("text", ["a: 2024-13-45\n", "a: " + "[" * 20_000])
@pytest.mark.parametrize("read", [read_recipe, StudyFile, read_config], ids=["recipe", "study", "run"])
def test_what_yaml_itself_stumbles_over_is_one_line(tmp_path, read, text):
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(UserError) as told:
        read(tmp_path / "f.yaml")
    assert "\n" not in str(told.value)


values = st.recursive(
    st.integers() | st.text("abc", max_size=3),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from("abcde"), part, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_says_each_key_once_reads_as_before(value):
    assert yaml_values(yaml.safe_dump(value), "f") == value
    assert json_values(json.dumps(value), "f") == value
