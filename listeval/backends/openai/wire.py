"""The OpenAI wire format without any network: addresses, request bodies, and answers as servers really write them.

Bodies are JSON values. `chat_answer` and `completion_answer` raise `BrokenBody` for a body
that is no answer: the server, or something between it and us, cut or replaced it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from reprlib import Repr
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from listeval.backends.finish import read_finish
from listeval.backends.openai.text import UnknownContent, read_message
from listeval.backends.protocol import FinishReason, Message, Request
from listeval.errors import UserError
from listeval.visible import storable

NEUTRAL = {
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""Named in full to a vLLM server, which else takes what is absent from the checkpoint's generation_config;
a repetition penalty from there changes even greedy answers."""


class BrokenBody(Exception):
    """A body that is no answer. Asking again may help, at most so often that there are `attempts` (None: the usual)."""

    def __init__(self, message: str, attempts: int | None = None) -> None:
        super().__init__(message)
        self.attempts = attempts


_MISSHAPEN = 3
"""Attempts at an answer whose JSON has another shape: another worker may write another, but one may not."""
_BROKEN_OFF = 4
"""Attempts at an answer that the server began and gave up."""
_BESIDE = ("native_finish_reason", "done_reason", "finishReason")
_MOST = 2**53
"""No count is larger: what claims to be is none."""


class ServerAnswer(NamedTuple):
    """What a server answered, before it is a completion.

    `said` is the server's own word for why it ended, `spent` how much of the token budget by whatever it counts.
    """

    text: str
    finish_reason: FinishReason
    reasoning: str | None
    n_tokens: int
    n_prompt_tokens: int
    token_ids: tuple[int, ...]
    said: str
    spent: int


def base_urls(given: str) -> tuple[str, ...]:
    """The addresses in `given`, parted by commas. Raises UserError as `base_url` does, and for one that repeats."""
    found = tuple(base_url(one) for one in given.split(","))
    if len(set(found)) < len(found):
        raise UserError("the same server is named twice", place="--base-url", fix="name each once")
    return found


def base_url(given: str) -> str:
    """`given` without its trailing slash; `/v1` is added where it names a host alone.

    Any other path is taken as it is, as in the OpenAI clients: it is what stands before `/chat/completions`.
    Raises UserError for what is no http address, and for one with a key in it (addresses are recorded).
    """
    fix = "give it as http://HOST:PORT/v1"
    try:
        parts = urlsplit(given.strip())
        port = parts.port
    except ValueError:
        raise UserError("the base URL is not an address", place="--base-url", fix=fix) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError(
            "the base URL holds more than host and path, and addresses are recorded with a run",
            place="--base-url",
            fix=f"{fix}; a key belongs in $OPENAI_API_KEY",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UserError(f"the base URL '{given}' is not an http address", place="--base-url", fix=fix)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}"


def chat_body(model: str, request: Request, template: Mapping[str, Any]) -> dict[str, Any]:
    """Body for `/chat/completions`; `template` is what the server's chat template is told."""
    body = {"model": model, "messages": [_message(m) for m in request.prompt.messages], **_sampling(request)}
    if template:
        body["chat_template_kwargs"] = dict(template)
    return body


def completion_body(model: str, request: Request) -> dict[str, Any]:
    """Body for `/completions` with our own token ids as the prompt."""
    return {"model": model, "prompt": list(request.prompt.token_ids), **_sampling(request)}


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """The field that asks the server to hold an answer to a JSON Schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def _message(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _sampling(request: Request) -> dict[str, Any]:
    sampling = request.sampling
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": request.seed,
        "stream": False,
    }


def chat_answer(body: Any) -> ServerAnswer:
    """The answer in a `chat.completion`, wherever the message holds it.

    A `refusal` becomes the text of a content-filtered answer. What came as a tool call, though no tools were sent,
    is the reasoning of an answer without text: it was said, but not where an answer belongs.
    """
    choice = _choice(body)
    message = next((found for name in ("message", "delta") if isinstance(found := choice.get(name), dict)), None)
    if message is None and not isinstance(choice.get("text"), str):
        raise BrokenBody("the answer has no message", _MISSHAPEN)
    try:
        said = read_message(message or {})
    except UnknownContent as error:
        raise BrokenBody(f"the answer is no text: {error}", _MISSHAPEN) from None
    text = said.text or _string(choice.get("text")) or _string((message or {}).get("text"))
    reasoning = said.reasoning
    if not text.strip() and said.calls:
        reasoning = f"{reasoning}\n{said.calls}".strip()
    if said.refusal and not text.strip():
        return _answer(body, choice, said.refusal, reasoning or None)._replace(finish_reason="content_filter")
    return _answer(body, choice, text, reasoning or None)


def completion_answer(body: Any) -> ServerAnswer:
    """The answer in a `text_completion`."""
    choice = _choice(body)
    if not isinstance(choice.get("text"), str):
        raise BrokenBody("the answer has no text", _MISSHAPEN)
    try:
        reasoning = read_message({name: value for name, value in choice.items() if name not in ("text", "content")})
    except UnknownContent:
        return _answer(body, choice, choice["text"], None)
    return _answer(body, choice, choice["text"], reasoning.reasoning or None)


def _choice(body: Any) -> dict[str, Any]:
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        # An error in place of an answer is a fault like any other; JSON of another shape rarely mends itself.
        failed = isinstance(body, dict) and (body.get("error") or "choices" in body)
        raise BrokenBody(f"the answer has no choices: {server_message(body)}", None if failed else _MISSHAPEN)
    choice: dict[str, Any] = choices[0]
    if broken := choice.get("error") or body.get("error"):
        raise BrokenBody(f"the server gave the request up: {server_message(broken)}", _BROKEN_OFF)
    return choice


def _answer(body: dict[str, Any], choice: dict[str, Any], text: str, reasoning: str | None) -> ServerAnswer:
    usage = body.get("usage")
    counts: Mapping[str, Any] = usage if isinstance(usage, dict) else {}
    token_ids = _token_ids(choice.get("token_ids"))
    n_prompt = _first_count(counts, "prompt_tokens", "input_tokens")
    n_tokens = _first_count(counts, "completion_tokens", "output_tokens", "generated_tokens") or len(token_ids)
    spent = max(n_tokens, _first_count(counts, "total_tokens") - n_prompt)
    finish, said = _finish(choice, silent=not text.strip() and not reasoning and not spent)
    text, reasoning = storable(text), None if reasoning is None else storable(reasoning)
    return ServerAnswer(text, finish, reasoning, n_tokens, n_prompt, token_ids, said, spent)


def _finish(choice: dict[str, Any], *, silent: bool) -> tuple[FinishReason, str]:
    """Why the answer ended, and the server's word for it.

    Raises BrokenBody where the server broke off or does not tell.
    """
    said = choice.get("finish_reason")
    word = printable(said if isinstance(said, str) else _shape(said))[:60]
    meaning = read_finish(said)
    for name in _BESIDE if meaning in ("stop", "nothing") else ():
        # What a gateway says of the model's own server, or an older name of the field. None of them makes a stop.
        beside = choice.get(name)
        if isinstance(beside, str) and (other := read_finish(beside)) in ("length", "content_filter", "error"):
            meaning, word = other, printable(beside)[:60]
            break
    if meaning == "nothing":
        if silent:
            raise BrokenBody("the server broke off before the first word, and gives no finish_reason", _BROKEN_OFF)
        return "stop", word
    if meaning == "error":
        raise BrokenBody(f"the server gave the request up (finish_reason {word})", _BROKEN_OFF)
    if meaning == "unknown":
        attempts = 1 if isinstance(said, str) else _MISSHAPEN
        raise BrokenBody(f"the server ended with a finish_reason that does not tell why: {word}", attempts)
    return meaning, word


def _token_ids(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(token) is int and 0 <= token < _MOST for token in value):
        return ()
    return tuple(value)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _first_count(counts: Mapping[str, Any], *names: str) -> int:
    return next((count for name in names if (count := as_count(counts.get(name)))), 0)


def as_count(value: object) -> int:
    """A count of tokens, 0 for what is none."""
    return value if type(value) is int and 0 < value < _MOST else 0


def server_message(body: object) -> str:
    """The server's own words in an error body, on one printable line and at most 500 characters long."""
    # Google's servers put their error into a list.
    found = body[0] if isinstance(body, list) and body else body
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(key):
            found = found[key]
    return printable(found[:2000] if isinstance(found, str) else _shape(found))[:500]


def printable(text: str) -> str:
    """`text` on one line, without what a terminal obeys and without what UTF-8 cannot hold."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(text.split()))


def _shape(value: object) -> str:
    """JSON that is no text, shortened and only as deep as one can read."""
    view = Repr()
    view.maxlevel, view.maxstring, view.maxother = 3, 200, 60
    try:
        return view.repr(value)
    except (ValueError, RecursionError):  # an integer of more digits than Python writes
        return f"a {type(value).__name__}"


def error_code(body: object) -> str:
    """The `code` of an OpenAI error body, empty where there is none."""
    error = body.get("error") if isinstance(body, dict) else None
    return _string(error.get("code")) if isinstance(error, dict) else ""


class Redactor:
    """Takes one secret out of whatever a server says. It never shows the secret itself."""

    def __init__(self, secret: str | None) -> None:
        # Short keys are placeholders for servers that want none ("EMPTY"), and may be words of an answer.
        self._secret = secret if secret and len(secret) >= 8 else None

    def __call__(self, text: str) -> str:
        """`text` without the secret, and without any bearer token."""
        return _BEARER.sub(r"\1[redacted]", self._clean(text))

    def scrub(self, value: Any) -> Any:
        """A JSON value without the secret in any string of it; lists and objects are changed in place."""
        if self._secret is None:
            return value
        box = [value]
        left: list[Any] = [box]
        while left:
            within = left.pop()
            if isinstance(within, dict):
                for name in [name for name in within if self._secret in name]:
                    within[self._clean(name)] = within.pop(name)
            for place, item in list(within.items() if isinstance(within, dict) else enumerate(within)):
                if isinstance(item, str):
                    within[place] = self._clean(item)
                elif isinstance(item, dict | list):
                    left.append(item)
        return box[0]

    def _clean(self, text: str) -> str:
        return text.replace(self._secret, "[redacted]") if self._secret is not None else text


_BEARER = re.compile(r"(\bBearer\s+)[\w.~+/=-]+", re.IGNORECASE)
