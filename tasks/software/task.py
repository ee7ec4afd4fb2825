"""The task `software`: helpfulness of software reviews, to see whether what `fashion` taught a model carries."""

from __future__ import annotations

from pathlib import Path

from ..fashion.helpfulness import Helpfulness
from ..fashion.hub import Category


class Software(Helpfulness):
    """Reviews of programs and licences."""

    name = "software"
    version = 1
    summary = "score K reviews of one software product by helpfulness, zero-shot from fashion"
    category = Category("Software")
    sample = Path(__file__).with_name("sample.jsonl")
