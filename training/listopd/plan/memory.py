"""The memory of a training on one GPU by its parts, at the moment that takes most.

What weights, gradients, optimiser and kept activations take is counted; what the head's chunks and the GPU's libraries
take is their bound. Held against the card's own figures: benchmarks/results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from listopd.batch import default_tokens
from listopd.plan.outline import KeptBytes, Outline, kept_for_backward
from listopd.recipe import Sft
from listopd.score import GPU_CHUNK_BYTES

if TYPE_CHECKING:
    from listopd.recipe import Lora, Opd, Recipe

_CHUNKS = 5
"""Tensors of a chunk's size that the head's way back holds together: logits, their log-softmax, and gradients."""
_LAYERS = 2
"""Gathered at a time: the one that computes, and the next."""
_LIBRARIES = 1.0e9
_ALL_LINEAR = 7
"""Linear layers of a decoder layer that adapters stand beside."""


@dataclass(frozen=True)
class MemoryPart:
    """`bytes` that `what` takes; `fixed` ones are there from the first step on, whatever a pass holds."""

    what: str
    bytes: float
    fixed: bool = True


@dataclass(frozen=True)
class Memory:
    """All parts of one stage; `tokens` is the largest pass, which they are for."""

    tokens: int
    parts: tuple[MemoryPart, ...]

    @property
    def peak(self) -> float:
        """Bytes while a student learns, when all parts are there."""
        return sum(part.bytes for part in self.parts)

    @property
    def fixed(self) -> float:
        """Bytes that no smaller pass saves."""
        return sum(part.bytes for part in self.parts if part.fixed)


@dataclass(frozen=True)
class Models:
    """transformers configurations of what a stage loads; a base that is the student's own is not among them.

    `own_base`: there is such a base, the student with its adapters off. It takes passes and no memory.
    """

    student: Any
    teacher: Any = None
    base: Any = None
    own_base: bool = False

    @property
    def loaded(self) -> list[Any]:
        """The configurations that there are."""
        return [config for config in (self.student, self.teacher, self.base) if config is not None]


def memory(
    recipe: Recipe,
    spec: Sft | Opd,
    models: Models,
    *,
    bfloat16: bool,
    engine_share: float = 0.0,
    shards: int = 1,
    longest: int = 0,
) -> Memory:
    """Of one process on a GPU; `shards` of them hold one copy, `engine_share` bytes are vLLM's.

    A sequence is never cut: one of `longest` tokens is a pass of its own where it is longer than `tokens_per_pass`.
    """
    precision, student = recipe.precision, Outline.of(models.student)
    recomputed = precision.gradient_checkpointing
    tokens = max(precision.tokens_per_pass or default_tokens("cuda", recomputed=recomputed), longest)
    kept = kept_for_backward(models.student, bfloat16=bfloat16, recomputed=recomputed)
    learnt = student.weights if spec.lora is None else adapter_weights(student, spec.lora)
    whole = [
        MemoryPart("student, float32", student.bytes + (4 * learnt if spec.lora else 0)),
        MemoryPart("gradients, float32", 4 * learnt),
        MemoryPart("AdamW, float32", 8 * learnt),
        *_frozen(recipe, spec, models, bfloat16=bfloat16),
    ]
    parts = [replace(part, bytes=part.bytes / shards) for part in whole]
    if shards > 1:
        parts.append(MemoryPart("gathered for a pass, at most", _gathered(spec, models)))
    if engine_share:
        parts.append(MemoryPart("vLLM", engine_share))
    elif models.teacher is not None and (bfloat16 or shards > 1):
        kind, size = ("bfloat16", 2) if bfloat16 else ("float32", 4)
        parts.append(MemoryPart(f"sampler's copy, {kind}", size * student.weights))
    return Memory(tokens, (*parts, *_of_pass(kept, tokens)))


def _gathered(spec: Sft | Opd, models: Models) -> float:
    """Bytes of whole weights beside the parts while the student learns: what stands outside its layers, and two layers.

    With as much for their gradients before they are summed up over the processes; an exact divergence keeps the heads
    of teacher and base whole as well.
    """
    student = Outline.of(models.student)
    layer = student.size.body / student.layers
    found = 2 * 4 * (student.weights - student.size.body + _LAYERS * layer)
    if not isinstance(spec, Sft) and spec.objective.full_vocabulary:
        for config in (models.teacher, models.base):
            outline = Outline.of(config) if config is not None else None
            # A head that is tied to the embeddings is not rounded.
            found += 4 * (outline.weights - outline.size.body) if outline is not None else 0
    return found


def _frozen(recipe: Recipe, spec: Sft | Opd, models: Models, *, bfloat16: bool) -> list[MemoryPart]:
    """Teacher and base as `listopd.three_models` holds them."""
    found = []
    for role, config in (("teacher", models.teacher), ("base", models.base)):
        if config is None:
            continue
        outline = Outline.of(config)
        rounded = bfloat16 and not (role == "base" and recipe.precision.compile)
        kind = "bfloat16 products" if rounded else "float32"
        found.append(MemoryPart(f"{role}, {kind}", outline.rounded_bytes if rounded else outline.bytes))
    return found


def _of_pass(kept: KeptBytes, tokens: int) -> tuple[MemoryPart, ...]:
    return (
        MemoryPart(f"activations of {tokens:,} tokens", kept.bytes(tokens), fixed=False),
        MemoryPart("head, a chunk of rows", _CHUNKS * GPU_CHUNK_BYTES, fixed=False),
        MemoryPart("the GPU's libraries", _LIBRARIES),
    )


def adapter_weights(student: Outline, lora: Lora) -> int:
    """Weights of adapters beside all linear layers, at least: two of rank x width a layer, taken as square."""
    width = (student.size.body / student.layers / _ALL_LINEAR) ** 0.5
    return int(2 * lora.rank * width * _ALL_LINEAR * student.layers)
