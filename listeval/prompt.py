"""The one renderer for every backend: messages -> chat template -> exact text -> token ids.

Prompts are never cut: truncation and padding that a checkpoint saved in its tokenizer are
switched off, and special tokens come from the template alone (`add_special_tokens=False`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.backends.protocol import Message, Prompt
from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_THINKING = "enable_thinking"


class Renderer:
    """Renders chat messages with a tokenizer's own template, ending where the answer begins.

    `enable_thinking` None leaves the template's default; True or False is passed to the
    template, and refused (UserError) where the template does not mention it.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, enable_thinking: bool | None = None) -> None:
        self.tokenizer = tokenizer
        self.template = _template(tokenizer)
        self._options: dict[str, Any] = {}
        if enable_thinking is not None:
            if _THINKING not in self.template:
                raise UserError(
                    f"the chat template does not mention {_THINKING}, so the option would change nothing",
                    place=_name(tokenizer),
                    fix="leave the option out for this model",
                )
            self._options[_THINKING] = enable_thinking
        # The tokenizers library is called directly: its wrapper costs more than the encoding itself.
        self._fast = getattr(tokenizer, "backend_tokenizer", None)
        if self._fast is not None:
            self._fast.no_truncation()
            self._fast.no_padding()

    def render(self, messages: Sequence[Message]) -> Prompt:
        """The prompt that asks for the next assistant turn.

        Raises UserError where the template refuses the messages (a role that it does not know).
        """
        text = self.text(messages)
        return Prompt(tuple(messages), text, self.encode(text))

    def text(self, messages: Sequence[Message], *, complete: bool = False) -> str:
        """The template's text; a `complete` conversation is not followed by an opened assistant turn."""
        from jinja2 import TemplateError

        chat = [{"role": role, "content": content} for role, content in messages]
        try:
            text = self.tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=not complete, **self._options
            )
        except TemplateError as error:
            raise UserError(
                f"the chat template refuses the messages: {error}",
                place=_name(self.tokenizer),
                fix="use a task without that role, or a model whose template takes it",
            ) from None
        return str(text)

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a rendered text; special tokens only where the text spells them."""
        if self._fast is not None:
            return tuple(self._fast.encode(text, add_special_tokens=False).ids)
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of generated ids, byte for byte: no clean-up of spaces, which would edit JSON."""
        text = self.tokenizer.decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

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
