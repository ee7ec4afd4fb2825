"""What a target curve foretells of a training that is about to begin: read from the result of `probe --curve`.

A training that names the curve of its pair is warned where its λ lies beyond the curve's midpoint, and the policy
`auto`, which chooses λ itself, is kept to what the curve allows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from listeval.disk import read_regular
from listeval.errors import UserError
from listopd.extrapolation import AutoSpec, ExtrapolationSpec
from listopd.extrapolation.lambda_policy import PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Loose(BaseModel):
    """What a result holds besides is of no concern here."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Middle(_Loose):
    value: float
    low: float
    high: float


class _Cliff(_Loose):
    midpoint: _Middle | None


class _Breaks(_Loose):
    kinds: dict[str, int]


class _SelfTest(_Loose):
    held: bool


class _Curve(_Loose):
    self_test: _SelfTest
    limit: float
    advice: str
    cliff: _Cliff
    breaks: _Breaks | None


class _Model(_Loose):
    name: str
    fingerprint: str


class _Manifest(_Loose):
    models: dict[str, _Model]


class _Result(_Loose):
    manifest: _Manifest
    curve: _Curve | None = None


class RecordedCurve:
    """A curve of a pair, as a training needs it."""

    def __init__(self, place: str, result: _Result, curve: _Curve) -> None:
        self.place, self._models, self._curve = place, result.manifest.models, curve

    @property
    def limit(self) -> float:
        """The largest λ that the curve allows."""
        return self._curve.limit

    def check_pair(self, fingerprints: Mapping[str, str]) -> None:
        """Raises UserError unless the curve was made from the models of these roles (teacher, base)."""
        for role, fingerprint in fingerprints.items():
            own = self._models.get(role)
            if own is None or own.fingerprint != fingerprint:
                cause = f"this curve is of another {role} ({own.name if own else 'none'})"
                fix = "make it anew with `listeval probe --recipe RECIPE --curve --out FILE.json`, or leave it out"
                raise UserError(cause, place=self.place, fix=fix)

    def warning(self, lam: float) -> str | None:
        """What to say of a training that goes up to `lam`; None where the curve has nothing against it."""
        middle = self._curve.cliff.midpoint
        if middle is None or lam <= middle.value:
            return None
        kinds = self._curve.breaks.kinds if self._curve.breaks else {}
        how = f", most of them as {next(iter(kinds))}" if kinds else ""
        return (
            f"λ = {lam:g} lies beyond the target curve's midpoint {middle.value:.3f} [{middle.low:.3f}, "
            f"{middle.high:.3f}] ({self.place}): half of the answers are foretold to break there{how}; "
            f"λ up to {self.limit:.3g} is not"
        )

    def guard(self, spec: ExtrapolationSpec) -> ExtrapolationSpec:
        """The policy, kept to the curve's limit where it chooses λ itself; never below 1."""
        if not isinstance(spec, AutoSpec) or spec.ceiling <= self.limit:
            return spec
        return spec.model_copy(update={"ceiling": max(PLAIN, self.limit)})

    def lowered(self, spec: ExtrapolationSpec) -> str | None:
        """What to say where the policy's ceiling is not what was asked for; None where `guard` leaves it."""
        if self.guard(spec) == spec:
            return None
        if self.limit > PLAIN:
            return (
                f"{self.place} allows λ up to {self.limit:.3g}, so auto goes no further ({spec.most:g} was its ceiling)"
            )
        nothing = self._curve.cliff.midpoint is None
        said = f"{self.place} {'shows no λ above 1 to be safe' if nothing else 'allows no λ above 1'}"
        # What would decide, if anything would, is the curve's to say.
        return f"{said}, so λ stays 1 (leave opd.curve out to go further). {self._curve.advice}"

    def to_dict(self) -> dict[str, Any]:
        """For a training's manifest."""
        return {"place": self.place, **self._curve.model_dump()}


def read_curve(path: str) -> RecordedCurve:
    """The curve in the result of a probe. Raises UserError for a file that is none, or holds no curve."""
    try:
        result = _Result.model_validate_json(read_regular(Path(path)))
    except FileNotFoundError:
        raise UserError("there is no such curve", place=path, fix="`listeval probe --curve --out FILE.json`") from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", place=path, fix="check the file") from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        cause = f"this is no result of `listeval probe`: {where + ': ' if where else ''}{error.errors()[0]['msg']}"
        raise UserError(cause, place=path, fix="name the file that `listeval probe --curve --out` wrote") from None
    if result.curve is None:
        raise UserError("this probe made no curve", place=path, fix="run `listeval probe` again with --curve")
    if not result.curve.self_test.held:
        cause = "this curve failed its self-test: at λ = 0 or 1 it does not give back the models' own answers"
        raise UserError(cause, place=path, fix="make it anew in float32 or on another device, or leave it out")
    return RecordedCurve(path, result, result.curve)
