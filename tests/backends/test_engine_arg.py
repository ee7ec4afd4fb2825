"""Arguments of an engine's own: typed by its signature, refused before anything is loaded, part of a run's identity."""

from __future__ import annotations

import dataclasses
import json
import shlex
from importlib.util import find_spec
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.backends import engine_arg
from listeval.backends.engine_arg import HF, VLLM, needs_word, numerics, typed
from listeval.cli.named_values import ENGINE
from listeval.errors import UserError
from listeval.runs.config import build_config
from listeval.runs.consent_requests import of_config

TYPES: dict[str, Any] = {
    "size": int,
    "share": float,
    "eager": bool,
    "name": str | None,
    "words": Literal["auto", "fp8"],
    "layers": list[str],
    "odd": object,
    "dtype": Literal["auto", "float32", "bfloat16"],
}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine `own` with arguments of every kind of type."""
    one = VLLM._replace(types=lambda: TYPES, ours=frozenset({"seed"}), operational=frozenset({"share"}))
    monkeypatch.setitem(engine_arg._SIGNATURES, "own", one._replace(plain=frozenset({"size", "words"})))


def read(*texts: str) -> dict[str, Any]:
    return ENGINE.read(texts)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("size=2", 2),
        ("share=1", 1.0),
        ("share=0.5", 0.5),
        ("eager=true", True),
        ("name=fp8", "fp8"),
        ("name=8", "8"),
        ("name=null", None),
        ("words=fp8", "fp8"),
        ('layers=["a"]', ["a"]),
        ('odd={"a": 1}', {"a": 1}),
    ],
)
def test_a_value_is_of_the_engines_own_type(engine: None, text: str, value: Any) -> None:
    found, flags = typed("own", read(text))
    assert list(found.values()) == [value]
    assert type(next(iter(found.values()))) is type(value)
    assert not flags


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("size=two", r"size=\"two\" is not what the engine takes .*valid integer"),
        ("size=2.5", "valid integer"),
        ("size=true", "valid integer"),
        ("eager=yes", "valid boolean"),
        ("words=fp9", "'auto' or 'fp8'"),
        ("layers=a", "valid array"),
        ("sice=2", "no argument 'sice'.*did you mean 'size'"),
        ("seed=1", "'seed' is set by listeval itself"),
    ],
)
def test_what_the_engine_does_not_take_is_refused_in_one_line(engine: None, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as refused:
        typed("own", read(text))
    assert "\n" not in str(refused.value)


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.text()))
def test_typing_twice_changes_nothing(value: Any) -> None:
    for kind in (int, float, bool, str):
        try:
            once = engine_arg._of_type("x", value, kind)
        except UserError:
            continue
        assert engine_arg._of_type("x", once, kind) == once
        assert isinstance(once, kind)


def test_an_argument_with_a_flag_is_the_flag() -> None:
    asked = {"task": "fashion", "model": "m", "backend": "hf", "engine_arg": {"dtype": "bfloat16"}}
    done = build_config(asked).resolved(64, "hf")
    assert (done.dtype, done.engine_arg) == ("bfloat16", None)
    assert done == build_config({**asked, "engine_arg": None, "dtype": "bfloat16"}).resolved(64, "hf")
    with pytest.raises(UserError, match="--dtype says float32, --engine-arg says bfloat16"):
        build_config({**asked, "dtype": "float32"}).resolved(64, "hf")


@pytest.mark.parametrize("backend", ["openai", "null", "replay"])
def test_an_engine_without_arguments_says_so(backend: str) -> None:
    asked = {"task": "fashion", "model": "m", "backend": backend, "engine_arg": {"a": 1}}
    with pytest.raises(UserError, match=f"the {backend} backend has no use for --engine-arg"):
        build_config(asked).resolved(64, backend)


def test_dashes_are_underscores() -> None:
    asked = {"task": "fashion", "model": "m", "engine_arg": {"tensor-parallel-size": 2}}
    assert build_config(asked).engine_arg == {"tensor_parallel_size": 2}


def test_what_changes_no_number_is_no_part_of_the_identity(engine: None) -> None:
    assert numerics("own", {"size": 2, "share": 0.5}) == {"size": 2}
    assert numerics("vllm", {"gpu_memory_utilization": 0.5, "quantization": "fp8"}) == {"quantization": "fp8"}


CODE = (
    "trust_remote_code", "hf_overrides", "worker_cls", "worker_extension_cls", "scheduler_cls", "load_format",
    "io_processor_plugin", "reasoning_parser_plugin", "speculative_config", "kv_transfer_config", "compilation_config",
    "model_class_overrides", "hf_token", "download_dir", "additional_config", "distributed_executor_backend",
    "quantization_config", "config_format", "log_config_file", "otlp_traces_endpoint",
)  # fmt: skip
"""Arguments that name code, files, addresses or credentials."""


@pytest.mark.parametrize("name", CODE)
@pytest.mark.parametrize("value", [True, 1, "word", {"a": 1}, "module.Class"])
@pytest.mark.parametrize("backend", ["auto", "hf", "vllm"])
def test_a_file_does_not_name_code_without_the_users_word(name: str, value: Any, backend: str) -> None:
    assert needs_word(backend, name, value)
    asks = of_config({"backend": backend, "engine_arg": {name: value}}, {})
    assert [ask.flag for ask in asks] == [shlex.join(["--engine-arg", f"{name}={_written(value)}"])]
    said = {"engine_arg": {name.replace("_", "-"): value}}
    assert not of_config({"backend": backend, "engine_arg": {name: value}}, said)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@given(st.text())
def test_a_word_from_a_file_names_neither_a_path_nor_an_address(value: str) -> None:
    if not needs_word("hf", "attn_implementation", value):
        assert not set(value) & set("/.:@\\ ")


def test_sizes_from_a_file_need_no_word() -> None:
    plain = {"tensor_parallel_size": 2, "gpu_memory_utilization": 0.5, "quantization": "fp8", "enforce_eager": True}
    assert not of_config({"backend": "vllm", "engine_arg": plain}, {})


def test_names_are_not_both_plain_and_ours() -> None:
    for takes in (HF, VLLM):
        assert not takes.ours & (takes.plain | takes.operational | takes.flags.keys())


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM")
def test_vllm_has_what_is_said_of_it() -> None:
    known = VLLM.types()
    absent = (VLLM.plain | VLLM.operational | VLLM.flags.keys() | VLLM.ours) - known.keys()
    assert absent <= {"logits_processors"}
    assert typed("vllm", {"gpu_memory_utilization": 1})[0] == {"gpu_memory_utilization": 1.0}
    with pytest.raises(UserError, match="did you mean 'tensor_parallel_size'"):
        typed("vllm", {"tensor_paralel_size": 2})
    assert all(dataclasses.is_dataclass(kind) or kind for kind in known.values())
