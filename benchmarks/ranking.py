"""Ranking metrics against pytrec_eval (trec_eval in C) and scipy: the same figures, how much sooner.

Both sides start from Python lists of grades and scores where a case says "from lists", since that is what parsed
answers are; "prepared" leaves the conversion out on both sides (arrays here, nested dicts there).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.harness import Contender, Goal, Report, arguments, interleave, publish
from listeval.scoring import ranking

GROUPS, ITEMS = 10_000, 10
Lists = Sequence[Sequence[float]]
Nested = dict[str, dict[str, int]]
Run = dict[str, dict[str, float]]


def main() -> None:
    """Time, compare the figures, publish."""
    options = arguments(__doc__)
    report = Report("ranking")
    grades, scores = sample(GROUPS, ITEMS)
    against_trec(report, grades, scores, options.rounds)
    against_scipy(report, grades, scores, options.rounds)
    one_group(report, options.rounds)
    publish(report, ["numpy", "pytrec-eval-terrier", "scipy"], dry=options.dry)


def sample(groups: int, items: int) -> tuple[Lists, Lists]:
    """Grades 0..4 and scores without ties; every group has a positive grade. Lists, as answers are."""
    rng = np.random.default_rng(0)
    grades = rng.integers(0, 5, (groups, items))
    grades[:, 0] = np.maximum(grades[:, 0], 1)
    # Whole numbers: trec_eval keeps scores as float32 and would see ties that are none.
    scores = rng.permuted(np.tile(np.arange(items), (groups, 1)), axis=1).astype(float)
    return grades.tolist(), scores.tolist()


def nested(grades: Lists, scores: Lists) -> tuple[Nested, Run]:
    """The dicts that pytrec_eval wants."""
    names = [f"d{at}" for at in range(len(grades[0]))]
    qrel = {f"q{q}": dict(zip(names, row, strict=True)) for q, row in enumerate(grades)}
    run = {f"q{q}": dict(zip(names, row, strict=True)) for q, row in enumerate(scores)}
    return qrel, run  # type: ignore[return-value]


def against_trec(report: Report, grades: Lists, scores: Lists, rounds: int) -> None:
    """NDCG at one and at three cutoffs, from lists and prepared."""
    import pytrec_eval

    g, s = np.array(grades, dtype=float), np.array(scores)
    for cutoffs in ((1,), (1, 5, 10)):
        measure = {"ndcg_cut." + ",".join(map(str, cutoffs))}
        qrel, run = nested(grades, scores)
        evaluator = pytrec_eval.RelevanceEvaluator(qrel, measure)

        def from_lists(measure: set[str] = measure) -> object:
            qrel, run = nested(grades, scores)
            return pytrec_eval.RelevanceEvaluator(qrel, measure).evaluate(run)

        def ours(cutoffs: tuple[int, ...] = cutoffs) -> object:
            return ranking.ndcg_at(grades, scores, cutoffs)

        def prepared(cutoffs: tuple[int, ...] = cutoffs) -> ranking.Floats:
            return ranking.ndcg_at(g, s, cutoffs)

        contenders = [
            Contender("listeval, from lists", ours, GROUPS),
            Contender("pytrec_eval, from lists", from_lists, GROUPS),
            Contender("listeval, prepared", prepared, GROUPS),
            Contender("pytrec_eval, prepared", lambda e=evaluator, r=run: e.evaluate(r), GROUPS),  # type: ignore[misc]
        ]
        found = evaluator.evaluate(run)
        theirs = [[found[f"q{q}"][f"ndcg_cut_{k}"] for q in range(GROUPS)] for k in cutoffs]
        case = f"NDCG@{','.join(map(str, cutoffs))}, {GROUPS:,} x {ITEMS}, a group"
        report.facts[f"largest difference, {case}"] = float(np.abs(prepared() - theirs).max())
        seconds = interleave(contenders, rounds=rounds)
        report.compare(case, seconds, contenders[0].name, contenders[1].name, Goal(least=3))
        report.compare(case, seconds, contenders[2].name, contenders[3].name, Goal(least=3))


def against_scipy(report: Report, grades: Lists, scores: Lists, rounds: int) -> None:
    """Tau-b with ties in the grades. scipy takes one group a call, so it gets fewer of them."""
    from scipy.stats import kendalltau

    few = 200
    pairs = list(zip(grades[:few], scores[:few], strict=True))
    contenders = [
        Contender("listeval, from lists", lambda: ranking.kendall_tau(grades, scores), GROUPS),
        Contender("scipy.stats.kendalltau", lambda: [kendalltau(g, s).statistic for g, s in pairs], few),
    ]
    case = f"tau-b, {GROUPS:,} x {ITEMS}, a group"
    theirs = np.array([kendalltau(g, s).statistic for g, s in pairs])
    ours = ranking.kendall_tau(grades[:few], scores[:few])
    report.facts[f"largest difference, {case}"] = float(np.nanmax(np.abs(ours - theirs)))
    seconds = interleave(contenders, rounds=rounds)
    report.compare(case, seconds, contenders[0].name, contenders[1].name, Goal(least=100))


def one_group(report: Report, rounds: int) -> None:
    """All that one answer needs (NDCG@1, NDCG@8, tau-b, MAE), for answers that arrive one at a time."""
    import pytrec_eval
    from scipy.stats import kendalltau

    grades, scores = sample(1, 8)

    def peers() -> object:
        qrel, run = nested(grades, scores)
        found = pytrec_eval.RelevanceEvaluator(qrel, {"ndcg_cut.1,8"}).evaluate(run)
        mae = sum(abs(a - b) for a, b in zip(grades[0], scores[0], strict=True)) / 8
        return found, kendalltau(grades[0], scores[0]).statistic, mae

    ours = "listeval.kit.listwise"
    contenders = [
        Contender(ours, lambda: ranking.listwise(grades, scores, (1, 8))),
        Contender("pytrec_eval + scipy + Python", peers),
    ]
    seconds = interleave(contenders, rounds=rounds)
    report.compare("NDCG@1, NDCG@8, tau-b and MAE of one group of 8, from lists", seconds, ours, contenders[1].name)


if __name__ == "__main__":
    main()
