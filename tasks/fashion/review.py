"""One review, whatever file it came from."""

from __future__ import annotations

from typing import Literal, NamedTuple

Split = Literal["train", "validation", "test"]


class Review(NamedTuple):
    """A review as its source has it; `grade` (0-10, helpfulness) outranks `votes` where a rubric gave one."""

    product: str
    user: str | None
    """Who wrote it, None where the source does not say."""
    id: str
    """What the answer must name it by: the source's reviewer id, or a row number where there is none."""
    headline: str
    text: str
    votes: int = 0
    grade: float | None = None
    product_title: str | None = None
    split: Split | None = None

    @property
    def body(self) -> str:
        """What the model reads: headline and text as one, the headline once."""
        head = self.headline
        if not head or self.text.casefold().startswith(head.casefold()):
            return self.text
        return f"{head}{' ' if head[-1] in '.!?…:;,' else '. '}{self.text}"
