"""The hub's side of an upload, on the loopback: repositories, the check of a card, LFS, and commits.

It takes what `huggingface_hub` sends and keeps it, refuses as a real hub does where a test wants that, and sees whether
the token came along. A card whose metadata the hub's own classes cannot read is refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

OID = "c0ffee" + "0" * 34


class Uploads:
    """`files` by "kind owner/name" and path; `commits` are the headers of what was committed.

    `private` by repository; `refuse` maps a part of an address to the status that it is answered with.
    """

    def __init__(self):
        self.files, self.commits, self.private, self.blobs = {}, [], {}, {}
        self.refuse, self.tokens, self.asked, self.endpoint = {}, set(), [], ""

    def answer(self, method, path, headers, body):
        """(status, JSON) of a request."""
        self.asked.append(f"{method} {path}")
        self.tokens.add(headers.get("Authorization"))
        for part, status in self.refuse.items():
            if part in path:
                return status, {"error": f"refused with {status}"}
        if path.startswith("/blob/"):
            self.blobs[path.removeprefix("/blob/")] = body
            return 200, {}
        said = json.loads(body) if body and "x-ndjson" not in headers.get("Content-Type", "") else {}
        if path == "/api/repos/create":
            return self._create(said)
        if path == "/api/validate-yaml":
            return self._validate(said)
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [self._object(one) for one in said["objects"]]}
        return self._of_repository(path.strip("/").split("/"), said, body)

    def _create(self, said):
        name = f"{said.get('type', 'model')} {said['organization']}/{said['name']}"
        known = name in self.private
        self.private.setdefault(name, said.get("private") or said.get("visibility") == "private")
        url = (
            f"{self.endpoint}/{'datasets/' if name.startswith('dataset') else ''}{said['organization']}/{said['name']}"
        )
        return (409 if known else 200), {"url": url, "error": "You already created this repository"}

    def _validate(self, said):
        from huggingface_hub import DatasetCard, ModelCard

        kind = DatasetCard if said["repoType"] == "dataset" else ModelCard
        try:
            card = kind(said["content"], ignore_metadata_errors=False)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a card
            return 400, {"errors": [{"message": str(error)}], "warnings": []}
        if card.data.get("license") == "nonesuch":
            return 400, {"errors": [{"message": '"license" must be one of [...]'}], "warnings": []}
        return 200, {"errors": [], "warnings": []}

    def _object(self, one):
        upload = {"href": f"{self.endpoint}/blob/{one['oid']}", "header": {}}
        return {"oid": one["oid"], "size": one["size"], "actions": {"upload": upload}}

    def _of_repository(self, parts, said, body):
        kind, name = parts[1].removesuffix("s"), "/".join(parts[2:4])
        key = f"{kind} {name}"
        if key not in self.private:
            return 404, {"error": "Repository not found"}
        if parts[4:5] == ["preupload"]:
            modes = [{"path": f["path"], "shouldIgnore": False, "uploadMode": _mode(f["path"])} for f in said["files"]]
            return 200, {"files": modes}
        if parts[4:5] == ["commit"]:
            lines = [json.loads(line) for line in body.splitlines()]
            self._commit(key, lines)
            return 200, {"commitUrl": f"{self.endpoint}/{name}/commit/{OID}", "commitOid": OID, "success": True}
        return 200, {"id": name, "sha": OID, "private": self.private[key], "siblings": [], "tags": []}

    def _commit(self, key, lines):
        held = self.files.setdefault(key, {})
        self.commits.append(lines[0]["value"])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                held[value["path"]] = base64.b64decode(value["content"])
            else:
                held[value["path"]] = self.blobs[value["oid"]]
                assert hashlib.sha256(held[value["path"]]).hexdigest() == value["oid"]


def _mode(path):
    return "lfs" if path.endswith((".safetensors", ".parquet")) else "regular"


@contextmanager
def taking(hub):
    """Serve `hub` for the block; its address is `hub.endpoint`."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, said = hub.answer(self.command, self.path.partition("?")[0], self.headers, body)
            sent = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = handle_any

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
