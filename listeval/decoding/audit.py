"""What an engine keeps, ignores and refuses of a schema: measured, not believed.

For each keyword of the schema a text that this keyword alone forbids is walked through the compiled engine,
token by token. Accepted to its end, the keyword is `ignored`; stopped, it is `kept`. `uniqueItems` is added
on purpose, because a list of distinct items would want it: an engine that knows that it cannot says so
(`refused`). A valid text is walked first: an engine that stops it is too strict, and its keywords are `untested`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from listeval.decoding.audit_rules import audit_rules
from listeval.decoding.constraint import Constraint, JsonForm, is_there, json_form
from listeval.decoding.engines import Engine, Vocabulary, open_engine
from listeval.decoding.engines.protocol import Unsupported
from listeval.decoding.engines.protocol import keywords as keywords_of
from listeval.decoding.engines.walk import tokens_of, walk
from listeval.decoding.probes import Probe, Unfillable, valid, violations, with_unique_items
from listeval.decoding.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from listeval.backends.protocol import Backend
    from listeval.contract import Contract

UNIQUE = "uniqueItems"
_CHECKED = frozenset(
    {
        "enum", "const", "type", "required", "additionalProperties", "minItems", "maxItems", "minLength", "maxLength",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern", "format", UNIQUE,
    }
)  # fmt: skip


def audit(backend: Backend, constraint: Constraint, contract: Contract[Any]) -> dict[str, Any]:
    """What `constraint` keeps of `contract`, walked where its engine can be had in this process.

    A schema has `keywords`, a permutation and a scaffold have `rules`. For a schema the backend is also asked
    what no engine that keeps `uniqueItems` could answer (`unique_items_asked`). Raises UserError for a contract
    that the engine cannot take.
    """
    found: dict[str, Any] = {"engine": constraint.engine, "valid": "untested"}
    vocabulary = None
    if constraint.engine != "server" and is_there(constraint.engine) and backend.renderer is not None:
        tokenizer = backend.renderer.tokenizer
        vocabulary = Vocabulary(tokenizer, len(tokenizer), (tokenizer.eos_token_id or 0,))
    if constraint.kind != "schema":
        # Our own scaffold has no engine that could be led astray: its text is never decoded.
        walked = vocabulary is not None and (constraint.kind, constraint.engine) != ("scaffold", "own")
        return found | (audit_rules(constraint, contract, vocabulary) if walked and vocabulary else {"rules": {}})
    found["keywords"] = {}
    if vocabulary is not None:
        found |= audit_schema(json_form(contract).schema, open_engine(constraint.engine, vocabulary), vocabulary)
    return found | {"unique_items_asked": _ask_unique(backend)}


def _ask_unique(backend: Backend) -> str:
    """`ignored`, `refused`, or `kept` where the answer is anything but two times the same."""
    from listeval.decoding.canary import Twice, send

    contract = Twice()
    try:
        answer = send(backend, contract, "Name one thing that floats.")
    except Unsupported:
        return "refused"
    if answer.error is not None:
        return "refused"
    return "ignored" if not Promise("schema", frozenset({UNIQUE})).broken(contract, answer.text) else "kept"


def audit_schema(schema: dict[str, Any], engine: Engine, vocabulary: Vocabulary) -> dict[str, Any]:
    """`{"engine", "valid": accepted|refused|untested, "keywords": {keyword: kept|ignored|refused|untested}}`.

    Raises UserError for a schema that the engine cannot compile, naming the keyword.
    """
    start = _starts(engine, vocabulary, JsonForm(schema))
    fates = dict.fromkeys(sorted(_CHECKED & set(keywords_of(schema))), "untested")
    found = {"engine": engine.name, "valid": "untested", "keywords": fates}
    try:
        found["valid"] = "accepted" if start(valid(schema)) else "refused"
    except Unfillable:
        return found
    # An engine that refuses whatever comes would seem to keep every keyword.
    stopped = "kept" if found["valid"] == "accepted" else "untested"
    fates |= _fates(violations(schema), start, stopped)
    unique = with_unique_items(schema)
    if unique != schema:
        try:
            start = _starts(engine, vocabulary, JsonForm(unique))
        except Unsupported:
            fates[UNIQUE] = "refused"
        else:
            fates |= _fates((probe for probe in violations(unique) if probe.keyword == UNIQUE), start, stopped)
    return found


def _fates(probes: Iterable[Probe], accepts: Callable[[Any], bool], stopped: str) -> dict[str, str]:
    """One accepted probe is enough to call a keyword ignored; `stopped` is the fate of the others."""
    fates: dict[str, str] = {}
    for probe in probes:
        if fates.get(probe.keyword) != "ignored":
            fates[probe.keyword] = "ignored" if accepts(probe.value) else stopped
    return fates


def _starts(engine: Engine, vocabulary: Vocabulary, form: JsonForm) -> Callable[[Any], bool]:
    engine.matcher(form)

    def accepts(value: Any) -> bool:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return walk(engine.matcher(form), tokens_of(text, vocabulary), vocabulary)

    return accepts
