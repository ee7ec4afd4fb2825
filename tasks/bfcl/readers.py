"""From rows to questions, refusing with file and line what cannot be one."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeGuard

from listeval import DataFile, Expected, JsonRow, Message, UserError, json_field, rows, why_unusable

from .categories import RESERVED, category_named
from .sources import Part

_AS_LINES = "give the rows as JSON lines"
_FORM = "id, category, question, function and ground_truth, as in the task's README"


class Question(NamedTuple):
    """One row: its turns, the documents of its functions as they are, and the calls that it expects."""

    id: str
    category: str
    turns: tuple[Message, ...]
    functions: list[JsonRow]
    expected: list[Expected]


def read(part: Part) -> list[Question]:
    """All questions of a part, in the order of its file. Raises UserError with the line of a row that is none."""
    answers = None if part.answers is None else _answers(part.answers)
    return [_question(row, place, part, answers) for place, row in rows(part.questions)]


def _answers(file: DataFile) -> dict[str, tuple[str, Any]]:
    return {_text(row, "id", place): (place, _truth(row, place)) for place, row in rows(file)}


def _truth(row: JsonRow, place: str) -> Any:
    return json_field(row, "ground_truth", place, _AS_LINES)


def _question(row: JsonRow, place: str, part: Part, answers: dict[str, tuple[str, Any]] | None) -> Question:
    name = _text(row, "id", place)
    if answers is None or part.answers is None:
        answer_place, expected = place, _truth(row, place)
    elif name in answers:
        answer_place, expected = answers[name]
    else:
        cause, fix = f"no answer has the id '{name}'", "take questions and answers of one release"
        raise UserError(cause, place=f"{place} and {part.answers.name}", fix=fix)
    if not _is_expected(expected):
        cause = f"row '{name}' has no ground_truth, a list of {{function: {{parameter: [accepted values]}}}}"
        raise UserError(cause, place=answer_place, fix=f"every question needs at least one call; rows hold {_FORM}")
    return Question(
        name, part.category or _category(row, place), _turns(row, name, place), _functions(row, name, place), expected
    )


def _category(row: JsonRow, place: str) -> str:
    name = category_named(_text(row, "category", place))
    if name in RESERVED:
        fix = f"give the category another name than {', '.join(RESERVED)}"
        raise UserError(
            f"the category '{name}' has the name of a figure or count over categories", place=place, fix=fix
        )
    return name


def _is_expected(value: Any) -> TypeGuard[list[Expected]]:
    return isinstance(value, list) and value != [] and all(map(_is_call, value))


def _is_call(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    (arguments,) = value.values()
    return isinstance(arguments, dict) and all(isinstance(accepted, list) for accepted in arguments.values())


def _functions(row: JsonRow, name: str, place: str) -> list[JsonRow]:
    documents = json_field(row, "function", place, _AS_LINES)
    if not isinstance(documents, list) or not documents:
        raise UserError(f"row '{name}' has no function documents", place=place, fix=f"rows hold {_FORM}")
    fault = next((fault for fault in map(why_unusable, documents) if fault), None)
    if fault:
        raise UserError(f"row '{name}', {fault}", place=place, fix="correct the document or remove the row")
    return documents


def _turns(row: JsonRow, name: str, place: str) -> tuple[Message, ...]:
    """The messages of the only turn; the last one is the request."""
    turns = row.get("question")
    if not isinstance(turns, list) or len(turns) != 1 or not isinstance(turns[0], list) or not turns[0]:
        cause = f"row '{name}' has no question of one turn, [[{{role, content}}, ...]]"
        raise UserError(cause, place=place, fix="multi-turn rows belong to other categories")
    messages = turns[0]
    if not all(isinstance(m, dict) and isinstance(m.get("content"), str) for m in messages):
        raise UserError(f"row '{name}' has a message without text", place=place, fix="write {role, content}")
    roles = [message.get("role") for message in messages]
    if not all(role in ("system", "user", "assistant") for role in roles) or roles[-1] != "user":
        raise UserError(f"row '{name}' has the roles {roles}", place=place, fix="end with a user message")
    return tuple(Message(message["role"], message["content"]) for message in messages)


def _text(row: JsonRow, field: str, place: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise UserError(f"the field '{field}' is missing or no text", place=place, fix=f"rows hold {_FORM}")
    return value
