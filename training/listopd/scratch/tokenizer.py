"""A byte-level BPE tokenizer learnt on the task's own prompts and answers, with a minimal chat template.

Merges may cross spaces up to the end of a sentence, so a stock phrase of a small corpus is one
token and a group of eight reviews a short prompt. Three things stay apart on purpose: digits, the
characters of an id (a model copies them one by one, and an unseen id needs no unseen token), and,
through these, the JSON between two values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from listeval.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END = "<|end|>"
_USER, _ASSISTANT, _SYSTEM = "<|user|>", "<|assistant|>", "<|system|>"
_SPECIAL = (END, _USER, _ASSISTANT, _SYSTEM)
_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_NUMBER = r"[0-9]+"
_RUN_OF_CAPITALS = r"[0-9A-Z](?=[0-9A-Z]*$)"
_SENTENCE = r"\n+|[.!?]"
_BYTES = 256
_LEAST_OFTEN = 4
"""A pair of symbols seen less often than this is not merged."""


def train_tokenizer(texts: Iterable[str], vocab_size: int, ids: str, max_length: int) -> PreTrainedTokenizerFast:
    """The tokenizer of at most `vocab_size` tokens; `ids` is a regular expression of the task's ids.

    Raises UserError for a vocabulary too small to hold every byte and for a pattern that is none.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    least = _BYTES + len(_SPECIAL)
    if vocab_size < least:
        raise UserError(f"a vocabulary of {vocab_size} cannot hold every byte", place="vocab", fix=f"at least {least}")
    try:
        apart = Regex(f"{ids}|{_NUMBER}")
    except Exception as error:  # noqa: BLE001  the binding raises no type of its own
        raise UserError(f"'{ids}' is no regular expression: {error}", place="ids", fix="correct the pattern") from None
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(apart, "isolated"),
            # Of an id, and of nothing longer, every character stands before capitals and digits only.
            pre_tokenizers.Split(Regex(_RUN_OF_CAPITALS), "isolated"),
            pre_tokenizers.Split(Regex(_SENTENCE), "merged_with_previous"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(_SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            min_frequency=_LEAST_OFTEN,
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=[_USER, _ASSISTANT, _SYSTEM],
        chat_template=_TEMPLATE,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
