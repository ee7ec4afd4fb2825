"""The vLLM adapter: what needs no engine in process, and a real engine in a process of its own."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from listeval.backends.protocol import BackendOptions, Capabilities, Message, ModelInfo, Prompt, Request, Sampling
from listeval.backends.vllm import quiet
from listeval.backends.vllm import vllm_engine as vllm
from listeval.backends.vllm.quiet import EngineLog
from listeval.errors import UserError

needs_vllm = [
    pytest.mark.slow,
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM"),
]

SCRIPT = """
import json, sys
from importlib import import_module
from listeval.backends.protocol import BackendOptions, Message, Request, Sampling
from listeval.errors import UserError
name, model, mode = sys.argv[1:]
print("noise that no reader of stdout wants", file=sys.stderr)
backend = import_module(f"listeval.backends.{name}.engine").open(model, BackendOptions(device="cpu", dtype="float32"))
chats = [(Message("user", "Rate the dress. " * n + "id=" + str(n)),) for n in (1, 12, 3, 7, 2, 9, 4, 15)]
prompts = [backend.renderer.render(chat) for chat in chats]
requests = [Request(str(i), str(i), p, Sampling(max_tokens=40), 0, None) for i, p in enumerate(prompts)]
too_long = prompts[0]._replace(token_ids=prompts[0].token_ids * 1000)
requests.append(requests[0]._replace(key="long", prompt=too_long))
rows = {c.key: c._asdict() for c in backend.generate(iter(requests))}
scores = backend.score([list(p.token_ids) for p in prompts] + [[5]])
second = ""
if name == "vllm":
    try:
        import_module("listeval.backends.vllm.vllm_engine").open(model, BackendOptions(device="cpu"))
    except UserError as error:
        second = str(error)
settings = dict(backend.settings())
backend.close(); backend.close()
print(json.dumps({"rows": rows, "scores": scores, "second": second, "settings": settings}))
"""


def run(name: str, model: Path, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, str(model), "x"],
        env={**os.environ, "PYTHONPATH": str(Path(vllm.__file__).parents[3]), **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # One object and nothing else: whatever vLLM prints must not reach stdout.
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def both(make_checkpoint: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """hf and vLLM on one tiny checkpoint whose generation config tries to interfere."""
    folder = make_checkpoint(
        generation={"temperature": 0.6, "top_p": 0.9, "repetition_penalty": 1.3, "do_sample": True}
    )
    return run("hf", folder), run("vllm", folder)


class TestEngine:
    """One engine start for all of these."""

    pytestmark = needs_vllm

    def test_float32_agrees_with_hf_token_for_token(self, both: tuple[dict[str, Any], dict[str, Any]]) -> None:
        one, two = (side["rows"] for side in both)
        for key in one:
            for field in ("token_ids", "text", "finish_reason", "n_tokens", "n_prompt_tokens", "reasoning"):
                assert one[key][field] == two[key][field], (key, field)

    def test_over_long_prompts_are_refused_alike(self, both: tuple[dict[str, Any], dict[str, Any]]) -> None:
        for side in both:
            assert side["rows"]["long"]["finish_reason"] == "error"
            assert "leaves no room" in side["rows"]["long"]["error"]

    def test_scores_agree_to_a_thousandth(self, both: tuple[dict[str, Any], dict[str, Any]]) -> None:
        for one, two in zip(both[0]["scores"], both[1]["scores"], strict=True):
            assert one == pytest.approx(two, abs=1e-3)

    def test_a_second_engine_is_refused(self, both: tuple[dict[str, Any], dict[str, Any]]) -> None:
        assert "only once" in both[1]["second"]

    def test_settings_say_what_ran(self, both: tuple[dict[str, Any], dict[str, Any]]) -> None:
        settings = both[1]["settings"]
        assert (settings["dtype"], settings["generation_config"], settings["in_process"]) == ("float32", "vllm", True)


class FakeCore:
    """An engine core that finishes one request a step, last first; fails when told to."""

    def __init__(self, dies_at: int | None = None, reason: str = "stop", ids: tuple[int, ...] = (4, 5, 2)) -> None:
        self.queue: list[str] = []
        self.most = self.steps = 0
        self.aborted: list[str] = []
        self._dies_at, self._reason, self._ids = dies_at, reason, ids
        self.engine_core = SimpleNamespace(shutdown=lambda: None)

    def add_request(self, request_id: str, prompt: Any, params: Any, lora_request: Any = None) -> None:
        if prompt == [13]:
            raise ValueError("VLLM does not like this one")
        self.queue.append(request_id)
        self.most = max(self.most, len(self.queue))

    def step(self) -> list[Any]:
        self.steps += 1
        if self.steps == self._dies_at:
            raise RuntimeError("EngineCore encountered an issue.")
        output = SimpleNamespace(finish_reason=self._reason, token_ids=list(self._ids))
        return [SimpleNamespace(request_id=self.queue.pop(), finished=True, outputs=[output])]

    def abort_request(self, request_ids: list[str]) -> None:
        self.aborted += request_ids


def backend(core: FakeCore, monkeypatch: pytest.MonkeyPatch, sequences: int = 2) -> vllm.VLLMBackend:
    log = EngineLog(verbose=True)
    renderer: Any = SimpleNamespace(decode=lambda ids: " ".join(map(str, ids)))
    opened = vllm.VLLMBackend.__new__(vllm.VLLMBackend)
    checkpoint: Any = SimpleNamespace(
        info=ModelInfo("m", "f", max_length=100), renderer=renderer, stops=(2,), vocab_size=50
    )
    engine = vllm.StartedEngine(core, log, {"max_num_seqs": sequences}, "cpu", True)
    opened.__init__(checkpoint, engine, None)  # type: ignore[misc]
    monkeypatch.setattr(opened, "_params", lambda request: None)
    monkeypatch.setattr(opened, "add", _plain_add(opened, core))
    return opened


def _plain_add(opened: vllm.VLLMBackend, core: FakeCore) -> Any:
    def add(token_ids: Any, params: Any) -> str:
        opened._ids += 1
        core.add_request(str(opened._ids), list(token_ids), params)
        return str(opened._ids)

    return add


def ask(n: int, ids: tuple[int, ...] = (7, 8)) -> list[Request]:
    contract: Any = None
    prompt = Prompt((Message("user", "?"),), "?", ids)
    return [Request(str(i), str(i), prompt, Sampling(), 0, contract) for i in range(n)]


def test_requests_are_read_lazily_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    core = FakeCore()
    completions = list(backend(core, monkeypatch, sequences=3).generate(iter(ask(40))))
    assert sorted(int(c.key) for c in completions) == list(range(40))
    assert core.most == 6


@pytest.mark.parametrize(
    ("reason", "ids", "kept", "n_tokens", "finish"),
    [
        ("stop", (4, 5, 2), (4, 5), 3, "stop"),
        ("length", (4, 5, 6), (4, 5, 6), 3, "length"),
        ("length", (4, 5, 2), (4, 5, 2), 3, "length"),
        ("stop", (2,), (), 1, "stop"),
        ("abort", (4,), (), 0, "error"),
    ],
)
def test_the_end_is_counted_but_not_kept(
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
    ids: tuple[int, ...],
    kept: tuple[int, ...],
    n_tokens: int,
    finish: str,
) -> None:
    (completion,) = backend(FakeCore(reason=reason, ids=ids), monkeypatch).generate(ask(1))
    assert (completion.token_ids, completion.n_tokens, completion.finish_reason) == (kept, n_tokens, finish)


def test_a_refused_request_is_an_error_row_and_the_rest_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [
        *ask(2),
        *(r._replace(key="bad") for r in ask(1, (13,))),
        *(r._replace(key="big") for r in ask(1, (99,))),
    ]
    found = {c.key: c for c in backend(FakeCore(), monkeypatch).generate(requests)}
    assert {key for key, c in found.items() if c.error} == {"bad", "big"}
    assert "does not like" in str(found["bad"].error)


def test_a_dead_engine_is_one_line_and_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    completions = backend(FakeCore(dies_at=3), monkeypatch).generate(ask(10))
    assert [next(completions).error, next(completions).error] == [None, None]
    with pytest.raises(UserError, match=r"engine died: RuntimeError.*runs only what is owed"):
        next(completions)


def test_a_step_that_waits_for_a_killed_engine_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "_WATCH_S", 0.01)
    core, outputs = FakeCore(), queue.Queue[Exception]()
    core.engine_core = SimpleNamespace(
        shutdown=lambda: None, outputs_queue=outputs, resources=SimpleNamespace(engine_dead=False)
    )

    def step() -> list[Any]:
        core.engine_core.resources.engine_dead = True
        raise type("EngineDeadError", (Exception,), {})(outputs.get(timeout=60))

    monkeypatch.setattr(core, "step", step)
    with pytest.raises(UserError, match="ended without a word"):
        list(backend(core, monkeypatch).generate(ask(2)))


def test_a_reader_that_leaves_early_aborts_what_is_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    core = FakeCore()
    completions = backend(core, monkeypatch).generate(ask(10))
    next(completions)
    completions.close()
    assert sorted(core.aborted) == ["1", "2", "3"]


def test_capabilities_and_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert vllm.VLLMBackend.capabilities == Capabilities(token_prompts=True, logprobs=True)
    monkeypatch.setattr(quiet, "find_spec", lambda name: None if name == "vllm" else True)
    with pytest.raises(UserError, match=r"listeval\[vllm-cpu\]"):
        vllm.open("m", BackendOptions())


def test_a_torchvision_that_does_not_fit_gives_the_line_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    if torch.version.cuda is not None:
        pytest.skip("needs a CPU build of torch")
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    from listeval.models.checkpoint import open_checkpoint

    with pytest.raises(UserError, match="pip uninstall -y torchvision torchaudio torchcodec"):
        open_checkpoint("m", BackendOptions())


def test_engine_output_is_kept_from_stdout_and_the_last_error_found(capfd: pytest.CaptureFixture[str]) -> None:
    log = EngineLog(verbose=False)
    with log.capture():
        os.write(1, b"INFO starting\n")
        os.write(
            2, b"(Worker) ValueError: to serve one request 9 GiB are needed\nRuntimeError: See root cause above.\n"
        )
    os.write(1, b"answer\n")
    assert capfd.readouterr() == ("answer\n", "")
    assert log.cause() == "ValueError: to serve one request 9 GiB are needed"
    assert log.saved is not None
    assert log.saved.read_text().startswith("INFO starting\n")
    log.saved.unlink()
    log.close()
    log.close()


def test_a_verbose_engine_writes_to_stderr_alone(capfd: pytest.CaptureFixture[str]) -> None:
    log = EngineLog(verbose=True)
    with log.capture():
        os.write(1, b"INFO starting\n")
    assert capfd.readouterr() == ("", "INFO starting\n")
    assert (log.cause(), log.saved) == (None, None)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_cpu_reads_every_prompt_in_one_piece(device):
    # In pieces, a sampled answer with a seed of its own ends the engine ("CPU Generator does not use offset").
    renderer = SimpleNamespace(tokenizer=SimpleNamespace(name_or_path="t"))
    checkpoint = SimpleNamespace(path=Path("m"), renderer=renderer, info=ModelInfo("m", "f", max_length=9000))
    found = vllm.engine_arguments(checkpoint, BackendOptions(), device, in_process=False)
    assert (found.get("enable_chunked_prefill"), found.get("max_num_batched_tokens", 0) >= 9000) == (
        (False, True) if device == "cpu" else (None, False)
    )
