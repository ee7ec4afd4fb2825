"""`--engine-arg NAME=VALUE`: arguments of an engine's own, by the engine's own signature.

vLLM takes every field of its `EngineArgs`; transformers has no such list, so `HF` is ours. What listeval sets itself is
refused, and what has a flag of its own counts as that flag. An argument is part of a run's identity unless it is
`operational`: it decides where things lie or how fast they go, and never what is computed.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from listeval.errors import UserError, did_you_mean

FLAG = "--engine-arg"


class Signature(NamedTuple):
    """What one engine takes."""

    types: Callable[[], Mapping[str, Any]]
    """Type by name; asking may import the engine, and loads no model. Raises UserError where it is not installed."""
    ours: frozenset[str]
    """Names that listeval sets itself."""
    flags: Mapping[str, str]
    """Names that have a flag, by the key of the configuration that they set."""
    operational: frozenset[str]
    """Names that change no number."""
    plain: frozenset[str]
    """Names that a file may set without the user's word: with a number, a truth value or a plain word they name no
    code, file or address."""
    help: str
    """Where the engine itself tells what it takes."""


def _vllm_types() -> Mapping[str, Any]:
    from listeval.backends.vllm.quiet import engine_arguments

    return {
        field.name: field.type
        for field in dataclasses.fields(engine_arguments())
        if field.init and not field.name.startswith("_")
    }


_PARALLEL = frozenset({"tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"})
_MEMORY = frozenset(
    {"gpu_memory_utilization", "kv_cache_memory_bytes", "num_gpu_blocks_override", "max_loras", "max_cpu_loras"}
)
VLLM = Signature(
    types=_vllm_types,
    ours=frozenset(
        {
            "enable_lora", "enable_prompt_embeds", "generation_config", "logits_processors", "model", "model_weights",
            "override_generation_config", "revision", "runner", "convert", "seed", "served_model_name",
            "skip_tokenizer_init", "structured_outputs_config", "tokenizer", "tokenizer_revision",
        }
    ),
    flags={"dtype": "dtype", "max_model_len": "max_model_len", "max_num_seqs": "batch_size"},
    operational=_MEMORY
    | {
        "cpu_offload_gb", "disable_log_stats", "distributed_timeout_seconds", "download_dir", "master_addr",
        "master_port", "max_parallel_loading_workers", "safetensors_load_strategy", "use_tqdm_on_load",
    },
    plain=_MEMORY
    | _PARALLEL
    | {
        "block_size", "cpu_offload_gb", "disable_cascade_attn", "disable_custom_all_reduce", "disable_sliding_window",
        "dtype", "enable_chunked_prefill", "enable_expert_parallel", "enable_prefix_caching", "enforce_eager",
        "kv_cache_dtype", "max_lora_rank", "max_model_len", "max_num_batched_tokens", "max_num_seqs", "quantization",
    },
    help="vllm serve --help=all",
)  # fmt: skip

HF = Signature(
    types=lambda: {
        "attn_implementation": str,
        "device_map": str | dict[str, int | str],
        "dtype": str,
        "experts_implementation": str,
        "quantization_config": dict[str, Any],
        "trust_remote_code": bool,
        "use_safetensors": bool,
    },
    ours=frozenset({"config", "output_loading_info", "state_dict", "generation_config", "revision"}),
    flags={"dtype": "dtype"},
    operational=frozenset({"device_map", "use_safetensors"}),
    plain=frozenset({"attn_implementation", "device_map", "dtype", "experts_implementation", "use_safetensors"}),
    help="docs/guides/engines.md",
)

RAY = VLLM._replace(
    types=lambda: {**_vllm_types(), "replicas": int},
    operational=VLLM.operational | {"replicas"},
    plain=VLLM.plain | {"replicas"},
)
_SIGNATURES = {"hf": HF, "vllm": VLLM, "ray": RAY}
_PLAIN = re.compile(r"[\w-]+")


def signature(backend: str) -> Signature:
    """What `backend` takes. Raises UserError for one that takes nothing."""
    if backend not in _SIGNATURES:
        fix = "leave it out" if backend != "openai" else "give it to the server, or take --backend vllm"
        raise UserError(f"the {backend} backend has no use for {FLAG}", place=FLAG, fix=fix)
    return _SIGNATURES[backend]


def typed(backend: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments in the engine's own types, and those that are flags, by the key of the configuration.

    Raises UserError for a name that the engine does not have (with the nearest that it has), one that listeval sets
    itself, and a value of another type; and where the engine is not installed.
    """
    takes = signature(backend)
    if refused := sorted(takes.ours & given.keys()):
        raise UserError(f"{backend}'s '{refused[0]}' is set by listeval itself", place=FLAG, fix="leave it out")
    known = takes.types()
    arguments, flags = {}, {}
    for name, value in given.items():
        if name not in known:
            raise UserError(f"{backend} has no argument '{name}'", place=FLAG, fix=_nearest(name, known, takes))
        checked = _of_type(name, value, known[name])
        if name in takes.flags:
            flags[takes.flags[name]] = checked
        else:
            arguments[name] = checked
    return arguments, flags


def numerics(backend: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are part of a run's identity."""
    found = _SIGNATURES.get(backend)
    return {name: value for name, value in arguments.items() if found is None or name not in found.operational}


def needs_word(backend: str, name: str, value: Any) -> bool:
    """Whether a file's argument needs the user's word; `auto` is whatever engine it may turn out to be."""
    takes = [_SIGNATURES[backend]] if backend in _SIGNATURES else list(_SIGNATURES.values())
    quiet = value is None or isinstance(value, bool | int | float) or _PLAIN.fullmatch(str(value)) is not None
    known = any(name.replace("-", "_") in one.plain for one in takes)
    return not (quiet and known)


def _nearest(name: str, known: Mapping[str, Any], takes: Signature) -> str:
    fix = did_you_mean(name, [*known])
    return fix if fix.startswith("did you mean") or len(known) < 20 else f"see `{takes.help}`"


def _of_type(name: str, value: Any, kind: Any) -> Any:
    """`value` as the engine's own scalar; a mapping, or a type that only the engine builds, as it was given."""
    if not _is_simple(kind):
        return value
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    spellings = [value] if isinstance(value, str) else [value, json.dumps(value)]
    for spelling in spellings:
        try:
            checked = adapter.validate_json(json.dumps(spelling), strict=True)
        except ValidationError as error:
            failed = error
        else:
            return checked if isinstance(checked, bool | int | float | str | None) else value
    wanted = failed.errors()[0]["msg"].partition("Input should be ")[2] or "another value"
    raise UserError(f"{name}={json.dumps(value)} is not what the engine takes", place=FLAG, fix=f"give {wanted}")


def _is_simple(kind: Any) -> bool:
    """Whether a type is made of scalars, words of a list, and lists and mappings of them alone."""
    if kind in (bool, int, float, str, dict, list, Any, type(None)):
        return True
    origin = get_origin(kind)
    if origin is Literal:
        return True
    return origin in (Union, types.UnionType, list, dict, set) and all(map(_is_simple, get_args(kind)))
