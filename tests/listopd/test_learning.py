"""Does it learn? Forty steps on tiny models: the divergence from the teacher falls, and a wrong sign shows."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from listopd.objective import sampled  # noqa: E402

STEPS, SEEDS = 40, range(5)
T_95 = 2.776
"""Student's t for a two-sided 95 % interval of five values."""


def falls(opd_recipe, train, taught, **opd):
    """By how much the reverse KL of the last five steps lies below that of the first five, for each seed."""
    found = []
    for seed in SEEDS:
        recipe = opd_recipe(
            student=taught(12), teacher=taught(40), steps=STEPS, batch=8, max_tokens=16, optimiser={"lr": 3e-3},
            shared={"seed": seed}, **opd,
        )  # fmt: skip
        kl = [line["reverse_kl"] for line in train(recipe).log]
        found.append(sum(kl[:5]) / 5 - sum(kl[-5:]) / 5)
    return torch.tensor(found)


def lower_limit(values):
    return float(values.mean() - T_95 * values.std() / len(values) ** 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [{}, {"divergence": "rkl"}], ids=["sampled", "exact"])
def test_the_divergence_from_the_teacher_falls(opd_recipe, train, taught, objective):
    fallen = falls(opd_recipe, train, taught, objective=objective)
    assert lower_limit(fallen) > 0.02, fallen


@pytest.mark.slow
def test_a_wrong_sign_would_show(opd_recipe, train, taught, monkeypatch):
    kept = sampled.extrapolated_advantage

    def wrong(*args, **kwargs):
        found = kept(*args, **kwargs)
        return found._replace(values=-found.values)

    monkeypatch.setattr(sampled, "extrapolated_advantage", wrong)
    assert float(falls(opd_recipe, train, taught).mean()) < 0


@pytest.mark.slow
def test_nothing_falls_without_a_learning_signal(opd_recipe, train, taught, monkeypatch):
    kept = sampled.extrapolated_advantage

    def none(*args, **kwargs):
        found = kept(*args, **kwargs)
        return found._replace(values=torch.zeros_like(found.values))

    monkeypatch.setattr(sampled, "extrapolated_advantage", none)
    assert lower_limit(falls(opd_recipe, train, taught)) < 0.02
