"""What a server says of itself before the first request, and which refusals mean that there need be no second one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from listeval.backends.openai import wire
from listeval.backends.openai.http import Connection, RequestRefused, Unavailable
from listeval.errors import UserError, did_you_mean
from listeval.models.renderer import Renderer

_PROBE = 'Scores: [{"id": "Ä1", "score": 7.5}]\n  第3条  naïve ＡＢ🙂'
"""Text on which tokenizers of different models differ."""

KEY = "OPENAI_API_KEY"
"""The environment variable that a key comes from, where none is named."""

STOP = {
    401: "set ${key} to a key that this server accepts",
    402: "see to the account's credit, then run the same command again",
    429: "see to the account's quota, then run the same command again",
    **dict.fromkeys((301, 302, 303, 307, 308), "give the address that it redirects to"),
}
"""Statuses that every further request would meet too, and what to do (429 only once no retry can help)."""

STOP_AT_FIRST = {
    403: "check what ${key} may use",
    404: "check the address and the model's name",
    405: "check the address",
}
"""Statuses that say so only of the first request; later they may be one request's own (a moderated prompt)."""


def stop(error: RequestRefused, url: str, key: str) -> UserError:
    """The error that ends a run at the server `url`; `key` is the environment variable that its key came from."""
    fix = (STOP | STOP_AT_FIRST)[error.status].format(key=key)
    return UserError(f"the server refuses every request: {error}", place=url, fix=fix)


class ServerInfo(NamedTuple):
    """What a server says of itself and of the model: its entry in `/models`, empty where there is no list."""

    card: Mapping[str, Any]
    server: str

    @property
    def vllm(self) -> bool:
        """Whether it takes vLLM's own parameters."""
        return self.card.get("owned_by") == "vllm"


async def probe(http: Connection, url: str, model: str, key: str) -> ServerInfo:
    """Ask for the list of models and the server's version.

    Raises UserError where no server answers, the key is refused, or `model` is not listed.
    """
    try:
        listed = await http.ask("/models", _cards, attempts=3)
    except Unavailable as error:
        fix = "start the server, or correct the address"
        raise UserError(f"no OpenAI-compatible server answers: {error}", place=url, fix=fix) from None
    except RequestRefused as error:
        if error.status in STOP:
            raise stop(error, url, key) from None
        # Not every server lists its models, and not every key may ask for the list.
        listed = []
    card = next((card for card in listed if _names(card["id"], model)), None)
    if listed and card is None:
        hint = did_you_mean(model, [card["id"] for card in listed])
        raise UserError(f"the server does not serve '{model}'", place=url, fix=hint[:300])
    return ServerInfo(_plain(card or {}), await _server_version(http, url))


def _plain(card: Mapping[str, Any]) -> dict[str, Any]:
    """What of a model's entry is text or a number: whatever else a server puts there says nothing to us."""
    named = {name: value for name, value in card.items() if isinstance(value, str | int | None)}
    return {name: wire.printable(value)[:500] if isinstance(value, str) else value for name, value in named.items()}


def _cards(body: Any) -> list[dict[str, Any]]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise wire.BrokenBody(f"its list of models has no data: {wire.server_message(body)[:120]}")
    return [card for card in data if isinstance(card, dict) and isinstance(card.get("id"), str)]


def _names(listed: str, model: str) -> bool:
    """Whether a listed id is `model`; some servers list a family before the name, or a default tag after it."""
    return listed in (model, f"{model}:latest") or listed.endswith(f"/{model}")


async def _server_version(http: Connection, url: str) -> str:
    try:
        found = await http.ask(f"{url.removesuffix('/v1')}/version", _version, attempts=1)
        return f"vllm {found}"
    except (RequestRefused, Unavailable):
        return await http.server(f"{url}/models")


def _version(body: Any) -> str:
    found = body.get("version") if isinstance(body, dict) else None
    if not isinstance(found, str):
        raise wire.BrokenBody("it says no version")
    return wire.printable(found)[:60]


def _tokens(body: Any) -> list[Any]:
    found = body.get("tokens") if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise wire.BrokenBody("it gives no tokens")
    return found


async def check_tokenizer(http: Connection, url: str, model: str, renderer: Renderer) -> None:
    """Raises UserError for a tokenizer of another model: its ids would be nonsense, and no error would tell.

    A server that cannot be asked is believed.
    """
    body = {"model": model, "prompt": _PROBE, "add_special_tokens": False}
    try:
        theirs = await http.ask(f"{url.removesuffix('/v1')}/tokenize", _tokens, body, attempts=1)
    except (RequestRefused, Unavailable):
        return
    if list(renderer.encode(_PROBE)) != theirs:
        raise UserError(
            "the tokenizer is not the served model's: the same text has other token ids there",
            place=str(renderer.tokenizer.name_or_path),
            fix="give the served checkpoint by --tokenizer, or leave it out",
        )
