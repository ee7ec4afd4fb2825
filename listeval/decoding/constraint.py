"""What a decoder is held to, independent of any engine: nothing, a schema, a permutation, or a scaffold.

`schema` is the contract's JSON Schema (strict K, ids as an enum). It cannot say "each id once".
`permutation` is a list with every input id exactly once, in any order; `scaffold` is that list in
input order, of which only the values are decoded. The last two exist for a `KeyedList` of numbers.

How freely the answer may be spaced is the constraint's `Spacing`; numbers keep to what the prompt promises.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from listeval.contract.schema_nodes import without
from listeval.contract.separators import USUAL, Separators
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.spacing import Spacing
from listeval.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from listeval.contract import Contract

ConstraintKind = Literal["none", "schema", "permutation", "scaffold"]
EngineName = Literal["xgrammar", "outlines", "llguidance", "own", "server"]

PACKAGES = {"xgrammar": "xgrammar", "outlines": "outlines_core", "llguidance": "llguidance"}
"""The importable package behind each engine that is not ours."""

INSTALL = "pip install 'listeval[constrain]'"

_STOCK: tuple[EngineName, ...] = ("xgrammar", "llguidance", "outlines")
_EXACT: tuple[EngineName, ...] = ("own", "xgrammar", "llguidance")
_CHOICES: dict[str, dict[str, tuple[EngineName, ...]]] = {
    "schema": {"hf": _STOCK, "vllm": _STOCK, "ray": _STOCK, "openai": ("server",)},
    "permutation": {"hf": _EXACT, "vllm": _EXACT, "ray": _EXACT, "openai": _EXACT},
    "scaffold": {"hf": ("own",), "vllm": _STOCK, "ray": _STOCK, "openai": _STOCK},
}
"""The engines of each kind on each backend, the first that is installed being what `auto` stands for."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A kind, and the engine that enforces it. Bound to one example by its contract."""

    kind: Literal["schema", "permutation", "scaffold"]
    engine: EngineName
    spacing: Spacing = Spacing.EITHER
    """What is asked for; what an engine really leaves is measured (`audit`)."""

    def spec(self) -> dict[str, str]:
        """JSON; part of a run's identity."""
        return {"kind": self.kind, "engine": self.engine, "spacing": self.spacing.value}


class JsonForm(NamedTuple):
    """A JSON Schema to keep in an engine's own JSON mode, spaced as far as that can be told."""

    schema: dict[str, Any]
    spacing: Spacing = Spacing.EITHER
    gold: Separators = USUAL


class GrammarForm(NamedTuple):
    """A grammar to keep, in the notation of the engine that is to take it."""

    text: str


class RegexForm(NamedTuple):
    """A regular expression that the whole answer matches."""

    pattern: str


Form = JsonForm | GrammarForm | RegexForm | PermutationSpec
"""What an engine compiles; only our own takes a `PermutationSpec`."""


def resolve(
    kind: ConstraintKind, engine: str | None, backend: str, spacing: Spacing | None = None
) -> Constraint | None:
    """The constraint that the flags ask for on `backend`; None for none.

    Raises UserError for an engine or a spacing without a constraint, a backend that cannot be constrained, an engine
    that cannot do this kind there, and an engine that is not installed.
    """
    asked = None if engine in (None, "auto") else engine
    if kind == "none":
        if asked:
            raise UserError(f"--engine {asked} without a constraint", place="--engine", fix="add --constraint schema")
        if spacing is not None:
            raise UserError(
                f"--spacing {spacing.value} without a constraint", place="--spacing", fix="add --constraint schema"
            )
        return None
    choices = _CHOICES[kind].get(backend)
    if choices is None:
        cause = f"the {backend} backend decodes nothing, so nothing can be constrained"
        raise UserError(cause, place="--constraint", fix="leave it out, or take --backend hf, vllm, ray or openai")
    if asked is None:
        chosen = next((name for name in choices if _there(name, backend)), choices[0])
    elif asked in choices:
        chosen = asked
    else:
        raise _unfit(asked, kind, backend, choices)
    return Constraint(kind, chosen, spacing or Spacing.EITHER)


ENGINES = (*PACKAGES, "own", "auto")
"""What a user may name; on a server a schema is held by an engine of its own, recorded as `server`."""


def check_engine(name: str) -> None:
    """Raises UserError for a name that no engine has on any backend."""
    if name not in (*ENGINES, "server"):
        raise UserError(f"unknown engine '{name}'", place="--engine", fix=did_you_mean(name, list(ENGINES)))


def _unfit(asked: str, kind: str, backend: str, choices: tuple[EngineName, ...]) -> UserError:
    check_engine(asked)
    if choices == ("server",):
        cause, fix = f"on the {backend} backend the server chooses its own engine for a schema", "leave --engine out"
    else:
        cause, fix = f"engine {asked} has no {kind} on the {backend} backend", f"--engine {' or '.join(choices)}"
    return UserError(cause, place="--engine", fix=fix)


def _there(engine: str, backend: str) -> bool:
    """Whether the engine can be imported, where it is this process that needs it."""
    return backend == "openai" or is_there(engine)


def is_there(engine: str) -> bool:
    """Whether this process can import the engine; our own always."""
    return engine not in PACKAGES or find_spec(PACKAGES[engine]) is not None


def require(engine: str) -> None:
    """Raises UserError with the install line where the engine's package is missing."""
    if not is_there(engine):
        raise UserError.missing_package(PACKAGES[engine], INSTALL, f"engine {engine}")


def json_form(contract: Contract[Any]) -> JsonForm:
    """The contract's JSON Schema without what no decoder reads (titles, descriptions, examples, defaults)."""
    return JsonForm(without(contract.json_schema(), _ANNOTATIONS))


_ANNOTATIONS = frozenset({"title", "description", "examples", "default", "$comment", "deprecated", "discriminator"})
