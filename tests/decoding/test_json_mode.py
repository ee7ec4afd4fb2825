"""What no expression says, in each engine's own JSON mode: the spacing holds there, refusals name their keyword."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
for _package in ("xgrammar", "outlines_core", "llguidance"):
    pytest.importorskip(_package)

from listeval.contract.separators import Separators  # noqa: E402
from listeval.decoding.constraint import GrammarForm, JsonForm, RegexForm  # noqa: E402
from listeval.decoding.engines import open_engine  # noqa: E402
from listeval.decoding.engines.json_mode import json_mode  # noqa: E402
from listeval.decoding.engines.native_output import captured_native_output  # noqa: E402
from listeval.decoding.engines.walk import tokens_of, walk  # noqa: E402
from listeval.decoding.spacing import Spacing  # noqa: E402
from listeval.errors import UserError  # noqa: E402
from tests.decoding.test_schema_engines import STOCK, vocabulary  # noqa: E402

NODE: dict[str, Any] = {
    "type": "object",
    "properties": {"v": {"enum": ["é, :", "<between>"]}, "kids": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
    "required": ["v", "kids"],
    "additionalProperties": False,
}
TREE = {"$ref": "#/$defs/n", "$defs": {"n": NODE}}
CODE = {
    "type": "object",
    "properties": {"code": {"type": "string", "pattern": "^[a-z]{2}$"}, "say": {"enum": ["é, :", "<between>"]}},
    "required": ["code", "say"],
    "additionalProperties": False,
}
VALUE = {"code": "ab", "say": "é, :"}


def accepted(name: str, form: JsonForm, tokenizer: Any, value: Any) -> set[str]:
    words = vocabulary(tokenizer)
    engine = open_engine(name, words)
    own = {"compact": (",", ":"), "gold": (", ", ":"), "usual": (", ", ": ")}
    texts = {key: json.dumps(value, ensure_ascii=False, separators=pair) for key, pair in own.items()}
    texts["padded"] = "{ " + texts["compact"][1:]
    return {key for key, text in texts.items() if walk(engine.matcher(form), tokens_of(text, words), words)}


@pytest.mark.parametrize("name", STOCK)
@pytest.mark.parametrize("spacing", list(Spacing))
def test_the_spacing_of_a_pattern(name: str, spacing: Spacing, byte_level: Any) -> None:
    form = JsonForm(CODE, spacing, Separators(", ", ":"))
    if name == "outlines" and spacing is Spacing.GOLD:
        return  # refused before: see test_constraint
    every = {"compact", "gold", "usual"}
    expected = {
        Spacing.EITHER: every | ({"padded"} if name == "outlines" else set()),
        Spacing.GOLD: {"gold"},
        Spacing.COMPACT: {"compact"},
        Spacing.FREE: every | {"padded"},
    }
    assert accepted(name, form, byte_level, VALUE) == expected[spacing]


@pytest.mark.parametrize("name", ["xgrammar", "llguidance"])
def test_a_recursive_schema(name: str, byte_level: Any) -> None:
    tree = {"v": "<between>", "kids": [{"v": "é, :", "kids": []}]}
    assert accepted(name, JsonForm(TREE), byte_level, tree) == {"compact", "gold", "usual"}


@pytest.mark.parametrize(
    ("name", "form"), [("xgrammar", GrammarForm), ("llguidance", JsonForm), ("outlines", RegexForm)]
)
def test_vllm_is_told_by_the_form_alone(name: str, form: type) -> None:
    assert isinstance(json_mode(name, JsonForm(CODE)), form)


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"type": "array", "items": {"enum": ["uniqueItems", "b"]}, "uniqueItems": True}, "uniqueItems"),
        ({"type": "object", "properties": {"pattern": {"type": "string", "pattern": "(?=a)b"}}}, "pattern"),
        ({"type": "object", "properties": {"enum": {"type": "integer"}}, "not": {"type": "string"}}, "not"),
        ({"type": "array", "items": {"type": "string", "format": "zodiac"}}, "format"),
    ],
)
def test_a_refusal_names_the_keyword_at_fault(schema: dict[str, Any], word: str, byte_level: Any) -> None:
    with pytest.raises(UserError, match=f"keyword '{word}'") as error:
        open_engine("llguidance", vocabulary(byte_level)).matcher(JsonForm(schema))
    assert "\n" not in str(error.value)


def test_an_engines_own_source_line_is_left_out(byte_level: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 3, "maxLength": 2}}}
    with pytest.raises(UserError) as error:
        open_engine("xgrammar", vocabulary(byte_level)).matcher(JsonForm(schema))
    assert ".cc" not in str(error.value) and "keyword 'm" in str(error.value)


def test_what_an_engine_writes_to_stderr_is_held_back(capfd: pytest.CaptureFixture[str], byte_level: Any) -> None:
    with captured_native_output() as lines:
        os.write(2, b"[12:00:00] /project/cpp/grammar.cc:10: Warning: a field is ignored\n")
        os.write(2, b"thread '<unnamed>' panicked at src/lib.rs:3\n")
        sys.stderr.write("progress 3/4\n")
    assert len(lines) == 2 and "grammar.cc" in lines[0]
    assert capfd.readouterr().err == "progress 3/4\n"
    # What xgrammar does not know it reports on stderr itself.
    for schema in ({"type": "integer", "multipleOf": 3}, {"not": {"type": "string"}}, {"type": "array", "items": 3}):
        try:
            open_engine("xgrammar", vocabulary(byte_level)).matcher(JsonForm(schema))
        except UserError:
            continue
    assert capfd.readouterr().err == ""


def test_descriptors_do_not_leak() -> None:
    folder = Path("/proc/self/fd")

    def count() -> int:
        return len(list(folder.iterdir())) if folder.is_dir() else 0

    before = count()
    for _ in range(5):
        with pytest.raises(ValueError, match="inside"), captured_native_output():
            raise ValueError("inside")
    assert count() == before
