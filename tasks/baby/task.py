"""The task `baby`: helpfulness of reviews of baby products, to see whether what `fashion` taught a model carries."""

from __future__ import annotations

from pathlib import Path

from ..fashion.helpfulness import Helpfulness
from ..fashion.hub import Category


class Baby(Helpfulness):
    """Reviews of strollers, cots and bottles."""

    name = "baby"
    version = 1
    summary = "score K reviews of one baby product by helpfulness, zero-shot from fashion"
    category = Category("Baby_Products")
    sample = Path(__file__).with_name("sample.jsonl")
