"""A constraint bound to one example's contract, in the form that its engine takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from listeval.contract import KeyedList
from listeval.contract.separators import USUAL
from listeval.decoding.constraint import Constraint, Form, GrammarForm, JsonForm, RegexForm, json_form
from listeval.decoding.json_pattern import OPEN, NotRegular, SeparatorPatterns, json_pattern
from listeval.decoding.permutation.permutation_spec import PermutationSpec, promised
from listeval.decoding.permutation.subset_grammar import subset_grammar
from listeval.decoding.scaffold.scaffold_spec import Scaffold
from listeval.decoding.spacing import Spacing
from listeval.errors import UserError

if TYPE_CHECKING:
    from listeval.contract import Contract


def bind(constraint: Constraint, contract: Contract[Any]) -> Form:
    """What the engine of `constraint` compiles for an answer to `contract`.

    Raises UserError for a contract that has no such form, saying which constraints it has.
    """
    if constraint.kind == "schema":
        return schema_form(constraint, contract)
    if not isinstance(contract, KeyedList):
        cause = f"a {constraint.kind} needs a list of input ids, and this task wants a {contract.noun}"
        raise UserError(cause, place="--constraint", fix="use --constraint schema or none")
    spec = PermutationSpec.of(contract, constraint.spacing)
    if constraint.engine == "own":
        return spec
    if constraint.kind == "scaffold":
        return RegexForm(Scaffold.of(spec).pattern())
    return GrammarForm(subset_grammar(spec, "ebnf" if constraint.engine == "xgrammar" else "lark"))


def schema_form(constraint: Constraint, contract: Contract[Any]) -> RegexForm | JsonForm:
    """Our own expression of the contract's schema; the engine's JSON mode for one that no expression says.

    Raises UserError for what outlines cannot do, and for gold answers that are not spaced in one way.
    """
    schema = json_form(contract).schema
    try:
        marks = SeparatorPatterns.of(constraint.spacing, contract.separators)
        return RegexForm(json_pattern(schema, marks, promised(contract) if isinstance(contract, KeyedList) else None))
    except NotRegular as error:
        if constraint.engine == "outlines":
            _check_outlines(error.keyword, constraint.spacing)
        return JsonForm(schema, constraint.spacing, contract.separators or USUAL)


def _check_outlines(keyword: str, spacing: Spacing) -> None:
    """Raises UserError for what outlines' own JSON mode cannot do."""
    fix = "--engine xgrammar or llguidance"
    if keyword == OPEN:
        cause = f"outlines cannot take {OPEN} of the contract: its index of all JSON would not be done in hours"
        raise UserError(cause, place="--engine outlines", fix=fix)
    if spacing is Spacing.GOLD:
        cause = f"outlines cannot space a schema with {keyword} as the gold answers are"
        raise UserError(cause, place="--spacing gold", fix=f"--spacing either, or {fix}")
