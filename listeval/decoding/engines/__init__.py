"""Engines by name, one file each; importing this package imports none of them."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from listeval.decoding.constraint import require
from listeval.decoding.engines.engine_protocol import Engine, EngineVocabulary, Matcher

_CLASSES = {"xgrammar": "XGrammar", "llguidance": "LLGuidance", "outlines": "Outlines"}

__all__ = ["Engine", "EngineVocabulary", "Matcher", "open_engine"]


def open_engine(name: str, vocabulary: EngineVocabulary) -> Engine:
    """The stock engine `name` for a vocabulary. Raises UserError where its package is missing or cannot read it."""
    require(name)
    module = import_module(f"listeval.decoding.engines.{name}")
    return cast("Engine", getattr(module, _CLASSES[name])(vocabulary))
