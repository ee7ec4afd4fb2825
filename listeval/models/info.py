"""What is said of a model, and what a user may say of how it is to be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from listeval.models.adapter import Adapter

_SNAPSHOT = re.compile(r".*/models--[^/]+/snapshots/([0-9a-f]{40})/?")
"""Where the hub's client keeps a model."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the manifest says of the model behind a backend.

    `fingerprint` hashes weights, config and tokenizer, so rows of one model can never serve
    another; a remote server's is what the server says of itself. `max_length` is prompt plus
    answer in tokens, None where unknown.
    """

    name: str
    fingerprint: str
    path: str | None = None
    tokenizer_hash: str | None = None
    template_hash: str | None = None
    max_length: int | None = None
    adapter: Adapter | None = None
    """What was put on top of the model whose name and fingerprint these are."""

    @property
    def revision(self) -> str | None:
        """The hub's commit that the folder is a copy of; None for a folder of the user's own."""
        found = _SNAPSHOT.fullmatch(self.path or "")
        return found[1] if found else None


class ReadOptions(Protocol):
    """Which of a user's options bear on reading a checkpoint; None means the checkpoint's own choice."""

    @property
    def dtype(self) -> str | None: ...
    @property
    def max_model_len(self) -> int | None: ...
    @property
    def tokenizer(self) -> str | None: ...
    @property
    def enable_thinking(self) -> bool | None: ...
    @property
    def chat_template_arg(self) -> Mapping[str, Any] | None: ...
