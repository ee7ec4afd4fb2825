"""Asking again after a contract failure: what the next attempt is asked, and what a row keeps of every one.

`same` sends the same prompt with another sampler seed. `explain` shows the model its last answer and, as a new turn,
the sentence that says what was wrong with it; only the last failure is shown, so prompts do not grow with the attempts.
An engine's failure is no answer: it is owed again as ever, and costs no attempt.

Attempts are made in rounds: every sample once, then those that failed once more. A sample whose next attempt is owed
has a row all the same, with the outcome of an error, so what was asked and paid for outlives a kill and is not asked
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple, NotRequired, TypedDict, cast

from listeval.backends.protocol import Completion, FinishReason, Message, Prompt, Request
from listeval.contract import Kind
from listeval.errors import UserError
from listeval.runs.fields import Count, Number, Seed
from listeval.runs.token_counts import read_tokens, total, written_tokens

if TYPE_CHECKING:
    from listeval.runs.rows import Row

ReaskWay = Literal["same", "explain"]

_EXPLAIN = (
    "That answer cannot be used: {fault}. "
    "Answer the question again, in full and in exactly the form that was asked for."
)
_NOTHING = "(no answer)"
"""Stands for an empty answer, since many templates and servers refuse an empty turn."""


class SampleAttempt(TypedDict):
    """One attempt at a sample, as its row keeps it; `attempt` counts from 1, `seed` is the sampler's.

    `bare` is absent in rows from before it was noted, until `listeval score`.
    """

    attempt: Count
    seed: Seed
    kind: str
    detail: str
    missing: Count
    text: str
    reasoning: str | None
    finish_reason: str
    n_tokens: Count
    n_prompt_tokens: Count
    latency_s: Number
    masked: Number | None
    bare: NotRequired[bool | None]


class ReaskCounts(NamedTuple):
    """What asking again came to: samples asked again, those mended by it, further answers, and what those cost."""

    samples: int
    mended: int
    answers: int
    tokens: int | None
    """None where those of one answer are unknown, as `prompt_tokens`."""
    prompt_tokens: int | None


def check(attempts: int, way: ReaskWay | None, *, temperature: float, backend: str) -> ReaskWay | None:
    """The way to ask again, `explain` where none is named; None where nothing is asked again.

    Raises UserError where asking again could change nothing.
    """
    if attempts == 1:
        if way is not None:
            raise UserError(f"--reask {way} without a second attempt", place="--reask", fix="add --attempts 3")
        return None
    if backend == "replay":
        raise UserError("recorded answers cannot be asked again", place="--attempts", fix="leave --attempts out")
    if way == "same" and temperature == 0:
        cause = "a greedy model answers the same prompt with the same answer"
        raise UserError(cause, place="--reask same", fix="add --temperature 0.7, or take --reask explain")
    return way or "explain"


def seed_of(seed: int, attempt: int) -> int:
    """The sampler's seed of an attempt: the sample's own at first, then 31 bits of a hash of both."""
    if attempt == 1:
        return seed
    return int.from_bytes(sha256(f"{seed} {attempt}".encode()).digest()[:4], "big") >> 1


def next_request(
    first: Request,
    messages: Sequence[Message],
    last: SampleAttempt,
    way: ReaskWay,
    render: Callable[[tuple[Message, ...]], Prompt],
) -> Request:
    """The request after the attempt `last`, whose key names sample and attempt; `messages` are the example's own.

    Raises UserError where the chat template refuses the turns.
    """
    attempt = last["attempt"] + 1
    prompt = first.prompt
    if way == "explain":
        turns = (Message("assistant", last["text"] or _NOTHING), Message("user", _EXPLAIN.format(fault=_fault(last))))
        prompt = render((*messages, *turns))
    return first._replace(key=f"{first.key}-{attempt}", seed=seed_of(first.seed, attempt), prompt=prompt)


def _fault(last: SampleAttempt) -> str:
    meaning = Kind(last["kind"]).meaning
    return f"{meaning} ({last['detail']})" if last["detail"] else meaning


def tried(row: Row, attempt: int, seed: int) -> SampleAttempt:
    """The answer in `row` as one of its sample's attempts."""
    return {
        "attempt": attempt,
        "seed": seed,
        "kind": row["kind"],
        "detail": row["detail"],
        "missing": row["missing"],
        "text": row["text"],
        "reasoning": row["reasoning"],
        "finish_reason": row["finish_reason"],
        "n_tokens": row["n_tokens"],
        "n_prompt_tokens": row["n_prompt_tokens"],
        "latency_s": row["latency_s"],
        "masked": row["masked"],
        "bare": row["bare"],
    }


def owed_again(row: Row, attempts: Sequence[SampleAttempt], most: int) -> None:
    """Make `row`, which failed its contract, the row of a sample that is owed another of its `most` attempts."""
    row["outcome"], row["kind"], row["flags"], row["span"] = "error", Kind.ENGINE_ERROR.value, (), None
    row["missing"], row["scores"], row["verdict"], row["value"] = 0, {}, None, None
    row["text"], row["reasoning"], row["finish_reason"] = "", None, "error"
    row["error"] = row["detail"] = f"attempt {len(attempts) + 1} of {most} is owed"
    row["attempts"] = attempts


def completion_of(answer: SampleAttempt, key: str) -> Completion:
    """The answer of an attempt as the engine gave it."""
    return Completion(
        key=key,
        text=answer["text"],
        finish_reason=cast("FinishReason", answer["finish_reason"]),
        n_tokens=answer["n_tokens"],
        n_prompt_tokens=answer["n_prompt_tokens"],
        reasoning=answer["reasoning"],
        latency_s=answer["latency_s"],
        masked=answer["masked"],
    )


def further(attempts: Iterable[tuple[Sequence[SampleAttempt], bool]]) -> ReaskCounts:
    """Counts over samples, each given by what was tried and whether its contract holds now."""
    again = [(tried, kept) for tried, kept in attempts if len(tried) > 1]
    later = [one for tried, _ in again for one in tried[1:]]
    return ReaskCounts(
        samples=len(again),
        mended=sum(kept for _, kept in again),
        answers=len(later),
        tokens=total(map(written, later)),
        prompt_tokens=total(map(read, later)),
    )


def written(one: SampleAttempt) -> int | None:
    """Generated tokens of an attempt, None where they are unknown."""
    return written_tokens(one["kind"], one["n_tokens"], one["n_prompt_tokens"])


def read(one: SampleAttempt) -> int | None:
    """Tokens of an attempt's prompt, None where they are unknown."""
    return read_tokens(one["kind"], one["n_prompt_tokens"])
