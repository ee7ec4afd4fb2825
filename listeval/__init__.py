"""listeval: strict JSON contracts for language models, and why their answers break them.

The public API is what `__all__` names; everything else may move. Names load on first use,
so `import listeval` costs nothing.
"""

from __future__ import annotations

from listeval.moved import keep_old_paths

# The module `typing` takes longer to import than all the rest before the command line can see to signals.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from listeval.backends.protocol import Message
    from listeval.comparison import Comparison, compare
    from listeval.contract import Calls, Contract, Failure, Flag, Id, Item, KeyedList, Kind, Parsed, Record, Score
    from listeval.errors import UserError
    from listeval.runs import Run, RunConfig, load_run, run
    from listeval.task import (
        Appendix,
        Dataset,
        Example,
        Metric,
        Piece,
        Pieces,
        Target,
        Task,
        TaskOptions,
        Unscored,
        Verdict,
    )

__version__ = "0.1.0"
keep_old_paths()

_HOME = {
    "listeval.backends.protocol": ["Message"],
    "listeval.comparison": ["Comparison", "compare"],
    "listeval.contract": (
        ["Calls", "Contract", "Failure", "Flag", "Id", "Item", "KeyedList", "Kind", "Parsed", "Record", "Score"]
    ),
    "listeval.errors": ["UserError"],
    "listeval.runs": ["Run", "RunConfig", "load_run", "run"],
    "listeval.task": (
        [
            "Appendix",
            "Dataset",
            "Example",
            "Metric",
            "Piece",
            "Pieces",
            "Target",
            "Task",
            "TaskOptions",
            "Unscored",
            "Verdict",
        ]
    ),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Appendix",
    "Calls",
    "Comparison",
    "Contract",
    "Dataset",
    "Example",
    "Failure",
    "Flag",
    "Id",
    "Item",
    "KeyedList",
    "Kind",
    "Message",
    "Metric",
    "Parsed",
    "Piece",
    "Pieces",
    "Record",
    "Run",
    "RunConfig",
    "Score",
    "Target",
    "Task",
    "TaskOptions",
    "Unscored",
    "UserError",
    "Verdict",
    "compare",
    "load_run",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE:
        from importlib import import_module

        return getattr(import_module(_MODULE[name]), name)
    raise AttributeError(f"module 'listeval' has no attribute {name!r}")
