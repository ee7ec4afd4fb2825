"""`listeval show`: answers of a run, each with the reason for its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from listeval.cli.completion import kinds
from listeval.cli.right import right_answers
from listeval.cli.say import say, say_json, say_strays
from listeval.errors import ExitCode, UserError, did_you_mean

if TYPE_CHECKING:
    from listeval.runs.rows import Row


@click.command("show", short_help="Show answers of a run and explain why each failed.")
@click.argument("run_path", metavar="RUN", type=click.Path())
@click.option(
    "--kind", metavar="KIND", shell_complete=kinds, help="Only this kind, e.g. duplicate_id; `any` for every answer."
)
@click.option("--verdict", metavar="NAME", help="Only this verdict of the task, e.g. timeout.")
@click.option("--sample", metavar="ID", help="Only the example with this id.")
@click.option("--limit", type=click.IntRange(min=1), default=3, show_default=True, help="How many.")
@click.option("--prompt", "with_prompt", is_flag=True, help="The prompt too.")
@click.option("--trust", is_flag=True, help="Import task code from ./tasks that RUN names, for the right answers.")
@click.option("--json", "as_json", is_flag=True, help="The whole rows, one JSON object a line.")
def command(
    run_path: str,
    kind: str | None,
    verdict: str | None,
    sample: str | None,
    limit: int,
    with_prompt: bool,
    trust: bool,
    as_json: bool,
) -> ExitCode:
    """Show failures of RUN (or what --kind and --sample choose), the faulty span marked, with the right answer.

    Failures come one of each kind first; with --kind, --verdict or --sample answers come in the order of the run.
    """
    from listeval.contract import Kind
    from listeval.runs import load_run

    known = [k.value for k in Kind]
    if kind not in (None, "any", *known):
        raise UserError(f"unknown kind '{kind}'", place="--kind", fix=did_you_mean(kind or "", known))
    run = load_run(run_path)
    verdicts = run.manifest.task.verdicts
    if verdict is not None and verdict not in verdicts:
        fix = did_you_mean(verdict, verdicts) if verdicts else "leave --verdict out"
        raise UserError(f"this run has no verdict '{verdict}'", place="--verdict", fix=fix)
    rows, code = run.rows, say_strays([run])
    # Without a choice, the failures; a named sample or verdict is shown whatever its kind.
    wanted = kind or ("any" if sample or verdict else None)
    chosen = [
        row
        for row in rows
        if sample in (None, row["example"])
        and verdict in (None, row["verdict"])
        and (row["kind"] != "ok" if wanted is None else wanted in ("any", row["kind"]))
    ]
    if wanted is None:
        chosen = _one_of_each_kind_first(chosen)
    if sample is not None and not chosen:
        raise _not_found(sample, [name for name in (kind, verdict) if name], rows, run_path)
    if not chosen:
        say(f"nothing to show: {_what_there_is(rows, verdicts if verdict else ())}", err=True)
    if as_json:
        for row in chosen[:limit]:
            say_json(row)
        return code
    from listeval.report.explain import print_rows

    print_rows(chosen[:limit], with_prompt=with_prompt, right=right_answers(run, trusted=trust))
    say(f"{min(limit, len(chosen))} of {len(chosen)} shown ({len(rows)} samples in the run)")
    return code


def _not_found(sample: str, asked: Sequence[str], rows: list[Row], run_path: str) -> UserError:
    """Why no answer to the example is shown: there is none, or none of the kind and verdict `asked` for."""
    found = [row for row in rows if row["example"] == sample]
    if not found:
        known = list(dict.fromkeys(row["example"] for row in rows))
        close = get_close_matches(sample, known, n=1)
        fix = f"did you mean '{close[0]}'?" if close else f"see its examples: listeval show {run_path} --kind any"
        return UserError(f"this run has no example '{sample}'", place=run_path, fix=fix)
    said = ", ".join(dict.fromkeys(name for row in found for name in (row["kind"], row["verdict"]) if name))
    cause = f"example '{sample}' is {said} here, not {' with '.join(asked)}"
    return UserError(cause, place=run_path, fix="leave --kind and --verdict out")


def _what_there_is(rows: list[Row], verdicts: Sequence[str]) -> str:
    """What the rows could be asked for, where nothing was found."""
    if not rows:
        return "the run has no answers yet; `listeval run @RUN` goes on with it"
    given = Counter(row["verdict"] for row in rows)
    counts = {name: given[name] for name in verdicts} or Counter(row["kind"] for row in rows)
    found = ", ".join(f"{name} {n}" for name, n in counts.items())
    return f"the run has {found} (--kind any shows every answer)"


def _one_of_each_kind_first(rows: list[Row]) -> list[Row]:
    """The nth answer of its kind comes before every kind's next one; the run's order decides within."""
    seen: Counter[str] = Counter()
    rank = {}
    for row in rows:
        rank[row["key"]] = seen[row["kind"]]
        seen[row["kind"]] += 1
    return sorted(rows, key=lambda row: rank[row["key"]])
