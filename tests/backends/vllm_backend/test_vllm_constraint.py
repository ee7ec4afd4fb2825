"""Constraints inside a real vLLM engine, each in a process of its own; what needs no engine, in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from listeval.backends.vllm import vllm_constraint as module
from listeval.backends.vllm import vllm_engine as vllm
from listeval.backends.vllm.vllm_constraint import structured_outputs
from listeval.contract import Item, Parsed, Record
from listeval.decoding.bind import bind
from listeval.decoding.constraint import Constraint, JsonForm
from listeval.decoding.engines.json_mode import json_mode
from listeval.decoding.spacing import Spacing
from listeval.decoding.vllm_payload import LEDGER
from listeval.errors import UserError
from tests.decoding.conftest import contract

needs_vllm = [
    pytest.mark.slow,
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM"),
]

IDS = ("A10", "A1", 'Z"q', "é 🙂")

SCRIPT = """
import json, sys
from listeval.backends.vllm import engine as vllm
from listeval.backends.protocol import BackendOptions, Message, Request, Sampling
from listeval.backends import canary
from listeval.backends.canary import ask_unique
from listeval.decoding.proof.audit import audit
from listeval.decoding.constraint import Constraint
from tests.backends.vllm_backend.test_vllm_constraint import IDS
from tests.decoding.conftest import contract
from tests.decoding.test_schema_engines import word
model, kind, engine = sys.argv[1:]
constraint = Constraint(kind, engine)
backend = vllm.open(model, BackendOptions(device="cpu", dtype="float32", constraint=constraint))
make = word if kind == "schema" else contract
prompt = backend.renderer.render((Message("user", "Rate the dress."),))
requests = [Request(str(i), str(i), prompt, Sampling(200, 1.5), i, make(IDS[: 2 + i % 3])) for i in range(9)]
requests.append(requests[0]._replace(key="greedy", sampling=Sampling(200)))
rows = {c.key: c._asdict() for c in backend.generate(iter(requests))}
asked = requests[0].contract
told = {"audit": audit(backend, constraint, asked), "canary": canary.ask(backend, constraint, contract(IDS[:2]))}
if kind == "schema":
    told["audit"]["unique_items_asked"] = ask_unique(backend)
print(json.dumps({"rows": rows, "settings": dict(backend.settings()), **told}))
backend.close()
"""


def run(folder: Path, kind: str, engine: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), kind, engine],
        env={**os.environ, "PYTHONPATH": str(Path(vllm.__file__).parents[3])},
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


class TestEngine:
    """One engine start each."""

    pytestmark = needs_vllm

    @pytest.mark.parametrize("engine", ["xgrammar", "llguidance", "outlines"])
    def test_schema(self, checkpoint: Path, engine: str) -> None:
        found = run(checkpoint, "schema", engine)
        for key, row in found["rows"].items():
            size = 2 if key == "greedy" else 2 + int(key) % 3
            value = json.loads(row["text"])
            assert row["finish_reason"] == "stop" and row["error"] is None and row["masked"] is None
            assert len(value) == size and set(value) <= set(IDS[:size])
        assert found["canary"]["passed"], found["canary"]
        assert found["audit"]["keywords"]["enum"] == "kept"
        assert found["audit"]["unique_items_asked"] in ("ignored", "refused")
        assert found["settings"]["constraint"]["engine"] == engine

    @pytest.mark.parametrize(
        ("kind", "engine"), [("permutation", "own"), ("permutation", "xgrammar"), ("scaffold", "llguidance")]
    )
    def test_exact(self, checkpoint: Path, kind: str, engine: str) -> None:
        found = run(checkpoint, kind, engine)
        for key, row in found["rows"].items():
            size = 2 if key == "greedy" else 2 + int(key) % 3
            result = contract(IDS[:size]).parse(row["text"], row["finish_reason"])
            assert isinstance(result, Parsed), row
            if kind == "scaffold":
                assert [item.review_id for item in result.value] == list(IDS[:size])
            assert (row["masked"] is not None) == (engine == "own")
        assert found["canary"]["passed"], found["canary"]
        assert set(found["audit"]["rules"].values()) == {"kept"}

    @pytest.mark.parametrize("spacing", ["either", "gold", "compact", "free"])
    @pytest.mark.parametrize("engine", ["xgrammar", "llguidance"])
    def test_vllm_takes_every_form_of_a_schema(self, engine: str, spacing: str) -> None:
        """As vLLM itself checks a request, without an engine: expressions, and JSON modes for what is not regular."""
        from vllm.sampling_params import SamplingParams, StructuredOutputsParams
        from vllm.v1.structured_output.backend_guidance import validate_guidance_grammar
        from vllm.v1.structured_output.backend_xgrammar import validate_xgrammar_grammar

        class Coded(Item):
            code: str = Field(pattern="^[0-9]{4}$")

        for asked in (contract(IDS), Record(Coded)):
            form = bind(Constraint("schema", engine, Spacing(spacing)), asked)  # type: ignore[arg-type]
            told = json_mode(engine, form) if isinstance(form, JsonForm) else form
            params = SamplingParams(structured_outputs=StructuredOutputsParams(**structured_outputs(told)))  # type: ignore[arg-type]
            if engine == "xgrammar":
                validate_xgrammar_grammar(params)
            else:
                validate_guidance_grammar(params, tokenizer=None)


class TestTogether:
    """Which constraints one engine is started for."""

    SCHEMA, OTHER = Constraint("schema", "xgrammar"), Constraint("schema", "llguidance")
    FREE, OWN = Constraint("schema", "xgrammar", Spacing.FREE), Constraint("permutation", "own")
    SPACED = Constraint("permutation", "own", Spacing.FREE)

    @pytest.mark.parametrize(
        ("wanted", "taken"),
        [
            ([None], []),
            ([SCHEMA, None, SCHEMA], [SCHEMA]),
            ([None, SCHEMA, OWN], [SCHEMA, OWN]),
            ([OWN, SCHEMA, FREE], [OWN, SCHEMA, FREE]),
            ([OTHER, SCHEMA, OWN], [OTHER, OWN]),
            ([OWN, SPACED], [OWN]),
        ],
    )
    def test_one_library_and_one_file_of_masses(self, monkeypatch, wanted, taken):
        monkeypatch.setattr(module, "require", lambda name: None)
        monkeypatch.delenv(LEDGER, raising=False)
        found, arguments = module.together(wanted, None)
        try:
            assert list(found) == taken
            names = {"structured_outputs_config": any(c.engine != "own" for c in taken)}
            names["logits_processors"] = any(c.engine == "own" for c in taken)
            assert arguments.keys() == {name for name, there in names.items() if there}
        finally:
            for constraint in found.values():
                constraint.close()

    def test_a_package_that_is_missing_fails_its_own_run_alone(self, monkeypatch):
        def refuse(name):
            if name == "xgrammar":
                raise UserError("no xgrammar")

        monkeypatch.setattr(module, "require", refuse)
        found, arguments = module.together([None, self.SCHEMA], None)
        assert (found, arguments) == ({}, {})
        with pytest.raises(UserError, match="no xgrammar"):
            module.together([self.SCHEMA, self.OTHER], None)


SUITE = """\
tasks: [{task: fashion, limit: 3, max_tokens: 96}]
models: [tiny-sft]
constraints: [none, {constraint: schema, engine: xgrammar}, permutation]
backend: vllm
"""


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM")
def test_a_suite_loads_a_model_once_for_all_its_constraints(tmp_path):
    (tmp_path / "s.yaml").write_text(SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "listeval", "suite", "s.yaml", "--json"],
        env={**os.environ, "PYTHONPATH": str(Path(vllm.__file__).parents[3])},
        capture_output=True, text=True, timeout=500, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert [run["constraint"] for run in told["runs"]] == ["none", {**SHOWN, "kind": "schema", "engine": "xgrammar"}, {
        **SHOWN, "kind": "permutation", "engine": "own"
    }]  # fmt: skip
    assert done.stderr.count("opening tiny-sft with vllm\n") == 1
    assert told["runs"][2]["parse_rate"]["value"] == 1
    assert told["runs"][2]["masked"] is not None


SHOWN = {"spacing": "either"}
