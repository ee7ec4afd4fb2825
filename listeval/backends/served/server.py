"""A server process on a free port of this machine: started, waited for, its words kept, surely stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Self

from listeval.backends.vllm.quiet import last_error
from listeval.errors import UserError

LOG = "server.log"
_SUPERVISOR = "listeval.backends.served.supervisor"
_POLL_S = 0.25
_PATIENCE_S = 40
"""More than what the supervisor waits for the server."""
_KEPT = 4000
"""Lines that are held until there is a directory to write them into."""


def free_port() -> int:
    """A port of the loopback that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`command` under a supervisor; what it writes is read here, so that it never waits for us."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._lines: deque[bytes] = deque(maxlen=_KEPT)
        self._last = b""
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()
        self.log: Path | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", _SUPERVISOR, str(os.getpid()), *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def wait(self, url: str, seconds: float) -> None:
        """Until `url` answers. Raises UserError, with the last error of its log, where it ends or takes longer."""
        import httpx

        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._reader.join(_POLL_S)
                raise self._failed("the server ended before it was ready")
            try:
                if httpx.get(url, timeout=5.0, trust_env=False).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(_POLL_S)
        raise self._failed(f"the server was not ready after {seconds:g} s")

    def log_to(self, directory: Path) -> None:
        """Append what it said and says to a file there. Raises UserError where that cannot be written."""
        path = directory / LOG
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
            file = os.fdopen(os.open(path, flags, 0o644), "ab", buffering=0)
        except OSError as error:
            raise UserError(f"no log: {error.strerror}", place=str(path), fix="check the directory") from None
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file, self.log = file, path
            file.writelines(self._lines)
            self._lines.clear()

    def stop(self) -> None:
        """End it and all its processes; safe to call twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(_POLL_S)
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None, "opened as a pipe above"
        with stream:
            for line in stream:
                with self._lock:
                    self._last = line.strip() or self._last
                    if self._file is None:
                        self._lines.append(line)
                    else:
                        self._file.write(line)

    def _failed(self, cause: str) -> UserError:
        with self._lock:
            text = b"".join(self._lines).decode(errors="replace")
            said = self._last.decode(errors="replace")[:300]
        handle, name = tempfile.mkstemp(prefix="listeval-server-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        fix = "see its log there; another --engine-arg, a smaller --max-model-len, or a longer --timeout-s"
        return UserError(f"{cause}; it said: {last_error(text) or said or 'nothing'}", place=name, fix=fix)
