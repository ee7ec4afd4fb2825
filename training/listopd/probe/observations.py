"""The measured steps as columns: whose prompt, which class and item, how sure teacher and base are.

Classes are tabled by character. Thresholds need the positions at which a student is trained, and those are tokens: a
position is the part of one token that is scaffold, and its probability that of all its steps (ours; the paper's
positions are tokens too, but of one tokenizer). Else every letter inside a long token would count as one more certain
position, and the mean p would depend on how long words are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from listopd.probe.walk import StructuralStep, walk
from listopd.threshold.closed_form import Floats, sigmoid
from listopd.threshold.positions import Positions
from listopd.tokens import TokenClass, leading_place

if TYPE_CHECKING:
    from listopd.probe.answers import ProbeAnswer
    from listopd.probe.odds import Odds, StepQuestion
    from listopd.probe.vocabulary import Vocabulary


@dataclass(frozen=True)
class Observations:
    """n steps, or n positions. `teacher` and `base` (n,) are log-odds of the right continuation; `undecided` is the
    larger share of probability that either model leaves to the next token; `token` numbers the tokens of all answers.
    `unit` says of what a prompt is one of several (example or product); it lacks those that stand alone.
    """

    prompt: Sequence[str]
    token: NDArray[np.int64]
    kind: NDArray[np.str_]
    item: NDArray[np.int64]
    teacher: Floats
    base: Floats
    undecided: Floats
    unit: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.prompt)

    def keep(self, chosen: NDArray[np.bool_]) -> Self:
        """The steps where the (n,) mask is true."""
        return type(self)(
            [self.prompt[i] for i in np.flatnonzero(chosen).tolist()],
            self.token[chosen],
            self.kind[chosen],
            self.item[chosen],
            self.teacher[chosen],
            self.base[chosen],
            self.undecided[chosen],
            self.unit,
        )

    def structural(self, *, ids: bool) -> Self:
        """The steps of the scaffold: without values, and without the characters of ids unless those count."""
        kinds = [kind for kind in TokenClass if kind.is_scaffold and (ids or kind is not TokenClass.ID)]
        return self.keep(np.isin(self.kind, kinds))

    def by_token(self) -> Self:
        """The steps of each token as one position, of the class and item of the step that `leading_place` names."""
        _, token = np.unique(self.token, return_inverse=True)
        steps: list[list[int]] = [[] for _ in range(token.max(initial=-1) + 1)]
        for step, place in enumerate(token.tolist()):
            steps[place].append(step)
        kinds = [TokenClass(kind) for kind in self.kind.tolist()]
        leading = np.array([own[leading_place([kinds[i] for i in own])] for own in steps], dtype=np.intp)
        return type(self)(
            [self.prompt[i] for i in leading],
            self.token[leading],
            self.kind[leading],
            self.item[leading],
            _joint(self.teacher, token),
            _joint(self.base, token),
            np.bincount(token, weights=self.undecided) / np.bincount(token),
            self.unit,
        )

    def positions(self) -> Positions:
        """The columns that thresholds are made from."""
        units = [self.unit.get(name, name) for name in self.prompt]
        return Positions.of(list(self.prompt), sigmoid(self.teacher), sigmoid(self.base), self.kind.tolist(), units)


def _joint(log_odds: Floats, token: NDArray[np.intp]) -> Floats:
    """Log-odds of all steps of a token together."""
    log_p = -np.bincount(token, weights=np.logaddexp(0.0, -log_odds))
    with np.errstate(divide="ignore"):
        return np.asarray(log_p - np.log(-np.expm1(log_p)))


def observe(
    answers: Sequence[ProbeAnswer],
    vocabulary: Vocabulary,
    stop: int,
    teacher: Any,
    base: Any,
    temperature: float = 1.0,
) -> Observations:
    """Teacher-force both networks on the answers' own tokens; `stop` is written where an answer stopped.

    Steps inside a token that no other token could take are none of the network's, and left out.
    """
    from listopd.batch import AnsweredPrompt
    from listopd.probe.odds import asked, measure

    steps = [asked(a.tokens, steps_of(a, vocabulary), vocabulary.texts) for a in answers]
    used = [place for place, found in enumerate(steps) if found]
    steps = [steps[place] for place in used]
    given = [
        AnsweredPrompt(a.question.prompt.token_ids, a.tokens + (stop,) * a.stopped) for a in (answers[i] for i in used)
    ]
    networks = dict.fromkeys((teacher, base))
    measured = [measure(network, vocabulary, given, steps, temperature) for network in networks]
    asked_of = [answers[i].question for i in used]
    found = _columns([question.name for question in asked_of], steps, measured[0], measured[-1])
    return replace(found, unit={question.name: question.unit for question in asked_of if question.unit})


def steps_of(answer: ProbeAnswer, vocabulary: Vocabulary) -> Iterator[StructuralStep]:
    """The steps of an answer, by their places in `text_of`; none in what was thought before it."""
    thought = sum(len(vocabulary.texts[token] or b"") for token in answer.tokens[: answer.thought])
    for step in walk(text_of(answer, vocabulary)[thought:], answer.stopped, answer.question.right):
        yield step._replace(at=step.at + thought)


def text_of(answer: ProbeAnswer, vocabulary: Vocabulary) -> bytes:
    """The bytes that an answer's tokens stand for."""
    return b"".join(vocabulary.texts[token] or b"" for token in answer.tokens)


def _columns(
    names: Sequence[str], steps: Sequence[Sequence[StepQuestion]], teacher: Sequence[Odds], base: Sequence[Odds]
) -> Observations:
    flat = [asked.step for found in steps for asked in found]
    rows = [(place, asked.row) for place, found in enumerate(steps) for asked in found]
    numbers = {row: number for number, row in enumerate(dict.fromkeys(rows))}

    def joined(columns: Sequence[Floats]) -> Floats:
        return np.concatenate([np.zeros(0), *columns])

    every = Observations(
        [name for name, found in zip(names, steps, strict=True) for _ in found],
        np.array([numbers[row] for row in rows], dtype=np.int64),
        np.array([step.kind.value for step in flat], dtype=np.str_),
        np.array([step.item for step in flat], dtype=np.int64),
        joined([odds.log_odds for odds in teacher]),
        joined([odds.log_odds for odds in base]),
        np.maximum(joined([odds.undecided for odds in teacher]), joined([odds.undecided for odds in base])),
    )
    return every.keep(np.isfinite(every.teacher) | np.isfinite(every.base))
