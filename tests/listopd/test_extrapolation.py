"""λ policies: what they return, when they move, and that a checkpoint brings them back exactly."""

import json
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from listeval.errors import UserError
from listopd.extrapolation import (
    AutoSpec,
    ConstantSpec,
    ExtrapolationSpec,
    GuardedSpec,
    PerPositionSpec,
    RolloutStats,
)
from listopd.threshold import Positions, flip_threshold, lambda_flip, lambda_star, operating_threshold

torch = pytest.importorskip("torch")

SCAFFOLD = torch.tensor([[True, False, True], [False, False, True]])
share = st.floats(0.901, 0.9999)
batches = st.lists(st.lists(st.tuples(share, share), min_size=1, max_size=5), min_size=1, max_size=8)
rates = st.lists(st.integers(0, 128), min_size=1, max_size=60)


def measured(pairs):
    return RolloutStats(1, 1, Positions.of(range(len(pairs)), *zip(*pairs, strict=True)))


def parsed(count, total=128):
    return RolloutStats(count, total)


def value(policy):
    return policy.values(SCAFFOLD)


def test_a_constant_is_a_number_and_never_moves():
    policy = ConstantSpec(value=1.2).build()
    policy.step(parsed(0))
    assert value(policy) == 1.2
    assert policy.describe() == {"lambda": 1.2}


def test_per_position_gives_each_token_its_own():
    found = value(PerPositionSpec(scaffold=1.0, values=1.3).build())
    assert found.dtype == torch.float32
    assert torch.equal(found, torch.where(SCAFFOLD, 1.0, torch.tensor(1.3)))
    assert found[0, 0] == 1.0, "exactly, so that plain distillation stays bitwise"


@settings(max_examples=40, deadline=None)
@given(batches, st.floats(0, 0.5), st.floats(1, 4), st.floats(1.1, 20), st.floats(0, 0.99))
def test_auto_never_exceeds_its_margin_but_for_the_floor_and_the_ceiling(found, epsilon, ceiling, clip, smoothing):
    policy = AutoSpec(epsilon=epsilon, ceiling=ceiling, clip=clip, smoothing=smoothing).build()
    assert value(policy) == 1.0
    for pairs in found:
        policy.step(measured(pairs))
        star = operating_threshold(measured(pairs).positions, clip).value
        assert 1.0 <= value(policy) <= ceiling
        assert value(policy) <= max(1.0, (1 - epsilon) * star) * (1 + 1e-9)
        assert value(policy) <= star


def test_auto_sits_at_its_margin_when_nothing_changes():
    policy = AutoSpec(epsilon=0.05, ceiling=3, clip=5).build()
    for _ in range(3):
        policy.step(measured([(0.99, 0.8)]))
    star = lambda_star(0.99, 0.8, 5)
    assert value(policy) == pytest.approx(0.95 * star)
    assert policy.describe() == pytest.approx(
        {
            "lambda": 0.95 * star,
            "lambda_star": star,
            "lambda_remembered": star,
            "scaffold_p": 0.99,
            "scaffold_b": 0.8,
        }
    )


def test_auto_falls_at_once_and_rises_slowly():
    policy = AutoSpec(ceiling=5, smoothing=0.9).build()
    loose, tight = measured([(0.99, 0.9)]), measured([(0.9999, 0.5)])
    policy.step(loose)
    high = value(policy)
    policy.step(tight)
    low = value(policy)
    assert low == pytest.approx(0.95 * lambda_star(0.9999, 0.5, 5))
    policy.step(loose)
    assert low < value(policy) < (low + high) / 2
    for _ in range(100):
        policy.step(loose)
    assert value(policy) == pytest.approx(high, rel=1e-3)


def test_auto_rests_at_the_ceiling_where_there_is_no_threshold_and_logs_numbers_only():
    policy = AutoSpec(ceiling=1.4).build()
    policy.step(measured([(0.95, 0.99)]))
    assert value(policy) == 1.4
    assert "lambda_star" not in policy.describe()
    assert all(math.isfinite(number) for number in policy.describe().values())


def test_auto_never_passes_a_flip_that_its_filter_hides():
    policy = AutoSpec(ceiling=5, epsilon=0).build()
    policy.step(measured([(0.999, 0.99)] * 39 + [(0.7, 0.95)]))
    assert value(policy) == pytest.approx(lambda_flip(0.7, 0.95)) == policy.describe()["lambda_flip"]
    assert policy.describe()["lambda_star"] > 1.3
    only = AutoSpec(ceiling=5, epsilon=0).build()
    only.step(measured([(0.7, 0.95)]))
    assert value(only) == pytest.approx(lambda_flip(0.7, 0.95)) and "lambda_star" not in only.describe()


anywhere = st.tuples(st.floats(0.3, 0.9999), st.floats(0.3, 0.9999), st.sampled_from(["item_next 3", "quote 1", ""]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(anywhere, min_size=1, max_size=30), min_size=1, max_size=6), st.floats(0, 0.5), st.floats(0, 0.99)
)
def test_auto_never_passes_the_flip_of_the_latest_batch(found, epsilon, smoothing):
    """Whatever came before, whatever the clip's threshold is, and also where the teacher is below the filter."""
    policy = AutoSpec(epsilon=epsilon, ceiling=5, smoothing=smoothing).build()
    for batch in found:
        p, b, kinds = zip(*batch, strict=True)
        positions = Positions.of(range(len(p)), p, b, kinds)
        policy.step(RolloutStats(1, 1, positions))
        flip = flip_threshold(positions)
        assert math.isinf(flip) or 1.0 <= value(policy) <= max(1.0, (1 - epsilon) * flip) * (1 + 1e-9)


@pytest.mark.parametrize("odd", [(0.5001, 0.9), (0.500001, 0.99), (0.51, 0.9), (0.55, 0.9)])
@pytest.mark.parametrize("epsilon", [0.02, 0.05, 0.2])
def test_one_near_tie_holds_lambda_down_for_one_batch_and_then_lets_it_rise(odd, epsilon):
    """However near the tie: what is remembered is that λ had to be 1, not how far below the threshold was."""
    policy = AutoSpec(epsilon=epsilon).build()
    usual, tie = measured([(0.99, 0.9)] * 40), measured([(0.99, 0.9)] * 40 + [odd])
    policy.step(usual)
    high = value(policy)
    policy.step(tie)
    assert value(policy) == max(1.0, (1 - epsilon) * flip_threshold(tie.positions)) < high
    seen = []
    for _ in range(40):
        policy.step(usual)
        seen.append(value(policy))
        described = policy.describe()
        assert described["lambda"] == pytest.approx(min(high, (1 - epsilon) * described["lambda_remembered"]))
    assert seen[0] > 1.0 and seen == sorted(seen)
    if epsilon >= 0.05:
        assert seen[-1] > 1 + 0.9 * (high - 1)


def test_the_log_says_what_holds_lambda_down():
    policy = AutoSpec(ceiling=5).build()
    assert "lambda_remembered" not in policy.describe()
    policy.step(measured([(0.9999, 0.5)]))
    tight = policy.describe()["lambda_star"]
    policy.step(measured([(0.99, 0.9)]))
    after = policy.describe()
    assert tight < after["lambda_remembered"] < after["lambda_star"]
    assert after["lambda"] == pytest.approx(0.95 * after["lambda_remembered"])


def test_a_state_that_remembers_more_than_a_policy_may_is_cut():
    policy = AutoSpec().build()
    policy.load_state_dict({"value": 1.0, "tightness": 4999.0, "flip": 1.0002, "p": 0.99, "b": 0.9})
    policy.step(measured([(0.99, 0.9)]))
    assert value(policy) > 1.0


def test_auto_holds_still_without_scaffold_tokens_and_says_what_it_needs():
    policy = AutoSpec().build()
    policy.step(measured([(0.99, 0.8)]))
    before = policy.state_dict()
    policy.step(measured([(0.5, 0.4)]))
    assert policy.state_dict() == before
    with pytest.raises(ValueError, match="needs the probabilities at scaffold positions"):
        policy.step(parsed(1))


def test_the_guard_lets_go_when_parsing_falls_and_recovers_slowly():
    policy = GuardedSpec(value=1.4, drop=0.1, recover=0.05, shrink=0.5, raise_by=0.05, patience=3).build()
    for _ in range(5):
        policy.step(parsed(120))
    assert value(policy) == 1.4
    policy.step(parsed(90))
    assert value(policy) == pytest.approx(1.2)
    policy.step(parsed(90))
    assert value(policy) == pytest.approx(1.1)
    seen = []
    for _ in range(6):
        policy.step(parsed(120))
        seen.append(round(value(policy), 9))
    assert seen == [1.1, 1.1, 1.15, 1.15, 1.15, 1.2]


def test_a_small_loss_needs_several_batches_and_its_evidence_is_logged():
    policy = GuardedSpec(value=1.4).build()
    for _ in range(10):
        policy.step(parsed(110))
    seen = []
    for _ in range(10):
        policy.step(parsed(96))
        seen.append(policy.describe()["fall_evidence"])
        if value(policy) < 1.4:
            break
    assert 2 <= len(seen) < 10 and seen[:-1] == sorted(seen[:-1]) and seen[-1] == 0 < seen[0] < 1


def test_between_recover_and_drop_nothing_moves():
    policy = GuardedSpec(value=1.4, drop=0.2, recover=0.02, patience=1).build()
    for count in (*(120,) * 20, 60):
        policy.step(parsed(count))
    held = value(policy)
    assert held < 1.4
    for _ in range(8):
        policy.step(parsed(111))  # 0.07 below the reference: too low to rise, too high to fall
        assert value(policy) == held


def over(rates, size, seed, **spec):
    """λ - 1 after each batch of `size` answers at these true rates, as a share of what was asked."""
    rng, policy = np.random.default_rng(seed), GuardedSpec(value=1.25, **spec).build()
    found = []
    for rate in rates:
        policy.step(RolloutStats(int(rng.binomial(size, rate)), size))
        found.append((value(policy) - 1) / 0.25)
    return np.array(found)


@pytest.mark.parametrize("size", [16, 32, 128, 512])
@pytest.mark.parametrize("rate", [0.35, 0.6, 0.9])
def test_noise_alone_does_not_bring_it_down(rate, size):
    runs = [over([rate] * 70, size, seed) for seed in range(60)]
    assert np.mean(runs) >= 0.9
    # The chance of a false alarm is 5 % in 100 batches: more than 8 of 60 runs of 70 batches have one in 0.1 %.
    assert sum(run.min() < 1 for run in runs) <= 8


@pytest.mark.parametrize("size", [32, 128, 512])
def test_a_rising_rate_is_no_fall(size):
    assert np.mean([over(np.linspace(0.35, 0.75, 70), size, seed).min() == 1 for seed in range(60)]) >= 0.95


@pytest.mark.parametrize(("size", "most"), [(32, 20), (128, 4), (512, 2)])
@pytest.mark.parametrize(("before", "after"), [(0.9, 0.7), (0.6, 0.4)])
def test_a_real_fall_is_found_within_so_many_batches(before, after, size, most):
    runs = [over([before] * 30 + [after] * most, size, seed) for seed in range(40)]
    assert np.mean([run[29] == 1 and run[-1] < 1 for run in runs]) >= 0.9


@pytest.mark.parametrize("size", [32, 128, 512])
def test_a_slow_decline_is_found_too(size):
    assert np.mean([over(np.linspace(0.9, 0.6, 70), size, seed)[-1] for seed in range(40)]) < 0.3


def over_prompts(policy, batches, copies, rng):
    """λ after each batch, of `copies` answers to prompts that parse at these rates."""
    found = []
    for rates in batches:
        policy.step(RolloutStats(int(rng.binomial(copies, rates).sum()), copies * len(rates), copies=copies))
        found.append(value(policy))
    return np.array(found)


def fresh_prompts(size, rng):
    return rng.beta(0.7, 0.3, (100, size))


def epochs_of_fixed_prompts(size, rng, of):
    known = rng.beta(0.7, 0.3, of)
    orders = np.concatenate([rng.permutation(of) for _ in range(-(-100 * size // of))])
    return known[orders][: 100 * size].reshape(100, size)


@pytest.mark.parametrize(("prompts", "copies"), [(128, 1), (64, 2), (32, 4), (16, 8), (8, 16)])
@pytest.mark.parametrize(
    "drawn", [fresh_prompts, partial(epochs_of_fixed_prompts, of=512), partial(epochs_of_fixed_prompts, of=128)]
)
def test_copies_of_a_prompt_are_no_independent_evidence(drawn, prompts, copies):
    """Once in twenty runs of 100 batches, whether a prompt is asked once or often."""
    rng = np.random.default_rng(7)
    runs = [over_prompts(GuardedSpec(value=1.2).build(), drawn(prompts, rng), copies, rng) for _ in range(60)]
    assert sum(run.min() < 1.2 for run in runs) <= 3


@pytest.mark.parametrize(("prompts", "copies", "most"), [(128, 1, 3), (64, 2, 5), (32, 4, 8), (16, 8, 15), (8, 16, 30)])
def test_a_fall_from_7_to_4_of_ten_is_found_however_few_prompts_there_are(prompts, copies, most):
    rng = np.random.default_rng(8)
    runs = []
    for _ in range(40):
        before, after = rng.beta(0.7, 0.3, (40, prompts)), rng.beta(0.4, 0.6, (most, prompts))
        runs.append(over_prompts(GuardedSpec(value=1.2).build(), [*before, *after], copies, rng))
    assert np.mean([run[39] == 1.2 and run[-1] < 1.2 for run in runs]) >= 0.9


def test_false_alarms_are_as_rare_as_they_are_asked_to_be():
    often, seldom = (
        np.mean([over([0.6] * 100, 32, seed, false_alarm=share).min() < 1 for seed in range(150)])
        for share in (0.9, 0.01)
    )
    assert seldom <= 0.03 < often


@given(rates, st.floats(1, 3))
def test_the_guard_stays_between_plain_distillation_and_its_target(counts, target):
    policy = GuardedSpec(value=target).build()
    for count in counts:
        policy.step(parsed(count))
        assert 1.0 <= value(policy) <= target


@given(st.integers(0, 128), st.integers(1, 30))
def test_the_guard_is_still_when_the_rate_is(count, times):
    policy = GuardedSpec(value=1.4).build()
    for _ in range(times):
        policy.step(parsed(count))
    assert value(policy) == 1.4


def test_an_empty_batch_changes_nothing_and_few_answers_are_little_evidence():
    policy = GuardedSpec(value=1.4).build()
    policy.step(parsed(120, 128))
    policy.step(parsed(3, 4))
    assert value(policy) == 1.4
    held = policy.state_dict()
    policy.step(parsed(0, 0))
    assert policy.state_dict() == held


@given(rates, rates)
def test_a_resumed_guard_goes_on_as_if_nothing_had_happened(before, after):
    spec = GuardedSpec(value=1.4, patience=2)
    whole, first, second = spec.build(), spec.build(), spec.build()
    for count in before:
        whole.step(parsed(count))
        first.step(parsed(count))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for count in after:
        whole.step(parsed(count))
        second.step(parsed(count))
    assert second.state_dict() == whole.state_dict()
    assert (value(second), second.describe()) == (value(whole), whole.describe())


@settings(max_examples=40, deadline=None)
@given(batches, batches)
def test_a_resumed_auto_goes_on_as_if_nothing_had_happened(before, after):
    whole, first, second = (AutoSpec().build() for _ in range(3))
    for pairs in before:
        whole.step(measured(pairs))
        first.step(measured(pairs))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for pairs in after:
        whole.step(measured(pairs))
        second.step(measured(pairs))
    assert second.state_dict() == whole.state_dict()
    assert value(second) == value(whole)


def test_the_first_state_survives_a_checkpoint_too():
    for spec in (AutoSpec(), GuardedSpec(value=1.2), ConstantSpec(value=1.1), PerPositionSpec(scaffold=1, values=2)):
        one, other = spec.build(), spec.build()
        other.load_state_dict(json.loads(json.dumps(one.state_dict())))
        assert other.describe() == one.describe()


def test_another_policys_state_is_refused():
    for spec in (ConstantSpec(value=1.2), AutoSpec(), PerPositionSpec(scaffold=1, values=1)):
        with pytest.raises(UserError, match="the saved λ state has"):
            spec.build().load_state_dict(GuardedSpec(value=1.2).build().state_dict())


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ({"kind": "constant", "value": 1.2}, ConstantSpec),
        ({"kind": "per_position", "scaffold": 1.0, "values": 1.3}, PerPositionSpec),
        ({"kind": "auto", "epsilon": 0.1}, AutoSpec),
        ({"kind": "guarded", "value": 1.3}, GuardedSpec),
    ],
)
def test_a_recipe_names_its_policy(written, kind):
    adapter = TypeAdapter(ExtrapolationSpec)
    spec = adapter.validate_python(written)
    assert isinstance(spec, kind)
    assert adapter.validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ({"kind": "linear"}, "does not match any of the expected tags"),
        ({"kind": "constant"}, "Field required"),
        ({"kind": "constant", "value": -0.1}, "greater than or equal to 0"),
        ({"kind": "constant", "value": math.inf}, "finite number"),
        ({"kind": "constant", "value": 1.0, "epsilon": 0.1}, "Extra inputs"),
        ({"kind": "auto", "clip": 1.0}, "greater than 1"),
        ({"kind": "auto", "epsilon": 1.0}, "less than 1"),
        ({"kind": "auto", "ceiling": 0.9}, "greater than or equal to 1"),
        ({"kind": "auto", "aggregator": "median"}, "Input should be"),
        ({"kind": "guarded", "value": 0.9}, "greater than or equal to 1"),
        ({"kind": "guarded", "value": 1.2, "false_alarm": 0}, "greater than 0"),
        ({"kind": "guarded", "value": 1.2, "recover": 0.2}, "recover .0.2. must be below drop .0.1."),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(written, complaint):
    with pytest.raises(ValidationError, match=complaint):
        TypeAdapter(ExtrapolationSpec).validate_python(written)


def test_only_what_leaves_lambda_at_1_does_without_a_base():
    assert not ConstantSpec(value=1).extrapolates
    assert not PerPositionSpec(scaffold=1, values=1).extrapolates
    assert not GuardedSpec(value=1).extrapolates
    assert not AutoSpec(ceiling=1).extrapolates
    for spec in (ConstantSpec(value=0.5), PerPositionSpec(scaffold=1, values=2), GuardedSpec(value=1.1), AutoSpec()):
        assert spec.extrapolates


def test_only_auto_asks_for_positions():
    assert AutoSpec().needs_positions
    assert not any(s.needs_positions for s in (ConstantSpec(value=1), GuardedSpec(value=1.1)))
