"""What an engine keeps of a permutation or a scaffold: texts that break one rule each are walked through it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from listeval.contract.separators import USUAL
from listeval.decoding.bind import bind
from listeval.decoding.constraint import Constraint
from listeval.decoding.engines import EngineVocabulary, open_engine
from listeval.decoding.engines.walk import tokens_of, walk
from listeval.decoding.permutation.automaton import Permutation
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.proof.measured_spacing import measured_spacing
from listeval.decoding.proof.probes import STRANGER
from listeval.decoding.tokens.token_trie import trie_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from listeval.contract import Contract, KeyedList


def audit_rules(constraint: Constraint, contract: Contract[Any], vocabulary: EngineVocabulary) -> dict[str, Any]:
    """`{"valid": accepted|refused, "rules": {rule: kept|ignored|untested}, "spacing": {"asked", "measured"}}`.

    Rules are untested where the valid text is refused. Raises UserError for what cannot be bound.
    """
    accepts = _acceptor(constraint, contract, vocabulary)
    spec = PermutationSpec.of(cast("KeyedList[Any]", contract), constraint.spacing)
    good, bad = _texts(spec, ordered=constraint.kind == "scaffold")

    def fate(text: str) -> bool:
        return accepts(tokens_of(text, vocabulary))

    spacing = {"asked": constraint.spacing.value, "measured": "untested"}
    if not fate(good):
        return {"valid": "refused", "rules": dict.fromkeys(bad, "untested"), "spacing": spacing}
    spacing["measured"] = measured_spacing(fate, json.loads(good), spec.layout.gold or USUAL)
    rules = {rule: "ignored" if fate(text) else "kept" for rule, text in bad.items()}
    return {"valid": "accepted", "rules": rules, "spacing": spacing}


def _texts(spec: PermutationSpec, *, ordered: bool) -> tuple[str, dict[str, str]]:
    """An answer, and by rule one that breaks only this rule."""
    numbers = {name: form.longest for name, form in spec.layout.fields if form}
    good = spec.write(dict.fromkeys(spec.ids, numbers))
    first = _quoted(spec.ids[0])
    bad = {
        "all ids": spec.write(dict.fromkeys(spec.ids[1:], numbers)),
        "input ids": good.replace(first, _quoted(STRANGER), 1),
    }
    if numbers:
        endless = {name: number + "7" * _ENDLESS for name, number in numbers.items()}
        bad["bounded numbers"] = spec.write(dict.fromkeys(spec.ids, numbers) | {spec.ids[0]: endless})
    if len(spec.ids) > 1:
        bad["each id once"] = good.replace(first, _quoted(spec.ids[1]), 1)
    if len(spec.ids) > 1 and ordered:
        bad["input order"] = spec.write(dict.fromkeys(spec.ids[::-1], numbers))
    return good, bad


_ENDLESS = 40
"""Digits that no bounded number has."""


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _acceptor(
    constraint: Constraint, contract: Contract[Any], vocabulary: EngineVocabulary
) -> Callable[[Sequence[int]], bool]:
    form = bind(constraint, contract)
    if isinstance(form, PermutationSpec):
        own = Permutation(form, trie_of(vocabulary.tokenizer, vocabulary.size), vocabulary.stops)
        return lambda tokens: _own_accepts(own, tokens)
    engine = open_engine(constraint.engine, vocabulary)
    return lambda tokens: walk(engine.matcher(form), tokens, vocabulary)


def _own_accepts(permutation: Permutation, tokens: Sequence[int]) -> bool:
    cursor = permutation.cursor()
    for token in tokens:
        if token not in cursor.allowed():
            return False
        cursor.advance(token)
    return cursor.complete
