"""The command that completes a run, as a user can type it.

What a run's manifest says of a server, a cluster, the hub or code that runs needs the user's word
(`listeval.cli.consent`), so the command spells it.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from listeval.runs.config import RunConfig


def completing(path: Path, config: RunConfig) -> str:
    """`listeval run @PATH`, with the flags that say where its model is and what else the run may do."""
    return shlex.join(["listeval", "run", f"@{path}", *_words(config)])


def _words(config: RunConfig) -> list[str]:
    words = []
    if config.backend == "openai" and not config.serve:
        url = config.base_url
        # An address is recorded without a key; one from elsewhere that holds one is not said again.
        words += ["--backend", "openai"] if url is None else [] if "@" in url or "?" in url else ["--base-url", url]
        if config.api_key_env is not None:
            words += ["--api-key-env", config.api_key_env]
    elif "/" in config.model and _on_hub(config.model):
        words += ["--model", config.model]
    if config.tokenizer is not None and _on_hub(config.tokenizer):
        words += ["--tokenizer", config.tokenizer]
    if config.ray_address:
        words += ["--ray-address", config.ray_address]
    if config.allow_code_execution:
        words.append("--allow-code-execution")
    return words


def _on_hub(name: str) -> bool:
    """Whether it may be a name on the hub: it is no folder here."""
    return not name.startswith((".", "/", "~")) and not Path(name).is_dir()
