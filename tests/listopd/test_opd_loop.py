"""On-policy distillation end to end on tiny models: exact where it must be, and honest about what it is given."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from pydantic import ValidationError  # noqa: E402

from listeval.errors import UserError  # noqa: E402
from listopd import on_policy as opd  # noqa: E402
from listopd import score  # noqa: E402
from listopd.objective import sampled  # noqa: E402
from listopd.rollout.hf import HFSampler  # noqa: E402
from listopd.score import Scorer  # noqa: E402
from tests.listopd.conftest import weights_in  # noqa: E402
from tests.listopd.tiny import END, save, tiny_model, tiny_tokenizer  # noqa: E402

FLOAT32 = {"save": "float32"}
BEYOND = {"kind": "constant", "value": 2.0}


@pytest.mark.parametrize(
    "precision",
    [{}, {"packing": "on"}, {"compute": "bfloat16"}, {"gradient_checkpointing": True}, {"tokens_per_pass": 64}],
    ids=["plain", "packed", "bfloat16", "recomputed", "small passes"],
)
def test_three_models_alike_leave_nothing_to_learn(opd_recipe, train, checkpoint, precision):
    shared = {"precision": FLOAT32 | precision}
    same = {"teacher": checkpoint(0), "extrapolation": BEYOND, "optimiser": {"weight_decay": 0.0}}
    run = train(opd_recipe(**same, shared=shared))
    for line in run.log:
        exact = ("reverse_kl", "advantage_mean", "advantage_std", "loss", "grad_norm")
        assert [line[name] for name in exact] == [0] * len(exact)
    start = weights_in(checkpoint(0))
    assert all(torch.equal(tensor, start[name]) for name, tensor in run.weights.items())


@pytest.mark.parametrize("compute", ["float32", "bfloat16"])
def test_the_base_is_the_start_exactly_at_the_first_step_and_not_later(opd_recipe, train, monkeypatch, compute):
    gaps = []
    kept = sampled.extrapolated_advantage

    def watch(student, teacher, base, *args, **kwargs):
        gaps.append(float((student - base).abs().max()))
        return kept(student, teacher, base, *args, **kwargs)

    monkeypatch.setattr(sampled, "extrapolated_advantage", watch)
    train(opd_recipe(extrapolation=BEYOND, shared={"precision": {"compute": compute}}))
    assert gaps[0] == 0 and gaps[1] > 0.001


def test_the_start_s_adapters_off_are_as_good_a_base_as_a_second_copy(opd_recipe, train, checkpoint):
    pytest.importorskip("peft", reason="needs peft")
    lora = {"lora": {"rank": 2}, "extrapolation": BEYOND}
    shared = train(opd_recipe(**lora))
    copied = train(opd_recipe(**lora, objective={"base": "path"}, base=checkpoint(0)))
    assert shared.figures == copied.figures


def test_nothing_is_tokenised_after_the_first_rollout(opd_recipe, train, monkeypatch):
    from transformers import PreTrainedTokenizerBase

    from listeval.models.renderer import Renderer

    sampled, trained = [], []
    kept, scored = HFSampler.sample, opd.prepare

    def sample(self, questions, seeds):
        rollouts = kept(self, questions, seeds)
        sampled.extend(rollout.answer for rollout in rollouts)
        for owner, name in ((Renderer, "encode"), (Renderer, "render"), (PreTrainedTokenizerBase, "encode"),
                            (PreTrainedTokenizerBase, "__call__"), (PreTrainedTokenizerBase, "tokenize")):  # fmt: skip
            monkeypatch.setattr(owner, name, refuse)
        return rollouts

    def refuse(*args, **kwargs):
        raise AssertionError("tokenised again")

    def prepare(*args):
        passes = scored(*args)
        for part in passes:
            trained.extend(tuple(row[m].tolist()) for row, m in zip(part.batch.answers, part.batch.mask, strict=True))
        return passes

    monkeypatch.setattr(HFSampler, "sample", sample)
    monkeypatch.setattr(opd, "prepare", prepare)
    train(opd_recipe(batch=8, max_tokens=12))
    assert sorted(trained) == sorted(sampled) and len(sampled) == 16
    monkeypatch.undo()
    tokenizer = tiny_tokenizer()
    assert any(tuple(tokenizer.encode(tokenizer.decode(ids))) != ids for ids in sampled), "and it would have shown"


def test_rollouts_and_trainer_agree_and_truncated_answers_are_whole_and_counted(opd_recipe, train, taught):
    run = train(opd_recipe(student=taught(12), max_tokens=5, extrapolation=BEYOND))
    for line in run.log:
        assert line["sampling_gap"] < 1e-5
        assert line["weight_mean"] == pytest.approx(1, abs=1e-5)
        assert line["weight_max"] == pytest.approx(1, abs=1e-4)
        assert line["kinds"]["truncated"] == 4 and line["parse_rate"] == 0
        assert line["answer_tokens"] == 5


def test_no_two_rollouts_share_their_random_numbers(opd_recipe, train, monkeypatch):
    seeds = []
    kept = HFSampler.sample

    def sample(self, questions, numbers):
        seeds.extend(numbers)
        return kept(self, questions, numbers)

    monkeypatch.setattr(HFSampler, "sample", sample)
    train(opd_recipe(batch=4, rollouts_per_prompt=2, steps=3, shared={"options": {"n": 4}}))
    assert len(seeds) == len(set(seeds)) == 24, "the same four questions, three times, two copies each"


def test_a_step_does_not_depend_on_how_its_rollouts_were_cut(opd_recipe, train, taught):
    models = {"student": taught(12), "teacher": taught(40), "batch": 8, "max_tokens": 12}
    figures = ("loss", "grad_norm", "reverse_kl", "advantage_std", "entropy_scaffold", "answer_tokens")
    whole, cut = (
        train(opd_recipe(**models, objective=several(), shared={"precision": {"tokens_per_pass": tokens}})).log
        for tokens in (8192, 64)
    )
    for one, other in zip(whole, cut, strict=True):
        assert [other[name] for name in figures] == pytest.approx([one[name] for name in figures], rel=1e-3)


def test_the_sampling_temperature_is_the_scoring_temperature(opd_recipe, train):
    run = train(opd_recipe(objective={"temperature": 0.5}))
    assert max(line["sampling_gap"] for line in run.log) < 1e-5


def test_answers_that_stop_train_their_stop_token(opd_recipe, train, tmp_path):
    network = tiny_model(0)
    eos = tiny_tokenizer().eos_token_id
    with torch.no_grad():
        network.model.norm.weight.zero_()
    network.save_pretrained(tmp_path / "flat")
    tiny_tokenizer().save_pretrained(tmp_path / "flat")
    # A flat student and a budget that most answers do not use: about one in 271 tokens stops.
    run = train(opd_recipe(student=str(tmp_path / "flat"), batch=16, max_tokens=60, steps=1))
    assert run.log[0]["answer_tokens"] < 60
    assert run.log[0]["kinds"].get("truncated", 0) < 16
    assert eos == tiny_tokenizer().convert_tokens_to_ids(END)


class Watch:
    """Records what the policy loss is given."""

    def __init__(self, monkeypatch):
        self.calls = []
        kept = sampled.policy_loss

        def watch(logp, old, advantage, mask, *args):
            self.calls.append((logp.detach().clone(), old.clone(), advantage.clone(), mask))
            return kept(logp, old, advantage, mask, *args)

        monkeypatch.setattr(sampled, "policy_loss", watch)


def several(**extra):
    return {"kind": "ppo", "minibatches": 2, "epochs": 2, "clips": {"epsilon_low": 0.2, "epsilon_high": 0.2}} | extra


def test_old_log_probabilities_are_frozen_over_several_updates(opd_recipe, train, monkeypatch):
    watch = Watch(monkeypatch)
    run = train(opd_recipe(batch=8, steps=1, objective=several()))
    assert len(watch.calls) == 4, "two minibatches in two epochs"
    (logp, old, *_), second, again, _ = watch.calls
    assert torch.equal(logp, old), "nothing has moved before the first update"
    assert torch.equal(old, again[1]) and not torch.equal(logp, again[0])
    assert not torch.equal(second[0], second[1]), "the second minibatch sees a student that has moved"
    assert {"clipped_epsilon_low", "clipped_epsilon_high"} <= set(run.log[0])


@pytest.mark.parametrize("at", ["old", "current"])
def test_the_advantage_is_taken_at_the_policy_that_is_named(opd_recipe, train, monkeypatch, at):
    watch = Watch(monkeypatch)
    train(opd_recipe(batch=8, steps=1, objective=several(advantage_at=at)))
    first, again = watch.calls[0], watch.calls[2]
    moved = (again[0] - first[0]) * first[3]
    expected = torch.zeros_like(moved) if at == "old" else -moved
    torch.testing.assert_close((again[2] - first[2]) * first[3], expected, atol=1e-5, rtol=0)
    assert float(moved.abs().max()) > 0.01


@pytest.mark.parametrize("divergence", [{"divergence": "rkl"}, {"divergence": "gjsd", "beta": 0.5},
                                        {"divergence": "rkl_topk", "top_k": 8},
                                        {"divergence": "rkl_topk", "top_k": 10**6}])  # fmt: skip
def test_exact_losses_train_also_with_padded_heads_of_different_sizes(opd_recipe, train, checkpoint, divergence):
    run = train(opd_recipe(teacher=checkpoint(1, width=300), objective=divergence, extrapolation=BEYOND))
    assert all(line["loss"] > 0 for line in run.log) and "weight_max" not in run.log[0]


def test_the_capped_objective_in_expectation_trains_and_counts_where_its_cap_acts(opd_recipe, train):
    objective = {"divergence": "rkl", "clips": {"teacher_ratio_cap": 1.5}}
    run = train(opd_recipe(objective=objective, extrapolation=BEYOND))
    assert all(0 < line["clipped_teacher_ratio_cap"] < 1 for line in run.log)
    assert run.log[0]["loss"] != run.log[1]["loss"] and "weight_max" not in run.log[0]


def test_exact_losses_do_not_depend_on_how_their_rows_were_cut(opd_recipe, train, taught, monkeypatch):
    recipe = opd_recipe(
        student=taught(12), teacher=taught(40), objective={"divergence": "rkl"}, extrapolation=BEYOND,
        shared={"precision": FLOAT32},
    )  # fmt: skip
    whole = train(recipe)
    monkeypatch.setattr(score, "_CPU_CHUNK_BYTES", 4 * len(tiny_tokenizer()) * 5)
    cut = train(recipe)
    for ours, theirs in zip(cut.figures, whole.figures, strict=True):
        for figure in ("loss", "grad_norm", "reverse_kl", "entropy_values"):
            assert ours[figure] == pytest.approx(theirs[figure], rel=1e-4), figure
    for name, tensor in whole.weights.items():
        torch.testing.assert_close(cut.weights[name], tensor, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("objective", [{}, {"divergence": "rkl"}], ids=["sampled", "exact"])
def test_a_step_reads_every_network_once(opd_recipe, train, monkeypatch, objective):
    kept, read = Scorer.states, []

    def states(self, batch):
        read.append(batch.tokens)
        return kept(self, batch)

    monkeypatch.setattr(Scorer, "states", states)
    passes = []
    for steps in (1, 2):
        read.clear()
        train(opd_recipe(steps=steps, objective=objective, extrapolation=BEYOND))
        passes.append(len(read))
    assert passes[1] - passes[0] == 3  # student, teacher, base


def test_a_policy_per_position_sees_the_scaffold(opd_recipe, train, monkeypatch):
    seen = []
    kept = sampled.extrapolated_advantage

    def watch(student, teacher, base, lam, **kwargs):
        seen.append(lam)
        return kept(student, teacher, base, lam, **kwargs)

    monkeypatch.setattr(sampled, "extrapolated_advantage", watch)
    run = train(opd_recipe(extrapolation={"kind": "per_position", "scaffold": 1.0, "values": 1.5}))
    assert run.log[0]["lambda_scaffold"] == 1.0
    assert isinstance(seen[0], torch.Tensor) and set(seen[0].unique().tolist()) <= {1.0, 1.5}


def test_positions_are_grouped_by_prompt_over_minibatches_and_copies(opd_recipe, train, taught, monkeypatch):
    seen = []
    kept = opd.RolloutStats

    def watch(parsed, total, positions, copies):
        seen.append((positions, total, copies))
        return kept(parsed, total, positions, copies)

    monkeypatch.setattr(opd, "RolloutStats", watch)
    recipe = opd_recipe(
        student=taught(12), teacher=taught(40), extrapolation={"kind": "auto", "scaffold_filter": 0.0},
        rollouts_per_prompt=4, max_tokens=20, steps=1, objective={"minibatches": 2},
    )  # fmt: skip
    train(recipe)
    positions, total, copies = seen[0]
    assert len(positions) > 16 and positions.prompts == 4
    assert total == 4 * copies == 16, "the policy is told how many answers a prompt has"


def test_a_teacher_of_nan_ends_in_one_line_and_no_checkpoint(opd_recipe, train, tmp_path):
    network = tiny_model(1)
    network.model.norm.weight.data[:] = float("nan")
    network.save_pretrained(tmp_path / "nan")
    tiny_tokenizer().save_pretrained(tmp_path / "nan")
    with pytest.raises(UserError, match="the loss is nan in step 1") as error:
        train(opd_recipe(teacher=str(tmp_path / "nan")), out=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_a_base_that_is_missing_is_never_silently_none(opd_recipe, train, tmp_path):
    with pytest.raises(ValidationError, match=r"opd\.base names a checkpoint"):
        opd_recipe(objective={"base": "path"})
    with pytest.raises(UserError) as error:
        train(opd_recipe(objective={"base": "path"}, base=str(tmp_path / "nowhere")), out=tmp_path / "run")
    assert "nowhere" in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "run").exists(), "nothing was begun"


def test_another_tokenizer_is_refused_before_anything_is_loaded(opd_recipe, train, tmp_path):
    other = save(tmp_path / "other", tiny_tokenizer(merges=3), width=300)
    with pytest.raises(UserError, match="the teacher has another vocabulary"):
        train(opd_recipe(teacher=str(other)))
    with pytest.raises(UserError, match="the base has another vocabulary"):
        train(opd_recipe(objective={"base": "path"}, base=str(other)))


def test_a_teacher_worse_than_the_student_trains_with_a_warning(opd_recipe, train, taught, checkpoint, caplog):
    with caplog.at_level(logging.WARNING):
        run = train(opd_recipe(student=taught(12), teacher=checkpoint(1)))
    assert len([r for r in caplog.records if "the student already" in r.message]) == 1
    gold = run.manifest["gold_log_prob"]
    assert gold["answers"] == 16 and gold["teacher"] < gold["student"] < 0
    assert len(run.log) == 2


def test_a_better_teacher_and_an_equal_one_train_without_a_warning(opd_recipe, train, taught, checkpoint, caplog):
    with caplog.at_level(logging.WARNING):
        better = train(opd_recipe(teacher=taught(12)))
        train(opd_recipe(teacher=checkpoint(0)))
    assert not [r for r in caplog.records if "the student already" in r.message]
    assert better.manifest["gold_log_prob"]["teacher"] > better.manifest["gold_log_prob"]["student"]


def test_trackers_are_used_by_name_and_refused_where_they_are_absent(opd_recipe, train):
    from importlib.util import find_spec

    if find_spec("tensorboard") is not None:
        run = train(opd_recipe(shared={"trackers": ["tensorboard"]}))
        assert list(Path(run.out).rglob("events.out.tfevents*"))
    if find_spec("trackio") is None:
        with pytest.raises(UserError, match="pip install trackio"):
            train(opd_recipe(shared={"trackers": ["trackio"]}))


def test_the_log_is_reported_step_by_step(opd_recipe, train):
    told = []
    run = train(opd_recipe(steps=3), report=lambda *args: told.append(args))
    assert [(step, steps) for step, steps, _ in told] == [(1, 3), (2, 3), (3, 3)]
    assert [line["step"] for line in run.log] == [1, 2, 3]
    assert told[0][2].items() <= run.log[0].items()


def test_a_trained_checkpoint_opens_again_as_student_and_agrees_with_its_teacher(opd_recipe, train):
    first = train(opd_recipe(shared={"precision": FLOAT32}))
    second = train(opd_recipe(student=str(first.out / "checkpoint"), shared={"precision": FLOAT32}))
    assert second.weights.keys() == first.weights.keys()
