"""Classes of the characters and tokens of an answer: `Labeller` for training metrics, `Scanner` for the probe."""

from listopd.tokens.answer_bytes import TokenTexts
from listopd.tokens.classes import TokenClass, TokenLabel, leading_place
from listopd.tokens.labelling import Labeller
from listopd.tokens.scanner import Scanner, scan

__all__ = ["Labeller", "Scanner", "TokenClass", "TokenLabel", "TokenTexts", "leading_place", "scan"]
