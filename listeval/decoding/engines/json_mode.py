"""An engine's own JSON mode as a form that says its spacing itself, so that it means the same here, in vLLM and served.

Needed for what no regular expression says. vLLM passes its engines few flags or none, so the flags go into the form:
xgrammar's schema becomes its grammar, outlines' its expression, llguidance takes options inside the schema.
"""

from __future__ import annotations

import json
from typing import Any

from listeval.decoding.constraint import GrammarForm, JsonForm, RegexForm
from listeval.decoding.spacing import MOST_WHITESPACE, Spacing

_MARK = "<between>"
"""Stands after each separator in xgrammar's grammar until either spelling is allowed there."""


def json_mode(engine: str, form: JsonForm) -> GrammarForm | RegexForm | JsonForm:
    """What `engine` is given for a schema. Raises whatever its package does for one that it cannot take."""
    if engine == "xgrammar":
        return GrammarForm(_ebnf(form))
    if engine == "outlines":
        from outlines_core.json_schema import build_regex_from_schema

        return RegexForm(
            build_regex_from_schema(json.dumps(form.schema, ensure_ascii=False), _WHITESPACE[form.spacing])
        )
    return JsonForm({**form.schema, "x-guidance": _guidance(form)}, form.spacing, form.gold)


_WHITESPACE = {
    Spacing.EITHER: " ?",
    Spacing.COMPACT: "",
    Spacing.FREE: f"[ \\t\\n\\r]{{0,{MOST_WHITESPACE}}}",
}
"""outlines' whitespace, the same at every place; gold separators cannot be said so."""


def _ebnf(form: JsonForm) -> str:
    import xgrammar

    separators = {
        Spacing.EITHER: (f",{_MARK}", f":{_MARK}"),
        Spacing.COMPACT: (",", ":"),
        Spacing.GOLD: tuple(form.gold),
    }.get(form.spacing)
    flags: dict[str, Any] = {"any_whitespace": True, "max_whitespace_cnt": MOST_WHITESPACE}
    if separators is not None:
        flags = {"any_whitespace": False, "separators": separators}
    text = str(xgrammar.Grammar.from_json_schema(json.dumps(form.schema), strict_mode=True, **flags))
    for mark in ",:":
        text = text.replace(f'"{mark}{_MARK}"', f'("{mark}" | "{mark} ")')
    return text


def _guidance(form: JsonForm) -> dict[str, Any]:
    """llguidance reads its separators as expressions."""
    if form.spacing is Spacing.FREE:
        return {"whitespace_flexible": True, "whitespace_pattern": f"[ \\t\\n\\r]{{1,{MOST_WHITESPACE}}}"}
    item, key = {Spacing.EITHER: (", ?", ": ?"), Spacing.COMPACT: (",", ":")}.get(form.spacing, form.gold)
    return {"whitespace_flexible": False, "item_separator": item, "key_separator": key}
