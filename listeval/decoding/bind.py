"""A constraint bound to one example's contract, in the form that its engine takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from listeval.contract import KeyedList
from listeval.decoding.constraint import Constraint, Form, GrammarForm, RegexForm, json_form
from listeval.decoding.permutation_spec import PermutationSpec
from listeval.decoding.scaffold import Scaffold
from listeval.decoding.subset_grammar import subset_grammar
from listeval.errors import UserError

if TYPE_CHECKING:
    from listeval.contract import Contract


def bind(constraint: Constraint, contract: Contract[Any]) -> Form:
    """What the engine of `constraint` compiles for an answer to `contract`.

    Raises UserError for a contract that has no such form, saying which constraints it has.
    """
    if constraint.kind == "schema":
        return json_form(contract)
    if not isinstance(contract, KeyedList):
        cause = f"a {constraint.kind} needs a list of input ids, and this task wants a {contract.noun}"
        raise UserError(cause, place="--constraint", fix="use --constraint schema or none")
    spec = PermutationSpec.of(contract)
    if constraint.engine == "own":
        return spec
    if constraint.kind == "scaffold":
        return RegexForm(Scaffold.of(spec).pattern())
    return GrammarForm(subset_grammar(spec, "ebnf" if constraint.engine == "xgrammar" else "lark"))
