"""What a file may not decide alone: a run's manifest or a config file may come from somebody else.

Nothing that spends a credential, opens a network address or executes code is taken from a file without the user's word
on this command line: the flag itself, `--trust` for all that the file asks, or yes to a question on a terminal. What
the user's own environment names (`$LISTEVAL_PATH`) and what is installed needs no further word.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from listeval.runs.entries import TaskEntry

_LOCAL = ("auto", "hf", "vllm", "ray")
_KEY = "OPENAI_API_KEY"
"""Sent to any server that the user names, so a file that names it asks for nothing more."""
_SENDING = ("wandb", "trackio")
"""Trackers that send what a run or a training does to a server."""
_OFFLINE = {"1", "on", "yes", "true"}


class ConsentRequest(NamedTuple):
    """One thing that a file asks for, in words, and the flag by which the user says it, as a shell reads it."""

    what: str
    flag: str
    code: str = ""
    """`module:Class` that may be imported once this is allowed."""


def of_config(values: Mapping[str, Any], given: Mapping[str, Any]) -> list[ConsentRequest]:
    """What a configuration from a file asks for, beyond what was `given` on the command line."""
    own = {name: value for name, value in values.items() if value is not None and given.get(name) is None}
    backend = given.get("backend") or values.get("backend") or "auto"
    if values.get("serve") or given.get("serve"):
        backend = "vllm"  # whose model is a local one, and whose server is our own
    asks = _server(own, given) if backend == "openai" else []
    # A model on the hub is OWNER/NAME, a tokenizer may be a bare name; a server's model is only a name.
    opened = {"tokenizer"} | ({"model"} if backend in _LOCAL and "/" in str(own.get("model")) else set())
    asks += [
        ConsentRequest(f"fetch '{own[name]}' from the hub", _flag(name, own[name]))
        for name in sorted(opened)
        if _on_hub(own.get(name))
    ]
    if "data" in own and _is_remote(own["data"]):
        asks.append(ConsentRequest(f"fetch its data from '{own['data']}'", _flag("data", own["data"])))
    if isinstance(own.get("out"), str) and not _is_below(own["out"]):
        asks.append(ConsentRequest(f"write its run to '{own['out']}'", _flag("out", own["out"])))
    asks += _engine(values, given, str(backend))
    if own.get("ray_address"):
        where = own["ray_address"]
        asks.append(ConsentRequest(f"run on the cluster at {where}", _flag("ray-address", where)))
    asks += _told(own.get("track"), lambda names: f"--track {' --track '.join(names)}")
    if own.get("allow_code_execution"):
        asks.append(ConsentRequest("run the code that the model writes", "--allow-code-execution"))
    if isinstance(own.get("task"), str):
        asks += of_task(own["task"], _flag("task", own["task"]))
    if isinstance(values.get("task"), str):
        said = given.get("options") or {}
        asks += of_options(values["task"], {k: v for k, v in (values.get("options") or {}).items() if k not in said})
    return asks


def of_options(name: str, options: Mapping[str, Any]) -> list[ConsentRequest]:
    """What the options of a task that a file sets ask for: to import the code that they name."""
    from listeval.plugins.registry import load_task, local_code

    if not options or local_code(name) is not None:
        return []  # code in ./tasks is asked for itself, and imported only then
    named = {option: options[option] for option in load_task(name).Options.imports if options.get(option)}
    return [
        ConsentRequest(f"import '{value}'", _flag("set", f"{option}={value}"), str(value))
        for option, value in named.items()
    ]


def of_run(task: TaskEntry) -> list[ConsentRequest]:
    """What a run's manifest asks for where its task is made again."""
    return [ask._replace(flag="") for ask in (*of_task(task.name), *of_options(task.name, task.options))]


def of_task(name: str, flag: str = "") -> list[ConsentRequest]:
    """What a task that a file names asks for: to import code that lies in `./tasks`."""
    from listeval.plugins.registry import local_code

    folder = local_code(name)
    return [] if folder is None else [ConsentRequest(f"run the task code in {folder}", flag)]


def of_model(name: str, flag: str) -> list[ConsentRequest]:
    """What a model asks for that a file names, where `flag` is how the user names it himself."""
    return [ConsentRequest(f"fetch '{name}' from the hub", f"{flag} {shlex.quote(name)}")] if _on_hub(name) else []


def of_recipe(values: Mapping[str, Any], spelled: Callable[[str, Any], str]) -> list[ConsentRequest]:
    """What a training's recipe asks for by these `values` of its keys; `spelled` is how the user says one himself."""
    models = [key for key in values if key.rpartition(".")[2] in ("model", "student", "teacher", "base", "tokenizer")]
    asks = [
        ConsentRequest(f"fetch '{values[key]}' from the hub", spelled(key, values[key]))
        for key in models
        if "/" in str(values[key]) and _on_hub(values[key])
    ]
    if _is_remote(values.get("data")):
        asks.append(ConsentRequest(f"fetch its data from '{values['data']}'", spelled("data", values["data"])))
    asks += _told(values.get("trackers"), lambda names: spelled("trackers", f"[{','.join(names)}]"))
    return asks + (of_task(values["task"], spelled("task", values["task"])) if "task" in values else [])


def _engine(values: Mapping[str, Any], given: Mapping[str, Any], backend: str) -> list[ConsentRequest]:
    """What a file tells an engine that may name code, a file or an address."""
    from listeval.backends.engine_arg import FLAG, needs_word

    said = {name.replace("-", "_") for name in given.get("engine_arg") or {}}
    own = values.get("engine_arg")
    if not isinstance(own, Mapping):
        return []
    return [
        ConsentRequest(f"give the engine {name}={_json(value)}", shlex.join([FLAG, f"{name}={_json(value)}"]))
        for name, value in own.items()
        if str(name).replace("-", "_") not in said and needs_word(backend, str(name), value)
    ]


def _flag(name: str, value: object) -> str:
    return shlex.join([f"--{name}", str(value)])


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _told(trackers: Any, spelled: Callable[[Sequence[str]], str]) -> list[ConsentRequest]:
    """What the trackers that a file names ask for: a list, or in a run's file their names with commas."""
    names = trackers.split(",") if isinstance(trackers, str) else list(trackers or ())
    sent = [name for name in map(str.strip, map(str, names)) if name in _SENDING]
    return [ConsentRequest(f"report to {' and '.join(sent)} with your account", spelled(sent))] if sent else []


def _server(own: Mapping[str, Any], given: Mapping[str, Any]) -> list[ConsentRequest]:
    asks = []
    if "base_url" in own:
        key = "" if "api_key_env" in own else f" (with the key in ${_KEY})"
        asks.append(ConsentRequest(f"connect to {own['base_url']}{key}", _flag("base-url", own["base_url"])))
    elif "backend" in own and not given.get("base_url"):
        asks.append(ConsentRequest("connect to the server in $OPENAI_BASE_URL", "--backend openai"))
    if own.get("api_key_env", _KEY) != _KEY:
        asks.append(ConsentRequest(f"send ${own['api_key_env']} as its key", _flag("api-key-env", own["api_key_env"])))
    return asks


def _on_hub(name: object) -> bool:
    """Whether opening the model or tokenizer `name` would ask the hub for it."""
    if not isinstance(name, str) or os.environ.get("HF_HUB_OFFLINE", "").lower() in _OFFLINE:
        return False
    from listeval.models.short_names import SHORT_NAMES

    # A file or a dangling link of that name is no folder to open, so the hub would be asked.
    local = name.startswith((".", "/", "~")) or Path(name).is_dir()
    return bool(name) and not local and name not in SHORT_NAMES


def _is_below(out: str) -> bool:
    """Whether a directory lies in the working directory, links followed."""
    try:
        return Path(out).resolve().is_relative_to(Path.cwd())
    except (OSError, RuntimeError, ValueError):
        return False


def _is_remote(data: object) -> bool:
    return isinstance(data, str) and (data == "hub" or "://" in data) and not Path(data).exists()
