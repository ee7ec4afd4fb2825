"""Classes of tokens: what each token of an answer writes, whatever the tokenizer merges."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from listeval.decoding.tokens.token_bytes import token_bytes
from listopd.tokens.classes import TokenClass, TokenLabel, leading_place
from listopd.tokens.scanner import Scanner

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Labeller:
    """Labels the tokens of answers. `key` names the member that holds an item's id (`review_id`), None for none.

    Raises UserError for a tokenizer whose tokens' bytes are unknown.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, key: str | None) -> None:
        self._texts = token_bytes(tokenizer)
        self._key = key

    def __call__(self, token_ids: Sequence[int]) -> list[TokenLabel]:
        """One label a token, for any ids: prose, broken JSON and foreign ids included.

        A token that writes several classes has that of `leading_place`, its first decision where it has one. A token
        without text, such as a stop token, is END.
        """
        scanner = Scanner(self._key)
        return [self._label(token, scanner) for token in token_ids]

    def instead(self, token_ids: Sequence[int], others: Sequence[int]) -> list[TokenLabel]:
        """For each place of an answer the label that the token of `others` would have there, after what was written."""
        scanner, found = Scanner(self._key), []
        for token, other in zip(token_ids, others, strict=True):
            found.append(self._label(other, deepcopy(scanner)))
            self._label(token, scanner)
        return found

    def _label(self, token: int, scanner: Scanner) -> TokenLabel:
        text = self._texts[token] if 0 <= token < len(self._texts) else None
        if not text:
            return TokenLabel(TokenClass.END, scanner.item)
        labels = [scanner.feed(byte) for byte in text]
        return labels[leading_place([label.kind for label in labels])]
