"""What labelling came to: how many texts have a grade, why others have none, the grades, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from listeval.contract import Kind
from listeval.errors import UserError
from listeval.labelling.campaign import Campaign, is_refused
from listeval.labelling.labels import Label
from listeval.runs.rows import TOO_LONG, Row
from listeval.runs.token_counts import read_tokens, written_tokens
from listeval.stats.intervals import Interval, mean_interval
from listeval.task import Piece

_CHARACTERS_A_TOKEN = 4
_TOKENS_A_GRADE = 10
"""Rules of thumb for English prose and for `"name": 7, `; only the estimate before the first request uses them."""


class Price(NamedTuple):
    """US dollars for a million tokens."""

    tokens_in: float
    tokens_out: float

    @classmethod
    def parse(cls, text: str) -> Price:
        """`IN,OUT`. Raises UserError for anything else."""
        try:
            price = cls(*map(float, text.split(",")))
        except (TypeError, ValueError):
            price = cls(-1, -1)
        if not all(0 <= amount < float("inf") for amount in price):
            fix = "write --price 0.15,0.60 (US dollars for a million tokens in, out)"
            raise UserError(f"'{text}' is not a price IN,OUT", place="--price", fix=fix)
        return price


class Tokens(NamedTuple):
    """Tokens read and written by the judge."""

    read: int
    written: int

    def cost(self, price: Price | None) -> float | None:
        """US dollars, None without a price."""
        return None if price is None else (self.read * price.tokens_in + self.written * price.tokens_out) / 1e6


@dataclass(frozen=True, slots=True)
class Tally:
    """Over the texts of one data set; what else the store holds is not counted."""

    n: int
    labels: Sequence[Label]
    without: dict[str, int]
    """Texts that have no label, by what became of their last answer."""
    refused: int
    """Of these, how many the first attempt had no room for."""
    first_fault: str
    """What was wrong with the last answer to the first of them."""
    kinds: dict[str, int]
    """Every answer that was asked for, by kind; a prompt that was refused is none."""
    tokens: Tokens
    """Of the answers whose tokens the server told."""
    untold: int
    """Answers whose tokens it did not tell; where there is one, nobody knows the cost."""
    grade: Interval

    @property
    def histogram(self) -> dict[float, int]:
        """How often each grade was given, grades ascending."""
        return dict(sorted(Counter(label.grade for label in self.labels).items()))

    def cost(self, price: Price | None) -> float | None:
        """US dollars; None without a price, and where the server did not tell what it was asked and answered."""
        return None if self.untold else self.tokens.cost(price)

    def to_json(self, price: Price | None) -> dict[str, Any]:
        """JSON values; a mean of nothing is null, and so are tokens that are not told."""
        read, written = (None, None) if self.untold else self.tokens
        return {
            "n": self.n,
            "labelled": len(self.labels),
            "without": self.without,
            "kinds": self.kinds,
            "grade": {name: None if value != value else value for name, value in self.grade._asdict().items()},
            "histogram": {f"{grade:g}": n for grade, n in self.histogram.items()},
            "tokens_in": read,
            "tokens_out": written,
            "tokens_untold": self.untold,
            "cost_usd": self.cost(price),
        }


def tally(campaign: Campaign, pieces: Sequence[Piece]) -> Tally:
    """Count what the store of `campaign` says of `pieces`."""
    wanted = {piece.key: piece for piece in pieces}
    kinds: Counter[str] = Counter()
    last: dict[str, tuple[str, str]] = {}
    refused: set[str] = set()
    read = written = untold = 0
    for attempt, row in campaign.answers():
        if row["example"] not in wanted:
            continue
        last[row["example"]] = row["reason"] or row["kind"], row["detail"]
        if row["reason"] == TOO_LONG:
            refused.update([row["example"]] if is_refused(row, attempt) else [])
        else:
            kinds[row["kind"]] += 1
            read, written = read + row["n_prompt_tokens"], written + row["n_tokens"]
            untold += _is_untold(row)
    labels = [label for key, label in campaign.labels().items() if key in wanted]
    labelled = {label.key for label in labels}
    missing = [last[key] for key in wanted if key not in labelled and key in last]
    grades, products = [label.grade for label in labels], [wanted[label.key].product for label in labels]
    scale = campaign.rubric.scale
    return Tally(
        n=len(pieces),
        labels=labels,
        without=dict(Counter(kind for kind, _ in missing).most_common()),
        refused=len(refused - labelled),
        first_fault=missing[0][1] if missing else "",
        kinds={kind.value: kinds[kind.value] for kind in Kind},
        tokens=Tokens(read, written),
        untold=untold,
        grade=mean_interval(grades, products, bounds=(scale.low, scale.high)),
    )


def _is_untold(row: Row) -> bool:
    """Whether the server answered without its counts."""
    read = read_tokens(row["kind"], row["n_prompt_tokens"])
    return None in (read, written_tokens(row["kind"], row["n_tokens"], row["n_prompt_tokens"]))


class Estimate(NamedTuple):
    """What `label` is about to ask: texts without an answer, those whose answers all broke the contract, and tokens.

    A text that is refused for its length is none of them: it is not sent.
    """

    new: int
    again: int
    tokens: Tokens
    """Of one answer to each of them, by rules of thumb."""


def estimate(campaign: Campaign, pieces: Sequence[Piece]) -> Estimate:
    """What the store still owes `pieces`, as far as the campaign's attempts go."""
    spent: dict[str, int] = {}
    for attempt, row in campaign.answers():
        if row["outcome"] != "error":
            over = row["kind"] == Kind.OK or is_refused(row, attempt)
            spent[row["example"]] = campaign.attempts if over else attempt
    new = [piece for piece in pieces if piece.key not in spent]
    again = [piece for piece in pieces if spent.get(piece.key, campaign.attempts) < campaign.attempts]
    texts = [campaign.rubric.render(piece.text, piece.context) for piece in (*new, *again)]
    read = sum(map(len, texts)) // _CHARACTERS_A_TOKEN
    written = len(texts) * _TOKENS_A_GRADE * (len(campaign.rubric.criteria) + 1)
    return Estimate(len(new), len(again), Tokens(read, written))
