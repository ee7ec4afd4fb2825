"""listeval: strict JSON contracts for language models, and why their answers break them.

The public API is what is imported below, each name once; everything else may move. A plug-in, a notebook or a script
needs no other import than `from listeval import ...`. Names load on first use, so `import listeval` costs nothing.
"""

from __future__ import annotations

from listeval import moved

__version__ = "0.1.0"
moved.keep_old_paths()

# The module `typing` takes longer to import than all the rest before the command line can see to signals.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from listeval.chat import Message as Message
    from listeval.chat import turns as turns
    from listeval.comparison import Comparison as Comparison
    from listeval.comparison import compare as compare
    from listeval.contract import Call as Call
    from listeval.contract import Calls as Calls
    from listeval.contract import Contract as Contract
    from listeval.contract import Failure as Failure
    from listeval.contract import Flag as Flag
    from listeval.contract import Id as Id
    from listeval.contract import Item as Item
    from listeval.contract import KeyedList as KeyedList
    from listeval.contract import Kind as Kind
    from listeval.contract import Parsed as Parsed
    from listeval.contract import Record as Record
    from listeval.contract import Schema as Schema
    from listeval.contract import Score as Score
    from listeval.contract.documents import Document as Document
    from listeval.contract.documents import why_unusable as why_unusable
    from listeval.contract.model_schema import ModelSchema as ModelSchema
    from listeval.contract.schema_validator import schema_doubts as schema_doubts
    from listeval.contract.schema_validator import why_no_schema as why_no_schema
    from listeval.decoding.proof.probes import example_answer as example_answer
    from listeval.errors import UserError as UserError
    from listeval.errors import did_you_mean as did_you_mean
    from listeval.errors import first_line as first_line
    from listeval.kit.cells import is_missing as is_missing
    from listeval.kit.cells import is_missing_id as is_missing_id
    from listeval.kit.cells import is_missing_number as is_missing_number
    from listeval.kit.file_option import FileOption as FileOption
    from listeval.kit.files import DataFile as DataFile
    from listeval.kit.files import JsonRow as JsonRow
    from listeval.kit.files import fingerprint as fingerprint
    from listeval.kit.files import json_field as json_field
    from listeval.kit.files import local_file as local_file
    from listeval.kit.files import member as member
    from listeval.kit.files import rows as rows
    from listeval.kit.files import text_field as text_field
    from listeval.kit.files import text_lines as text_lines
    from listeval.kit.files import write_rows as write_rows
    from listeval.kit.hub import HubDataset as HubDataset
    from listeval.kit.listwise import bad_lists as bad_lists
    from listeval.kit.listwise import list_answer as list_answer
    from listeval.kit.listwise import worked_examples as worked_examples
    from listeval.kit.named_class import named_class as named_class
    from listeval.kit.notice import notice as notice
    from listeval.kit.order import ListOptions as ListOptions
    from listeval.kit.records import bad_records as bad_records
    from listeval.kit.records import record_answer as record_answer
    from listeval.kit.shots import with_shots as with_shots
    from listeval.kit.source import Source as Source
    from listeval.kit.source import find_source as find_source
    from listeval.kit.source import own_split as own_split
    from listeval.kit.table import Table as Table
    from listeval.kit.table import open_table as open_table
    from listeval.kit.wording import prompt_template as prompt_template
    from listeval.labelling.labels import read_labels as read_labels
    from listeval.plugins.registry import load_task as load_task
    from listeval.runs import Run as Run
    from listeval.runs import RunConfig as RunConfig
    from listeval.runs import load_run as load_run
    from listeval.runs import run as run
    from listeval.runs.joint_frame import frame as frame
    from listeval.runs.rescore import rescore as rescore
    from listeval.runs.rows import Row as Row
    from listeval.scoring.arguments import Accepted as Accepted
    from listeval.scoring.arguments import argument_fault as argument_fault
    from listeval.scoring.check_calls import CallVerdict as CallVerdict
    from listeval.scoring.check_calls import Expected as Expected
    from listeval.scoring.check_calls import check_calls as check_calls
    from listeval.scoring.exact_number import ExactNumber as ExactNumber
    from listeval.scoring.exact_number import ExactRecord as ExactRecord
    from listeval.scoring.execution import Program as Program
    from listeval.scoring.execution import Ran as Ran
    from listeval.scoring.execution import Sandbox as Sandbox
    from listeval.scoring.list_metrics import list_metrics as list_metrics
    from listeval.scoring.numbers import format_number as format_number
    from listeval.scoring.numbers import parse_number as parse_number
    from listeval.scoring.ranking import kendall_tau as kendall_tau
    from listeval.scoring.ranking import ndcg_at as ndcg_at
    from listeval.scoring.trec import trec_ndcg as trec_ndcg
    from listeval.scoring.trec import trec_run as trec_run
    from listeval.task import Appendix as Appendix
    from listeval.task import Dataset as Dataset
    from listeval.task import Example as Example
    from listeval.task import Metric as Metric
    from listeval.task import Piece as Piece
    from listeval.task import Pieces as Pieces
    from listeval.task import Target as Target
    from listeval.task import Task as Task
    from listeval.task import TaskOptions as TaskOptions
    from listeval.task import Unscored as Unscored
    from listeval.task import Verdict as Verdict
    from listeval.task import read_once as read_once
else:

    def __getattr__(name: str) -> object:
        """A public name, imported from where the list above says; `__all__`, which is that list."""
        homes = _homes()
        if name == "__all__":
            return sorted(homes)
        if name not in homes:
            raise AttributeError(f"module 'listeval' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(homes[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_homes()})


def _homes() -> dict[str, str]:
    """The module of each public name: the list above is read once, so that no name stands twice."""
    if not _known:
        import ast
        from pathlib import Path

        for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                _known.update({alias.asname: node.module for alias in node.names if alias.asname})
    return _known


_known: dict[str, str] = {}
