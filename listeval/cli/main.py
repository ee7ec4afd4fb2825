"""Entry point: finds the verb, runs it, and turns errors into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper

import click

from listeval import __version__
from listeval.cli import completion, launched, signals
from listeval.cli.pulse import Pulse
from listeval.errors import ExitCode, UserError, did_you_mean
from listeval.visible import inline

_HOST = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close some programs",
    errno.EAGAIN: "raise the limit on processes (ulimit -u)",
    errno.ENOMEM: "give it more memory",
    errno.EROFS: "use a folder that can be written",
    errno.EIO: "check the disk",
}
"""What a machine may refuse anywhere, and what helps."""
_NOT_MAPPED = ("failed to map segment", "Cannot allocate memory", "without setting an exception", "exception set")
"""What the loader and the interpreter say of a library for which there is no memory."""
_VERBS = (
    "run",
    "suite",
    "score",
    "show",
    "report",
    "compare",
    "export",
    "train",
    "probe",
    "cliff",
    "tasks",
    "rubrics",
    "label",
    "doctor",
)
_TRAINER = ("train", "probe", "cliff")
"""Verbs of the package `listopd`, which reports for itself what it is doing."""


class _Verbs(click.Group):
    """Verbs are modules of this package or of the trainer's, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _VERBS:
            return None
        package = "listopd" if name in _TRAINER else "listeval"
        command: click.Command = import_module(f"{package}.cli.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _VERBS and not ctx.resilient_parsing:
            raise UserError(f"unknown command '{args[0]}'", fix=did_you_mean(args[0], list(_VERBS)))
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="listeval")
def cli() -> None:
    """Does the model keep its JSON contract, how does it break, and what to do about it?

    Start with: listeval run --task fashion --model smollm2 --limit 16
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit.

    0 done, 1 samples errored, 2 usage, 3 canary failed, 4 a gate or prediction missed, 130 interrupted, 143 terminated.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a character must not cost a finished run its table.
            stream.reconfigure(errors="replace")
    given = sys.argv[1:] if args is None else args
    try:
        with signals.Raised(), _pulse(given):
            code = _run(given)
    except KeyboardInterrupt:
        code = _stopped()
    sys.exit(code)


def _pulse(args: list[str]) -> Pulse:
    """Says that a verb is at work; training and probing say so themselves."""
    verb = args[0] if args else ""
    silent = (
        bool(completion.instruction())
        or not {"--quiet", "--help", "-h"}.isdisjoint(args)
        or verb not in _VERBS
        or verb in _TRAINER
    )
    return Pulse(f"listeval {verb}", quiet=silent)


def _run(args: list[str]) -> int:
    try:
        with signals.Uncovered():
            code = _verb(args)
    except (KeyboardInterrupt, click.Abort):
        return _stopped()
    return _stopped() if code == ExitCode.USAGE and signals.seen() is not None else code


def _stopped() -> int:
    if launched.speaks():
        click.echo(signals.LINE, err=True)
    return signals.code()


def _verb(args: list[str]) -> int:
    try:
        if asked := completion.instruction():
            return completion.answer(cli, asked)
        # Not `cli.main`: it would turn a closed pipe into exit code 1, which means that samples errored.
        with cli.make_context("listeval", args) as context:
            code = cli.invoke(context)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return ExitCode.USAGE
    except UserError as error:
        return [_fail(str(one), error.exit_code) for one in error.each][-1]
    except click.UsageError as error:
        hint = f". Fix: {error.ctx.command_path} --help" if error.ctx else ""
        return _fail(" ".join(error.format_message().split()).rstrip(".") + hint)
    except (ImportError, SystemError) as error:
        if not any(word in str(error) for word in _NOT_MAPPED):
            raise
        return _fail("a library cannot be mapped into memory. Fix: give it more memory (ulimit -v)")
    except MemoryError:
        return _fail("out of memory. Fix: a smaller --batch-size or --limit, or more memory; finished rows are kept")
    except OSError as error:
        return _host_failed(error)


def _host_failed(error: OSError) -> int:
    """The reader of our output went away (`| head`), or the host refuses space, files, processes; else it is a bug."""
    if error.errno == errno.EPIPE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    if error.errno not in _HOST:
        raise error
    if _raised_by_printing(error):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(f"cannot write to stdout: {error.strerror}")
    place = f" ({error.filename})" if error.filename else ""
    return _fail(f"this machine refused: {error.strerror}{place}. Fix: {_HOST[error.errno]}; finished rows are kept")


def _raised_by_printing(error: OSError) -> bool:
    """Whether the innermost Python frame is of what only prints: click, rich, or the flush at our end."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = str(trace.tb_frame.f_globals.get("__name__", "")) if trace else ""
    return module.split(".")[0] in ("click", "rich") or module == __name__


def _fail(message: str, code: ExitCode = ExitCode.USAGE) -> int:
    with suppress(OSError):  # where stderr is full or gone, the exit code still says it
        click.echo(f"listeval: {inline(message)}", err=True)
    return code
