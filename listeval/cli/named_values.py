"""Flags that take NAME=VALUE, as often as there are names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from listeval.errors import UserError


class NamedValues(NamedTuple):
    """A repeatable flag whose values are JSON where they are JSON, else text; `example` is what its errors show."""

    flag: str
    example: str

    def read(self, texts: Sequence[str]) -> dict[str, Any]:
        """The last of each name counts. Raises UserError as `pair` does."""
        return dict(map(self.pair, texts))

    def pair(self, text: str) -> tuple[str, Any]:
        """`effort=low` as ("effort", "low").

        Raises UserError without a name or an equals sign, and for a truth value in Python's spelling: as a word it
        would be true, whatever it says.
        """
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UserError(f"'{text}' is not NAME=VALUE", place=self.flag, fix=f"write {self.flag} {self.example}")
        if value in ("True", "False", "None"):
            fix = f"write {name}={ {'True': 'true', 'False': 'false', 'None': 'null'}[value] }"
            raise UserError(f"'{value}' is not JSON", place=f"{self.flag} {name}", fix=fix)
        try:
            return name, json.loads(value)
        except ValueError:
            return name, value


TEMPLATE = NamedValues("--chat-template-arg", "reasoning_effort=low")
ENGINE = NamedValues("--engine-arg", "tensor_parallel_size=2")
