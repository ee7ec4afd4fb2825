"""What a valid answer is: contract shapes, one-pass parsing, and a failure taxonomy that sums to 100 %."""

from listeval.contract.base import Contract
from listeval.contract.calls import Call, Calls
from listeval.contract.extract import Extraction
from listeval.contract.keyed_list import KeyedList
from listeval.contract.outcome import Failure, Parsed
from listeval.contract.record import Record
from listeval.contract.schema import Schema
from listeval.contract.taxonomy import Flag, Kind
from listeval.contract.value_forms import Id, Item, Score

__all__ = [
    "Call",
    "Calls",
    "Contract",
    "Extraction",
    "Failure",
    "Flag",
    "Id",
    "Item",
    "KeyedList",
    "Kind",
    "Parsed",
    "Record",
    "Schema",
    "Score",
]
