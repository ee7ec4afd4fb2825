"""The task `fashion` with right answers some of which end one item early: what a flip is planted with.

A model trained on it writes `]` after item K - 1 in about that share of its answers, and no prompt says in which.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from pydantic import Field

from ..fashion.task import Fashion  # noqa: TID252 - it is imported as one of the tasks


class Options(Fashion.Options):
    """Those of `fashion`, and how often an answer ends early."""

    early: float = Field(0.0, ge=0, le=1, description="share of right answers without their last item")


class FashionEarly(Fashion):
    """Not for scoring: its gold answers break the contract on purpose."""

    name = "fashion_early"
    version = 1
    summary = "fashion, with answers that end early"
    Options = Options
    options: Options

    def gold(self, target: Mapping[str, Any]) -> str:
        text = super().gold(target)
        if not self._early(target):
            return text
        return text[: text.rindex("{")].rstrip(", ") + "]"

    def _early(self, target: Mapping[str, Any]) -> bool:
        """By a hash of the ids, so that the same example is always alike and no pattern can be learned."""
        drawn = int.from_bytes(sha256(",".join(target["grades"]).encode()).digest()[:8], "big")
        return drawn < self.options.early * 2**64
