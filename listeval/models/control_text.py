"""Text of the data that spells a control token of the model's template, encoded so that it stays text.

A tokenizer turns `<|im_end|>` into the one token that ends a turn, whoever wrote it: a review could close the user's
turn and speak for the assistant. Such a spelling is covered before the template is rendered, so that the template's
own tokens can be told from it, and the prompt is encoded by a twin of the tokenizer that knows the control tokens
under names which no text has. Everything else, merges across the boundaries included, is the tokenizer's own doing.
A prompt that spells none of them never comes here.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from listeval.models.marks import is_mark

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SHORTEST = 2
"""Characters of an added token that a template writes by chance."""
_MARKUP = re.compile(r"[<>\[\]|｜◁▷]")
_PLAIN_MARKS = re.compile(r"<\|[^\s|<>{}]{1,40}\|>|<</?[A-Z]{2,20}>>|</?[A-Za-z_]{1,30}>|\[/?[A-Z][A-Z_]{2,20}\]")
"""What a template may write as plain text where other models have a token."""
_USUAL = re.compile(
    r"<[|｜][^\s|｜<>]{1,40}[|｜]>|</?s>|\[/?(?:INST|TOOL_CALLS|AVAILABLE_TOOLS|SYSTEM_PROMPT|THINK)\]|<</?SYS>>"
    r"|</?think>|<(?:start|end)_of_turn>|<(?:bos|eos|pad)>"
)
"""Control tokens of the usual families, for templates that are not to be seen."""
_PRIVATE = 0x100000
"""A plane of Unicode for private use: no tokenizer has it, and no normaliser touches it."""


def spells_usual_marks(texts: Iterable[str]) -> bool:
    """Whether a text spells what is a control token in one of the usual families of models."""
    return any(_USUAL.search(text) for text in texts)


class ControlText:
    """The control tokens of one tokenizer and chat template: special tokens, marks, and added tokens that it writes."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str) -> None:
        self._tokenizer = tokenizer
        self._fast = getattr(tokenizer, "backend_tokenizer", None)
        self._tokens = {
            str(token.content): token_id
            for token_id, token in tokenizer.added_tokens_decoder.items()
            if str(token.content).strip() and _controls(token, template)
        }
        ordered = sorted(self._tokens, key=len, reverse=True)
        self._spelling = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        plain = {mark for mark in _PLAIN_MARKS.findall(template) if mark not in self._tokens}
        self._plain = re.compile("|".join(map(re.escape, sorted(plain)))) if plain else None
        # Drawn anew in every process: no text can hold it, whoever wrote it.
        self._cover = "".join(chr(_PRIVATE + secrets.randbelow(0xFFFD)) for _ in range(4))

    def spelled(self, text: str) -> bool:
        """Whether `text` holds a control token, as it is or as the tokenizer's normaliser leaves it."""
        if self._spelling is None:
            return False
        if self._spelling.search(text):
            return True
        normalizer = self._fast and self._fast.normalizer
        return normalizer is not None and self._spelling.search(normalizer.normalize_str(text)) is not None

    def unprotected(self, text: str) -> bool:
        """Whether `text` holds a mark that the template itself writes as plain text: no encoding tells them apart."""
        return self._plain is not None and self._plain.search(text) is not None

    def cover(self, text: str) -> str:
        """`text` with a private mark inside every control token that it spells."""
        return self._spelling.sub(lambda m: m[0][0] + self._cover + m[0][1:], text) if self._spelling else text

    def uncover(self, text: str) -> str:
        """The text as it was, and as the template wrote it."""
        return text.replace(self._cover, "")

    def encode(self, covered: str) -> tuple[int, ...]:
        """Token ids of a rendered text whose data was covered."""
        if self._fast is None:
            return tuple(self._encode_pieces(covered))
        assert self._spelling is not None, "something was spelled"
        named = self._spelling.sub(lambda m: self._names[m[0]], covered)
        twin, ids = self._twin
        return tuple(ids.get(token, token) for token in twin.encode(self.uncover(named), add_special_tokens=False).ids)

    def _encode_pieces(self, covered: str) -> Iterable[int]:
        """As `encode` by a tokenizer in Python, which can be told to take special tokens for text."""
        assert self._spelling is not None, "something was spelled"
        at = 0
        for match in [*self._spelling.finditer(covered), None]:
            end = match.start() if match else len(covered)
            if piece := self.uncover(covered[at:end]):
                yield from self._tokenizer.encode(piece, add_special_tokens=False, split_special_tokens=True)
            if match:
                yield self._tokens[match[0]]
                at = match.end()

    @cached_property
    def _names(self) -> dict[str, str]:
        """Each control token's private name: letters that the cover draws no text from, then its number."""
        digits = {str(digit): chr(0xF0000 + digit) for digit in range(10)}
        return {
            token: self._cover[::-1] + "".join(digits[digit] for digit in str(place)) + self._cover[0]
            for place, token in enumerate(self._tokens)
        }

    @cached_property
    def _twin(self) -> tuple[Any, dict[int, int]]:
        """The tokenizer with every control token renamed, and its ids of them -> the tokenizer's own."""
        from tokenizers import Tokenizer

        assert self._fast is not None, "only a fast tokenizer has a twin"
        content = json.loads(self._fast.to_str())
        content["post_processor"] = None  # It adds special tokens only, which are the template's to write.
        for token in content["added_tokens"]:
            if token["content"] in self._names:
                # A private name is found in the text as it is: some normalisers drop such letters.
                token |= {"content": self._names[token["content"]], "normalized": False}
        _rename(content["model"], self._names)
        twin = Tokenizer.from_str(json.dumps(content))
        numbers = {token: twin.token_to_id(name) for token, name in self._names.items()}
        return twin, {number: self._tokens[token] for token, number in numbers.items() if number is not None}


def _controls(token: Any, template: str) -> bool:
    content = str(token.content)
    written = len(content) > _SHORTEST and _MARKUP.search(content) is not None and content in template
    return bool(token.special) or is_mark(content) or written


def _rename(model: dict[str, Any], names: dict[str, str]) -> None:
    """Rename pieces of a tokenizer's model in place, so that no text is tokenised into them."""
    vocab = model.get("vocab")
    if isinstance(vocab, dict):
        model["vocab"] = {names.get(piece, piece): number for piece, number in vocab.items()}
    elif isinstance(vocab, list):
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in vocab]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if merges := model.get("merges"):
        model["merges"] = [merge for merge in merges if not _makes(merge, names)]


def _makes(merge: str | Sequence[str], names: dict[str, str]) -> bool:
    left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
    return left in names or right in names or left + right in names
