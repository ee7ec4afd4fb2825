"""The command that completes a run, as a user can type it.

What a run's manifest says of a server, a cluster, the hub or code that runs needs the user's word, so the command has
every flag by which the user gives it.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from listeval.errors import UserError
from listeval.runs.consent_requests import of_config

if TYPE_CHECKING:
    from listeval.runs.config import RunConfig


def completing(path: Path, config: RunConfig) -> str:
    """`listeval run @PATH`, with the flags of what it asks for; an address that holds a key is not said again."""
    values, url = config.model_dump(mode="json", exclude={"out"}), config.base_url or ""
    said = {"base_url": url if "@" in url or "?" in url else None}
    try:
        asks = of_config(values, said)
    except UserError:  # of a task that is not there, which running it will say
        asks = of_config(values | {"task": None}, said)
    return " ".join([shlex.join(["listeval", "run", f"@{path}"]), *dict.fromkeys(ask.flag for ask in asks)])
