"""The OpenAI wire format without any network: addresses, request bodies, and answers as servers really write them.

Bodies are JSON values. `chat_answer` and `completion_answer` raise `Torn` for a body
that is no answer: the server, or something between it and us, cut or replaced it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from listeval.backends.protocol import FinishReason, Message, Request
from listeval.errors import UserError

_FINISH: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
}
"""Every other reason is a way of saying that the model ended its turn."""

_FAILED = {"abort", "error"}
"""Reasons by which a server says that it lost the request, not that the model ended."""

NEUTRAL = {
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""Named in full to a vLLM server, which else takes what is absent from the checkpoint's generation_config;
a repetition penalty from there changes even greedy answers."""


class Torn(Exception):
    """A body that is no answer. Asking again may help."""


class Answer(NamedTuple):
    """What a server answered, before it is a completion."""

    text: str
    finish_reason: FinishReason
    reasoning: str | None
    n_tokens: int
    n_prompt_tokens: int
    token_ids: tuple[int, ...]


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


def chat_body(model: str, request: Request, enable_thinking: bool | None) -> dict[str, Any]:
    """Body for `/chat/completions`."""
    body = {"model": model, "messages": [_message(m) for m in request.prompt.messages], **_sampling(request)}
    if enable_thinking is not None:
        body["chat_template_kwargs"] = {"enable_thinking": enable_thinking}
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


def chat_answer(body: Any) -> Answer:
    """The answer in a `chat.completion`. A `refusal` becomes the text of a content-filtered answer."""
    choice = _choice(body)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Torn("the answer has no message")
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    refusal = message.get("refusal")
    text = _text(message.get("content"))
    finish = "content_filter" if refusal and not text else choice.get("finish_reason")
    return _answer(body, choice, text or _text(refusal), finish, _text(reasoning) or None)


def completion_answer(body: Any) -> Answer:
    """The answer in a `text_completion`."""
    choice = _choice(body)
    if not isinstance(choice.get("text"), str):
        raise Torn("the answer has no text")
    return _answer(body, choice, choice["text"], choice.get("finish_reason"), None)


def _choice(body: Any) -> dict[str, Any]:
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Torn(f"the answer has no choices: {server_message(body)}")
    choice: dict[str, Any] = choices[0]
    if choice.get("finish_reason") in _FAILED:
        raise Torn(f"the server gave the request up (finish_reason {choice['finish_reason']})")
    return choice


def _answer(body: dict[str, Any], choice: dict[str, Any], text: str, finish: object, reasoning: str | None) -> Answer:
    usage = body.get("usage")
    counts: Mapping[str, Any] = usage if isinstance(usage, dict) else {}
    ids = choice.get("token_ids")
    token_ids = tuple(ids) if isinstance(ids, list) else ()
    return Answer(
        text=text,
        finish_reason=_FINISH.get(str(finish), "stop"),
        reasoning=reasoning,
        n_tokens=_count(counts.get("completion_tokens")) or len(token_ids),
        n_prompt_tokens=_count(counts.get("prompt_tokens")),
        token_ids=token_ids,
    )


def _text(content: object) -> str:
    """The text of a message's content: a string, nothing, or a list of parts of which some are text."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def server_message(body: object) -> str:
    """The server's own words in an error body, on one line and at most 500 characters long."""
    # Google's servers put their error into a list.
    found = body[0] if isinstance(body, list) and body else body
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(key):
            found = found[key]
    return " ".join(str(found).split())[:500]


def error_code(body: object) -> str:
    """The `code` of an OpenAI error body, empty where there is none."""
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("code") or "") if isinstance(error, dict) else ""


class Redactor:
    """Takes one secret out of whatever a server says. It never shows the secret itself."""

    def __init__(self, secret: str | None) -> None:
        # Short keys are placeholders for servers that want none ("EMPTY"), and may be words of an answer.
        self._secret = secret if secret and len(secret) >= 8 else None

    def __call__(self, text: str) -> str:
        """`text` without the secret, and without any bearer token."""
        if self._secret is not None:
            text = text.replace(self._secret, "[redacted]")
        return _BEARER.sub(r"\1[redacted]", text)

    def scrub(self, value: Any) -> Any:
        """A JSON value without the secret in any string of it."""
        if self._secret is None:
            return value
        if isinstance(value, str):
            return value.replace(self._secret, "[redacted]")
        if isinstance(value, list):
            return [self.scrub(item) for item in value]
        if isinstance(value, dict):
            return {self.scrub(name): self.scrub(item) for name, item in value.items()}
        return value


_BEARER = re.compile(r"(\bBearer\s+)[\w.~+/=-]+", re.IGNORECASE)
