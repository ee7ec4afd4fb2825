"""The one renderer for every backend: messages -> chat template -> exact text -> token ids.

Prompts are never cut: truncation and padding that a checkpoint saved in its tokenizer are
switched off, and special tokens come from the template alone: none are added (`add_special_tokens=False`), and text
of the data that spells one is encoded as text. The clock of a template stands still.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from os.path import commonprefix
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.chat import Message, Prompt
from listeval.errors import UserError, first_line
from listeval.models.control_text import ControlText
from listeval.models.marks import MarkPair, find_marks, marks_among

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_THINKING = "enable_thinking"
_REASONING = ("reasoning_content", "reasoning", "thinking")
_SHORTEST = 3
"""Characters of a mark; what is shorter is punctuation."""
_CLOCK = "strftime_now"
"""The one clock that transformers gives to a template."""

RESERVED = {
    "messages", "tools", "documents", "tokenize", "add_generation_prompt", "continue_final_message",
    "chat_template", "padding", "truncation", "max_length", "return_tensors",
    "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs", "strftime_now",
}  # fmt: skip
"""What a template is given by the renderer, never by a user."""


class NotMentioned(UserError):
    """The template is told something that it does not read."""


class Renderer:
    """Renders chat messages with a tokenizer's own template, ending where the answer begins.

    `enable_thinking` None leaves the template's default; True or False is passed to the template, as every one of
    `arguments` is. What the template does not mention is refused (NotMentioned): it would change nothing.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        enable_thinking: bool | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.template = _template(tokenizer)
        self._options: dict[str, Any] = dict(arguments or {})
        if enable_thinking is not None:
            self._options[_THINKING] = enable_thinking
        for name in self._options:
            if not re.search(rf"\b{re.escape(name)}\b", self.template):
                raise NotMentioned(
                    f"the chat template does not mention {name}, so the option would change nothing",
                    place=_name(tokenizer),
                    fix="leave the option out for this model",
                )
        # The tokenizers library is called directly: its wrapper costs more than the encoding itself.
        self._fast = getattr(tokenizer, "backend_tokenizer", None)
        if self._fast is not None:
            self._fast.no_truncation()
            self._fast.no_padding()
        self._clock = datetime.now().astimezone().replace(microsecond=0) if _CLOCK in self.template else None

    @property
    def thinking(self) -> bool | None:
        """What the template is told of thinking; None for nothing."""
        told: bool | None = self._options.get(_THINKING)
        return told

    @property
    def clock(self) -> datetime | None:
        """The time that the template prints, the same in every prompt; None for a template that prints none."""
        return self._clock

    def set_clock(self, clock: datetime) -> None:
        """Let the template print `clock`; one without a clock is left as it is."""
        if self._clock is not None:
            self._clock = clock

    def render(self, messages: Sequence[Message]) -> Prompt:
        """The prompt that asks for the next assistant turn; control tokens in the messages' text stay text.

        Raises UserError where the template refuses the messages (a role that it does not know).
        """
        if not any(self.control.spelled(message.content) for message in messages):
            text = self.text(messages)
            return Prompt(tuple(messages), text, self.encode(text))
        text = self.text([Message(role, self.control.cover(content)) for role, content in messages])
        return Prompt(tuple(messages), self.control.uncover(text), self.control.encode(text))

    @cached_property
    def control(self) -> ControlText:
        """The control tokens of this tokenizer and template."""
        return ControlText(self.tokenizer, self.template)

    def text(self, messages: Sequence[Message], *, complete: bool = False) -> str:
        """The template's text; a `complete` conversation is not followed by an opened assistant turn."""
        from jinja2 import TemplateError

        chat = [{"role": role, "content": content} for role, content in messages]
        try:
            text = self.tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=not complete, **self._given()
            )
        except TemplateError as error:
            raise UserError(
                f"the chat template refuses the messages: {error}",
                place=_name(self.tokenizer),
                fix="use a task without that role, or a model whose template takes it",
            ) from None
        return str(text)

    def _given(self) -> dict[str, Any]:
        """What the template is given besides the messages."""
        if self._clock is None:
            return self._options
        # Naive, as transformers' own: an offset would show where the template asks for one.
        return {**self._options, _CLOCK: self._clock.replace(tzinfo=None).strftime}

    @cached_property
    def own_marks(self) -> MarkPair | None:
        """What the template writes around an assistant's reasoning; None for a known family, and for none at all."""
        reasoning, content, asked = "listeval-reasoning", "listeval-content", Message("user", "x")
        turn = {"role": "assistant", "content": content} | dict.fromkeys(_REASONING, reasoning)
        try:
            opened = self.text([asked])
            text = str(self.tokenizer.apply_chat_template([asked._asdict(), turn], tokenize=False, **self._given()))
        except Exception:  # noqa: BLE001 - a template may raise anything at what it does not expect
            return None
        before, found, after = text.partition(reasoning)
        closing, follows, _ = after.partition(content)
        # The opening is what stands between the head of the turn and the reasoning, if the prompt does not open it.
        head = len(commonprefix([opened, before]))  # noqa: RUF071 - texts, not paths
        opening = before[head:].strip() or opened.split()[-1]
        pair = MarkPair(opening, closing.strip())
        known = any(find_marks(mark) for mark in pair)
        told = found and follows and min(map(len, pair)) >= _SHORTEST and pair.opening != pair.closing
        return pair if told and not known else None

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a rendered text; special tokens only where the text spells them."""
        if self._fast is not None:
            return tuple(self._fast.encode(text, add_special_tokens=False).ids)
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of generated ids, byte for byte: no clean-up of spaces, which would edit JSON.

        Special tokens are left out, but for the marks around reasoning: whoever splits the channels must see them.
        """
        marks, special = self._special
        skip = marks.isdisjoint(token_ids)
        kept = token_ids if skip else [token for token in token_ids if token in marks or token not in special]
        text = self.tokenizer.decode(kept, skip_special_tokens=skip, clean_up_tokenization_spaces=False)
        return str(text)

    def marked(self, token_ids: Sequence[int]) -> bool:
        """Whether a special token that marks reasoning is among `token_ids`, and they are all of this tokenizer."""
        return not self._special[0].isdisjoint(token_ids) and max(token_ids) < len(self.tokenizer)

    @cached_property
    def _special(self) -> tuple[frozenset[int], frozenset[int]]:
        """Special tokens that are marks, and all of them."""
        marks = mark_tokens(self.tokenizer, self.own_marks)
        return frozenset(marks), frozenset(_special_tokens(self.tokenizer))

    def text_of(self, token_ids: Sequence[int]) -> str:
        """The text of a prompt's ids, its special tokens among it: what `render` gave beside them."""
        return str(self.tokenizer.decode(token_ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    @property
    def template_hash(self) -> str:
        """sha256 of the template's source."""
        return sha256(self.template.encode()).hexdigest()

    @cached_property
    def tokenizer_hash(self) -> str:
        """sha256 of the tokenizer's serialisation (of its sorted vocabulary where it has none)."""
        if self._fast is not None:
            return sha256(self._fast.to_str().encode()).hexdigest()
        return sha256(repr(sorted(self.tokenizer.get_vocab().items())).encode()).hexdigest()


def mark_tokens(tokenizer: PreTrainedTokenizerBase, own: MarkPair | None = None) -> dict[int, str]:
    """Special tokens that mark reasoning, by id; `own` are the marks that only the model's template tells."""
    special = _special_tokens(tokenizer)
    marks = marks_among(special.values())
    if own is not None:
        marks |= {content for content in special.values() if any(content in mark for mark in own)}
    return {token: content for token, content in special.items() if content in marks}


def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    special = {token: str(what.content) for token, what in tokenizer.added_tokens_decoder.items() if what.special}
    return special | dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a checkpoint folder or of a hub id. Raises UserError where there is none."""
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise UserError.missing_package("transformers", "pip install 'listeval[cpu]'", "reading a tokenizer") from None
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(source))
    except Exception as error:  # a broken tokenizer file raises anything, from KeyError to Rust panics' own type
        raise UserError(
            f"no tokenizer can be loaded: {first_line(error)}",
            place=str(source),
            fix="give a folder with tokenizer.json and tokenizer_config.json by --tokenizer PATH",
        ) from error
    return tokenizer


def _template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The chat template's source; a model without one cannot be asked anything."""
    if not tokenizer.chat_template:
        raise UserError(
            "the model has no chat template",
            place=_name(tokenizer),
            fix="put a chat_template into its tokenizer_config.json, or pass --tokenizer PATH of the instruct model",
        )
    return str(tokenizer.get_chat_template())


def _name(tokenizer: PreTrainedTokenizerBase) -> str:
    return str(tokenizer.name_or_path)
