"""The lock: predictions as numbers, with the sha256 of what they and the arms depend on, made before any arm has run.

Its seal is the sha256 of everything else in it. A seal proves nothing to a stranger who was not given it in time: print
it, publish it, or commit it before the sweep. The first sweep notes the seal, so a lock made later is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import to_json

from listeval import __version__
from listeval.disk import write_atomic
from listeval.errors import UserError, first_line
from listopd.cliff import cliff_rules
from listopd.cliff.arms import PairForecast
from listopd.cliff.study import StudyFile

_FORMAT = 1
_LOCK, _SWEPT = "lock.json", "swept.json"


class Lock(NamedTuple):
    """What was fixed before the first arm."""

    seal: str
    content: Mapping[str, Any]

    @property
    def numbers(self) -> dict[str, float]:
        """The λ of each prediction that has one; infinite: there is no cliff; NaN: its rule abstains."""
        return {name: float(value) for name, value in self.content["numbers"].items()}

    @property
    def foretold(self) -> dict[str, PairForecast]:
        """By the pair's name."""
        return {name: cliff_rules.from_json(value) for name, value in self.content["foretold"].items()}


def write_lock(
    file: StudyFile,
    out: Path,
    inputs: Mapping[str, str],
    foretold: Mapping[str, PairForecast],
    numbers: Mapping[str, float],
) -> Lock:
    """Write `out`/lock.json. Raises UserError where it exists, or an arm has begun."""
    check_unlocked(out)
    content = {
        "format": _FORMAT,
        "study": {"name": file.study.name, "sha256": file.sha256},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "listeval": __version__,
        "code": code(),
        "inputs": dict(inputs),
        "arms": [arm.id for arm in file.arms],
        "numbers": dict(numbers),
        "foretold": {name: cliff_rules.to_json(found) for name, found in foretold.items()},
    }
    text = to_json(content, inf_nan_mode="strings").decode()
    # As it comes back from a file.
    value = json.loads(text)
    sealed = {"seal": _seal(value), **value}
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "study.yaml", file.content)
    write_atomic(out / _LOCK, (json.dumps(sealed, ensure_ascii=False) + "\n").encode())
    return Lock(sealed["seal"], value)


def check_unlocked(out: Path) -> None:
    """Raises UserError where a study is locked in `out` already, or an arm has begun there."""
    if (out / _LOCK).exists():
        raise UserError("the study is locked already", place=str(out / _LOCK), fix="sweep it, or name another --out")
    if any((out / "arms").glob("*")):
        cause = "arms have begun, so nothing can be foretold of them any more"
        raise UserError(cause, place=str(out / "arms"), fix="lock in another --out")


def read_lock(file: StudyFile, out: Path) -> Lock:
    """The lock of this study in `out`. Raises UserError for none, an altered one, and one of another study."""
    place = out / _LOCK
    try:
        value = json.loads(place.read_text(encoding="utf-8"))
        seal = value.pop("seal")
        study = value["study"]["sha256"]
    except FileNotFoundError:
        raise UserError("the study is not locked", place=str(place), fix="listeval cliff lock, first") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"the lock cannot be read: {first_line(error)}", place=str(place), fix=_ANEW) from None
    if seal != _seal(value):
        raise UserError("the lock was altered after it was made", place=str(place), fix=_ANEW)
    if study != file.sha256:
        cause = "the study was altered after it was locked"
        fix = f"undo the change ({out / 'study.yaml'} is the locked one), or lock in another --out"
        raise UserError(cause, place=str(file.path), fix=fix)
    _check_format(value, place)
    lock = Lock(seal, value)
    _check_whole(lock, file, place)
    _check_swept(lock, out)
    return lock


_ANEW = "put the lock back as it was made, or lock in another --out and sweep again"


def check_inputs(lock: Lock, inputs: Mapping[str, str], out: Path) -> None:
    """Raises UserError where code, data or models are not those that were locked; `inputs` may be of some arms only."""
    locked = {name: value for name, value in lock.content["inputs"].items() if name in inputs}
    changed = _changed(lock.content["code"], code()) + _changed(locked, inputs)
    if changed:
        cause = f"not what was locked: {', '.join(changed)}"
        raise UserError(cause, place=str(out), fix="put it back, or lock in another --out")


def note_sweep(lock: Lock, out: Path) -> None:
    """From now on no other lock is taken in `out`."""
    if not (out / _SWEPT).exists():
        value = {"lock": lock.seal, "started": datetime.now(UTC).isoformat(timespec="seconds")}
        write_atomic(out / _SWEPT, (json.dumps(value) + "\n").encode())


def code() -> dict[str, str]:
    """sha256 of the two packages' files."""
    import listeval
    import listopd
    from listeval.plugins.code import tree_hash

    return {package.__name__: tree_hash(Path(str(package.__file__)).parent) for package in (listeval, listopd)}


def _check_format(value: Mapping[str, Any], place: Path) -> None:
    if value.get("format") != _FORMAT:
        cause = f"a lock of format {value.get('format')} is not known here"
        raise UserError(cause, place=str(place), fix=f"use the listeval that made it: {value.get('listeval')}")


def _check_whole(lock: Lock, file: StudyFile, place: Path) -> None:
    """Raises UserError where a sealed lock lacks what a lock holds: its numbers, pairs, code, inputs."""
    pairs = {arm.pair.name for arm in file.arms}
    try:
        whole = pairs <= lock.foretold.keys() and bool(lock.content["created"])
        wanted = {claim.id for claim in file.study.predictions if claim.kind in ("midpoint", "drift")}
        whole = whole and wanted <= lock.numbers.keys()
        whole = whole and all(isinstance(lock.content[name], dict) for name in ("code", "inputs"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"the lock is damaged: {first_line(error)}", place=str(place), fix=_ANEW) from None
    if not whole:
        raise UserError("the lock lacks a part of what a lock holds", place=str(place), fix=_ANEW)


def _check_swept(lock: Lock, out: Path) -> None:
    try:
        first = json.loads((out / _SWEPT).read_text(encoding="utf-8"))["lock"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"it cannot be read: {first_line(error)}", place=str(out / _SWEPT), fix=_ANEW) from None
    if first != lock.seal:
        raise UserError("the lock is not the one that the arms were trained under", place=str(out / _LOCK), fix=_ANEW)


def _seal(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(canonical.encode()).hexdigest()


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
