"""What the order of the items did in each arm, over the paired samples; only where every arm's order is shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from listeval.comparison.arms import Arm
from listeval.comparison.pairing import Pairing
from listeval.errors import UserError, first_line
from listeval.plugins.open import make_task
from listeval.runs.damage import located
from listeval.runs.figures.columns import Columns
from listeval.runs.figures.order_figures import order_columns
from listeval.runs.stored_row import DamagedRow, StoredRow


def with_order(arms: Sequence[Arm], table: Sequence[Columns], pairing: Pairing) -> tuple[list[Columns], Pairing]:
    """The arms' columns with those of `listeval.runs.figures.order_figures`, and the pairing with a note where they are
    not to be had: a task that is gone or raises.
    """
    if not all(arm.run.manifest.task.options.get("order") == "shuffled" for arm in arms):
        return list(table), pairing
    try:
        found = [_columns(arm, rows) for arm, rows in zip(arms, pairing.rows, strict=True)]
    except DamagedRow as error:
        return list(table), _noted(pairing, f"{error.cause} ({error.place})")
    except UserError as error:
        return list(table), _noted(pairing, error.cause)
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        return list(table), _noted(pairing, first_line(error))
    shared = [name for name in found[0] if all(name in own for own in found)]
    return [{**own, **{name: new[name] for name in shared}} for own, new in zip(table, found, strict=True)], pairing


def _columns(arm: Arm, rows: Sequence[StoredRow]) -> Columns:
    task = arm.run.manifest.task
    with located([arm.run.path]):
        whole = [row.row() for row in rows]
    return order_columns(make_task(task.name, task.options), whole)


def _noted(pairing: Pairing, why: str) -> Pairing:
    return replace(pairing, notes=(*pairing.notes, f"what the order of the items did is not known: {why}"))
