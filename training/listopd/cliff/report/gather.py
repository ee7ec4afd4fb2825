"""What a report shows of each series: rates over λ with intervals, failure kinds, trajectories, what was foretold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from listeval.stats.intervals import Interval, mean_interval, rate_interval
from listopd.cliff.cliff_rules import CliffEstimates, estimate_cliffs, target_curve
from listopd.cliff.lock import Lock
from listopd.cliff.observe import Answers, parsed
from listopd.cliff.records import OK, AnswerOutcome, manifest_of, read_log
from listopd.cliff.report.saturation import Saturation, named_tokens, saturation_of
from listopd.cliff.series import Series, series_of
from listopd.cliff.study import StudyFile
from listopd.cliff.verdict import ClaimFinding
from listopd.estimates import Cliff, cliff


class AtLambda(NamedTuple):
    """All seeds' answers at one λ, pooled; intervals are over prompts, or clusters of them."""

    lam: float
    parse: Interval
    fmc: Interval
    useful: Interval
    """Useful NDCG@1: a failure counts zero."""
    on_parsed: Interval
    """NDCG@1 of the parsed answers."""
    by_seed: tuple[float, ...]
    """Each seed's parse rate."""
    kinds: Mapping[str, float]
    """Shares of all answers; FMC is `fmc`, apart from its kind."""


class ReportSeries(NamedTuple):
    """One series with all that is known of it."""

    series: Series
    estimates: CliffEstimates
    target: Cliff | None
    """The target curve of its pair."""
    points: tuple[AtLambda, ...]
    found: Cliff | None
    """None for one λ, where there is no curve."""
    saturation: Mapping[str, Saturation]
    """By token class that a prediction is about."""
    seeds: int
    prompts: int


class StudyReport(NamedTuple):
    """A study's report before it is drawn and written."""

    file: StudyFile
    lock: Lock
    findings: Sequence[ClaimFinding]
    shown: Sequence[ReportSeries]
    unfinished: int
    manifests: Mapping[str, Mapping[str, Any]]
    """By arm, of finished arms."""
    out: Path

    @property
    def tokens(self) -> list[str]:
        """Token classes that predictions are about."""
        return named_tokens(self.file.study.predictions)

    def parts(self) -> Iterator[tuple[str, list[ReportSeries]]]:
        """The parts that have finished arms, in the study's order."""
        for part in self.file.study.parts:
            mine = [one for one in self.shown if one.series.part == part]
            if mine:
                yield part, mine


def gather(file: StudyFile, lock: Lock, out: Path, findings: Sequence[ClaimFinding]) -> StudyReport:
    """Read every finished arm. Raises UserError for damaged files."""
    arms = out / "arms"
    foretold = lock.foretold
    targets = {name: target_curve(found, file.study.draws) for name, found in foretold.items()}
    tokens = named_tokens(file.study.predictions)
    shown = []
    for series in series_of(file.arms):
        answers = series.answers(arms)
        if answers:
            pair, draws = series.pair.name, file.study.draws
            estimates = estimate_cliffs(foretold[pair], series.cap, draws)
            saturation = saturation_of(series, arms, tokens, foretold[pair], draws)
            shown.append(_shown(series, estimates, targets[pair], saturation, answers, draws))
    manifests = {arm.id: told for arm in file.arms if (told := manifest_of(arms / arm.id, arm)) is not None}
    return StudyReport(file, lock, findings, shown, len(file.arms) - len(manifests), manifests, out)


def _shown(
    series: Series,
    estimates: CliffEstimates,
    target: Cliff | None,
    saturation: Mapping[str, Saturation],
    answers: Answers,
    draws: int,
) -> ReportSeries:
    lams = sorted({lam for lam, _ in answers})
    points = tuple(_at(lam, {seed: told for (at, seed), told in answers.items() if at == lam}) for lam in lams)
    found = cliff(parsed(answers), draws=draws) if len(lams) > 1 else None
    prompts = len({one.prompt for told in answers.values() for one in told})
    seeds = len({seed for _, seed in answers})
    return ReportSeries(series, estimates, target, points, found, saturation, seeds, prompts)


def _at(lam: float, by_seed: Mapping[int, Sequence[AnswerOutcome]]) -> AtLambda:
    told = [one for answers in by_seed.values() for one in answers if one.known]
    clusters = [one.cluster or one.prompt for one in told]
    counts = Counter("fmc" if one.fmc else one.kind for one in told if one.kind != OK)
    useful = [math.nan if one.useful is None else one.useful for one in told]
    on_parsed = [value if one.parsed else math.nan for one, value in zip(told, useful, strict=True)]
    rates = (
        sum(one.parsed for one in answers if one.known) / max(1, sum(one.known for one in answers))
        for answers in by_seed.values()
    )
    return AtLambda(
        lam,
        _rate([one.parsed for one in told], clusters),
        _rate([one.fmc for one in told], clusters),
        _mean(useful, clusters),
        _mean(on_parsed, clusters),
        tuple(rates),
        {kind: n / len(told) for kind, n in counts.most_common()},
    )


_NOTHING = Interval(math.nan, math.nan, math.nan)


def _rate(hits: Sequence[bool], clusters: Sequence[str]) -> Interval:
    return rate_interval(list(map(float, hits)), clusters) if hits else _NOTHING


def _mean(values: Sequence[float], clusters: Sequence[str]) -> Interval:
    known = any(not math.isnan(value) for value in values)
    return mean_interval(values, clusters, bounds=(0.0, 1.0), resamples=2000) if known else _NOTHING


Logs = Mapping[float, Sequence[Sequence[Mapping[str, Any]]]]
"""By λ, each seed's logged steps."""


def logs_of(series: Series, out: Path) -> Logs:
    """What the arms of a series logged."""
    found: dict[float, list[list[dict[str, Any]]]] = {}
    for (lam, _), arm in sorted(series.arms.items()):
        found.setdefault(lam, []).append(read_log(out / "arms" / arm.id))
    return found


def trajectory(logs: Sequence[Sequence[Mapping[str, Any]]], *names: str) -> tuple[list[int], list[float]]:
    """Steps and the mean over seeds of a logged number, at the steps that every seed has.

    `names` lead to it: ("fmc",), or ("theta", "sep 4").
    """
    columns = [{line["step"]: value for line in log if (value := _number(line, names)) is not None} for log in logs]
    steps = sorted(set.intersection(*(set(column) for column in columns))) if columns else []
    return steps, [math.fsum(column[step] for column in columns) / len(columns) for step in steps]


def _number(value: Any, names: Sequence[str]) -> float | None:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def logged_shares(logs: Logs) -> list[str]:
    """Names of the logged shares of tokens that a clip acted on."""
    lines = (line for by_seed in logs.values() for log in by_seed for line in log[:1])
    return sorted({name for line in lines for name in line if name.startswith("clipped_")})


def binding_class(logs: Logs) -> str | None:
    """The token class where teacher and base differ most in log-odds at the first logged step; None without classes."""
    apart: dict[str, float] = {}
    for by_seed in logs.values():
        for line in (log[0] for log in by_seed if log):
            for name in line["p"] if isinstance(line.get("p"), Mapping) else ():
                p, b = _number(line, ("p", name)), _number(line, ("b", name))
                if p is not None and b is not None and 0 < p < 1 and 0 < b < 1:
                    gap = abs(math.log(p / (1 - p)) - math.log(b / (1 - b)))
                    apart[name] = max(gap, apart.get(name, 0.0))
    return max(apart, key=lambda name: apart[name], default=None)
