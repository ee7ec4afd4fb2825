"""A permutation as a context-free grammar with one rule for each set of ids still to come: 2^K rules.

What a stock engine can compile, for small K: exact, but each further id doubles it. In two
notations, EBNF as xgrammar reads it and Lark as llguidance does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from listeval.decoding.number_form import NumberForm, number_automaton
from listeval.decoding.permutation_spec import PermutationSpec
from listeval.errors import UserError

MOST_IDS = 10
Notation = Literal["ebnf", "lark"]


def subset_grammar(spec: PermutationSpec, notation: Notation = "ebnf", *, most_ids: int = MOST_IDS) -> str:
    """The grammar of exactly the answers of `spec`. Raises UserError above `most_ids` ids."""
    size = len(spec.ids)
    if size > most_ids:
        cause = f"a grammar of all subsets of {size} ids has 2^{size} rules; it is built for at most {most_ids} ids"
        raise UserError(cause, place="--engine", fix="--engine own, which takes any number")
    root, sign = ("root", " ::= ") if notation == "ebnf" else ("start", ": ")
    rules = {root: ['"[" open ' + _subset((1 << size) - 1) + ' "]"'], **_objects(spec), **_numbers(spec)}
    return "".join(f"{name}{sign}{' | '.join(options)}\n" for name, options in rules.items())


def _subset(unused: int) -> str:
    return f"s{unused}"


def _objects(spec: PermutationSpec) -> dict[str, list[str]]:
    """`open` and `close` are an object around its id; `s<bits>` the objects of a set of ids, in any order."""
    comma, colon = spec.layout.separators
    text, parts = "{", list[str]()
    before = ""
    for at, (name, form) in enumerate(spec.layout.fields):
        text += (comma if at else "") + json.dumps(name, ensure_ascii=False) + colon
        if form is None:
            before, text, parts = " ".join([*parts, _literal(text + '"')]), "", []
        else:
            parts, text = [*parts, _literal(text), f"n{at}x0"], ""
    rules = {"open": [before], "close": [" ".join([*parts, _literal(text + "}")])]}
    # Sets are rules of names alone: engines work out masks for every place in every literal.
    for at, body in enumerate(spec.bodies):
        rules[f"last{at}"] = [_literal(body.decode()) + " close"]
        rules[f"more{at}"] = [f"last{at} {_literal(comma)} open"]
    for unused in range(1, 1 << len(spec.bodies)):
        numbers = [at for at in range(len(spec.bodies)) if unused >> at & 1]
        several = len(numbers) > 1
        rules[_subset(unused)] = [
            f"more{at} {_subset(unused ^ (1 << at))}" if several else f"last{at}" for at in numbers
        ]
    return rules


def _numbers(spec: PermutationSpec) -> dict[str, list[str]]:
    return {
        f"n{at}x{state}": options
        for at, (_, form) in enumerate(spec.layout.fields)
        if form is not None
        for state, options in _number(form, f"n{at}x")
    }


def _number(form: NumberForm, name: str) -> Iterator[tuple[int, list[str]]]:
    """Each state of a number and what may follow there."""
    edges, ends = number_automaton(form)
    for state, moves in enumerate(edges):
        options = [f"{_literal(chr(byte))} {name}{after}" for byte, after in moves.items() if edges[after]]
        options += [_literal(chr(byte)) for byte, after in moves.items() if after in ends]
        if state == 0 or edges[state]:
            yield state, options


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
