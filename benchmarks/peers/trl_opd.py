"""The same on-policy distillation as a subclass of TRL's GRPO trainer: what one would write without a package for it.

The advantage (T − S) + (λ − 1)(T − B) replaces the reward's, a value a token. All else is TRL's own: padding, scoring
with its fused head, importance weights, loss and optimiser. Prompts are token ids, looked up by number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

Ids = Sequence[int]


class PerTokenGRPO(GRPOTrainer):  # type: ignore[misc]
    """`answers` (ids and log-probabilities by the prompt's number) stand in for generation where they are given."""

    def __init__(
        self, student: Any, frozen: tuple[Any, Any], lam: float, prompts: Sequence[Ids], tokenizer: Any,
        config: GRPOConfig, answers: Mapping[int, tuple[Ids, Sequence[float]]] | None = None,
    ) -> None:  # fmt: skip
        numbers = Dataset.from_dict({"prompt": [str(i) for i in range(len(prompts))]})
        super().__init__(student, _nothing, config, numbers, processing_class=tokenizer)
        # The configuration refuses one answer a prompt, for groups have no spread then; ours need none.
        self.num_generations = 1
        self.use_vllm = answers is not None
        self._frozen, self._lam, self._prompts, self._answers = frozen, lam, prompts, answers
        for network in frozen:
            add_fused_lm_head(network, self.temperature)

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        self._numbers = [int(prompt) for prompt in prompts]
        return [list(self._prompts[number]) for number in self._numbers], None, {}

    def _generate_single_turn(self, *arguments: Any) -> Any:
        if self._answers is None:
            return super()._generate_single_turn(*arguments)
        found = [self._answers[number] for number in self._numbers]
        return [list(ids) for ids, _ in found], [list(logp) for _, logp in found]

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        out: dict[str, Any] = super()._generate_and_score_completions(inputs)
        ids = torch.cat([out["prompt_ids"], out["completion_ids"]], dim=1)
        mask = torch.cat([out["prompt_mask"], out["completion_mask"]], dim=1)
        width = out["completion_ids"].shape[1]

        def logp(network: Any) -> Any:
            return self._get_per_token_logps_and_entropies(network, ids, mask, width)[0]

        with torch.no_grad():
            s = out["old_per_token_logps"] if "old_per_token_logps" in out else logp(self.model)
            t, b = map(logp, self._frozen)
        out["advantages"] = (t - s) + (self._lam - 1) * (t - b)
        return out


def configuration(folder: str, batch: int, **settings: Any) -> GRPOConfig:
    """One update on `batch` answers in float32 on a CPU, without whatever TRL adds to the objective by default."""
    plain: dict[str, Any] = {
        "output_dir": folder,
        "per_device_train_batch_size": batch,
        "num_generations": 2,
        "loss_type": "dapo",
        "beta": 0.0,
        "epsilon": 1e6,
        "lr_scheduler_type": "constant",
        "vllm_importance_sampling_mode": "token_truncate",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }
    return GRPOConfig(**plain | settings)


def _nothing(completions: list[str], **rest: Any) -> list[float]:
    return [0.0] * len(completions)
