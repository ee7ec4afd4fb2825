"""Where training starts: a checkpoint, or a network and tokenizer built from nothing."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listopd.adapters import add_adapters
from listopd.networks import checkpoint_activations, compile_layers, load_network, open_model
from listopd.questions import load_examples
from listopd.recipe import Scratch
from listopd.scratch.architecture import random_model
from listopd.scratch.tokenizer import train_tokenizer

if TYPE_CHECKING:
    import torch

    from listeval.models.checkpoint import Checkpoint
    from listeval.task import Task
    from listopd.recipe import Lora, Recipe


def start(model: str | Scratch, task: Task, recipe: Recipe, device: torch.device) -> tuple[Checkpoint, Any]:
    """The checkpoint to start from, opened, and its network on `device`."""
    if isinstance(model, str):
        checkpoint = open_model(model, recipe.thinking)
        return checkpoint, load_network(checkpoint, device, recipe.precision.attention, frozen=False)
    with tempfile.TemporaryDirectory(prefix="listopd-") as folder:
        # Written and opened again, so that a network from nothing is opened like any other.
        build(model, task, recipe, Path(folder))
        opened = open_model(folder, recipe.thinking)
        checkpoint = opened._replace(info=replace(opened.info, name="random weights", path=None))
        return checkpoint, load_network(checkpoint, device, recipe.precision.attention, frozen=False)


def prepare_for_training(network: Any, lora: Lora | None, recipe: Recipe) -> None:
    """Prepare `network` for training as the recipe says: adapters, recomputed activations, compiled layers."""
    if lora is not None:
        add_adapters(network, lora, recipe.seed)
    if recipe.precision.gradient_checkpointing:
        checkpoint_activations(network)
    if recipe.precision.compile:
        compile_layers(network)


def build(scratch: Scratch, task: Task, recipe: Recipe, folder: Path) -> None:
    """Write an untrained checkpoint: a tokenizer learnt on the recipe's prompts and right answers, random weights."""
    tokenizer = _tokenizer(scratch, task, recipe)
    network = random_model(scratch, len(tokenizer), tokenizer.eos_token_id, recipe.seed)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(scratch: Scratch, task: Task, recipe: Recipe) -> Any:
    if scratch.tokenizer is not None:
        return open_model(scratch.tokenizer, recipe.thinking).renderer.tokenizer
    examples, *_ = load_examples(task, recipe)
    texts = [message.content for example in examples for message in example.messages]
    texts += [task.gold(example.target) for example in examples]
    return train_tokenizer(texts, scratch.vocab, scratch.ids, scratch.max_length)
