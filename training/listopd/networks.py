"""The networks of a training run: loaded from checkpoints, or built from nothing, and refused where they cannot meet.

Student, teacher and base are compared token by token, so they must share vocabulary, special
tokens and chat template; embedding rows beyond the tokenizer (padding of the matrix) may differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError

if TYPE_CHECKING:
    import torch

    from listeval.models.checkpoint import Checkpoint
    from listopd.recipe import Precision


_VARIANTS = 32
_LAYER = re.compile(r"\.layers\.\d+\.")


def open_model(name: str, thinking: bool | None = None) -> Checkpoint:
    """All of a checkpoint but its weights; `thinking` is a recipe's.

    False asks for no thinking: of a template without that switch it asks nothing. Raises UserError where there is no
    checkpoint, and for True where the template has no switch.
    """
    from listeval.backends.protocol import BackendOptions
    from listeval.models.checkpoint import open_checkpoint
    from listeval.models.renderer import NotMentioned

    try:
        return open_checkpoint(name, BackendOptions(enable_thinking=thinking))
    except NotMentioned:
        if not thinking:
            return open_checkpoint(name, BackendOptions())
        cause = f"the chat template of {name} has no switch for thinking (enable_thinking)"
        raise UserError(cause, place="thinking", fix="thinking=null, or a model whose template has one") from None


def told_thinking(name: str, thinking: bool | None) -> bool | None:
    """What a recipe's `thinking` tells a checkpoint's template; None for nothing. Raises UserError as `open_model`."""
    return None if thinking is None else open_model(name, thinking).renderer.thinking


def agree(student: Checkpoint, other: Checkpoint, role: str, than: str = "student") -> None:
    """Raises UserError, naming what differs, unless `other` (the `role`) reads and writes the tokens of `than`."""
    ours, theirs = student.renderer.tokenizer, other.renderer.tokenizer
    difference = None
    if ours.get_vocab() != theirs.get_vocab():
        shared = len(set(ours.get_vocab().items()) & set(theirs.get_vocab().items()))
        difference = f"vocabulary ({shared:,} of {len(ours):,} tokens have the same id)"
    elif odd := sorted(set(ours.all_special_ids) ^ set(theirs.all_special_ids)):
        difference = f"set of special tokens (ids {odd} are special in one of them only)"
    elif student.stops != other.stops:
        difference = f"set of stop tokens (ids {list(student.stops)} and {list(other.stops)})"
    elif student.info.template_hash != other.info.template_hash:
        difference = "chat template"
    elif student.info.tokenizer_hash != other.info.tokenizer_hash:
        difference = "tokenizer (the same vocabulary, but other merges or rules)"
    if difference:
        raise UserError(
            f"the {role} has another {difference} than the {than}",
            place=other.info.name,
            fix="distil between models of one tokenizer, stop tokens and chat template",
        )


def load_network(checkpoint: Checkpoint, device: torch.device, attention: str | None, *, frozen: bool) -> Any:
    """The network on `device`, in float32 whether it learns or not; see `round_products` for what may be narrower.

    In evaluation mode, for dropout would make student and base differ at step 0.
    Raises UserError where the weights cannot be loaded.
    """
    from listeval.backends.hf.hf_engine import load_network as load

    network = load(checkpoint.path, device, "float32", {"attn_implementation": attention} if attention else None)
    return network.requires_grad_(not frozen)


def round_products(network: Any, dtype: torch.dtype) -> Any:
    """Hold a frozen network's weights of linear layers as `dtype`, to which autocast would round them in every pass.

    Half the memory, no rounding in every pass, and the same numbers to the bit: S − B stays 0 where the student's
    float32 weights are the base's. Whatever else reads its weights (embeddings, norms, a head that is tied to the
    embeddings) keeps float32, for autocast does not round it.
    """
    from torch import nn

    others = {
        id(weight)
        for module in network.modules()
        if type(module) is not nn.Linear
        for weight in module.parameters(recurse=False)
    }
    for module in network.modules():
        if type(module) is nn.Linear and id(module.weight) not in others:
            module.to(dtype)
    return network


def compile_layers(network: Any) -> None:
    """Have torch compile the decoder layers, which share their code, for passes of any shape.

    Raises UserError for an architecture without a list of them.
    """
    import torch

    layers = getattr(network.get_decoder(), "layers", None)
    if layers is None:
        cause = f"{type(network).__name__} has no list of decoder layers"
        raise UserError(cause, place="precision.compile", fix="precision.compile=false")
    # Student, teacher and base, with and without gradients, and passes of one row are variants of one code.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _VARIANTS)
    for layer in layers:
        layer.compile(dynamic=True)


def checkpoint_activations(network: Any) -> None:
    """Trade a second forward pass for memory; transformers recomputes in training mode only, where nothing drops out.

    Raises UserError for a network with dropout.
    """
    dropouts = [value for name, value in vars(network.config).items() if "dropout" in name or name.endswith("_pdrop")]
    if any(isinstance(value, float) and value > 0 for value in dropouts):
        raise UserError("the network has dropout", place="precision.gradient_checkpointing", fix="set its dropout to 0")
    network.gradient_checkpointing_enable({"use_reentrant": False})
    network.train()


def compute_type(precision: Precision, device: torch.device) -> str:
    """What matrix products are computed in: bfloat16 on a GPU, float32 on a CPU, unless the recipe says otherwise."""
    if precision.compute != "auto":
        return precision.compute
    return "bfloat16" if device.type == "cuda" else "float32"


def as_in_checkpoint(network: Any, weights: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Weights by the network's names as a checkpoint has them: transformers may hold experts of a layer as one tensor.

    One decoder layer after the other, so that no more than one is held.
    """
    try:
        from transformers.core_model_loading import revert_weight_conversion
    except ImportError:  # before version 5 they had the same names
        yield from weights
        return
    for _, layer in groupby(weights, key=lambda weight: _LAYER.findall(weight[0])[:1]):
        yield from revert_weight_conversion(network, dict(layer)).items()


def save_network(
    network: Any, checkpoint: Checkpoint, weights: dict[str, torch.Tensor], folder: Path, save: str
) -> None:
    """A checkpoint folder that transformers and vLLM load; `weights` by the network's own names, `save` their type.

    It says itself which tokens end an answer, so that it agrees with models that share its tokenizer.
    """
    import torch
    from transformers import GenerationConfig

    dtype = getattr(torch, save)
    tied = network.config.tie_word_embeddings
    head = {name for name in weights if name == "lm_head.weight"} if tied else set()
    state = {name: tensor.detach().to("cpu", dtype) for name, tensor in weights.items() if name not in head}
    network.generation_config = GenerationConfig(eos_token_id=list(checkpoint.stops))
    network.save_pretrained(folder, state_dict=state)
    # transformers writes down the type in memory, not that of `state`: a reader would load twice the bytes.
    network.config.dtype = dtype
    network.config.save_pretrained(folder)
    checkpoint.renderer.tokenizer.save_pretrained(folder)
