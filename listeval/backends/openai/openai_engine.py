"""The openai engine: any OpenAI-compatible server, asked over HTTP with many requests in flight.

With `options.tokenizer` our renderer makes the prompt and its token ids go to
`/completions`, so the model reads exactly what it reads in every other backend. Without,
the messages go to `/chat/completions` and the server's own template decides.

With `options.structured` the contract's JSON Schema goes along as a strict `response_format`, where the server takes
one; `options.constraint` is demanded: no request goes without it.

The address is `options.base_url` or $OPENAI_BASE_URL; `/v1` may be left out, several servers of one model are parted by
commas. The key comes from
$OPENAI_API_KEY (or the variable that `options.api_key_env` names) alone and is recorded nowhere:
it is taken out of whatever the server says.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from listeval.backends.openai import wire
from listeval.backends.openai.body import limit_of
from listeval.backends.openai.dialect import Dialect
from listeval.backends.openai.fleet import Fleet, Member
from listeval.backends.openai.http import Connection, EventLoop, RequestRefused, Retry, Unavailable
from listeval.backends.openai.openai_constraint import ServerConstraint
from listeval.backends.openai.probe import KEY, STOP, STOP_AT_FIRST, ServerInfo, check_tokenizer, probe, stop
from listeval.backends.openai.ramp import Ramp
from listeval.backends.protocol import (
    BackendOptions,
    Capabilities,
    Completion,
    FinishReason,
    ModelInfo,
    Request,
)
from listeval.contract import Failure
from listeval.errors import UserError
from listeval.models.channels import split_channels
from listeval.models.checkpoint import refuse_unused
from listeval.models.renderer import Renderer, load_tokenizer
from listeval.models.resolve import resolve
from listeval.models.short_names import SHORT_NAMES

_PATIENT = Retry()
_FILES = 128
"""Open files beside the connections."""
_WORDS = 40
"""Different finish reasons of one server that are counted."""


def open(model: str, options: BackendOptions, retry: Retry = _PATIENT) -> OpenAIBackend:
    """Connect to the server that serves `model`.

    Raises UserError where httpx is missing, no address is given, no server answers there, it refuses the
    key, it does not list `model`, or it tells that `options.tokenizer` is not the model's; and for an option
    that would change nothing.
    """
    refuse_unused(options, "openai", ("dtype", "device", "batch_size", "ray_address"))
    if find_spec("httpx") is None:
        raise UserError.missing_package("httpx", "pip install 'listeval[openai]'", "the openai backend")
    given = options.base_url or os.environ.get("OPENAI_BASE_URL")
    if not given:
        fix = "give --base-url http://HOST:PORT/v1 or set $OPENAI_BASE_URL"
        raise UserError("no address of a server", place="openai backend", fix=fix)
    urls = wire.base_urls(given)
    ramp = Ramp(_concurrency(options))
    make_room(len(urls) * ramp.most)
    renderer = None
    if options.tokenizer:
        source = resolve(options.tokenizer).path if options.tokenizer in SHORT_NAMES else options.tokenizer
        renderer = Renderer(load_tokenizer(source), options.enable_thinking, options.chat_template_arg)
    key_name = options.api_key_env or KEY
    key = _key(key_name, needed=options.api_key_env is not None)
    loop = EventLoop()
    fleet = Fleet([Member(url, Connection(url, key, options.timeout_s, ramp.most, retry)) for url in urls])
    try:
        served = loop.submit(_probe(fleet, model, key_name, renderer)).result()
        constraint = None
        if options.constraint is not None:
            constraint = ServerConstraint(options.constraint, urls[0], vllm=served.vllm, renderer=renderer)
    except BaseException:
        loop.close(fleet.aclose())
        raise
    return OpenAIBackend(model, options, ramp, loop, fleet, served, renderer, constraint)


async def _probe(fleet: Fleet, model: str, key_name: str, renderer: Renderer | None) -> ServerInfo:
    """What the servers say of themselves. Raises UserError as `probe` does, and where they do not say the same."""
    said: list[ServerInfo] = []
    for member in fleet.members:
        said.append(await probe(member.http, member.url, model, key_name))
        if renderer is not None and said[-1].vllm:
            await check_tokenizer(member.http, member.url, model, renderer)
        if _model_of(said[-1]) != _model_of(said[0]):
            cause = (
                f"the servers do not serve the same: {_model_of(said[-1])}, {fleet.members[0].url} {_model_of(said[0])}"
            )
            raise UserError(cause, place=member.url, fix="start them with the same model and version")
    return said[0]


def _model_of(served: ServerInfo) -> dict[str, object]:
    return {name: served.card.get(name) for name in ("root", "owned_by", "max_model_len")} | {"server": served.server}


def _concurrency(options: BackendOptions) -> int | None:
    """Requests in flight; None: found out by a ramp."""
    if options.concurrency == "auto":
        return None
    found = 32 if options.concurrency is None else int(options.concurrency)
    if found < 1:
        raise UserError(f"concurrency is {found}", place="openai backend", fix="give 1 or more")
    return found


def make_room(connections: int) -> None:
    """Let the process open so many connections. Raises UserError where the system does not allow it."""
    try:
        import resource
    except ImportError:  # no such limit on this system
        return
    wanted = connections + _FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        cause = f"{connections:,} connections need {wanted:,} open files, the system allows {hard:,}"
        raise UserError(cause, place="--concurrency", fix="a smaller one, or raise `ulimit -n`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _key(name: str, *, needed: bool) -> str | None:
    key = os.environ.get(name, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"${name} holds characters that no key has", place="environment", fix="set it to the key alone")
    if needed and not key:
        raise UserError(f"${name} is not set", place="environment", fix=f"export {name}=KEY, or name another variable")
    return key or None


class _Unfit(Exception):
    """A request whose contract the constraint cannot take: no matter of the server's, nor of other requests."""


class OpenAIBackend:
    """See the module. Requests are read in the caller's thread, at most `concurrency` ahead of the answers."""

    name = "openai"

    def __init__(
        self,
        model: str,
        options: BackendOptions,
        ramp: Ramp,
        loop: EventLoop,
        fleet: Fleet,
        served: ServerInfo,
        renderer: Renderer | None,
        constraint: ServerConstraint | None = None,
    ) -> None:
        self._constraint = constraint
        urls = [member.url for member in fleet.members]
        self._url, self._options, self._ramp = ", ".join(urls), options, ramp
        self._loop, self._fleet, self._served = loop, fleet, served
        self._dialect = Dialect(format_required=constraint is not None)
        self._answered = self._closed = False
        self._said: Counter[str] = Counter()
        self.renderer = renderer
        self.capabilities = Capabilities(token_prompts=renderer is not None, logprobs=False)
        self.model = _model_info(model, urls, served, options, renderer)

    def versions(self) -> Mapping[str, str]:
        """httpx and the server, as far as it says what it is."""
        return {"httpx": version("httpx"), "server": self._served.server or "unknown"}

    def settings(self) -> Mapping[str, object]:
        """Address, mode and patience."""
        return {
            "base_url": self._url,
            "prompts": "messages" if self.renderer is None else "token_ids",
            "tokenizer": self._options.tokenizer,
            "enable_thinking": self._options.enable_thinking,
            "chat_template_arg": dict(self._options.chat_template_arg or {}),
            "concurrency": self._ramp.limit,
            **({} if self._options.concurrency != "auto" else {"concurrency_settled": self._ramp.settled}),
            **({} if len(self._fleet.members) == 1 else {"servers": self._fleet.state()}),
            "timeout_s": self._options.timeout_s,
            "structured": self._options.structured,
            "constraint": self._constraint and self._constraint.settings(),
            "left_out": self._dialect.left_out,
            "finish_reasons": dict(self._said),
            "sampling_defaults": wire.NEUTRAL if self._served.vllm else "the server's",
        }

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """One completion per request as they finish. Closing the iterator drops whatever is in flight.

        Raises UserError where no further request can succeed: the key is refused, the model is not there,
        the server is gone. Completions that had arrived by then are yielded first.
        """
        done: SimpleQueue[Future[Completion]] = SimpleQueue()
        in_flight: set[Future[Completion]] = set()
        source = iter(requests)
        try:
            while True:
                while len(in_flight) < self._ramp.limit and (request := next(source, None)) is not None:
                    future = self._loop.submit(self._complete(request))
                    in_flight.add(future)
                    future.add_done_callback(done.put)
                if not in_flight:
                    return
                future = done.get()
                in_flight.remove(future)
                if future.exception() is not None:
                    yield from [f.result() for f in in_flight if f.done() and f.exception() is None]
                completion = future.result()
                self._ramp.done(completion.n_tokens, failed=completion.error is not None)
                yield completion
        finally:
            for future in in_flight:
                future.cancel()

    async def _complete(self, request: Request) -> Completion:
        start = time.perf_counter()
        try:
            answer = await self._ask(request)
        except RequestRefused as error:
            if error.status in STOP or (error.status in STOP_AT_FIRST and not self._answered):
                raise stop(error, error.url or self._url, self._options.api_key_env or KEY) from None
            return Completion.failed(request, str(error), time.perf_counter() - start)
        except _Unfit as error:
            return Completion.failed(request, str(error), time.perf_counter() - start)
        except Unavailable as error:
            if error.gone:
                fix = "see to the server, then run the same command again"
                raise UserError(f"the server is out of service: {error}", place=self._url, fix=fix) from None
            return Completion.failed(request, str(error), time.perf_counter() - start)
        self._answered = True
        if answer.said in self._said or len(self._said) < _WORDS:
            self._said[answer.said] += 1
        reasoning, text = self._channels(answer, request)
        if self._constraint is not None:
            text = self._constraint.answer(text)
        return Completion(
            key=request.key,
            text=text,
            finish_reason=_finish(answer, text, reasoning, request),
            n_tokens=answer.n_tokens,
            n_prompt_tokens=answer.n_prompt_tokens or len(request.prompt.token_ids),
            token_ids=answer.token_ids,
            reasoning=reasoning,
            latency_s=time.perf_counter() - start,
        )

    def _channels(self, answer: wire.ServerAnswer, request: Request) -> tuple[str | None, str]:
        """Reasoning and answer; what the server kept apart may still have marks in the rest of it."""
        text = answer.text
        if self.renderer is not None and self.renderer.marked(answer.token_ids):
            # The server's own decoding leaves out the special tokens by which the channels are told apart.
            text = self.renderer.decode(answer.token_ids)
        own = self.renderer.own_marks if self.renderer is not None else None
        found, text = split_channels(text, request.prompt.text if answer.reasoning is None else "", own)
        reasonings = [words for words in (answer.reasoning, found) if words is not None]
        return "\n".join(reasonings) if reasonings else None, text

    async def _ask(self, request: Request) -> wire.ServerAnswer:
        path, read, body = self._call(request)
        tried: dict[str, str] = {}
        while True:
            sent = self._dialect.spoken(body, tried)
            try:
                answer = await self._fleet.ask(path, read, sent, limit=limit_of(request.sampling.max_tokens))
            except RequestRefused as error:
                suspect = self._dialect.suspect(error, sent)
                if suspect is None and self._learned(error, request):
                    path, read, body = self._call(request)
                    continue
                if suspect is None:
                    raise
                tried[suspect] = error.message
            else:
                self._dialect.settle(sent, tried)
                if self._constraint is not None:
                    self._constraint.settle()
                return answer

    def _learned(self, error: RequestRefused, request: Request) -> bool:
        """Whether the constraint can be put in another way than the one that was refused."""
        return self._constraint is not None and self._constraint.learn(error.status, error.message, request.contract)

    def _call(self, request: Request) -> tuple[str, Callable[[Any], wire.ServerAnswer], dict[str, Any]]:
        """Path, reader and body for a request. Raises _Unfit."""
        extra: dict[str, Any] = {**wire.NEUTRAL, "return_token_ids": True} if self._served.vllm else {}
        if self._options.structured:
            extra["response_format"] = wire.response_format(request.contract.json_schema())
        if self._constraint is not None:
            try:
                extra |= self._constraint.fields(request.contract)
            except UserError as error:
                raise _Unfit(str(error)) from None
        if self.renderer is None:
            body = wire.chat_body(self.model.name, request, self._told())
            return "/chat/completions", wire.chat_answer, body | extra
        if self._served.vllm:
            extra["add_special_tokens"] = False
        return "/completions", wire.completion_answer, wire.completion_body(self.model.name, request) | extra

    def _told(self) -> dict[str, Any]:
        """What the server's chat template is told."""
        told = dict(self._options.chat_template_arg or {})
        if self._options.enable_thinking is not None:
            told["enable_thinking"] = self._options.enable_thinking
        return told

    def score(self, token_ids: Sequence[Sequence[int]]) -> list[list[float]]:
        """Raises UserError: the protocol has no log-probabilities of a prompt."""
        fix = "use --backend hf or vllm with the checkpoint"
        raise UserError("the openai backend has no log-probabilities", place=self._url, fix=fix)

    def close(self) -> None:
        """Drop whatever is in flight and close the connections."""
        if not self._closed:
            self._closed = True
            self._loop.close(self._fleet.aclose())


def _finish(answer: wire.ServerAnswer, text: str, reasoning: str | None, request: Request) -> FinishReason:
    """Why the answer ended: a broken one that has spent its budget was cut, whatever the server says."""
    if answer.finish_reason != "stop" or answer.spent < request.sampling.max_tokens:
        return answer.finish_reason
    with suppress(Exception):  # A plug-in's contract may raise anything; the row will say so.
        if isinstance(request.contract.parse(text, "stop", reasoning), Failure):
            return "length"
    return "stop"


def _model_info(
    model: str, urls: Sequence[str], served: ServerInfo, options: BackendOptions, renderer: Renderer | None
) -> ModelInfo:
    """The model as its servers describe it. `created` is left out: vLLM says the time of the question."""
    said = {name: served.card.get(name) for name in ("id", "root", "parent", "owned_by", "max_model_len")}
    places = [parts.netloc + parts.path for parts in map(urlsplit, sorted(urls))]
    identity = json.dumps([places[0] if len(places) == 1 else places, model, said], sort_keys=True)
    length = wire.as_count(said["max_model_len"])
    return ModelInfo(
        name=model,
        fingerprint=sha256(identity.encode()).hexdigest(),
        path=", ".join(urls),
        tokenizer_hash=renderer.tokenizer_hash if renderer else None,
        template_hash=renderer.template_hash if renderer else None,
        max_length=length or options.max_model_len,
    )
