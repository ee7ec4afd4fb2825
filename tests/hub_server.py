"""A stand-in for the Hugging Face hub: a server on the loopback that `huggingface_hub` itself talks to.

It knows data sets by name, each as files at one revision, and says what a real hub says: about a repository, its
tree, and its files (with the headers that a download is checked by). What was asked is kept for tests.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

SHA = "abc123" + "0" * 34


class Hub:
    """`files` maps repository to path to bytes. `down` makes every answer a 503, `asked` holds what was downloaded."""

    def __init__(self, files, sha=SHA):
        self.files, self.sha, self.down, self.asked, self.endpoint = files, sha, False, [], ""

    def answer(self, path):
        """(status, headers, body) of a request."""
        if self.down:
            return 503, {}, b"no route to host"
        parts = path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "datasets"] and "/".join(parts[2:4]) in self.files:
            return 200, {}, json.dumps(self._about("/".join(parts[2:4]), tree=parts[4:5] == ["tree"])).encode()
        if parts[:1] == ["datasets"] and parts[3:4] == ["resolve"]:
            body = self.files.get("/".join(parts[1:3]), {}).get("/".join(parts[5:]))
            if body is not None:
                return 200, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": self.sha}, body
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def _about(self, repository, tree):
        files = self.files[repository]
        if tree:
            return [
                {"type": "file", "path": path, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                for path, body in files.items()
            ]
        siblings = [{"rfilename": path} for path in files]
        return {"id": repository, "sha": self.sha, "siblings": siblings, "private": False, "tags": [], "downloads": 0}


@contextmanager
def serving(hub):
    """Serve `hub` for the block; its address is `hub.endpoint`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = hub.answer(self.path)
            if self.command == "GET" and "/resolve/" in self.path and status == 200:
                hub.asked.append(self.path.partition("/resolve/")[2].partition("/")[2])
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def lines(rows):
    """Rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
