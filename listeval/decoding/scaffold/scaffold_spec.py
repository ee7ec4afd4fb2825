"""A list answer in input order, cut into what is certain and what is decoded: fixed text and numbers in turn."""

from __future__ import annotations

import json
from typing import NamedTuple, Self

from listeval.decoding.number_pattern import escaped, number_pattern
from listeval.decoding.permutation.number_form import NumberForm
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.spacing import Spacing


class Scaffold(NamedTuple):
    """`texts[0] numbers[0] texts[1] ... numbers[-1] texts[-1]`: one text more than numbers.

    Texts are spaced in one way (`Layout.separators`). `spacing` only says how a model may begin the text after
    a number, which ends the number and is then written as it stands here.
    """

    texts: tuple[str, ...]
    numbers: tuple[NumberForm, ...]
    spacing: Spacing

    @classmethod
    def of(cls, spec: PermutationSpec) -> Self:
        """The answers of `spec` that name its ids in input order."""
        comma, colon = spec.layout.separators
        texts: list[str] = []
        numbers: list[NumberForm] = []
        text = "["
        for place, name in enumerate(spec.ids):
            text += (comma if place else "") + "{"
            for at, (key, form) in enumerate(spec.layout.fields):
                text += (comma if at else "") + json.dumps(key, ensure_ascii=False) + colon
                if form is None:
                    text += json.dumps(name, ensure_ascii=False)
                else:
                    texts.append(text)
                    numbers.append(form)
                    text = ""
            text += "}"
        return cls((*texts, text + "]"), tuple(numbers), spec.layout.spacing)

    def pattern(self) -> str:
        """A regular expression of exactly these answers, in the syntax that all stock engines share."""
        parts = [escaped(self.texts[0])]
        for form, text in zip(self.numbers, self.texts[1:], strict=True):
            parts += [number_pattern(form), escaped(text)]
        return "".join(parts)
