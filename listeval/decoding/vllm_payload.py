"""What a request tells the processor inside a vLLM engine. Text, because a server's extra arguments are scalars."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.errors import UserError

KEY = "listeval"
"""The name of the payload in `SamplingParams.extra_args`, and in a server's field `vllm_xargs`."""
LEDGER = "LISTEVAL_MASKED_MASS"
"""The environment variable that names the file into which an engine writes masked masses, a JSON line an answer.

Set where the engine runs, never by a request: a client must not choose what a server writes.
"""
PROCESSOR = "listeval.decoding.vllm_processor:PermutationProcessor"
"""For the engine's argument `logits_processors`."""

_MOST = 1 << 31
"""Above every token id."""


class Payload(NamedTuple):
    """The spec, the tokens that end an answer, and the name of the answer in the ledger ("" for none)."""

    spec: PermutationSpec
    stops: tuple[int, ...]
    tag: str = ""

    def text(self) -> str:
        """JSON; see `read_payload`."""
        content = {"permutation": self.spec.spec(), "stops": list(self.stops), "tag": self.tag}
        return json.dumps(content, ensure_ascii=False)


def read_payload(extra_args: Mapping[str, Any] | None) -> Payload | None:
    """The payload among a request's extra arguments, None where there is none. Raises UserError for a broken one."""
    found = (extra_args or {}).get(KEY)
    if found is None:
        return None
    if not isinstance(found, str):
        raise UserError(f"the extra argument '{KEY}' is text, not {type(found).__name__}")
    return _read(found)


@lru_cache(maxsize=1024)
def _read(text: str) -> Payload:
    """Read once for all seeds of a request, and for both of the engine's looks at it."""
    try:
        content = json.loads(text)
        stops: Sequence[Any] = content["stops"]
        if not stops or not all(type(token) is int and 0 <= token < _MOST for token in stops):
            raise ValueError("stops are token ids")
        return Payload(PermutationSpec.from_spec(content["permutation"]), tuple(stops), str(content["tag"]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"the extra argument '{KEY}' is broken: {type(error).__name__} {error}") from error
