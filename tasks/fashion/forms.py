"""Row forms: how one row of each known source becomes reviews. A form is recognised by its fields.

A row is a dict: a JSON object, or a CSV row without its empty cells. Forms raise KeyError for a
field that a row lacks and ValueError for a value that cannot be meant. A missing value, however the
table spells it (`listeval.kit.cells`), is an absent field; an id may not be missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, cast, get_args

from listeval import is_missing, is_missing_id, is_missing_number

from .review import Review, Split
from .votes import TOP_GRADE

Row = Mapping[str, Any]

_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.0*)?")


class Form(NamedTuple):
    """A known kind of row: the fields that tell it from the others, and its reader (row, row number from 1)."""

    name: str
    fields: frozenset[str]
    read: Callable[[Row, int], Iterable[Review]]


def recognise(fields: Collection[str]) -> Form | None:
    """The form whose telling fields are all among `fields`."""
    return next((form for form in FORMS if form.fields.issubset(fields)), None)


def known_forms() -> str:
    """The forms and their telling fields, for messages."""
    return "; ".join(f"{form.name} ({', '.join(sorted(form.fields))})" for form in FORMS)


def _amazon_2023(row: Row, _number: int) -> Iterable[Review]:
    user = _name(row["user_id"])
    parent = row.get("parent_asin")
    product = _name(row["asin"] if is_missing_id(parent) else parent)  # variants share their parent's reviews
    yield _review(row, product, user, user, "title", "text", row.get("helpful_vote"))


def _amazon_2014_2018(row: Row, _number: int) -> Iterable[Review]:
    user = _name(row["reviewerID"])
    helpful = row.get("helpful")
    votes = row.get("vote") if is_missing_number(helpful) else _first(helpful)
    yield _review(row, _name(row["asin"]), user, user, "summary", "reviewText", votes)


def _clothing(row: Row, number: int) -> Iterable[Review]:
    votes = row.get("Positive Feedback Count")
    yield _review(row, _name(row["Clothing ID"]), None, str(number), "Title", "Review Text", votes)


def _group(row: Row, _number: int) -> Iterable[Review]:
    product, title, split = _name(row["product"]), row.get("title"), row.get("split")
    if not isinstance(row["reviews"], list):
        raise ValueError("'reviews' is not a list")
    for place, item in enumerate(row["reviews"], 1):
        if not isinstance(item, dict):
            raise ValueError(f"review {place} is not an object")
        if _rubric(item) is None and is_missing_number(item.get("votes")):
            raise ValueError(f"review {place} has neither 'grade' nor 'votes'")
        own = {name: value for name, value in item.items() if not is_missing(value)}
        about = {"product_title": title, "split": split} | own
        yield _review(about, product, None, _name(item["id"]), "title", "text", item.get("votes"))


def _review(row: Row, product: str, user: str | None, id: str, headline: str, text: str, votes: Any) -> Review:
    """A review from the named fields; rubric grade, split and product title are read alike in every form."""
    return Review(
        product=product,
        user=user,
        id=id,
        headline=_text(row.get(headline)),
        text=_text(row.get(text)),
        votes=_count(votes),
        grade=_rubric(row),
        product_title=_text(row.get("product_title")) or None,
        split=_split(row.get("split")),
    )


def _name(value: Any) -> str:
    """An id as text. Tables that miss some write all integers as floats."""
    if is_missing_id(value) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no id")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not isinstance(value, (str, int)):
        raise ValueError(f"{value!r} is no id")
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: Any) -> str:
    if is_missing(value):
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value.replace("\r\n", "\n").strip()


def _count(value: Any) -> int:
    """Votes: missing means none were shown; text may carry thousands commas."""
    if is_missing_number(value):
        return 0
    if isinstance(value, str) and _THOUSANDS.fullmatch(value.strip()):
        value = value.replace(",", "")
    number = float(value)
    if isinstance(value, bool) or number != int(number) or number < 0:
        raise ValueError(f"{value!r} is no count of votes")
    return int(number)


def _first(helpful: Any) -> Any:
    """The helpful votes of "[helpful, all]", which CSV files hold as text."""
    pair = json.loads(helpful) if isinstance(helpful, str) else helpful
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ValueError(f"helpful {helpful!r} is not [helpful, all]")
    return pair[0]


def _rubric(row: Row) -> float | None:
    value = next((v for v in (row.get("grade"), row.get("rubric_score")) if not is_missing_number(v)), None)
    if value is None:
        return None
    grade = float(value)
    if isinstance(value, bool):
        raise ValueError(f"grade {value!r} is no number")
    if not 0 <= grade <= TOP_GRADE:
        raise ValueError(f"grade {value!r} is not within 0 and 10")
    return grade


def _split(value: Any) -> Split | None:
    if is_missing_id(value):
        return None
    if value not in get_args(Split):
        raise ValueError(f"split {value!r} is none of {', '.join(get_args(Split))}")
    return cast(Split, value)


FORMS = (
    Form("review groups", frozenset({"product", "reviews"}), _group),
    Form("Amazon 2023", frozenset({"asin", "user_id"}), _amazon_2023),
    Form("Amazon 2014 or 2018", frozenset({"asin", "reviewerID"}), _amazon_2014_2018),
    Form("clothing", frozenset({"Clothing ID", "Review Text"}), _clothing),
)
