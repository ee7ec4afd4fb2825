"""Row forms: how one row of each known source becomes reviews. A form is recognised by its fields.

A row is a dict: a JSON object, or a CSV row without its empty cells. Forms raise KeyError for a
field that a row lacks and ValueError for a value that cannot be meant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, cast, get_args

from .review import Review, Split
from .votes import TOP_GRADE

Row = Mapping[str, Any]


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
    product = _name(row.get("parent_asin") or row["asin"])  # variants share their parent's reviews
    yield _review(row, product, user, user, "title", "text", row.get("helpful_vote"))


def _amazon_2014_2018(row: Row, _number: int) -> Iterable[Review]:
    user = _name(row["reviewerID"])
    votes = _first(row["helpful"]) if "helpful" in row else row.get("vote")
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
        if _rubric(item) is None and "votes" not in item:
            raise ValueError(f"review {place} has neither 'grade' nor 'votes'")
        about = {"product_title": title, "split": split} | item
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
    name = _text(value) if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    if not name:
        raise ValueError(f"{value!r} is no id")
    return name


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value.replace("\r\n", "\n").strip()


def _count(value: Any) -> int:
    """Votes: absent means none were shown; text may carry thousands commas."""
    if value is None:
        return 0
    count = int(float(value.replace(",", "") if isinstance(value, str) else value))
    if count < 0:
        raise ValueError(f"{value!r} is no count of votes")
    return count


def _first(helpful: Any) -> Any:
    """The helpful votes of "[helpful, all]", which CSV files hold as text."""
    pair = json.loads(helpful) if isinstance(helpful, str) else helpful
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError(f"helpful {helpful!r} is not [helpful, all]")
    return pair[0]


def _rubric(row: Row) -> float | None:
    value = row.get("grade", row.get("rubric_score"))
    if value is None:
        return None
    grade = float(value)
    if not 0 <= grade <= TOP_GRADE:
        raise ValueError(f"grade {value!r} is not within 0 and 10")
    return grade


def _split(value: Any) -> Split | None:
    if value is None:
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
