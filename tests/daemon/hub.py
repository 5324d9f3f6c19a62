"""A hub on this machine that speaks enough of Hugging Face's API to be pulled from, and can misbehave."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ONNX = b"\x08\x08" + b"weights" * 4000


def safetensors(data: bytes = b"\0" * 64) -> bytes:
    """A file of one tensor."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


@dataclass
class Hub:
    """The repositories it serves and how it misbehaves."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    token: str = "hf_right"
    cut_after: int | None = None
    """Breaks the line after this many bytes of a body; from then on nothing comes through."""
    down: bool = False
    lies: dict[str, bytes] = field(default_factory=dict)
    """By name: served instead of the bytes that the listing promises."""
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and Range of each request."""
    endpoint: str = ""


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            if hub.down:
                return self._cut()
            path = unquote(urlsplit(self.path).path)
            hub.seen.append((self.command, path, self.headers.get("Range", "")))
            parts = path.strip("/").split("/")
            api = parts[:2] == ["api", "models"]
            repository = "/".join(parts[2:4] if api else parts[:2])
            if repository not in hub.files:
                return self._refuse(404, "RepoNotFound")
            right = self.headers.get("Authorization") == f"Bearer {hub.token}"
            if repository in hub.gated and not right:
                return self._refuse(403, "GatedRepo")
            if api:
                return self._plain(json.dumps(self._listing(repository)).encode())
            name = "/".join(parts[4:])
            if name not in hub.files[repository]:
                return self._refuse(404, "EntryNotFound")
            return self._file(name, hub.files[repository][name], body=body)

        def _listing(self, repository: str) -> dict[str, object]:
            siblings = [
                {
                    "rfilename": name,
                    "size": len(data),
                    "blobId": hashlib.sha1(data).hexdigest(),
                    **(
                        {
                            "lfs": {
                                "sha256": hashlib.sha256(data).hexdigest(),
                                "size": len(data),
                                "pointerSize": 134,
                            }
                        }
                        if not name.endswith((".json", ".txt"))
                        else {}
                    ),
                }
                for name, data in hub.files[repository].items()
            ]
            return {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings, "tags": []}

        def _file(self, name: str, data: bytes, *, body: bool) -> None:
            etag = hashlib.sha256(data).hexdigest()
            served = hub.lies.get(name, data) if body else data
            start = 0
            if asked := self.headers.get("Range", "").removeprefix("bytes="):
                start = int(asked.split("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{etag}"')
            self.send_header("Accept-Ranges", "bytes")
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(served) - 1}/{len(served)}")
            self.send_header("Content-Length", str(len(served) - start))
            self.end_headers()
            if not body:
                return
            rest = served[start:]
            if hub.cut_after is not None and len(rest) > hub.cut_after:
                self.wfile.write(rest[: hub.cut_after])
                hub.down = True
                self._cut()
            else:
                self.wfile.write(rest)

        def _cut(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def _plain(self, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def _refuse(self, code: int, word: str) -> None:
            self.send_response(code)
            self.send_header("X-Error-Code", word)
            self.send_header("X-Error-Message", word)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The hub on a loopback port of the kernel's choice."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
