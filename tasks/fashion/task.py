"""The task `fashion`: helpfulness of Amazon Fashion reviews, the calibrated anchor of arXiv 2605.08737."""

from __future__ import annotations

from pathlib import Path

from .helpfulness import Helpfulness
from .hub import Category


class Fashion(Helpfulness):
    """Reviews of clothes, shoes and jewellery."""

    name = "fashion"
    version = 1
    summary = "score K reviews of one fashion product by helpfulness"
    category = Category("Amazon_Fashion")
    sample = Path(__file__).with_name("sample.jsonl")
