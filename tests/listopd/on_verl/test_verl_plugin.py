"""ListOPD's objective on verl: registered, configured by Hydra, and equal to the trainer's in loss and gradient.

Needs verl, which wants a transformers of its own: `make test-verl`. Everything below runs verl's own code on a CPU.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from listeval.errors import UserError

pytest.importorskip("verl.protocol", reason="needs verl 0.9 (`make test-verl`)")

import torch
from hydra.utils import instantiate
from tensordict import TensorDict
from verl.trainer.distillation.losses import DISTILLATION_LOSS_REGISTRY, distillation_ppo_loss
from verl.utils import tensordict_utils as tu

from listopd.extrapolation.lambda_policy import PerPosition
from listopd.objective.aggregate import aggregate
from listopd.objective.regulariser import kl_k3
from listopd.objective.sampled import sampled_loss
from listopd.objective.spec import ObjectiveSpec
from listopd.verl import NAME
from listopd.verl.check import check, compose
from listopd.verl.config import ListopdLossConfig
from listopd.verl.loss import listopd_loss
from listopd.verl.terms import AGGREGATES

ROOT = Path(__file__).resolve().parents[3]
RECIPES = ROOT / "training" / "recipes" / "verl"
PROMPTS, ANSWERS = (3, 5, 2, 4), (6, 1, 4, 3)
WIDTH = max(ANSWERS)
PRE = "distillation.distillation_loss"


def mask() -> torch.Tensor:
    return torch.arange(WIDTH)[None, :] < torch.tensor(ANSWERS)[:, None]


class Batch:
    """Log-probabilities of answer tokens, as our loss and as verl's workers have them."""

    def __init__(self, seed: int, drift: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.mask = mask()
        shape = self.mask.shape

        def logs() -> torch.Tensor:
            return -torch.rand(shape, generator=generator).mul(4).square()

        self.logp, self.teacher, self.base = logs(), logs(), logs()
        self.old = self.logp + drift * torch.randn(shape, generator=generator)
        self.rollout = self.old + 0.2 * torch.randn(shape, generator=generator)

    def data(self, nested: bool, **left_out: bool) -> TensorDict:
        """What a worker's micro-batch holds: answers padded or jagged, the teacher's over the whole sequences."""
        fields = {
            "old_log_probs": self.old, "ref_log_prob": self.base, "rollout_log_probs": self.rollout,
            "response_mask": self.mask.long(),
        }  # fmt: skip
        fields = {name: jagged(x, ANSWERS) if nested else x for name, x in fields.items() if name not in left_out}
        ids = torch.arange(4)[:, None] * 100 + torch.arange(WIDTH)[None]
        fields["prompts"] = jagged(torch.zeros(4, max(PROMPTS), dtype=torch.long), PROMPTS)
        fields["responses"] = jagged(ids, ANSWERS)
        fields["teacher_logprobs"] = torch.nested.as_nested_tensor(
            [row[:, None] for row in whole(self.teacher)], layout=torch.jagged
        )
        found = TensorDict(fields, batch_size=[4])
        tu.assign_non_tensor(found, dp_size=1, batch_num_tokens=sum(ANSWERS), global_batch_size=4)
        return found


def jagged(rows: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    return torch.nested.as_nested_tensor([row[:n] for row, n in zip(rows, lengths, strict=True)], layout=torch.jagged)


def whole(answers: torch.Tensor) -> list[torch.Tensor]:
    """Rows over prompt and answer, where the value of a token stands one place before it; 7.0 elsewhere."""
    rows = []
    for row, before, n in zip(answers, PROMPTS, ANSWERS, strict=True):
        rows.append(torch.cat([torch.full((before - 1,), 7.0), row[:n], torch.tensor([7.0])]))
    return rows


def actor(spec: ObjectiveSpec) -> Any:
    return SimpleNamespace(
        loss_agg_mode=AGGREGATES[spec.aggregate], ppo_epochs=spec.epochs, global_batch_info={}, loss_scale_factor=None
    )


def theirs(loss: ListopdLossConfig, batch: Batch, nested: bool, **left_out: bool) -> tuple[float, torch.Tensor, Any]:
    """verl's loss of the batch, its gradient with respect to our [B, T], and verl's figures."""
    logp = batch.logp.clone().requires_grad_()
    output = {"log_probs": torch.nested.as_nested_tensor(whole(logp), layout=torch.jagged)}
    config = SimpleNamespace(distillation_loss=loss)
    value, figures = distillation_ppo_loss(
        actor(loss.terms().objective), config, output, batch.data(nested, **left_out)
    )
    value.backward()
    assert logp.grad is not None
    return float(value.detach()), logp.grad, figures


def ours(spec: ObjectiveSpec, lam: Any, batch: Batch) -> tuple[float, torch.Tensor]:
    logp = batch.logp.clone().requires_grad_()
    old = batch.old if spec.updates > 1 else logp.detach()
    rollout = old if spec.clips.rollout_cap is None else batch.rollout
    base = batch.base if spec.base != "none" else None
    per_token = sampled_loss(spec, logp, old, batch.teacher, base, lam, rollout, batch.mask).per_token
    if spec.kl_to_base:
        per_token = per_token + spec.kl_to_base * kl_k3(logp, batch.base)
    denominator = sum(ANSWERS) if spec.aggregate == "token_mean" else len(ANSWERS)
    value = aggregate(per_token, batch.mask, spec.aggregate, denominator)
    value.backward()
    assert logp.grad is not None
    return float(value.detach()), logp.grad


OBJECTIVES = [
    {},
    {"clips": {"rollout_cap": 1.1}},
    {"clips": {"teacher_ratio_cap": 1.5, "rollout_cap": 5.0}},
    {"base": "none", "base_neutral_offset": 3.0},
    {"aggregate": "sequence_mean", "kl_to_base": 0.3},
    {"kind": "ppo", "clips": {"epsilon_low": 0.2, "epsilon_high": 0.28, "dual": 3.0}, "minibatches": 4},
    {"kind": "aspo", "clips": {"epsilon_low": 0.2, "epsilon_high": 0.2, "dual": 3.0}, "epochs": 2},
    {"kind": "cispo", "clips": {"epsilon_high": 0.3}, "minibatches": 2, "advantage_at": "current"},
]


@pytest.mark.parametrize("nested", [True, False], ids=["jagged", "padded"])
@pytest.mark.parametrize("lam", [0.0, 1.0, 1.2, 2.5])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_loss_and_gradient_are_the_trainers(objective: dict[str, Any], lam: float, nested: bool) -> None:
    spec = ObjectiveSpec.model_validate(objective)
    loss = ListopdLossConfig(objective=objective, extrapolation={"kind": "constant", "value": lam})
    for seed in range(5):
        batch = Batch(seed, drift=0.3)
        value, gradient, figures = theirs(loss, batch, nested)
        expected, slope = ours(spec, lam, batch)
        assert value == pytest.approx(expected, rel=1e-6, abs=1e-6)
        assert (gradient - slope).abs().max() <= 1e-6
        assert gradient.abs().sum() > 0.01
        assert figures["listopd/tokens"].aggregate() == sum(ANSWERS)
        assert figures["listopd/lambda"].aggregate() == pytest.approx(lam * sum(ANSWERS))


def test_a_lambda_by_position_sees_the_labels_of_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    from listopd.verl import config

    def label(ids: list[int]) -> list[Any]:
        return [SimpleNamespace(kind=SimpleNamespace(is_scaffold=token % 2 == 0)) for token in ids]

    monkeypatch.setattr(config, "labeller", lambda *_: label)
    told = {"kind": "per_position", "scaffold": 1.5, "values": 0.5}
    loss, batch = ListopdLossConfig(extrapolation=told, tokenizer="student"), Batch(0)
    scaffold = (torch.arange(WIDTH)[None, :] % 2 == 0) & batch.mask
    lam = PerPosition(1.5, 0.5).values(scaffold)  # type: ignore[arg-type]
    value, gradient, _ = theirs(loss, batch, nested=True)
    expected, slope = ours(ObjectiveSpec(), lam, batch)
    assert value == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert (gradient - slope).abs().max() <= 1e-6
    assert ours(ObjectiveSpec(), 1.5, batch)[0] != pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("missing", "told"),
    [("ref_log_prob", "use_kl_loss=true"), ("rollout_log_probs", "calculate_log_probs=true")],
)
def test_a_field_that_verl_did_not_compute_is_named_with_its_key(missing: str, told: str) -> None:
    loss = ListopdLossConfig(objective={"clips": {"rollout_cap": 5.0}}, extrapolation=1.2)
    with pytest.raises(UserError, match=missing) as caught:
        theirs(loss, Batch(0), True, **{missing: True})
    assert told in str(caught.value)


def test_the_rollout_is_not_weighed_twice() -> None:
    batch = Batch(0)
    data = batch.data(nested=False)
    data["rollout_is_weights"] = torch.ones_like(batch.logp)
    output = {"log_probs": torch.nested.as_nested_tensor(whole(batch.logp), layout=torch.jagged)}
    config = SimpleNamespace(distillation_loss=ListopdLossConfig())
    with pytest.raises(UserError, match="verl weighs the rollouts, too"):
        listopd_loss(actor(ObjectiveSpec()), config, output, data)


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ({"extrapolation": {"kind": "auto"}}, "the teacher's whole distribution"),
        ({"extrapolation": {"kind": "guarded", "value": 1.2}}, "the parse rate of a whole batch"),
        ({"extrapolation": {"kind": "constant", "value": -1}}, "greater than or equal to 0"),
        ({"extrapolation": {"kind": "per_position", "scaffold": 1.2, "values": 1.0}}, "needs the tokenizer"),
        ({"extrapolation": 1.2, "objective": {"base": "none"}}, "base_neutral_offset"),
        ({"objective": {"divergence": "rkl", "clips": {"teacher_ratio_cap": 5.0}}}, "whole distributions"),
        ({"objective": {"temperature": 0.7}}, "temperature 1"),
        ({"objective": {"base": "path"}}, "the actor's start"),
        ({"objective": {"entropy": 0.1}}, "entropy"),
        ({"objective": {"clip": {}}}, "Extra inputs"),
        ({"use_task_rewards": True}, "use_task_rewards is True"),
        ({"use_policy_gradient": True}, "use_policy_gradient is True"),
        ({"loss_max_clamp": 10.0}, "loss_max_clamp is 10.0"),
        ({"log_prob_min_clamp": -10.0}, "log_prob_min_clamp"),
        ({"loss_mode": "k3"}, "loss_mode is k3"),
    ],
    ids=str,
)
def test_what_verl_would_train_otherwise_is_refused(told: dict[str, Any], cause: str) -> None:
    with pytest.raises(UserError, match=cause):
        ListopdLossConfig(**told)


class TestHydra:
    def test_the_recipe_composes_and_is_the_trainers_objective(self) -> None:
        config = compose(RECIPES, "listopd-8xh100")
        terms = check(config)
        recipe = ObjectiveSpec.model_validate({"base": "start", "kind": "reinforce", "clips": {"rollout_cap": 5.0}})
        assert terms.objective.digest() == recipe.digest()
        assert terms.extrapolation.most == 1.2

    def test_verls_own_checks_accept_the_recipe(self) -> None:
        from verl.trainer.ppo.utils import need_reference_policy
        from verl.utils.config import validate_config

        config = compose(RECIPES, "listopd-8xh100")
        assert need_reference_policy(config), "the base is not scored"
        validate_config(config, use_reference_policy=True, use_critic=False)
        found = instantiate(config.distillation, _convert_="partial")
        assert isinstance(found.distillation_loss, ListopdLossConfig)
        assert found.teacher_models["default"].num_replicas == 4

    def test_the_stock_yaml_needs_only_the_target(self) -> None:
        told = [
            "distillation.enabled=true", f"{PRE}._target_=listopd.verl.config.ListopdLossConfig",
            f"{PRE}.loss_mode=listopd", f"{PRE}.use_task_rewards=false", f"+{PRE}.extrapolation=1.3",
            f"+{PRE}.objective.clips.teacher_ratio_cap=5.0",
        ]  # fmt: skip
        import verl

        config = compose(Path(verl.__file__).parent / "trainer" / "config", "ppo_trainer", told)
        loss = instantiate(config.distillation.distillation_loss, _convert_="partial")
        assert loss.terms().extrapolation.most == 1.3
        assert loss.terms().objective.clips.teacher_ratio_cap == 5.0

    @pytest.mark.parametrize(
        ("change", "cause"),
        [
            ("actor_rollout_ref.actor.use_kl_loss=false", "use_kl_loss is false"),
            ("actor_rollout_ref.actor.ppo_mini_batch_size=64", "ppo_mini_batch_size is 64"),
            ("actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-sum", "loss_agg_mode"),
            ("actor_rollout_ref.rollout.temperature=0.6", "temperature is 0.6"),
            ("actor_rollout_ref.rollout.calculate_log_probs=false", "calculate_log_probs is false"),
            ("data.truncation=left", "truncation"),
            ("algorithm.rollout_correction.rollout_is=token", "rollout_is"),
            (f"{PRE}._target_=verl.workers.config.DistillationLossConfig", "knows no objective"),
            (f"{PRE}.extrapolation.kind=auto", "Extra inputs|whole distribution"),
            ("no.such.key=1", "no.such|Could not override"),
        ],
    )
    def test_a_key_that_contradicts_the_objective_is_named(self, change: str, cause: str) -> None:
        with pytest.raises(UserError, match=cause):
            check(compose(RECIPES, "listopd-8xh100", [change]))


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip


class TestLoading:
    def test_verl_loads_the_plugin_by_its_entry_point(self) -> None:
        done = run(
            "import verl\nfrom verl.trainer.distillation.losses import DISTILLATION_LOSS_REGISTRY as known\n"
            f"print('{NAME}' in known)"
        )
        assert done.stdout.strip().endswith("True"), done.stderr[-2000:]
        assert DISTILLATION_LOSS_REGISTRY[NAME] is listopd_loss

    def test_a_plugin_that_verl_was_told_not_to_load_is_registered_by_the_configuration(self) -> None:
        done = run(
            "from listopd.verl.config import ListopdLossConfig\nprint(ListopdLossConfig().loss_mode)",
            VERL_USE_EXTERNAL_PLUGINS="none",
        )
        assert done.stdout.strip().endswith(NAME), done.stderr[-2000:]

    def test_a_plugin_that_broke_is_named_with_its_cause(self, tmp_path: Path) -> None:
        # verl says nothing of it: `import verl` goes on.
        (tmp_path / "sitecustomize.py").write_text(
            "import sys\nclass Broken:\n    def find_spec(self, name, path=None, target=None):\n"
            "        if name == 'listopd.objective.sampled':\n            raise ImportError('broken on this node')\n"
            "sys.meta_path.insert(0, Broken())\n"
        )
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        done = run(
            "import verl\nprint('verl imported')\nfrom listopd.verl.config import ListopdLossConfig\n"
            "ListopdLossConfig()",
            PYTHONPATH=path,
        )
        assert "verl imported" in done.stdout
        assert done.returncode != 0
        assert "the plug-in 'listopd' does not load: ImportError: broken on this node" in done.stderr

    def test_the_check_of_the_launch_script_fails_loudly(self) -> None:
        base = [sys.executable, "-m", "listopd.verl.check", "--config-path", str(RECIPES), "--config-name"]
        good = subprocess.run([*base, "listopd-8xh100"], capture_output=True, text=True, timeout=300, check=False)
        assert good.returncode == 0 and "rollout_cap" in good.stdout, good.stderr[-2000:]
        told = [*base, "listopd-8xh100", f"{PRE}.loss_max_clamp=10"]
        bad = subprocess.run(told, capture_output=True, text=True, timeout=300, check=False)
        assert bad.returncode == 2
        assert bad.stderr.strip().splitlines()[-1].startswith("error: loss_max_clamp is 10")


def test_verls_reward_loader_finds_the_score() -> None:
    from verl.utils.import_utils import load_extern_object

    config = compose(RECIPES, "listopd-8xh100").reward.custom_reward_function
    score = load_extern_object(config.path, config.name)
    schema = '{"type": "array", "items": {"type": "integer"}}'
    assert score(data_source="x", solution_str="[1, 2]", ground_truth=schema, extra_info=None) == 1.0  # type: ignore[operator]
    assert score(data_source="x", solution_str='["1"]', ground_truth=schema, extra_info=None) == 0.0  # type: ignore[operator]
