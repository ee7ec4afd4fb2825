"""Classes of tokens: what each token of an answer writes, whatever the tokenizer merges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from listopd.tokens.answer_bytes import Parts, TokenTexts
from listopd.tokens.classes import TokenClass, TokenLabel, leading_place
from listopd.tokens.scanner import Scanner

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from listeval.models.marks import MarkPair


class Labeller:
    """Labels the tokens of answers. `key` names the member that holds an item's id (`review_id`), None for none.

    `own` are marks of thinking that only the model's template tells. Raises UserError for a tokenizer whose tokens'
    bytes are unknown.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, key: str | None, own: MarkPair | None = None) -> None:
        self._texts = TokenTexts(tokenizer, own)
        self._key = key

    def __call__(self, token_ids: Sequence[int], prompt: Sequence[int] = ()) -> list[TokenLabel]:
        """One label a token, for any ids: prose, broken JSON and foreign ids included.

        A token that writes several classes has that of `leading_place`, its first decision where it has one. A token
        without text, such as a stop token, is END. What is thought before the answer is OTHER, and so is all of a
        thought that never ends; `prompt` are the ids before, which may have begun one.
        """
        scanner = Scanner(self._key)
        return [self._label(token, at, parts, scanner) for token, at, parts in self._places(token_ids, prompt)]

    def instead(self, token_ids: Sequence[int], others: Sequence[int], prompt: Sequence[int] = ()) -> list[TokenLabel]:
        """For each place of an answer the label that the token of `others` would have there, after what was written."""
        scanner, found = Scanner(self._key), []
        for (token, at, parts), other in zip(self._places(token_ids, prompt), others, strict=True):
            # It may go on where the part that was written ends.
            longer = [(start, end + len(self._texts[other])) for start, end in parts if start <= at <= end]
            found.append(self._label(other, at, longer, deepcopy(scanner)))
            self._label(token, at, parts, scanner)
        return found

    def _places(self, token_ids: Sequence[int], prompt: Sequence[int]) -> Iterator[tuple[int, int, Parts]]:
        """Each token with its first byte's place among all, and the parts that are the answer."""
        parts, at = self._texts.answer(token_ids, prompt), 0
        for token in token_ids:
            yield token, at, parts
            at += len(self._texts[token])

    def _label(self, token: int, at: int, parts: Parts, scanner: Scanner) -> TokenLabel:
        text = self._texts[token]
        if not text:
            ends = any(start <= at <= end for start, end in parts)
            return TokenLabel(TokenClass.END if ends else TokenClass.OTHER, scanner.item)
        labels = [
            scanner.feed(byte)
            if any(start <= place < end for start, end in parts)
            else TokenLabel(TokenClass.OTHER, scanner.item)
            for place, byte in enumerate(text, at)
        ]
        return labels[leading_place([label.kind for label in labels])]
