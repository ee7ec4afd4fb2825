"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from listeval.cli import signals
from tests.hub_server import SHA, Hub, serving
from tests.hub_uploads import Uploads, taking

# A loaded machine must not fail a property by its speed, nor a lucky draw a change that has nothing to do with it.
settings.register_profile("listeval", deadline=None, derandomize=True)
# For exploring: pytest --hypothesis-profile=wild
settings.register_profile("wild", deadline=None)
settings.load_profile("listeval")
# A suite that runs in the background inherits an ignored Ctrl-C; the processes that it starts must not.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What listeval remembers of this user's folders goes to the tests' own place."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(autouse=True)
def _no_signal_seen() -> None:
    """A process runs one command, but tests run many in theirs: a signal of one is none of the next."""
    signals._seen.clear()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository; tests that need it skip where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data in ../shared/data, which is not in the repository")
    return folder


@pytest.fixture
def serve_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Hub]]:
    """`serve_hub({repository: {path: bytes}})`: `huggingface_hub` asks that stand-in, its cache is empty."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="the hub is read through its client")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    with ExitStack() as closing:

        def serve(files: dict[str, dict[str, bytes]], sha: str = SHA) -> Hub:
            hub = closing.enter_context(serving(Hub(files, sha)))
            template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
            monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.endpoint + template)
            monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
            return hub

        yield serve


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    """A hub that takes uploads of whoever has the token `hf_test`; nobody else's is in the environment."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="uploads go through the hub's client")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    disable_progress_bars()
    with taking(Uploads()) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        yield hub
    enable_progress_bars()
