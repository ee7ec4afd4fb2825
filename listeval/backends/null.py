"""The null engine: no model, an answer at once by a rule seeded with the request's key.

It measures the harness itself (benchmarks, kill tests), so an answer costs microseconds,
the same key has the same answer in every process, and every failure kind of a list turns
up. For a `KeyedList` the shares, in percent of keys, are those of `_SHARES`; every other
contract is answered `{}`. `options.concurrency` (64) requests are pulled before the first
completion comes back; `options.extra["delay_s"]` (0) is how long each of them is in flight.

The models `gold`, `faults` and `garbage` are played instead (`listeval.backends.played`), so that the scoring of every
task can be exercised; any other name is a label of the rule above.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Any, NamedTuple

from listeval.backends.played import Draft, Faults, Play, playing
from listeval.backends.protocol import BackendOptions, Capabilities, Completion, ModelInfo, Request
from listeval.contract import Contract, KeyedList
from listeval.errors import UserError
from listeval.models.checkpoint import refuse_unused

_UNUSED = (
    "dtype", "device", "batch_size", "max_model_len", "base_url", "tokenizer", "enable_thinking", "structured",
    "api_key_env", "ray_address", "constraint",
)  # fmt: skip

RULE_VERSION = 1
"""Raised whenever an answer changes: it is part of the fingerprint."""


def open(model: str, options: BackendOptions) -> NullBackend:
    """A null engine; `model` is what it plays, else only a label. Raises UserError for options that make no sense."""
    refuse_unused(options, "null", _UNUSED)
    told = options.fixed_concurrency("null")
    window = 64 if told is None else told
    delay = options.extra.get("delay_s", 0.0)
    if window < 1:
        raise UserError(f"concurrency is {window}", place="null backend", fix="give 1 or more")
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay < float("inf"):
        raise UserError(f"delay_s is {delay!r}", place="null backend", fix="give seconds, 0 or more")
    return NullBackend(model, window, float(delay), playing(model))


class NullBackend:
    """See the module: answers without a model, `window` requests in flight, each for `delay_s` seconds."""

    name = "null"
    renderer = None

    def __init__(self, model: str, window: int = 64, delay_s: float = 0.0, play: Play | None = None) -> None:
        self._window, self._delay_s, self._play = window, delay_s, play
        self.capabilities = Capabilities(token_prompts=False, logprobs=False, plays=play is not None)
        fingerprint = sha256(f"null {RULE_VERSION} {model}".encode()).hexdigest()
        self.model = ModelInfo(name=model, fingerprint=fingerprint)

    def versions(self) -> Mapping[str, str]:
        """The version of the answering rule."""
        return {"null": str(RULE_VERSION)}

    def settings(self) -> Mapping[str, object]:
        """Window and delay, and the faults that found no example to stand in."""
        without = {"not_planted": dict(self._play.without)} if isinstance(self._play, Faults) else {}
        return {"concurrency": self._window, "delay_s": self._delay_s, **without}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """One answer per request, in order, each `delay_s` after its request was pulled."""
        in_flight: deque[tuple[float, Request]] = deque()
        for request in requests:
            in_flight.append((time.perf_counter(), request))
            if len(in_flight) >= self._window:
                yield self._finish(*in_flight.popleft())
        while in_flight:
            yield self._finish(*in_flight.popleft())

    def _finish(self, start: float, request: Request) -> Completion:
        if self._delay_s:
            time.sleep(max(0.0, start + self._delay_s - time.perf_counter()))
        draft = self._draft(request)
        written = len(draft.text) + len(draft.reasoning or "")
        return Completion(
            key=request.key,
            text=draft.text,
            finish_reason=draft.finish_reason,
            # No tokenizer here: four characters stand for a token. Where a model writes least, it ends its turn.
            n_tokens=max(1, written // 4) if draft.error is None else 0,
            n_prompt_tokens=sum([len(message.content) for message in request.prompt.messages]) // 4,
            reasoning=draft.reasoning,
            latency_s=time.perf_counter() - start,
            error=draft.error,
        )

    def _draft(self, request: Request) -> Draft:
        if self._play is None:
            return answer(request.key, request.contract)
        if request.known is None:
            return Draft("", "error", error="nothing is known of this example")
        return self._play(request.key, request.known)

    def score(self, token_ids: Sequence[Sequence[int]]) -> list[list[float]]:
        """Raises UserError: there is no model."""
        raise UserError("the null backend has no log-probabilities", fix="use --backend hf or vllm")

    def close(self) -> None:
        """Nothing to free."""


class _Shape(NamedTuple):
    """A list answer in the making: rendered ids, a hash byte for each, the id field and the others."""

    ids: Sequence[str]
    scores: bytes
    key: str
    fields: tuple[str, ...]

    def item(self, i: int, name: str | None = None, value: str | None = None) -> str:
        """Object `i` as JSON; `name` replaces its id, `value` its values."""
        rest = _rest(self.fields, value or str(self.scores[i] % 11))
        return f'{{"{self.key}": {name or self.ids[i]}{rest}}}'

    def text(self, *extra: str, skip: int = 0) -> str:
        """The list without its last `skip` objects, then `extra` ones. Scores are 0 to 10."""
        head, tails = f'{{"{self.key}": ', _tails(self.fields)
        items = [head + name + tails[byte % 11] for name, byte in zip(self.ids, self.scores, strict=False)]
        return f"[{', '.join([*items[: len(items) - skip], *extra])}]"


def _rest(fields: tuple[str, ...], value: str) -> str:
    return "".join([f', "{field}": {value}' for field in fields])


@lru_cache(maxsize=64)
def _tails(fields: tuple[str, ...]) -> tuple[str, ...]:
    """How an object goes on after its id, for each score: a list costs one concatenation an object."""
    return tuple([_rest(fields, str(score)) + "}" for score in range(11)])


_SHARES: tuple[tuple[int, str, Callable[[_Shape], Draft]], ...] = (
    (60, "ok", lambda s: Draft(s.text())),
    (3, "ok, fenced", lambda s: Draft(f"```json\n{s.text()}\n```")),
    (3, "ok, prose around it", lambda s: Draft(f"Here are the scores: {s.text()} Done.")),
    (2, "missing_id, one (FMC)", lambda s: Draft(s.text(skip=1))),
    (2, "missing_id, two", lambda s: Draft(s.text(skip=2))),
    (2, "duplicate_id", lambda s: Draft(s.text(s.item(0), skip=1))),
    (2, "unknown_id", lambda s: Draft(s.text(s.item(0, '"no such id"'), skip=1))),
    (2, "position_only", lambda s: Draft(f"[{', '.join([s.item(i, f'{i + 1}') for i in range(len(s.ids))])}]")),
    (2, "too_long", lambda s: Draft(s.text(s.item(0)))),
    (2, "truncated", lambda s: Draft(s.text()[:-8], "length")),
    (2, "whitespace_runaway", lambda s: Draft("[" + " " * 400, "length")),
    (2, "empty", lambda s: Draft("")),
    (2, "wrong_channel", lambda s: Draft("", reasoning=s.text())),
    (2, "refusal", lambda s: Draft("I'm sorry, but I cannot rate these.")),
    (2, "no_json", lambda s: Draft("All of them are helpful.")),
    (2, "malformed_json", lambda s: Draft(s.text()[:-2] + ",,}]")),
    (2, "wrong_type", lambda s: Draft(f"[{', '.join(s.ids)}]")),
    (2, "missing_key", lambda s: Draft(s.text(f'{{"{s.key}": {s.ids[0]}}}', skip=1))),
    (2, "extra_key", lambda s: Draft(s.text(s.item(0)[:-1] + ', "why": "null"}', skip=1))),
    (2, "bad_value", lambda s: Draft(s.text(s.item(0, value='"high"'), skip=1))),
)
"""(percent of keys, kind, answer). Lists of one id have no duplicate, and so on: shares are for two ids or more."""

_SLOTS = tuple(build for percent, _, build in _SHARES for _ in range(percent))


def answer(key: str, contract: Contract[Any]) -> Draft:
    """The answer to `key` under `contract`, the same in every process."""
    if not isinstance(contract, KeyedList):
        return Draft("{}")
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=64).digest()
    ids = [json.dumps(name) for name in contract.ids]
    scores = digest[2:] * (len(ids) // 62 + 1)
    # Two bytes, so that the 100 slots are even to one part in 650.
    slot = int.from_bytes(digest[:2], "big") % len(_SLOTS)
    fields = tuple([name for name in contract.item.model_fields if name != contract.key])
    return _SLOTS[slot](_Shape(ids, scores, contract.key, fields))
