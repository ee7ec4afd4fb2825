"""One answer at a time: what came back, what is wrong with it, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from listeval.contract import Kind
from listeval.report.console import ReportConsole
from listeval.runs.token_counts import written_tokens
from listeval.visible import inline, visible

__all__ = ["answer", "print_rows", "visible"]

if TYPE_CHECKING:
    from listeval.report.page.samples import RightAnswer
    from listeval.runs.rows import Row

_HEAD, _AROUND = 700, 300


def print_rows(
    rows: Sequence[Row],
    *,
    with_prompt: bool = False,
    right: RightAnswer | None = None,
    console: Console | None = None,
) -> None:
    """Each row: id, verdict in words, the (shortened) answer with the faulty span marked, and the right answer.

    `right` gives the right answer to a row's target. Model text stays inert.
    """
    out = console or ReportConsole()
    for row in rows:
        out.print(_head(row))
        tokens = written_tokens(row["kind"], row["n_tokens"], row["n_prompt_tokens"])
        said = "tokens unknown" if tokens is None else f"{tokens} tokens"
        facts = [said, f"finished by {row['finish_reason']}", *row["flags"]]
        facts += [f"{name} {value:.3f}" for name, value in row["scores"].items() if value is not None]
        out.print(Text(inline(", ".join(facts)), style="dim"))
        for one in (row["attempts"] or ())[:-1]:
            said = f"attempt {one['attempt']} was {one['kind']}: {one['detail']}"
            out.print(Text(inline(said), style="dim"))
        if with_prompt:
            out.print(Text(f"--- prompt ---\n{visible(row['prompt'])}\n--- answer ---", style="dim"))
        out.print(answer(row, styled=out.color_system is not None and not out.no_color))
        if right is not None and (told := right(row["target"])) is not None:
            out.print(Text("--- right answer ---", style="dim"))
            out.print(Text(visible(_clip(told))))
        if row["reasoning"]:
            out.print(Text(f"--- reasoning ---\n{visible(_clip(row['reasoning']))}", style="dim"))
        out.print()


def _head(row: Row) -> Text:
    """Which answer, its kind and why: one text, so that it is wrapped as one line is."""
    said = row["kind"] if row["verdict"] is None else f"{row['kind']}, {row['verdict']}"
    return Text.assemble(
        (inline(f"{row['example']} (seed {row['seed']})"), "bold"),
        "  ",
        (inline(said), "green" if row["kind"] == "ok" else "red"),
        f": {inline(row['detail'] or Kind(row['kind']).meaning)}",
    )


def answer(row: Row, *, styled: bool = True) -> Text:
    """The raw text, control characters made visible, the faulty span marked, long stretches cut out.

    It is reversed, and between ⟦ and ⟧ where nothing is `styled`.
    """
    text, span = row["text"], row["span"]
    if not text:
        return Text("(no text)", style="dim")
    if row["kind"] == Kind.TRUNCATED:
        # Nothing that was written is wrong: the answer ends too early.
        kept = len(text.rstrip())
        return Text.assemble(visible(_ends(text[:kept])), ("⟨cut off here⟩", "reverse"), visible(_clip(text[kept:])))
    if span is None or row["kind"] == "ok":
        return Text(visible(_clip(text)))
    start, end = span[0], min(span[1], span[0] + _HEAD)
    before, after = text[:start], text[end:]
    lead = _ends(before)
    tail = after if len(after) <= _AROUND else after[:_AROUND] + f" … {len(after) - _AROUND:,} more characters"
    return Text.assemble(visible(lead), _marked(text[start:end], styled=styled), visible(tail))


def _marked(faulty: str, *, styled: bool) -> str | tuple[str, str]:
    """Marked, unless that would be nearly all that is shown."""
    if len(faulty) >= _HEAD:
        return visible(faulty)
    return (visible(faulty), "reverse") if styled else f"⟦{visible(faulty)}⟧"


def _ends(text: str) -> str:
    """Its beginning and its end."""
    if len(text) <= _HEAD:
        return text
    return text[:_AROUND] + f" … {len(text) - 2 * _AROUND:,} characters … " + text[-_AROUND:]


def _clip(text: str) -> str:
    return text if len(text) <= _HEAD else f"{text[:_HEAD]} … {len(text) - _HEAD:,} more characters"
