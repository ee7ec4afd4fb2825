"""A study's tables as text cells: predictions, curves, budgets, caps, sizes, and the scope of each rule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from listeval.report.comparison.tables import FigureTable
from listeval.stats.intervals import Interval
from listopd.cliff.claims import PairRule
from listopd.cliff.report.gather import AtLambda, ReportSeries, StudyReport
from listopd.cliff.verdict import ClaimVerdict, inside, shown
from listopd.estimates import GATE, Cliff

RULES: tuple[PairRule, ...] = ("curve", "flip", "A", "B")
NAMES = {"curve": "target curve", "flip": "λ_flip", "A": "λ*(A)", "B": "λ*(B)"}
WINDOW = 0.05
"""How near a rule's λ must lie in the scope table; a study's own predictions have windows of their own."""

Word = Literal["predicts", "shifts", "abstains"]


def tables(found: StudyReport) -> list[FigureTable]:
    """All that the study has arms for."""
    several = [_budgets(found), _caps(found), _sizes(found)]
    return [_predictions(found), _curves(found), *_points(found), *(one for one in several if one.rows), _scope(found)]


def _predictions(found: StudyReport) -> FigureTable:
    rows = [
        [one.id + (" (rival)" if one.rival else ""), one.verdict, one.says, one.expected, one.observed, one.series,
         str(one.seeds), str(one.prompts)]
        for one in found.findings
    ]  # fmt: skip
    note = "Hit: the whole 95 % interval lies inside the window. Missed: outside. Else not decidable."
    return FigureTable(
        "Predictions", ["id", "verdict", "says", "expected", "seen", "arms", "seeds", "prompts"], rows, note
    )


def _curves(found: StudyReport) -> FigureTable:
    rows = [_curve(one) for one in found.shown if one.found is not None]
    note = (
        f"Midpoint and onset are given only where the drop's lower limit is above {GATE:g}. Predicted: where each rule "
        "puts the cliff; none: it says that there is none."
    )
    header = ["series", "plateau", "floor", "drop", "midpoint", "onset", *(NAMES[rule] for rule in RULES)]
    return FigureTable("Curves of the parse rate", [*header, "seeds", "prompts"], rows, note)


def _curve(one: ReportSeries) -> list[str]:
    found = one.found
    assert found is not None, "a series of one λ has no row here"
    ends = [shown(interval) for interval in (found.plateau, found.floor, found.drop)]
    where = [_middle(found), maybe(found.onset)]
    told = [number(one.estimates.of(rule)) for rule in RULES]
    return [one.series.name, *ends, *where, *told, str(one.seeds), str(one.prompts)]


def _points(found: StudyReport) -> Iterator[FigureTable]:
    header = ["λ", "parse", "FMC", "useful", "on parsed", "parse by seed", "failures"]
    for part, mine in found.parts():
        rows: list[list[str]] = []
        for one in mine:
            rows += [[f"{one.series.name}; {one.seeds} seeds, {one.prompts} prompts"], *map(_point, one.points)]
        yield FigureTable(f"Part {part}", header, rows, found.file.study.parts[part].about)


def _point(point: AtLambda) -> list[str]:
    kinds = ", ".join(f"{kind} {share:.3f}" for kind, share in point.kinds.items())
    spread = f"{min(point.by_seed):.3f} – {max(point.by_seed):.3f}"
    figures = [shown(one) for one in (point.parse, point.fmc, point.useful, point.on_parsed)]
    return [f"{point.lam:g}", *figures, spread, kinds or "none"]


def _several(found: StudyReport, name: str) -> Iterator[list[ReportSeries]]:
    """Series that differ only by one of their values, where there are several."""
    groups: dict[tuple[object, ...], list[ReportSeries]] = {}
    for one in found.shown:
        series = one.series
        values = {"cap": series.cap, "lr": series.lr, "budget": series.budget}
        del values[name]
        key = (series.part, series.pair, series.method, *values.values())
        groups.setdefault(key, []).append(one)
    yield from (group for group in groups.values() if len(group) > 1 and group[0].found is not None)


def _budgets(found: StudyReport) -> FigureTable:
    rows = [
        [one.series.name, str(one.series.budget), _middle(one.found), *_saturates(one),
         str(one.seeds)]
        for group in _several(found, "budget")
        for one in group
    ]  # fmt: skip
    note = "The midpoint after each budget of the same arms. A drift to the left alone is no evidence for a clip."
    header = ["series", "steps", "midpoint", *_titles(found.tokens), "seeds"]
    return FigureTable("Budgets", header, rows, note + _SATURATES if found.tokens else note)


_SATURATES = (
    " Saturates: half of the seeds have left the clip-safe region at that token class; λ* is that of its own p and b."
)


def _titles(tokens: Sequence[str]) -> list[str]:
    return [title for token in tokens for title in (f"saturates at {token}", f"λ*({token})")]


def _saturates(one: ReportSeries) -> Iterator[str]:
    for at in one.saturation.values():
        yield from (_middle(at.curve), number(at.star))


def _caps(found: StudyReport) -> FigureTable:
    rows = [
        [one.series.name, "none" if math.isinf(one.series.cap) else f"{one.series.cap:g}",
         _middle(one.found), *_saturates(one), number(one.estimates.A), number(one.estimates.B),
         number(one.estimates.curve), str(one.seeds)]
        for group in _several(found, "cap")
        for one in group
    ]  # fmt: skip
    header = ["series", "c", "midpoint", *_titles(found.tokens), NAMES["A"], NAMES["B"], NAMES["curve"], "seeds"]
    return FigureTable("Caps", header, rows, "λ* moves with the cap c, the target curve does not.")


def _sizes(found: StudyReport) -> FigureTable:
    rows = [_size(one, found) for one in found.shown if one.series.pair.size and one.found is not None]
    note = "Best: the λ of the highest useful score, chosen on the same answers, so its figure is a little too high."
    header = ["size", "series", "parse at the start", "parse at λ = 1", "best λ", "parse there", "useful there"]
    return FigureTable("Sizes", [*header, "seeds"], rows, note)


def _size(one: ReportSeries, found: StudyReport) -> list[str]:
    start = next(
        (
            other.points[0].parse
            for other in found.shown
            if other.series.method == "start" and other.series.pair.student == one.series.pair.student
        ),
        None,
    )
    plain = next((point.parse for point in one.points if point.lam == 1), None)
    best = max(one.points, key=lambda point: -1.0 if math.isnan(point.useful.value) else point.useful.value)
    return [
        one.series.pair.size,
        one.series.name,
        maybe(start),
        maybe(plain),
        f"{best.lam:g}",
        shown(best.parse),
        shown(best.useful),
        str(one.seeds),
    ]


def _scope(found: StudyReport) -> FigureTable:
    rows = [
        [one.series.name, *(scope(one, rule) for rule in RULES), str(one.seeds)]
        for one in found.shown
        if one.found is not None
    ]
    note = (
        f"Predicts: the cliff's interval lies within {WINDOW:g} of the rule's λ, or the rule says that there is none on"
        " the grid and there is none. Shifts: the cliff lies elsewhere, or only one of the two sees any. Abstains: the"
        " rule says nothing of this pair, or the arms do not decide."
    )
    return FigureTable("Scope of each rule", ["series", *(NAMES[rule] for rule in RULES), "seeds"], rows, note)


def scope(one: ReportSeries, rule: PairRule) -> Word:
    """What a rule was worth on a series."""
    told, found = one.estimates.of(rule), one.found
    if found is None or math.isnan(told):
        return "abstains"
    if found.midpoint is None:
        if found.drop.high >= GATE or found.plateau.low < GATE:
            return "abstains"
        # Beyond the grid's end, where a part of the window may lie, nothing was seen.
        return "predicts" if told > found.lams[-1] else "shifts" if told + WINDOW <= found.lams[-1] else "abstains"
    if not found.settled and found.midpoint.low <= told + WINDOW:
        return "abstains"
    words: dict[ClaimVerdict, Word] = {
        ClaimVerdict.HIT: "predicts",
        ClaimVerdict.MISSED: "shifts",
        ClaimVerdict.UNDECIDED: "abstains",
    }
    return words[inside(found.midpoint, told - WINDOW, told + WINDOW)]


def _middle(found: Cliff | None) -> str:
    """The midpoint; it lies further right where the grid ends on the slope."""
    if found is None or found.midpoint is None:
        return maybe(None)
    return shown(found.midpoint) + ("" if found.settled else " or more")


def maybe(found: Interval | None) -> str:
    """An interval, or that there is none."""
    return "–" if found is None else shown(found)


def number(value: float) -> str:
    """A rule's λ."""
    return "–" if math.isnan(value) else "none" if math.isinf(value) else f"{value:.3f}"


def facts(found: StudyReport) -> list[str]:
    """What the report is made from, in lines."""
    file, lock = found.file, found.lock
    runners = sorted({str(told.get("runner", "?")) for told in found.manifests.values()})
    devices = sorted({str(told["device"]) for told in found.manifests.values() if "device" in told})
    done = len(found.manifests)
    lines = [
        f"study {file.study.name}, sha256 {file.sha256}",
        f"lock {lock.seal}, made {lock.content['created']} before any arm had run",
        f"{done} of {done + found.unfinished} arms are finished; runner: {', '.join(runners) or 'none'}"
        + (f"; device: {', '.join(devices)}" if devices else ""),
        *(f"code of {name}: {value}" for name, value in lock.content["code"].items()),
        *(f"{name}: {value}" for name, value in lock.content["inputs"].items()),
        "brackets are 95 % intervals: over prompts and seeds for curves, over prompts for a single λ",
        "useful: NDCG@1, or the task's own metric, where a failure counts zero; on parsed: of parsed answers",
        "every arm's manifest is in arms/<arm>/done.json",
    ]
    return lines if not file.study.about else [file.study.about, *lines]


def verdict_line(found: StudyReport) -> str:
    """How many predictions came true."""
    counts: Sequence[tuple[ClaimVerdict, int]] = [
        (verdict, sum(one.verdict is verdict and not one.rival for one in found.findings)) for verdict in ClaimVerdict
    ]
    rivals = sum(one.rival for one in found.findings)
    words = ", ".join(f"{n} {verdict}" for verdict, n in counts)
    return f"Predictions: {words}" + (f"; besides {rivals} of rivals" if rivals else "")
