"""The replay engine: recorded answers in place of a model.

`--model PATH` is a run directory, its `samples.jsonl`, or any JSONL whose rows are JSON
strings or objects with `text` (and, where known, `example` or `id`, `seed`, `finish_reason` in any vendor's
word, `reasoning`, else `prompt`, `n_tokens`, `n_prompt_tokens`, `error`). Rows that name their example answer
by (example, seed), or any seed where they name none; rows that do not are handed out in
file order, one per request. Rows of a run that its figures do not count are left out. A request that was never recorded
becomes an error of its own. How the rows meet the examples of the data is looked at before the first request: rows of
which none names an example are refused, and what does not meet otherwise is noted in the settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from listeval.backends.finish import read_finish
from listeval.backends.protocol import BackendOptions, Capabilities, Completion, FinishReason, ModelInfo, Request
from listeval.disk import read_regular
from listeval.errors import UserError
from listeval.models.channels import split_channels
from listeval.models.checkpoint import refuse_unused

SAMPLES = "samples.jsonl"
"""The rows of a run directory: the only file whose torn last line is a matter of course."""

_UNUSED = (
    "dtype", "device", "batch_size", "concurrency", "max_model_len", "base_url", "tokenizer", "enable_thinking",
    "chat_template_arg", "structured", "api_key_env", "ray_address", "constraint",
)  # fmt: skip
_REASONS: tuple[str, ...] = get_args(FinishReason)
_ROW = """a row is {"text": "...", "example": "..."} or a JSON string"""


def open(model: str, options: BackendOptions) -> ReplayBackend:
    """Read the recorded answers at path `model`.

    Raises UserError where the path is missing, unreadable or without rows, for a row that is no answer, and
    for an option that would change nothing.
    """
    refuse_unused(options, "replay", _UNUSED)
    path = Path(model)
    in_run = path.is_dir()
    if in_run:
        path = path / SAMPLES
    try:
        content = read_regular(path) if in_run else path.read_bytes()
    except FileNotFoundError:
        raise UserError("no recorded answers", place=str(path), fix="give a run directory or a JSONL file") from None
    except OSError as error:
        raise UserError(
            f"cannot read recorded answers: {error.strerror}", place=str(path), fix="make it readable"
        ) from None
    tape = _read(content, path, options.uncounted)
    if not tape.keyed and not tape.ordered:
        raise UserError("no rows in the recorded answers", place=str(path), fix=_ROW)
    return ReplayBackend(model, path, tape, sha256(_without(content, options.uncounted)).hexdigest(), options.uncounted)


@dataclass(slots=True)
class RecordedAnswers:
    """Recorded answers: by (example, seed or None), or in order. One of the two is empty."""

    keyed: dict[tuple[str, int | None], Completion] = field(default_factory=dict)
    ordered: list[Completion] = field(default_factory=list)


class ReplayBackend:
    """See the module. Ordered rows answer the examples of each seed by place, so a resumed run pairs them alike."""

    name = "replay"
    renderer = None
    capabilities = Capabilities(token_prompts=False, logprobs=False)

    def __init__(
        self, name: str, path: Path, tape: RecordedAnswers, fingerprint: str, uncounted: frozenset[int] = frozenset()
    ) -> None:
        self._uncounted = uncounted
        self._path, self._keyed, self._ordered = path, tape.keyed, tape.ordered
        self._matching = "example" if tape.keyed else "order"
        self._unmet: dict[str, object] = {}
        self.model = ModelInfo(name=name, fingerprint=fingerprint, path=str(path))

    def versions(self) -> Mapping[str, str]:
        """Nothing but the file makes the answers."""
        return {}

    def settings(self) -> Mapping[str, object]:
        """How rows meet requests (by `example` or by `order`), and how many were left out, the first at which line.

        `unmet` tells of rows that name no example of the data, the `first` name among them; or, for rows in order, of
        their number where it is not that of the `examples`.
        """
        lines = self._uncounted
        left = {"not_replayed": {"rows": len(lines), "first_line": min(lines)}} if lines else {}
        return {"matching": self._matching, **left, **({"unmet": self._unmet} if self._unmet else {})}

    def meet(self, examples: Mapping[int, Sequence[str]], limit: int | None) -> None:
        """See `Recorded`."""
        self._unmet = _unordered(len(self._ordered), examples, limit) if self._ordered else self._unnamed(examples)

    def _unnamed(self, examples: Mapping[int, Sequence[str]]) -> dict[str, object]:
        """Rows of the seeds at hand that name none of their examples. Raises UserError where no row names one."""
        ids = {seed: frozenset(own) for seed, own in examples.items()}
        anywhere = frozenset[str]().union(*ids.values())
        asked = [(name, seed) for name, seed in self._keyed if seed is None or seed in ids]
        unmet = [name for name, seed in asked if name not in (anywhere if seed is None else ids[seed])]
        if asked and anywhere and len(unmet) == len(asked):
            raise UserError(
                f"no recorded answer names an example of the data: the first is '{unmet[0]}'",
                place=str(self._path),
                fix=f"""give each row its "example" (ids look like '{next(iter(examples.values()))[0]}'), """
                "or give none a name and they answer in order",
            )
        return {"rows": len(unmet), "first": unmet[0]} if unmet else {}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """One recorded answer per request, in order."""
        for request in requests:
            yield self._find(request)._replace(key=request.key)

    def _find(self, request: Request) -> Completion:
        found = self._keyed.get((request.example, request.seed)) or self._keyed.get((request.example, None))
        if found is None:
            found = self._ordered[request.place] if request.place < len(self._ordered) else None
        if found is None:
            error = f"no recorded answer for example {request.example} (seed {request.seed}) in {self._path}"
            return Completion(key=request.key, text="", finish_reason="error", error=error)
        return found

    def score(self, token_ids: Sequence[Sequence[int]]) -> list[list[float]]:
        """Raises UserError: there is no model."""
        raise UserError("recorded answers have no log-probabilities", fix="use --backend hf or vllm")

    def close(self) -> None:
        """Nothing to free."""


def _unordered(rows: int, examples: Mapping[int, Sequence[str]], limit: int | None) -> dict[str, object]:
    """The number of ordered rows and of the examples that they stand for, where these are not one number."""
    sizes = [len(own) for own in examples.values()]
    unlike = [size for size in sizes if rows not in (size, size if limit is None else min(size, limit))]
    return {"rows": rows, "examples": unlike[0]} if unlike else {}


def _without(content: bytes, uncounted: frozenset[int]) -> bytes:
    """The bytes of the lines that are replayed, which make the answers."""
    if not uncounted:
        return content
    return b"\n".join(line for number, line in enumerate(content.split(b"\n"), 1) if number not in uncounted)


def _read(content: bytes, path: Path, uncounted: frozenset[int]) -> RecordedAnswers:
    """Every row of the file but the `uncounted`. Of a run's rows for one sample the last counts: it was owed again."""
    tape, lines = RecordedAnswers(), content.split(b"\n")
    for number, line in enumerate(lines, 1):
        if number in uncounted or not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines) and path.name == SAMPLES:
                break
            raise UserError(f"row is not JSON: {str(error)[:120]}", place=place, fix=_ROW) from None
        _add(tape, {"text": row} if isinstance(row, str) else row, place)
    return tape


def _add(tape: RecordedAnswers, row: Any, place: str) -> None:
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise UserError("row has no text", place=place, fix=_ROW)
    example, seed = _example(row), row.get("seed")
    if example is None:
        tape.ordered.append(_completion(row, place))
    elif not isinstance(example, str) or not isinstance(seed, int | None):
        raise UserError("example must be a string and seed an integer", place=place, fix=_ROW)
    elif (example, seed) in tape.keyed and "key" not in row:
        fix = 'keep one, or tell them apart by "seed"'
        raise UserError(f"second answer for example {example}", place=place, fix=fix)
    else:
        tape.keyed[example, seed] = _completion(row, place)
    if tape.keyed and tape.ordered:
        fix = "give every row an example, or none"
        raise UserError("some rows name their example and some do not", place=place, fix=fix)


def _example(row: Mapping[str, Any]) -> Any:
    """What names the row's example, None where nothing does. An `id` may be a number, as in users' data."""
    if (example := row.get("example")) is not None:
        return example
    own = row.get("id")
    if own == "" or own != own:  # a frame's NaN
        return None
    return str(own) if isinstance(own, int | float) and not isinstance(own, bool) else own


def _completion(row: Mapping[str, Any], place: str) -> Completion:
    """A row as the completion that it was; its key is set once a request claims it."""
    error, said = row.get("error"), row.get("finish_reason")
    reason = read_finish(said)
    if error or reason == "error":
        error = str(error or row.get("detail") or "recorded as an error")
        return Completion(key="", text="", finish_reason="error", error=error)
    if reason == "unknown":
        raise UserError(f"unknown finish_reason {said!r}", place=place, fix=f"one of {', '.join(_REASONS)}")
    # A run's rows were split when they were made; a raw text may still hold its thinking.
    reasoning, text = row.get("reasoning"), row["text"]
    if "reasoning" not in row:
        prompt = row.get("prompt")
        reasoning, text = split_channels(text, prompt if isinstance(prompt, str) else "")
    return Completion(
        key="",
        text=text,
        finish_reason="stop" if reason == "nothing" else reason,
        n_tokens=_count(row, "n_tokens", place),
        n_prompt_tokens=_count(row, "n_prompt_tokens", place),
        reasoning=None if reasoning is None else str(reasoning),
    )


def _count(row: Mapping[str, Any], name: str, place: str) -> int:
    value = row.get(name) or 0
    if not isinstance(value, int) or value < 0:
        raise UserError(f"{name} is not a count", place=place, fix="give an integer or leave it out")
    return value
