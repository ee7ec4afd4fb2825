"""Classes of the characters and tokens of an answer: `Labeller` for training metrics, `Scanner` for the probe."""

from listopd.tokens.classes import Label, TokenClass, leading_place
from listopd.tokens.labelling import Labeller
from listopd.tokens.scanner import Scanner, scan

__all__ = ["Label", "Labeller", "Scanner", "TokenClass", "leading_place", "scan"]
