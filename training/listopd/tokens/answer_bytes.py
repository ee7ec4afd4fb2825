"""Where the answer stands in the bytes of generated tokens: a thought is no part of it, as evaluations read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from listeval.decoding.tokens.token_bytes import token_bytes
from listeval.models.channels import answer_parts
from listeval.models.renderer import mark_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from listeval.models.marks import MarkPair

Parts = Sequence[tuple[int, int]]
"""First and last + 1 byte of each part of an answer."""


class TokenTexts:
    """The bytes of a tokenizer's tokens. `own` are marks of thinking that only the model's template tells.

    Raises UserError for a tokenizer whose tokens' bytes are unknown.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, own: MarkPair | None = None) -> None:
        self._tokenizer, self._own = tokenizer, own
        self._texts = token_bytes(tokenizer)
        self._marks = {token: text.encode() for token, text in mark_tokens(tokenizer, own).items()}

    def __getitem__(self, token: int) -> bytes:
        """What a token writes; nothing for special tokens, but for those that mark thinking, and for ids of none."""
        text = self._texts[token] if 0 <= token < len(self._texts) else None
        return text or self._marks.get(token, b"")

    def answer(self, token_ids: Sequence[int], prompt: Sequence[int]) -> Parts:
        """The parts that are the answer, of all that `token_ids` write behind the ids of `prompt`."""
        text = b"".join(self[token] for token in token_ids).decode("utf-8", "surrogateescape")
        asked = self._tokenizer.decode(prompt, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        parts = answer_parts(text, str(asked), self._own)
        return [(_bytes(text[:start]), _bytes(text[:end])) for start, end in parts]

    def begin(self, token_ids: Sequence[int], prompt: Sequence[int]) -> int:
        """How many of `token_ids` stand before the answer; all where there is none."""
        parts, at = self.answer(token_ids, prompt), 0
        for place, token in enumerate(token_ids if parts else ()):
            at += len(self[token])
            if at > parts[0][0]:
                return place
        return len(token_ids)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
