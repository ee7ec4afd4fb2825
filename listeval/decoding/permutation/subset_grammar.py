"""A permutation as a context-free grammar with one rule for each set of ids still to come: 2^K rules.

What a stock engine can compile, for small K: exact, but each further id doubles it. In two
notations, EBNF as xgrammar reads it and Lark as llguidance does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Literal

from listeval.decoding.permutation.number_form import NumberForm, number_automaton
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.permutation.skeleton import Layout
from listeval.decoding.spacing import MOST_WHITESPACE, WHITESPACE, Spacing
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
    rules = {**_list(spec, root), **_spaces(spec.layout, notation), **_numbers(spec)}
    return "".join(f"{name}{sign}{' | '.join(options)}\n" for name, options in rules.items())


class _Rule(str):
    """The name of a rule, or what else the notation has; a plain string among the parts of an option is text."""

    __slots__ = ()


def _list(spec: PermutationSpec, root: str) -> dict[str, list[str]]:
    """`open` and `close` are an object around its id; `s<bits>` the objects of a set of ids, in any order."""
    comma, pad = _separator(spec.layout, 0), _pad(spec.layout)
    at = next(place for place, (_, form) in enumerate(spec.layout.fields) if form is None)
    before = [part for place in range(at) for part in (*_field(spec.layout, place), *comma)]
    after = [part for place in range(at + 1, len(spec.layout.fields)) for part in (*comma, *_field(spec.layout, place))]
    whole = _Rule(_subset((1 << len(spec.bodies)) - 1))
    rules = {
        root: [_option(*pad, "[", *pad, _Rule("open"), whole, *pad, "]")],
        "open": [_option("{", *pad, *before, *_key(spec.layout, at), '"')],
        "close": [_option(*after, *pad, "}")],
    }
    # Sets are rules of names alone: engines work out masks for every place in every literal.
    for number, body in enumerate(spec.bodies):
        rules[f"last{number}"] = [_option(body.decode(), _Rule("close"))]
        rules[f"more{number}"] = [_option(_Rule(f"last{number}"), *comma, _Rule("open"))]
    for unused in range(1, 1 << len(spec.bodies)):
        numbers = [number for number in range(len(spec.bodies)) if unused >> number & 1]
        several = len(numbers) > 1
        rules[_subset(unused)] = [
            f"more{number} {_subset(unused ^ (1 << number))}" if several else f"last{number}" for number in numbers
        ]
    return rules


def _subset(unused: int) -> str:
    return f"s{unused}"


def _field(layout: Layout, place: int) -> list[str]:
    return [*_key(layout, place), _Rule(f"n{place}x0")]


def _key(layout: Layout, place: int) -> list[str]:
    return [json.dumps(layout.fields[place].name, ensure_ascii=False), *_separator(layout, 1)]


def _separator(layout: Layout, which: int) -> list[str]:
    """A separator, `which` of the two, and the whitespace that may stand around it."""
    if layout.spacing is Spacing.EITHER:
        # In place, not in a rule: at a rule's end xgrammar looks each token up anew, ten times as long.
        return [",:"[which], _Rule('" "?')]
    return [*_pad(layout), ",:"[which], *_pad(layout)] if _pad(layout) else [layout.separators[which]]


def _pad(layout: Layout) -> list[str]:
    return [_Rule("pad")] if layout.spacing is Spacing.FREE else []


def _spaces(layout: Layout, notation: Notation) -> dict[str, list[str]]:
    """The rule that `_pad` names."""
    if layout.spacing is not Spacing.FREE:
        return {}
    some = f"[{WHITESPACE.encode('unicode_escape').decode()}]"
    return {"pad": [f"{some}{{0,{MOST_WHITESPACE}}}" if notation == "ebnf" else f"/{some}{{1,{MOST_WHITESPACE}}}/?"]}


def _option(*parts: str) -> str:
    """Parts in a row, texts that meet joined into one literal."""
    runs = groupby(parts, key=lambda part: isinstance(part, _Rule))
    return " ".join(" ".join(run) if rule else _literal("".join(run)) for rule, run in runs)


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
