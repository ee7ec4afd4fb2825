"""The task `json`: rows with a prompt, a JSON Schema (or a pydantic model for all) and, perhaps, the right answer."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from listeval import (
    Appendix,
    Contract,
    DataFile,
    Dataset,
    Example,
    Failure,
    FileOption,
    Kind,
    Metric,
    ModelSchema,
    Row,
    Schema,
    Task,
    TaskOptions,
    UserError,
    Verdict,
    example_answer,
    fingerprint,
    local_file,
    named_class,
    prompt_template,
    rows,
    why_no_schema,
)

from .bad import bad_answers
from .doubts import Doubts
from .fields import field_table
from .leaves import TOLERANCE, Leaves, Rule, compare_leaves, path_text, same_json
from .readers import Asked, read

_HERE = Path(__file__).parent
_UNKNOWN = dict.fromkeys(
    ("exact", "leaf_accuracy", "path_precision", "path_recall", "omitted_fields", "invented_fields"), math.nan
)
_NAMED = 4
"""So many differing fields are named in the sentence on an answer."""


class Right(TypedDict):
    """What scoring needs: the schema, or the model's name, and the expected answer where `labelled`."""

    schema: dict[str, Any] | None
    model: str
    labelled: bool
    expected: Any


class JsonOptions(TaskOptions):
    """Options of the task."""

    model_config = ConfigDict(serialize_by_alias=True)
    imports = ("contract",)

    schema_: FileOption | None = Field(
        None, alias="schema", description="file with the JSON Schema of rows without their own"
    )
    contract: str | None = Field(None, description="pydantic model of all rows, as module:Class; code of your own")
    show_schema: bool = Field(False, description="the schema after the prompt")
    tolerance: float = Field(TOLERANCE, ge=0, le=1, description="relative distance at which numbers are the same")
    text: Literal["normal", "exact"] = Field("normal", description="how texts are compared")
    _said: set[str] = PrivateAttr(default_factory=set)


class Json(Task[Right, Any]):
    """Any schema: one JSON value an answer, compared with the expected one field by field."""

    name = "json"
    version = 1
    summary = "answer by a JSON Schema of your own, compared field by field"
    metrics = (
        Metric("exact", useful=True, bounds=(0.0, 1.0)),
        Metric("leaf_accuracy", useful=True, bounds=(0.0, 1.0)),
        Metric("path_precision", bounds=(0.0, 1.0), more_is_better=True),
        Metric("path_recall", bounds=(0.0, 1.0), more_is_better=True),
        Metric("omitted_fields", bounds=(0.0, None), less_is_better=True),
        Metric("invented_fields", bounds=(0.0, None), less_is_better=True),
    )
    verdicts = ("exact", "equal", "different", "unlabelled")
    seeded = False
    Options = JsonOptions
    options: JsonOptions

    @property
    def max_tokens(self) -> int:
        """A page of JSON."""
        return 1024

    def load(self, data: str | None, seed: int) -> Dataset:
        if data == "hub":
            fix = "fetch the rows and give --data FILE"
            raise UserError("rows of your own are in no data set of the hub", place="--data", fix=fix)
        file = local_file(_HERE / "sample.jsonl" if data is None else Path(data), (".jsonl", ".json", ".parquet"))
        doubts = Doubts(self.options._said)
        common, files = self._common(file, doubts)
        counts: Counter[str] = Counter()
        examples = []
        for number, (place, row) in enumerate(rows(file), 1):
            counts["rows"] += 1
            example = self._example(read(row, number, place), common, place, counts, doubts)
            doubts.note_row(row, place)
            examples += [] if example is None else [example]
        doubts.tell()
        if not examples:
            raise UserError("no row whose schema can be used", place=file.name, fix="give other data")
        source, name = (file.name, Path(file.name).name) if data is not None else ("json sample", "generated sample")
        return Dataset(examples, source, fingerprint(files), dict(counts), name)

    def labelled(self, target: Right) -> bool:
        return target["labelled"]

    def contract(self, target: Right) -> Schema:
        if target["schema"] is not None:
            return Schema(target["schema"])
        return ModelSchema(_model(target["model"]))

    def gold(self, target: Right) -> str:
        """The expected answer; else one that the schema admits, and `null` where none can be made up."""
        answer = target["expected"] if target["labelled"] else example_answer(self.contract(target).json_schema())
        return json.dumps(answer, ensure_ascii=False)

    def score(self, targets: Sequence[Right], values: Sequence[Any]) -> list[Verdict]:
        return [self._verdict(target, value) for target, value in zip(targets, values, strict=True)]

    def prepare(self) -> None:
        if self.options.contract is not None:
            _model(self.options.contract)

    def bad(self, target: Right) -> Mapping[Kind, str]:
        return bad_answers(self.contract(target).json_schema(), json.loads(self.gold(target)))

    def appendix(self, rows: Sequence[Row]) -> Appendix:
        return Appendix({"fields.csv": field_table(rows, self._rule, self.contract)})

    @property
    def _rule(self) -> Rule:
        return Rule(self.options.tolerance, self.options.text)

    def _common(self, file: DataFile, doubts: Doubts) -> tuple[dict[str, Any] | None, list[DataFile]]:
        """The schema for rows without their own, and the files that decide what is asked."""
        if self.options.schema_ is None:
            return None, [file]
        if self.options.contract is not None:
            raise UserError("both a schema and a model", place="--set contract", fix="give one of them")
        described = local_file(Path(self.options.schema_), option="--set schema")
        with described.open() as stream:
            try:
                schema = json.loads(stream.read())
            except (ValueError, RecursionError) as error:
                raise UserError(f"not JSON: {error}", place=described.name, fix="give a JSON Schema") from None
        if fault := why_no_schema(schema):
            raise UserError(fault, place=described.name, fix="correct the schema")
        doubts.note(schema, described.name)
        return schema, [file, described]

    def _example(
        self, asked: Asked, common: dict[str, Any] | None, place: str, counts: Counter[str], doubts: Doubts
    ) -> Example | None:
        """The example of a row; None, counted, for one of a benchmark that cannot be used."""
        model = self.options.contract or ""
        schema = None if model else asked.schema if asked.schema is not None else common
        if not model:
            fix = 'give the row its "schema", or all rows one: --set schema=FILE or --set contract=module:Class'
            fault = "the row has no schema"
            if schema is not None:
                fault, fix = why_no_schema(schema) or "", "correct the schema"
            if fault and asked.lenient:
                counts["unusable_schema"] += 1
                return None
            if fault:
                raise UserError(fault, place=place, fix=fix)
            if schema is not None and schema is not common and not asked.lenient:
                doubts.note(schema, place)
        target: Right = {"schema": schema, "model": model, "labelled": False, "expected": None}
        contract = self.contract(target)
        if asked.expected is not None:
            target["labelled"], target["expected"] = True, _expected(asked.expected, contract)
            fault = _why_unfit(target["expected"], contract)
            if fault and asked.lenient:
                counts["unfit_expected"] += 1
                return None
            if fault:
                raise UserError(
                    f"the expected answer breaks the schema: {fault}", place=place, fix="correct one of them"
                )
        counts["labelled"] += target["labelled"]
        shown = (
            json.dumps(contract.json_schema(), ensure_ascii=False) if asked.shown or self.options.show_schema else ""
        )
        return Example(asked.id, _worded(asked, shown), target, asked.cluster)

    def _verdict(self, target: Right, value: Any) -> Verdict:
        if not target["labelled"]:
            return Verdict(_UNKNOWN, "unlabelled")
        found, exact = compare_leaves(target["expected"], value, self._rule), same_json(target["expected"], value)
        scores = {
            "exact": float(exact),
            "leaf_accuracy": found.accuracy,
            "path_precision": found.precision,
            "path_recall": found.recall,
            "omitted_fields": float(len(found.omitted)),
            "invented_fields": float(len(found.invented)),
        }
        if exact:
            return Verdict(scores, "exact")
        detail = _differences(found, target["expected"], value)
        return Verdict(scores, "different" if detail else "equal", detail)


def _model(name: str) -> type[BaseModel]:
    found = named_class(name, "--set contract")
    if not issubclass(found, BaseModel):
        raise UserError(
            f"'{name}' is no pydantic model", place="--set contract", fix="derive it from pydantic.BaseModel"
        )
    return found


def _worded(asked: Asked, schema: str) -> tuple[Any, ...]:
    """The row's own turns; a context stands before the last, a schema after it."""
    if not asked.context and not schema:
        return asked.messages
    *before, last = asked.messages
    worded = prompt_template(_HERE / "prompt.jinja")(context=asked.context, prompt=last.content, schema=schema)
    return (*before, last._replace(content=worded))


def _expected(value: Any, contract: Contract[Any]) -> Any:
    """A text stands for the JSON in it where the schema takes no such text (a column of texts holds nothing else)."""
    if not isinstance(value, str) or not isinstance(contract.parse(json.dumps(value)), Failure):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _why_unfit(expected: Any, contract: Contract[Any]) -> str:
    found = contract.parse(json.dumps(expected, ensure_ascii=False))
    return f"{found.kind.value}: {found.detail}" if isinstance(found, Failure) else ""


def _differences(found: Leaves, expected: Any, given: Any) -> str:
    """The fields that differ, in one line; empty where every leaf is right."""
    said = [f"{path_text(path)} is {_at(given, path)} where {_at(expected, path)} is right" for path in found.wrong]
    said += [f"{path_text(path)} is omitted" for path in found.omitted]
    said += [f"{path_text(path)} is invented" for path in found.invented]
    more = f"; {len(said) - _NAMED} more" if len(said) > _NAMED else ""
    return "; ".join(said[:_NAMED]) + more


def _at(value: Any, path: tuple[str | int, ...]) -> str:
    for key in path:
        value = value[key]
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 40 else shown[:39] + "…"
