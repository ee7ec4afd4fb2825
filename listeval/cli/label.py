"""`listeval label`: a judge grades every text of the data by a rubric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from listeval.cli.completion import options_of
from listeval.cli.say import say, say_json, say_strays
from listeval.errors import ExitCode, UserError

if TYPE_CHECKING:
    from listeval.labelling.campaign import Campaign
    from listeval.labelling.tally import Price, Tally
    from listeval.task import Pieces

_MOST_ATTEMPTS = 9


@click.command("label", short_help="Let a judge grade every text of the data by a rubric.")
@click.option(
    "--rubric",
    "rubric_name",
    required=True,
    metavar="NAME",
    help="See `listeval rubrics list`.",
    **options_of("--rubric"),
)
@click.option("--judge", "judge_name", required=True, metavar="BASE_URL#MODEL", help="Any OpenAI-compatible server.")
@click.option(
    "--task",
    "task_name",
    default="fashion",
    show_default=True,
    metavar="NAME",
    help="Reads the data.",
    **options_of("--task"),
)
@click.option(
    "--data",
    metavar="PATH|hub",
    help="Data file or folder; default: the task's bundled sample.",
    **options_of("--data"),
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N texts.")
@click.option(
    "--attempts",
    type=click.IntRange(1, _MOST_ATTEMPTS),
    default=3,
    show_default=True,
    metavar="N",
    help="Most answers.",
)
@click.option("--temperature", type=float, default=0.0, help="Of the first attempt; 0 is greedy (default).")
@click.option("--max-tokens", type=int, default=512, show_default=True, metavar="N", help="Budget of the first answer.")
@click.option("--concurrency", type=int, metavar="N", help="Requests in flight (default 32).")
@click.option("--timeout-s", type=float, metavar="S", help="Seconds to wait for one answer (default 600).")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the key (default OPENAI_API_KEY).")
@click.option("--price", "price_text", metavar="IN,OUT", help="US dollars for a million tokens in, out.")
@click.option("--out", metavar="DIR", help="Where labels are kept (default: labels/<rubric>-<model>-<hash>).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    rubric_name: str,
    judge_name: str,
    task_name: str,
    data: str | None,
    limit: int | None,
    attempts: int,
    temperature: float,
    max_tokens: int,
    concurrency: int | None,
    timeout_s: float | None,
    api_key_env: str | None,
    price_text: str | None,
    out: str | None,
    as_json: bool,
    quiet: bool,
) -> ExitCode:
    """Grade every distinct text of the data; writes labels.jsonl.

    No text is asked for twice: the same command again goes on, and more data under the same rubric and judge
    adds to the same labels. An answer that breaks its contract is asked for again, up to --attempts, each time
    with another seed, at a temperature of 0.7 or more and with twice the budget.
    `listeval run --task fashion --data PATH --set labels=DIR` ranks by these grades.
    """
    from listeval.labelling.campaign import Campaign
    from listeval.labelling.judge_server import Judge
    from listeval.labelling.rubric import load_rubric
    from listeval.labelling.tally import Price, tally
    from listeval.plugins.blame import blame
    from listeval.plugins.open import make_task

    price = Price.parse(price_text) if price_text else None
    wire = {"concurrency": concurrency, "timeout_s": timeout_s, "api_key_env": api_key_env}
    campaign = Campaign(
        rubric=load_rubric(rubric_name),
        judge=Judge.parse(judge_name),
        attempts=attempts,
        temperature=temperature,
        max_tokens=max_tokens,
        wire={name: value for name, value in wire.items() if value is not None},
        out=out,
    )
    task = make_task(task_name, {})
    with blame(task, "cannot list its texts"):
        found = task.pieces(data)
    texts = found._replace(pieces=found.pieces[:limit])
    if not texts.pieces:
        raise UserError("no text to grade", place=texts.source, fix="give other --data")
    left_out = _label(campaign, texts, price, quiet)
    done = tally(campaign, texts.pieces)
    labels = str(campaign.write()) if done.labels else None
    _print(campaign, done, labels, left_out, price, as_json)
    _say_what_is_left(campaign, done)
    code = say_strays(run for _, run in campaign.runs())
    return code if len(done.labels) == done.n else ExitCode.SAMPLES_ERRORED


def _label(campaign: Campaign, texts: Pieces, price: Price | None, quiet: bool) -> dict[str, str]:
    from functools import partial

    from listeval.cli.progress import Progress
    from listeval.labelling.tally import estimate

    new, again, tokens = estimate(campaign, texts.pieces)
    if not quiet:
        cost = tokens.cost(price)
        money = f", ${cost:,.4f}" if cost is not None else ""
        more = f", {again:,} asked again" if again else ""
        say(
            f"{len(texts.pieces):,} texts, {new:,} of them new{more}: about {tokens.read:,} tokens in, "
            f"{tokens.written:,} out{money} (an estimate)",
            err=True,
        )
    return campaign.label(texts, partial(Progress, quiet=quiet, show_prompt=False))


def _print(
    campaign: Campaign, done: Tally, labels: str | None, left_out: dict[str, str], price: Price | None, as_json: bool
) -> None:
    if as_json:
        about = {"rubric": campaign.rubric.name, "version": campaign.rubric.version, "judge": str(campaign.judge)}
        where = {"left_out": left_out, "labels": labels, "out": str(campaign.directory)}
        say_json(about | done.to_json(price) | where)
        return
    from listeval.report.labelling_summary import print_tally

    print_tally(done, price)
    for name in left_out:
        say(f"asked without {name}, which the server does not take")
    if labels:
        say()
        say(f"labels: {labels}")


def _say_what_is_left(campaign: Campaign, done: Tally) -> None:
    """One line on stderr: how many texts have no label, why, and how to go on."""
    missing = done.n - len(done.labels)
    if not missing:
        return
    kinds = ", ".join(f"{kind} {n}" for kind, n in done.without.items())
    place = campaign.directory
    if not done.labels:
        cause = f"none of {done.n:,} texts has a label ({kinds}; {done.first_fault[:120]})"
    else:
        cause = f"{missing:,} of {done.n:,} texts have no label ({kinds})"
    why = f"`listeval show {place}/attempt-1` shows why"
    fixes = []
    if "engine_error" in done.without:
        fixes.append(f"the same command asks for them again, {why}")
    elif missing == done.refused:
        pass
    elif campaign.attempts < _MOST_ATTEMPTS:
        fixes.append(f"--attempts {min(campaign.attempts + 2, _MOST_ATTEMPTS)} goes on from here, {why}")
    else:
        fixes.append(f"{why}; take a judge that can answer in JSON")
    if done.refused:
        new = " and another --out" if campaign.out else ""
        fixes.append(f"a smaller --max-tokens{new}, or a judge of a greater length, makes room for what is too long")
    say(f"listeval: {cause}. Fix: {'; '.join(fixes)}", err=True)
