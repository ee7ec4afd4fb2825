"""The ray backend: its own half on a queue and engines of this process, and the whole of it on Ray and vLLM."""

from __future__ import annotations

import json
import os
import queue as plain
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from listeval.backends.protocol import BackendOptions, Prompt, Request, Sampling
from listeval.backends.ray import cluster, ray_engine
from listeval.backends.ray.cluster import EnginePool
from listeval.backends.ray.feed import Feed
from listeval.backends.ray.ray_engine import RayBackend
from listeval.contract import Item, Record
from listeval.errors import UserError
from listeval.models.info import ModelInfo
from listeval.runs.rows import TOO_LONG

STOP, VOCAB = 0, 50
ROOT = Path(__file__).resolve().parents[3]


def ask(key: str, ids: tuple[int, ...] = (1, 2), most: int = 5, temperature: float = 0.0) -> Request:
    return Request(key, key, Prompt((), "", ids), Sampling(most, temperature), 7, Record(Item))


def row_of(number: int, request: Request) -> dict[str, Any]:
    return {"row": number, "tokenized_prompt": list(request.prompt.token_ids), "sampling_params": {}}


class TestFeed:
    def test_requests_are_read_only_as_there_is_room_and_none_is_lost(self) -> None:
        read = []

        def requests() -> Iterator[Request]:
            for at in range(500):
                read.append(at)
                yield ask(str(at))

        feed = Feed(requests(), row_of, most=20, batch=4)
        sent: plain.Queue[Any] = plain.Queue()
        feed.start(feed.next_batch(), sent.put)
        done, most = [], 0
        while (rows := sent.get(timeout=20)) is not None:
            for row in rows:
                request = feed.take(row["row"])
                assert request is not None
                done.append(request.key)
                most = max(most, len(read) - len(done))
        assert Counter(done) == Counter(str(at) for at in range(500))
        assert most <= 20 + 2 * 4
        assert list(feed.left()) == []

    def test_a_batch_that_waits_for_company_gets_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ray may hold a batch back until a block is full: the bound must not keep it waiting for ever."""
        monkeypatch.setattr("listeval.backends.ray.feed._PATIENCE_S", 0.05)
        feed = Feed((ask(str(at)) for at in range(40)), row_of, most=8, batch=8)
        sent: plain.Queue[Any] = plain.Queue()
        feed.start(feed.next_batch(), sent.put)
        assert [len(sent.get(timeout=20) or ()) for _ in range(6)] == [8, 8, 8, 8, 8, 0]
        assert [request.key for request in feed.left()] == [str(at) for at in range(40)]

    def test_an_answer_that_comes_twice_counts_once(self) -> None:
        feed = Feed([ask("a")], row_of, most=8, batch=8)
        (row,) = feed.next_batch()
        assert feed.take(row["row"]) is not None
        assert feed.take(row["row"]) is None

    def test_what_reading_a_request_raises_is_kept_and_the_engines_are_let_go(self) -> None:
        def requests() -> Iterator[Request]:
            yield ask("a")
            raise UserError("the task broke")

        feed = Feed(requests(), row_of, most=8, batch=1)
        sent: plain.Queue[Any] = plain.Queue()
        feed.start(feed.next_batch(), sent.put)
        assert sent.get(timeout=20) and sent.get(timeout=20) is None
        assert isinstance(feed.error, UserError)

    def test_stopping_ends_the_thread(self) -> None:
        feed = Feed((ask(str(at)) for at in range(10**9)), row_of, most=2, batch=1)
        before = threading.active_count()
        feed.start(feed.next_batch(), lambda _: None)
        feed.stop()
        for _ in range(200):
            if threading.active_count() <= before:
                return
            time.sleep(0.02)
        raise AssertionError("the feed's thread lives on")


class Engines:
    """Stands for Ray: takes batches, answers in an order of its own. `rule` makes an answer of a row, or raises."""

    def __init__(self, rule: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> None:
        self.rule = rule or (lambda row: {"generated_tokens": [9, STOP], "__inference_error__": ""})
        self.layouts: list[EnginePool] = []
        self.rows: list[dict[str, Any]] = []

    def pipeline(self, layout: EnginePool, queue: Any, row_bytes: int) -> Iterator[dict[str, Any]]:
        self.layouts.append(layout)
        assert row_bytes > 0
        held: list[dict[str, Any]] = []
        draw = random.Random(0)
        while (rows := queue.get(timeout=30)) is not None:
            self.rows += rows
            held += rows
            draw.shuffle(held)
            while len(held) > 5:
                yield self.answer(held.pop())
        yield from map(self.answer, held)

    def answer(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"row": row["row"], "time_taken_llm": 0.5, **self.rule(row)}


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Callable[[Engines], RayBackend]:
    """A backend on engines of this process; 2 replicas of 16 sequences."""

    def make(engines: Engines) -> RayBackend:
        monkeypatch.setattr(ray_engine, "pipeline", engines.pipeline)
        monkeypatch.setattr(ray_engine, "make_queue", lambda: plain.Queue(4))
        monkeypatch.setattr(ray_engine, "_disconnect", lambda: None)
        monkeypatch.setattr(ray_engine, "split_decoded", lambda _, ids, __: (None, " ".join(map(str, ids))))
        checkpoint: Any = SimpleNamespace(
            info=ModelInfo("m", "f", "/m", None, None, 100), renderer=None, stops=(STOP,), vocab_size=VOCAB
        )
        layout = EnginePool(2, {"model": "/m", "max_num_seqs": 16, "tensor_parallel_size": 2}, cpu=True)
        return RayBackend(checkpoint, layout, BackendOptions(), None)

    return make


class TestOwnHalf:
    def test_every_request_comes_back_once_whatever_the_order(self, backend: Any) -> None:
        engines = Engines()
        found = list(backend(engines).generate(ask(str(at)) for at in range(1000)))
        assert Counter(c.key for c in found) == Counter(str(at) for at in range(1000))
        assert [c.key for c in found] != [str(at) for at in range(1000)]
        assert {(c.text, c.finish_reason, c.n_tokens, c.latency_s) for c in found} == {("9", "stop", 2, 0.5)}
        assert engines.layouts[0].replicas == 2
        told = engines.rows[0]["sampling_params"]
        assert told == {
            "temperature": 0.0, "top_p": 1.0, "max_tokens": 5, "stop_token_ids": [STOP], "detokenize": False,
        }  # fmt: skip

    def test_the_reason_of_an_end_is_told_by_its_last_token(self, backend: Any) -> None:
        ends = {"0": [9, STOP], "1": [9] * 5, "2": [9, 9], "3": [], "4": [9] * 4 + [STOP]}
        engines = Engines(lambda row: {"generated_tokens": ends[str(row["row"])], "__inference_error__": ""})
        found = {c.key: c for c in backend(engines).generate(ask(key) for key in ends)}
        assert {key: c.finish_reason for key, c in found.items()} == {
            "0": "stop", "1": "length", "2": "error", "3": "error", "4": "stop",
        }  # fmt: skip
        assert found["2"].error == "vLLM broke the answer off after 2 tokens"
        assert found["0"].token_ids == (9,) and found["1"].token_ids == (9,) * 5

    def test_an_engines_error_is_its_rows_own(self, backend: Any) -> None:
        def rule(row: dict[str, Any]) -> dict[str, Any]:
            if row["row"] % 3 == 0:
                return {"__inference_error__": "ValueError: too long\nfor this", "generated_tokens": []}
            return {"generated_tokens": [STOP], "__inference_error__": ""}

        found = {int(c.key): c for c in backend(Engines(rule)).generate(ask(str(at)) for at in range(90))}
        assert len(found) == 90
        assert all((c.error is not None) == (at % 3 == 0) for at, c in found.items())
        assert "too long" in (found[0].error or "")

    def test_what_no_engine_can_take_is_not_sent(self, backend: Any) -> None:
        engines = Engines()
        asked = [ask("long", (1,) * 100), ask("good"), ask("foreign", (VOCAB,)), ask("none", ())]
        found = {c.key: c for c in backend(engines).generate(asked)}
        assert [key for key, c in found.items() if c.error is None] == ["good"]
        assert len(engines.rows) == 1
        assert len(list(backend(Engines()).generate([ask("long", (1,) * 100)]))) == 1

    def test_one_request_starts_one_engine(self, backend: Any) -> None:
        engines = Engines()
        list(backend(engines).generate([ask("canary")]))
        assert engines.layouts[0].replicas == 1

    def test_seeds_go_along_where_they_matter(self, backend: Any) -> None:
        engines = Engines()
        list(backend(engines).generate([ask("a", temperature=0.7)]))
        assert engines.rows[0]["sampling_params"]["seed"] == 7

    def test_a_cluster_that_dies_ends_the_run_after_what_had_come(self, backend: Any) -> None:
        def rule(row: dict[str, Any]) -> dict[str, Any]:
            if row["row"] == 300:
                raise RuntimeError("the object store is gone")
            return {"generated_tokens": [STOP], "__inference_error__": ""}

        found = []
        with pytest.raises(UserError, match=r"Ray ended the run: .*object store is gone"):
            found += backend(Engines(rule)).generate(ask(str(at)) for at in range(1000))

    def test_what_ray_swallowed_is_an_error_of_its_row(self, backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        made = backend(Engines())
        monkeypatch.setattr(ray_engine, "pipeline", lambda *_: iter(()))
        found = list(made.generate([ask("a"), ask("b")]))
        assert [c.finish_reason for c in found] == ["error", "error"]

    def test_what_the_task_raises_is_raised_here(self, backend: Any) -> None:
        def requests() -> Iterator[Request]:
            for at in range(50):
                yield ask(str(at))
            raise UserError("the plug-in broke")

        with pytest.raises(UserError, match="the plug-in broke"):
            list(backend(Engines()).generate(requests()))

    def test_closing_ends_it(self, backend: Any) -> None:
        made = backend(Engines())
        answers = made.generate(ask(str(at)) for at in range(10**9))
        assert next(answers).text == "9"
        made.close()
        made.close()
        answers.close()

    def test_a_layout_counts_cards_and_bounds_what_is_under_way(self) -> None:
        layout = EnginePool(8, {"tensor_parallel_size": 2, "pipeline_parallel_size": 3, "max_num_seqs": 256}, cpu=False)
        assert (layout.cards, layout.batch, layout.in_flight) == (6, 64, 8192)
        assert EnginePool(1, {"max_num_seqs": 1}, cpu=True).batch == 1


class Ray(SimpleNamespace):
    """Stands for the package: `init` raises `errors` one by one, then works."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__(calls=[], errors=list(errors))

    def init(self, **told: Any) -> None:
        self.calls.append(("init", told["include_dashboard"]))
        if self.errors:
            raise self.errors.pop(0)

    def shutdown(self) -> None:
        self.calls.append("shutdown")


class TestConnect:
    SLOW = "The current node timed out during startup. This could happen because some of the raylet failed to startup"

    def connect(self, monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> Ray:
        ray = Ray(*errors)
        monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
        for name in cluster._QUIET:
            monkeypatch.setenv(name, "1")
        with suppress(UserError):
            cluster.connect(None, EnginePool(1, {}, cpu=True))
        return ray

    def test_a_ray_that_comes_up_too_slowly_is_started_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        slow = [Exception(self.SLOW) for _ in range(2)]
        found = self.connect(monkeypatch, *slow)
        assert found.calls == [("init", False), "shutdown", ("init", False), "shutdown", ("init", False)]

    def test_it_is_not_started_for_ever_nor_again_for_another_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        slow = [Exception(self.SLOW) for _ in range(9)]
        assert self.connect(monkeypatch, *slow).calls.count(("init", False)) == 3
        assert self.connect(monkeypatch, ValueError("no such address")).calls == [("init", False)]


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (`make test-ray`)")
class TestWhole:
    """Real reviews through two engines, killed and resumed. Engines start five times: minutes."""

    @staticmethod
    def command(data: Path, out: Path, *more: str) -> list[str]:
        data_set = "run --task fashion --set k=4 --set split=all --limit 17"
        decoding = "--model tiny-sft --max-tokens 160 --constraint permutation --batch-size 8 --quiet --json"
        fixed = [*data_set.split(), *decoding.split(), "--data", str(data), "--out", str(out)]
        return [sys.executable, "-m", "listeval", *fixed, *more]

    @staticmethod
    def rows(out: Path) -> list[dict[str, Any]]:
        file = out / "samples.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def test_killed_and_resumed_it_is_the_vllm_backends_run(self, shared_data: Path, tmp_path: Path) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        data, first, second = shared_data / "fashion", tmp_path / "ray", tmp_path / "vllm"
        told = self.command(data, first, "--backend", "ray", "--engine-arg", "replicas=2")
        said = tmp_path / "said"
        with (
            said.open("wb") as words,
            subprocess.Popen(told, env=environment, stdout=subprocess.DEVNULL, stderr=words) as running,
        ):
            # The first row is a prompt that no engine takes; the second one an engine has written.
            while len(self.rows(first)) < 2 and running.poll() is None:
                time.sleep(0.05)
            running.send_signal(signal.SIGKILL)
        assert running.returncode == -signal.SIGKILL, said.read_text()[-3000:]
        before = self.rows(first)
        assert 0 < len(before) < 17
        done = subprocess.run(told, env=environment, capture_output=True, text=True, timeout=1200, check=False)
        # 64 reviews are answered; a prompt that leaves no room for an answer makes the command say so.
        assert done.returncode == 1, done.stderr[-3000:]
        after = self.rows(first)
        assert [row["key"] for row in after[: len(before)]] == [row["key"] for row in before]
        answers = {row["key"]: row for row in after}
        assert Counter((row["outcome"], row["reason"]) for row in answers.values()) == {
            ("scored", None): 16, ("unscored", TOO_LONG): 1,
        }  # fmt: skip
        settings = json.loads((first / "manifest.json").read_text())["backend"]["settings"]
        assert settings["replicas"] == 2

        told = self.command(data, second, "--backend", "vllm")
        done = subprocess.run(told, env=environment, capture_output=True, text=True, timeout=1200, check=False)
        assert done.returncode == 1, done.stderr[-3000:]
        texts = {row["example"]: (row["text"], row["kind"], row["finish_reason"]) for row in self.rows(second)}
        assert {row["example"]: (row["text"], row["kind"], row["finish_reason"]) for row in after} == texts
        scores = {row["example"]: row["scores"] for row in self.rows(second)}
        assert {row["example"]: row["scores"] for row in after} == scores
        assert self.metrics(first) == self.metrics(second)

    @staticmethod
    def metrics(out: Path) -> dict[str, Any]:
        """All but what a constraint took away, which Ray Data does not tell."""
        found: dict[str, Any] = json.loads((out / "metrics.json").read_text())
        return {name: value for name, value in found.items() if name not in ("masked", "warnings")}
