"""The tables of a comparison as text cells; terminal, Markdown, LaTeX and HTML only dress them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from listeval.comparison.speed import ONCE
from listeval.comparison.ways import ArmSetup
from listeval.contract import Kind
from listeval.report.comparison.headline import cost_lines, remarks, rule
from listeval.runs.figures import as_text, words
from listeval.runs.figures.as_text import share
from listeval.runs.figures.columns import TOKENS

if TYPE_CHECKING:
    from listeval.comparison import Arm, Comparison
    from listeval.comparison.cost import Cost


_SIDE_BY_SIDE = 3
"""So many arms have room for counts and shares in 80 columns, more have room for counts."""

_MOST = 8
"""Changes of kind listed for an arm; the page and the JSON have the whole matrix."""


class FigureTable(NamedTuple):
    """`rows` have as many cells as `header`; a row of one cell is the heading of those below it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def tables(comparison: Comparison) -> list[FigureTable]:
    """Headline figures, the others, failure kinds, what became of what, cost."""
    own = untested(comparison)
    return [
        _headline(comparison),
        *([effects(comparison)] if comparison.factorials else []),
        *([_differences(comparison, "Other figures", own, "Not tested. A metric without a prefix is over each arm's "
                        "own parsed answers, so it has no difference.")] if own else []),
        kinds(comparison),
        migrations(comparison),
        costs(comparison),
    ]  # fmt: skip


def untested(comparison: Comparison) -> list[str]:
    """Names of the figures that are not tested but measured in some arm."""
    left_out = {*comparison.headline, TOKENS}
    measured = {name for own in comparison.values for name, value in own.items() if not math.isnan(value.value)}
    return [name for name in comparison.values[0] if name in measured - left_out]


def mark(at: int) -> str:
    """How an arm is called where its name is too long."""
    return f"[{at + 1}]"


def marked(comparison: Comparison, at: int) -> str:
    """An arm's mark and name."""
    return f"{mark(at)} {comparison.arms[at].name}"


def facts(comparison: Comparison) -> list[str]:
    """What is compared, in lines: samples, arms, what was left out, notes."""
    pairing, base = comparison.pairing, comparison.base
    seeds = ", ".join(map(str, pairing.seeds))
    lines = [
        f"{base.run.manifest.task.name}: {len(pairing.keys):,} paired samples in {pairing.n_clusters:,} clusters "
        f"(seeds {seeds}), {comparison.common:,} of them parse in every arm{able(comparison)}"
    ]
    lines += [f"{marked(comparison, at)}: {describe(comparison, at)}" for at in range(len(comparison.arms))]
    if pairing.left_out:
        lines.append("left out: " + "; ".join(f"{n:,} {reason}" for reason, n in pairing.left_out.items()))
    lines += [f"note: {note}" for note in (*pairing.notes, *remarks(comparison))]
    return [*lines, rule(comparison), *cost_lines(comparison)]


def describe(comparison: Comparison, at: int) -> str:
    """An arm's model, engine, constraint and repair; a repaired arm always with its raw rate."""
    arm = comparison.arms[at]
    parts = ["baseline"] if at == 0 else []
    return ", ".join([*parts, *_made_by(arm)])


def _made_by(arm: Arm) -> Iterable[str]:
    manifest = arm.run.manifest
    yield manifest.model.title.rstrip("/").rsplit("/", 1)[-1]
    yield manifest.backend.name
    yield "no constraint" if arm.constraint == "none" else f"constraint {arm.constraint}{_shaped(arm)}"
    if ArmSetup.of(arm).attempts > 1:
        yield f"asked up to {ArmSetup.of(arm).attempts} times"
    if arm.repairs is not None:
        r = arm.repairs
        yield f"{r.changed:,} of {r.broken:,} broken answers repaired, {r.mended:,} keep their contract then"
        yield f"parse rate raw {100 * r.raw_parse_rate:.1f} %, repaired {100 * r.parse_rate:.1f} %"


def _shaped(arm: Arm) -> str:
    """` (xgrammar, spacing either)`, as far as it is known, and whether it is unproven."""
    setup = ArmSetup.of(arm)
    parts = [setup.engine, None if setup.spacing is None else f"spacing {setup.spacing}"]
    parts += ["unproven"] if arm.run.manifest.unproven else []
    return f" ({', '.join(known)})" if (known := [part for part in parts if part]) else ""


def _family(comparison: Comparison) -> str:
    return (
        f"p by Holm over {comparison.tests} tests. useful: failures count zero. common: {common_samples(comparison)}."
    )


def common_samples(comparison: Comparison) -> str:
    """The samples that `common_` figures are over; how many of them have a value, where that is not all."""
    text = f"the {comparison.common:,} samples that parse in every arm{able(comparison)}"
    if len(comparison.headline) < 3:
        return text
    valued = max(int((~np.isnan(own[comparison.headline[2]])).sum()) for own in comparison.columns)
    return text if valued == comparison.common else f"{text}, {valued:,} of them with a value"


def able(comparison: Comparison) -> str:
    """Said where an arm parses nothing, and so has no part in the common subset."""
    dead = not all(counts[Kind.OK] for counts in comparison.kinds)
    return " that parses any" if dead and comparison.common else ""


def _headline(comparison: Comparison) -> FigureTable:
    """The figures that are tested, and how far each arm's own ranking is from a random order."""
    table = _differences(comparison, "Headline figures", comparison.headline, _family(comparison))
    scale = comparison.scale
    if scale is None or scale.chance is None:
        return table
    rows: list[Sequence[str]] = [*table.rows, [f"{scale.metric} above chance"]]
    guards = [comparison.base_guard, *(contrast.guard for contrast in comparison.contrasts)]
    for at, guard in enumerate(guards):
        cell = "n/a" if guard is None else as_text.change(scale.metric, guard.above)
        rows.append([marked(comparison, at), cell, *[""] * (len(table.header) - 2)])
    level = comparison.thresholds.guard_level(len(comparison.contrasts))
    note = (
        f" above chance: an arm's own parsed answers against a random order of the same items "
        f"({as_text.plain(scale.metric, float(np.nanmean(scale.chance)))} on average), at {100 * level:g} %."
    )
    return table._replace(rows=rows, note=table.note + note)


def effects(comparison: Comparison) -> FigureTable:
    """Training and constraining as a 2x2, each against neither."""
    rows: list[Sequence[str]] = []
    for found in comparison.factorials:
        names = [mark(at) for at in found.square]
        for name, own in found.effects.items():
            rows.append([f"{words.title(name)}: {names[2]} trained, {names[1]} constrained, {names[3]} both"])
            rows += [[part, as_text.change(name, value)] for part, value in own._asdict().items()]
    note = "Interaction: both less the sum of the two; below zero they do the same work twice."
    level = f"[{100 * comparison.thresholds.level:g} %]"
    return FigureTable("Train and constrain", ["", f"against neither {level}"], rows, note)


def _differences(comparison: Comparison, title: str, names: Sequence[str], note: str) -> FigureTable:
    rows: list[Sequence[str]] = []
    for name in names:
        rows.append([words.title(name)])
        rows += [_figure(comparison, at, name) for at in range(len(comparison.arms))]
    level = f"[{100 * comparison.thresholds.level:g} %]"
    header = ["", f"value {level}", f"difference {level}", "p", "effect"]
    if not any(len(row) > 1 and row[3] for row in rows):
        return FigureTable(title, header[:3] + header[4:], [[*row[:3], *row[4:]] for row in rows], note)
    return FigureTable(title, header, rows, note)


def _figure(comparison: Comparison, at: int, name: str) -> list[str]:
    value = as_text.interval(name, comparison.values[at][name])
    contrast = comparison.sides[at][1]
    if contrast is None or name not in contrast.differences:
        return [marked(comparison, at), value, "", "", ""]
    d = contrast.differences[name]
    p = as_text.probability(contrast.adjusted.get(name, math.nan))
    change = as_text.change(name, d.difference) + as_text.points(name)
    return [marked(comparison, at), value, change, p, as_text.effect(name, d.effect)]


def kinds(comparison: Comparison) -> FigureTable:
    """The kinds that occur among the paired samples; each column sums to 100 %."""
    found = [kind for kind in Kind if any(counts[kind] for counts in comparison.kinds)]
    rows = [[kind.value, *(_count(counts[kind], comparison) for counts in comparison.kinds)] for kind in found]
    note = f"Counts; every column sums to {len(comparison.pairing.keys):,}. Kinds that did not occur are left out."
    return FigureTable("Failure kinds", ["kind", *(mark(at) for at in range(len(comparison.arms)))], rows, note)


def _count(n: int, comparison: Comparison) -> str:
    if not n or len(comparison.arms) > _SIDE_BY_SIDE:
        return f"{n:,}"
    return f"{n:,} ({share(n, len(comparison.pairing.keys))})"


def migrations(comparison: Comparison) -> FigureTable:
    """Which kinds of the baseline became which of each arm; those that stayed are one line an arm."""
    rows: list[Sequence[str]] = []
    for at, contrast in enumerate(comparison.contrasts, 1):
        found = contrast.migrations
        rows.append([marked(comparison, at)])
        moved = sorted(((n, a, b) for (a, b), n in found.items() if a != b), key=lambda row: (-row[0], row[1:]))
        rows += [[f"{a} → {b}", f"{n:,}"] for n, a, b in moved[:_MOST]]
        rest = moved[_MOST:]
        rows += [["other changes", f"{sum(n for n, *_ in rest):,}"]] if rest else []
        rows.append(["unchanged", f"{len(comparison.pairing.keys) - sum(n for n, *_ in moved):,}"])
    return FigureTable("What became of the baseline's kinds", ["kind", "n"], rows)


def costs(comparison: Comparison) -> FigureTable:
    """Time and tokens; a dash where a run did not record a figure."""
    header = ["", "tok/s", "s per 1,000", "tokens", "extra", "compile ms", "masked", "training"]
    rows = []
    for at, (c, (_, contrast)) in enumerate(zip(comparison.costs, comparison.sides, strict=True)):
        extra = "" if contrast is None else _dash(contrast.differences[TOKENS].difference.value, "+,.1f")
        cells = [_dash(c.tokens_per_second, ",.0f"), _dash(c.seconds_per_1000, ",.1f"), _dash(c.tokens, ",.1f"), extra]
        cells += [_dash(c.compile_ms, ".2f"), _dash(c.masked, ".3f"), _trained(c)]
        rows.append([marked(comparison, at), *cells])
    note = (
        "tokens: generated for one answer, over all its attempts; extra: against the baseline; masked: mean "
        "probability that a constraint took from a step. A repaired arm costs what its run cost."
    )
    note += _speeds(comparison)
    if all(c.training is None for c in comparison.costs):
        return FigureTable("Cost", header[:-1], [row[:-1] for row in rows], note)
    return FigureTable("Cost", header, rows, note)


def _speeds(comparison: Comparison) -> str:
    """Of which arms no speed is claimed, and why; empty where one is claimed of all."""
    whys: dict[str, list[str]] = {}
    for at, finding in enumerate(comparison.verdict.findings, 1):
        if finding.speed.ratio is None:
            whys.setdefault(finding.speed.why, []).append(mark(at))
    if not whys:
        return ""
    told = "; ".join(f"{', '.join(arms)}: {why}" for why, arms in whys.items())
    again = any(why.endswith(ONCE) for why in whys)
    advice = " A repetition (listeval run @RUN --out NEW) counts where it is named as an arm, too." if again else ""
    apart = "" if comparison.speeds_compare else " The speeds do not compare."
    return f" No speed is claimed of {told}.{apart}{advice}"


def _trained(c: Cost) -> str:
    if c.training is None:
        return "-"
    seconds = "" if c.training.seconds is None else f", {c.training.seconds:,.0f} s on {c.training.device}"
    return f"{c.training.steps:,} steps{seconds}"


def _dash(figure: float | None, form: str) -> str:
    return "-" if figure is None or math.isnan(figure) else format(figure, form)
