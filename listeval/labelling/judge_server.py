"""The judge: an OpenAI-compatible server and a model on it, written BASE_URL#MODEL."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from listeval.backends.openai.wire import base_url
from listeval.errors import UserError

_FORM = "write --judge http://HOST:PORT/v1#MODEL"


class Judge(NamedTuple):
    """Address and model; `str()` is what stands in the labels."""

    url: str
    model: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises UserError for what is not BASE_URL#MODEL, and for an address with a key in it."""
        url, mark, model = text.strip().partition("#")
        if not mark or not model.strip():
            raise UserError(f"the judge '{url}' names no model", place="--judge", fix=_FORM)
        try:
            return cls(base_url(url), model.strip())
        except UserError as error:
            raise UserError(error.cause, place="--judge", fix=_FORM) from None

    def __str__(self) -> str:
        return f"{self.url}#{self.model}"

    @property
    def short(self) -> str:
        """The model as a part of a file name."""
        return re.sub(r"[^\w.-]+", "-", self.model.rpartition("/")[2]) or "judge"
