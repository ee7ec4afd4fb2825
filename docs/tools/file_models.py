"""What stands in the JSON of metrics and comparisons, as models: from these the schemas and tables are made.

Rows and manifests are typed in the product itself. These two are made there from figures and read by nobody, so their
form is stated here, and a test holds real runs to it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from listeval.contract import Flag, Kind


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Interval(_Closed):
    """An estimate with its 95 % interval; null where nothing was measured."""

    value: float | None
    low: float | None
    high: float | None


class Further(_Closed):
    """What asking again came to."""

    samples: int
    """Samples that were asked again."""
    mended: int
    """Those whose last answer keeps its contract."""
    answers: int
    """Further answers in all."""
    tokens: int | None
    """Generated tokens of further answers; null where those of one are unknown."""
    prompt_tokens: int | None
    """Prompt tokens of further answers; null where those of one are unknown."""


class Order(_Closed):
    """What the order of a list's items in the prompt did to the answers; see the guide on suites."""

    rank_stability: Interval
    """Kendall's tau-b between the scores of the same items under two orders; 1 is an order that changes no rank."""
    position_slope: Interval
    """Points of score that an item gains by standing last instead of first."""
    first_place_gain: Interval
    """How much oftener the first item gets the top score than the gold answer gives it that."""
    places: list[Interval]
    """Score less gold score, by place in the prompt."""


class Metrics(BaseModel):
    """`metrics.json`. Every further key is a figure by its name: `parse_rate`, `bare_rate`, `fmc`, the task's metrics,
    their `useful_` and `@k` forms, and all of these with `raw_` before them where the run asks again.
    """

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)
    __pydantic_extra__: dict[str, Interval]

    n: int
    """Samples that have a row."""
    scored: int
    """Samples with a verdict, contract failures included."""
    unscored: int
    """Samples for which the instrument failed."""
    errors: int
    """Samples for which the engine failed; the next run asks for them again."""
    prompt_too_long: int
    """Of the unscored: prompts that do not fit into the model."""
    parse_rate: Interval
    """Share of answers that keep their contract."""
    bare_rate: Interval
    """Share of answers that are the JSON itself, with nothing around it."""
    fmc: Interval
    """Share of answers with all ids real, none twice, and exactly one missing."""
    kinds: dict[Kind, int]
    """The failure table of the final answers: every kind, zeros included."""
    flags: dict[Flag, int]
    """How often each flag was set."""
    verdicts: dict[str, int]
    """How often each verdict of the task was given; empty where it has none."""
    masked: float | None
    """Mean probability that a constraint took away from a step; null where the engine does not tell."""
    warnings: list[str]
    """What makes the figures mean less than they seem to."""
    by_seed: dict[str, dict[str, float | None]]
    """The estimates of each seed; empty for a single one."""
    raw_kinds: dict[Kind, int] | None = None
    """The failure table of the first answers, where the run asks again."""
    further: Further | None = None
    """What asking again came to, where the run asks again."""
    figures: dict[str, float | None]
    """Figures over the whole run: of the task's appendix, and of a shuffled order."""
    order: Order | None = None
    """What the order of the items did, for a run with `order=shuffled`."""
    files: list[str]
    """Further files that the task's appendix wrote beside this one."""
    rows_digest: str | None = None
    """Tells which rows the figures are of; `figures` and `order` are shown only while it fits."""


class Repair(_Closed):
    """What a repair did to an arm."""

    policies: list[str]
    """Repairs, in their order."""
    answers: int
    """Answers that the engine gave and the task scored."""
    broken: int
    """Those that broke the contract."""
    changed: int
    """Those that a repair changed."""
    mended: int
    """Changed answers that keep the contract now."""
    raw_parse_rate: float
    """Before."""
    parse_rate: float
    """After."""
    done: dict[str, int]
    """How many answers each step was taken in."""


class Training(_Closed):
    """What an arm's weights cost beyond the baseline's."""

    steps: int
    """Optimiser steps."""
    seconds: float | None
    """Summed over processes."""
    device: str


class Cost(_Closed):
    """What an arm costs; null where a run did not record it."""

    tokens_per_second: float | None
    """Over all finished attempts."""
    seconds_per_1000: float | None
    """Seconds for 1,000 answers."""
    tokens: float | None
    """Generated tokens an answer, over all its attempts."""
    prompt_tokens: float | None
    """Prompt tokens an answer."""
    compile_ms: float | None
    """Milliseconds to compile the constraint of one answer (median)."""
    masked: float | None
    """Mean probability that the constraint took away from a step."""
    training: Training | None


class Difference(_Closed):
    """An arm less the baseline, paired."""

    n: int
    """Samples in it."""
    before: float | None
    """The baseline's value."""
    after: float | None
    """The arm's value."""
    value: float | None
    low: float | None
    high: float | None
    p: float | None
    """Of the test, alone."""
    p_holm: float | None
    """After Holm's correction over the family; null for a figure outside of it."""
    test: str
    """Its name."""
    odds_ratio: Interval | None = None
    """Of a rate."""
    standardised: Interval | None = None
    """Of a mean: the difference in standard deviations."""
    gained: int | None = None
    """Of a rate: samples that only the arm has."""
    lost: int | None = None
    """Of a rate: samples that only the baseline has."""


class Arm(_Closed):
    """One run, or one run repaired. `differences` and `migrations` are of every arm but the baseline."""

    name: str
    """Shortest name that tells it from the others."""
    run: str
    """Its directory."""
    model: str
    """As its manifest names it."""
    backend: str
    """The engine that answered."""
    constraint: str
    """What the decoder was held to."""
    engine: str | None
    """What constrained it."""
    spacing: str | None
    """Which spaces the constraint left."""
    attempts: int | None
    """Most answers to a sample."""
    repair: Repair | None
    """Of a repaired arm: what the repair did."""
    temperature: float
    """0 is greedy."""
    max_tokens: int | None
    """Budget of an answer."""
    thinking: bool | None
    """What the chat template was told; null for nothing."""
    values: dict[str, Interval]
    """Figures over the paired samples; `common_` ones over those that parse in every arm."""
    kinds: dict[Kind, int]
    """Its failure table over the paired samples."""
    cost: Cost
    """Tokens, seconds, compile time, training; null where a run did not record it."""
    differences: dict[str, Difference] | None = None
    """By figure: this arm less the baseline."""
    migrations: list[tuple[Kind, Kind, int]] | None = None
    """The baseline's kind, this arm's kind, and how many samples went from the one to the other."""


class Family(_Closed):
    """The tests that are corrected together."""

    method: str
    """Holm."""
    figures: list[str]
    """The headline figures."""
    arms: int
    """Arms but the baseline."""
    tests: int
    """Tests in all."""


class Statistics(_Closed):
    """How intervals and tests were made."""

    level: float
    """Of the intervals."""
    resamples: int
    """Of the bootstrap."""
    seed: int
    """Of the resamples."""
    family: Family
    """The tests that are corrected together."""


class Luck(_Closed):
    """What a random order of the same items would score."""

    metric: str
    """The ranking metric."""
    value: float | None
    """Its mean for a random order; null where it is unknown."""
    unknown: str
    """Why it is unknown."""
    baseline_above: Interval | None
    """The baseline's own value less that."""


class Factorial(_Closed):
    """Training and constraining, each alone and both together."""

    arms: dict[str, str]
    """Which arm is which corner."""
    effects: dict[str, dict[str, Interval]]
    """By figure: of constraining, of training, of both, and their interaction."""


class Quality(_Closed):
    """What is known of an arm's ranking on the answers that parse on both sides."""

    common: int
    clusters: int
    difference: Interval
    own: Interval
    above_chance: Interval
    clusters_for_the_margin: int


class Speed(_Closed):
    """How many times as fast as the baseline, at least and at most; null where nothing is claimed, and then why."""

    ratio: tuple[float, float] | None
    why: str


class Finding(_Closed):
    """What was found of one arm."""

    arm: str
    way: str
    ways: list[str]
    standing: Literal["worse", "not shown", "at chance", "trades", "unknown", "better"]
    unchanged: bool
    extra_tokens: float | None
    speed: Speed
    quality: Quality | None


class Fight(_Closed):
    """A constraint that fights its model."""

    arm: str
    masked: float


class Verdict(_Closed):
    """Which way to take, and why."""

    choice: Literal["repair", "change", "constrain", "re-ask", "train", "keep", "none"]
    """The way to take; `keep` and `none` recommend nothing."""
    arm: str
    """Empty for `keep` and `none`."""
    sentence: str
    """The same in words."""
    findings: list[Finding]
    """What was found of each arm but the baseline."""
    tied: list[str]
    """Arms that may be recommended and cannot be told apart from the best."""
    behind: list[str]
    """Arms that may be recommended and are shown to be worse than the best."""
    rivals: dict[str, Interval]
    """Their useful metric less the chosen arm's."""
    fighting_constraints: list[Fight]
    """Constraints that took more from a step than they should."""
    thresholds: dict[str, Any]
    """What the verdict was decided by."""


class Comparison(_Closed):
    """What `compare --json` prints."""

    task: str
    """Name of the task."""
    baseline: str
    """Name of the first arm."""
    n: int
    """Samples that every arm answered."""
    clusters: int
    """Groups of samples that stand or fall together."""
    seeds: list[int]
    """Seeds of the paired samples."""
    common_parsed: int
    """Samples that parse in every arm."""
    left_out: dict[str, int]
    """Samples that cannot be paired, by the reason."""
    notes: list[str]
    """What a reader must know of the pairing."""
    statistics: Statistics
    arms: list[Arm]
    """The baseline first."""
    speeds_compare: bool
    """Whether all arms ran on one machine and one engine."""
    constraints_differ: dict[str, dict[str, str]]
    """Settings in which constrained arms differ, and what each has."""
    chance: Luck | None
    factorials: list[Factorial]
    """One for each square of base, constrained, trained and both."""
    verdict: Verdict
