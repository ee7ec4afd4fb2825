"""Where a run's answers contradict what the run asked for, with counts: a function of its manifest and its rows.

A switch that a template or a server ignores changes what was measured without any error; only the answers show it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from listeval.contract import Kind
from listeval.runs.config import RunConfig
from listeval.runs.manifest import Manifest
from listeval.runs.rows import TOO_LONG
from listeval.runs.stored_row import JudgedRow

_CALLS = "<tool_calls>"
_SWITCHES = ("thinking", "think", "reasoning", "enable_reasoning", "thinking_mode", "reasoning_effort")
"""What families of models call the switch in their templates."""
_OFF = (False, "off", "none", "no_think", "disabled")
_UNSCHEMED = {
    Kind.NO_JSON, Kind.MALFORMED_JSON, Kind.WRONG_TYPE, Kind.MISSING_KEY, Kind.EXTRA_KEY, Kind.BAD_VALUE,
}  # fmt: skip
_FATES = {
    "as_the_template_writes": "the template writes them as plain text too, so the model cannot tell them apart",
    "as_the_server_renders": "the server renders the prompts, and may take them for its own",
    "encoded_as_text": "encoded as text",
}


def notices(manifest: Manifest, rows: Sequence[JudgedRow]) -> list[str]:
    """One line for every contradiction, the most telling first."""
    answered = [row for row in rows if row.kind != Kind.ENGINE_ERROR and row.outcome != "error"]
    return [
        *_no_room(rows),
        *_switches(manifest, answered),
        *_left_out(manifest),
        *_not_replayed(manifest),
        *_control_text(manifest),
        *_planted(manifest, rows),
    ]


def _no_room(rows: Sequence[JudgedRow]) -> Iterator[str]:
    refused = [row for row in rows if row.reason == TOO_LONG]
    if refused:
        n = f"{len(refused)} {'sample was' if len(refused) == 1 else 'samples were'} not asked"
        yield f"{n}, the first for its {refused[0].detail}: a smaller --max-tokens makes room"


def _switches(manifest: Manifest, answered: Sequence[JudgedRow]) -> Iterator[str]:
    config, n = manifest.config, len(answered)
    thought = sum(_thought(row) for row in answered)
    for switch, wanted in _thinking_switches(config):
        if not wanted and thought:
            yield f"{switch} was asked for, yet {thought} of {n} answers came with reasoning"
        if wanted and answered and not thought:
            yield f"{switch} was asked for, yet none of {n} answers came with reasoning"
    if called := sum(_CALLS in (row.reasoning or "") for row in answered):
        yield f"no tools were sent, yet {called} of {n} answers came as tool calls"
    budget = config.max_tokens
    if budget and not _plays_faults(manifest) and (longer := sum(row.n_tokens > budget for row in answered)):
        yield f"--max-tokens {budget} was asked for, yet {longer} of {n} answers are longer"
    if config.structured and (loose := sum(_breaks_schema(row) for row in answered)):
        yield f"the schema was sent along, yet {loose} of {n} answers break it"


def _thinking_switches(config: RunConfig) -> Iterator[tuple[str, bool]]:
    """Every switch that turns thinking on or off, as it was given."""
    if config.enable_thinking is not None:
        yield ("--thinking" if config.enable_thinking else "--no-thinking"), config.enable_thinking
    for name, value in (config.chat_template_arg or {}).items():
        if name in _SWITCHES and (value is True or value in _OFF):
            yield f"--chat-template-arg {name}={json.dumps(value)}", value is True


def _left_out(manifest: Manifest) -> Iterator[str]:
    if left_out := manifest.backend.left_out:
        yield f"the server takes no {', '.join(sorted(left_out))}: requests went without"


def _not_replayed(manifest: Manifest) -> Iterator[str]:
    if left := manifest.backend.not_replayed:
        n = left.get("rows")
        rows = "1 row of the recorded run is" if n == 1 else f"{n} rows of the recorded run are"
        yield f"{rows} not counted there, so not replayed: see line {left.get('first_line')} of its samples.jsonl"


def _control_text(manifest: Manifest) -> Iterator[str]:
    for fate, meaning in _FATES.items():
        if n := manifest.control_text.get(fate, 0):
            yield f"{n} {'prompt spells' if n == 1 else 'prompts spell'} control tokens in their data: {meaning}"


def _plays_faults(manifest: Manifest) -> bool:
    return manifest.backend.name == "null" and manifest.model.name.partition(":")[0] == "faults"


def _planted(manifest: Manifest, rows: Sequence[JudgedRow]) -> Iterator[str]:
    """Faults that were asked for and are not there."""
    if not _plays_faults(manifest):
        return
    if missed := manifest.backend.not_planted:
        counts = ", ".join(f"{kind} in {n}" for kind, n in sorted(missed.items()))
        yield f"not planted, for the task knows no such answer there (its `bad`): {counts}; answered right instead"
    elif rows and all(row.kind == Kind.OK for row in rows):
        n = "the only sample" if len(rows) == 1 else f"one of the {len(rows)} samples"
        yield f"no fault was planted: none of the shares of {manifest.model.name} fell to {n}"


def _thought(row: JudgedRow) -> bool:
    reasoning = (row.reasoning or "").strip()
    return bool(reasoning) and not reasoning.startswith(_CALLS)


def _breaks_schema(row: JudgedRow) -> bool:
    return row.finish_reason == "stop" and row.kind in _UNSCHEMED
