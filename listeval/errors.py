"""The error vocabulary: who is to blame decides the type, and the type decides what a user sees.

`UserError` is anything a user can cause or cure: one line with cause, place and fix, no traceback.
`EngineError` is one request that an engine failed; it becomes a row, never a crash.
Everything else is a bug of ours and keeps its traceback.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Self

from listeval.visible import inline

if TYPE_CHECKING:
    from pydantic import ValidationError


class ExitCode(IntEnum):
    """Process exit codes, frozen by a test."""

    OK = 0
    SAMPLES_ERRORED = 1
    USAGE = 2
    CANARY_FAILED = 3
    PREDICTION_MISSED = 4
    """A bound that the user stated was missed: a gate, or a prediction of a study."""


class UserError(Exception):
    """Something the user can put right: `cause`, where (`place`, may be empty) and how (`fix`)."""

    exit_code = ExitCode.USAGE

    def __init__(self, cause: str, *, place: str = "", fix: str = "") -> None:
        self.cause, self.place, self.fix = cause, place, fix
        super().__init__(cause)

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        # One line and printable, whatever a library, a server or a file name put into it.
        return inline(" ".join(self.cause.split()) + where + (f". Fix: {self.fix}" if self.fix else ""))

    @property
    def each(self) -> "list[UserError]":
        """The lines to say: this one."""
        return [self]

    @classmethod
    def missing_package(cls, package: str, install: str, why: str) -> Self:
        """A package that an optional part needs is not importable; `install` is the exact line to type."""
        return cls(f"{why} needs the package '{package}', which is not installed", fix=install + _in_checkout(install))


class UserErrors(UserError):
    """Several things that the user can put right, at least one, found together: said in a line each."""

    def __init__(self, found: Sequence[UserError]) -> None:
        first = found[0]
        super().__init__(first.cause, place=first.place, fix=first.fix)
        self._found = list(found)

    @property
    def each(self) -> list[UserError]:
        return self._found


@contextmanager
def placed(place: object, flags: Collection[str] = ()) -> Iterator[None]:
    """A UserError from within that names no place gets this one: the file that its words came from.

    One that names a flag which is not among the `flags` that were typed gets the file before the flag.
    """
    try:
        yield
    except UserError as error:
        flag = error.place.split()[0] if error.place.startswith("--") else ""
        if not error.place:
            error.place = str(place)
        elif flag and str(place) and flag not in flags:
            error.place = f"{place}, {error.place}"
        raise


class EngineError(Exception):
    """One request failed inside an engine; the message is kept in the sample's row."""


def words_of(error: BaseException) -> str:
    """What an exception says of itself; whoever wrote it may have written one that cannot."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - its text is somebody else's code
        return "an error without words"


def first_line(error: BaseException) -> str:
    """An exception on one line, with its type."""
    text = next((line.strip() for line in words_of(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text[:300]}".rstrip(": ")


def checkout_install(install: str) -> str:
    """What to type in place of `pip install 'listeval[x]'` where this listeval runs from a checkout; else `install`."""
    from pathlib import Path
    from re import sub

    root = Path(__file__).resolve().parents[1]
    if not (root / "pyproject.toml").is_file():
        return install
    return sub(r"'listeval(\[[\w,-]+\])'", lambda found: f"-e '{root}{found[1]}'", install)


def _in_checkout(install: str) -> str:
    here = checkout_install(install)
    return "" if here == install else f" (this one is a checkout: {here})"


def did_you_mean(word: str, known: list[str]) -> str:
    """A suggestion for a mistyped name, or the list of what there is."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(sorted(known)) or 'none'}"


def config_error(error: "ValidationError", known: list[str], prefix: str = "--") -> UserError:
    """A pydantic error of a configuration as one line a user can act on."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"])) or "config"
    # A flag of our own has dashes; NAME of `--set NAME=VALUE` is the option's name as it is.
    flag, equals = (f"{prefix}{name}", "=") if prefix.endswith(" ") else (f"{prefix}{name.replace('_', '-')}", " ")
    if first["type"] == "extra_forbidden":
        return UserError(f"unknown option '{name}'", fix=did_you_mean(name, known))
    if first["type"] == "missing":
        return UserError(f"no {name} is given", fix=f"add {flag}{equals}VALUE")
    _, should_be, wanted = first["msg"].partition("Input should be ")
    valued = wanted.startswith(("greater", "less"))
    fix = f"give {'a value ' if valued else ''}{wanted.partition(', unable')[0]}" if should_be else "give another value"
    said = first["msg"].removeprefix("Value error, ")
    return UserError(f"{flag}: {said}, got {first.get('input')!r}", fix=fix)
