"""What an engine keeps, ignores and refuses of a constraint: measured, not believed.

For each keyword of the schema a text that this keyword alone forbids is walked through the compiled engine,
token by token. Accepted to its end, the keyword is `ignored`; stopped, it is `kept`. `uniqueItems` is added
on purpose, because a list of distinct items would want it: an engine that knows that it cannot says so
(`refused`). A valid text is walked first: an engine that stops it is too strict, and its keywords are `untested`;
one that stops a further option of a union is too strict there (`narrowed`). So are numbers and spacing measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from listeval.contract.schema_nodes import keywords as keywords_of
from listeval.contract.separators import USUAL, Separators
from listeval.decoding.bind import bind
from listeval.decoding.constraint import Constraint, Form, GrammarForm, JsonForm, RegexForm, is_there, json_form
from listeval.decoding.engines import Engine, EngineVocabulary, open_engine
from listeval.decoding.engines.engine_protocol import Unsupported
from listeval.decoding.engines.walk import tokens_of, walk
from listeval.decoding.promise import promised_schema
from listeval.decoding.proof.audit_rules import audit_rules
from listeval.decoding.proof.marked_schema import has_further_rules
from listeval.decoding.proof.measured_spacing import COMPACT, dumps, measured_spacing
from listeval.decoding.proof.probes import (
    Probe,
    Unfillable,
    alternatives,
    number_places,
    valid,
    violations,
    with_unique_items,
)
from listeval.decoding.spacing import Spacing

if TYPE_CHECKING:
    from listeval.backends.protocol import Backend
    from listeval.contract import Contract

UNIQUE = "uniqueItems"
FURTHER = "rules of the task's code"
"""What a contract checks beyond its schema (validators over several fields, say): no schema can carry it."""
_CHECKED = frozenset(
    {
        "enum", "const", "type", "required", "additionalProperties", "minItems", "maxItems", "minLength", "maxLength",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern", "format", UNIQUE,
        "anyOf", "oneOf", "allOf", "not", "if", "contains", "minContains", "maxContains", "dependentRequired",
        "dependentSchemas", "minProperties", "maxProperties", "patternProperties", "propertyNames", "prefixItems",
    }
)  # fmt: skip
_ENDLESS = 40
"""Digits that no bounded number has."""


def audit(backend: Backend, constraint: Constraint, contract: Contract[Any]) -> dict[str, Any]:
    """What `constraint` keeps of `contract`, walked where its engine can be had in this process.

    A schema has `keywords`, a permutation and a scaffold have `rules`; `form` says by what the engine is told,
    `spacing` what was asked and what was measured. Raises UserError for a contract that the engine cannot take.
    """
    found: dict[str, Any] = {"engine": constraint.engine, "form": _form(backend, constraint, contract)}
    found |= {"valid": "untested", "spacing": {"asked": constraint.spacing.value, "measured": "untested"}}
    vocabulary = None
    if constraint.engine != "server" and is_there(constraint.engine) and backend.renderer is not None:
        tokenizer = backend.renderer.tokenizer
        vocabulary = EngineVocabulary(tokenizer, len(tokenizer), (tokenizer.eos_token_id or 0,))
    if constraint.kind != "schema":
        # Our own scaffold has no engine that could be led astray: its text is never decoded.
        walked = vocabulary is not None and (constraint.kind, constraint.engine) != ("scaffold", "own")
        return found | (audit_rules(constraint, contract, vocabulary) if walked and vocabulary else {"rules": {}})
    found["keywords"] = {FURTHER: "untested"} if has_further_rules(contract) else {}
    if vocabulary is None:
        return found
    form, engine = bind(constraint, contract), open_engine(constraint.engine, vocabulary)
    gold = contract.separators or USUAL
    schema = json_form(contract).schema
    measures = audit_schema(schema, engine, vocabulary, form, gold)
    measures["keywords"] |= found["keywords"]
    accepts = _accepts_text(engine, vocabulary, form)
    try:
        found["spacing"]["measured"] = measured_spacing(accepts, valid(schema), gold)
        found["numbers"] = _numbers(promised_schema(contract), accepts, gold)
    except Unfillable:
        found["numbers"] = "untested"
    return found | measures


def _numbers(schema: dict[str, Any], accepts: Callable[[str], bool], gold: Separators) -> str:
    """`none` in the schema, `bounded`, `endless`, or `beyond the promise` of the prompt."""
    places = list(number_places(schema))
    if not places:
        return "none"
    digits = "7" * _ENDLESS
    texts = [text for put in places for text in _spellings(put(_PLACEHOLDER), gold)]
    if any(accepts(text.replace(str(_PLACEHOLDER), long)) for text in texts for long in (digits, f"7.{digits}")):
        return "endless"
    beyond = (probe.value for probe in violations(schema) if probe.keyword in ("minimum", "maximum"))
    kept = not any(accepts(text) for value in beyond for text in _spellings(value, gold))
    return "bounded" if kept else "beyond the promise"


_PLACEHOLDER = 987650123


def _form(backend: Backend, constraint: Constraint, contract: Contract[Any]) -> str:
    """By what the engine is told of the constraint, in words."""
    if constraint.engine == "server":
        told = backend.settings().get("constraint")
        return str(told.get("form", "untold")) if isinstance(told, dict) else "untold"
    form = bind(constraint, contract)
    words = {JsonForm: "the engine's JSON mode", RegexForm: "our expression", GrammarForm: "our grammar"}
    return words.get(type(form), "our automaton")


def audit_schema(
    schema: dict[str, Any],
    engine: Engine,
    vocabulary: EngineVocabulary,
    form: Form | None = None,
    gold: Separators = USUAL,
) -> dict[str, Any]:
    """`{"engine", "valid": accepted|refused|untested, "keywords": {keyword: kept|ignored|refused|narrowed|untested}}`.

    `form` is what the engine is given for `schema` (default: the schema itself, in the engine's JSON mode). Raises
    UserError for a schema that the engine cannot compile, naming the keyword.
    """
    form = form or JsonForm(schema, Spacing.COMPACT)
    start = _starts(engine, vocabulary, form, gold)
    fates = dict.fromkeys(sorted(_CHECKED & set(keywords_of(schema))), "untested")
    found = {"engine": engine.name, "valid": "untested", "keywords": fates}
    try:
        found["valid"] = "accepted" if start(valid(schema)) else "refused"
    except Unfillable:
        return found
    # An engine that refuses whatever comes would seem to keep every keyword.
    stopped = "kept" if found["valid"] == "accepted" else "untested"
    fates |= _fates(violations(schema), start, stopped)
    if stopped == "kept":
        fates |= {probe.keyword: "narrowed" for probe in alternatives(schema) if not start(probe.value)}
    unique = with_unique_items(schema)
    if unique != schema:
        try:
            start = _starts(engine, vocabulary, JsonForm(unique, Spacing.COMPACT), gold)
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


def _accepts_text(engine: Engine, vocabulary: EngineVocabulary, form: Form) -> Callable[[str], bool]:
    engine.matcher(form)
    return lambda text: walk(engine.matcher(form), tokens_of(text, vocabulary), vocabulary)


def _starts(engine: Engine, vocabulary: EngineVocabulary, form: Form, gold: Separators) -> Callable[[Any], bool]:
    accepts = _accepts_text(engine, vocabulary, form)
    return lambda value: any(map(accepts, _spellings(value, gold)))


def _spellings(value: Any, gold: Separators) -> tuple[str, str]:
    """A value as JSON in the two ways of which every spacing allows one."""
    return dumps(value, COMPACT), dumps(value, gold)
