"""The optional page for programs, on this machine only: health, metrics, and a small JSON API.

    GET  /healthz   the loop makes progress          GET  /readyz   it takes photos now
    GET  /metrics   for Prometheus, where prometheus-client is installed
    GET  /api/jobs?state=S&limit=N     GET  /api/jobs/N
    POST /api/jobs/N/retry             POST /api/submit  {"file": "/path"}

Reading uses a connection of its own to the journal; changes go through the service's loop. A web page that
somebody opens in a browser can reach this port as well, so a request must name this machine as its host, and
a change must say that it is JSON, which no page of another origin can without being asked.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import parse_qs, urlsplit

from retouchd import log, metrics
from retouchd.errors import BadRequest, PortTaken, RetouchdError, UnknownJob
from retouchd.jobs import JobId, State
from retouchd.journal import Journal, Row

_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST_BYTES = 1 << 16
_MOST_ROWS = 1000
_ANSWER_S = 10.0
_STALE_S = 60.0


@dataclass(slots=True)
class Call:
    """A change that waits for the service's loop."""

    what: str
    about: str
    answered: threading.Event = field(default_factory=threading.Event)
    said: str = ""
    failed: RetouchdError | None = None


@dataclass(slots=True)
class Pulse:
    """What the loop shows of itself."""

    turned_s: float = 0.0
    ready: bool = False


class Web:
    """The server; its threads never touch what belongs to the loop."""

    def __init__(self, listen: tuple[str, int], state_dir: Path, ring: Callable[[], None]) -> None:
        self.pulse = Pulse(time.monotonic())
        self.calls: SimpleQueue[Call] = SimpleQueue()
        self.state_dir, self.ring = state_dir, ring
        try:
            self._server = _Server(listen, self)
        except OSError as error:
            raise PortTaken(f"{listen[0]}:{listen[1]}", error.strerror or str(error)) from None
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        log.get().info("listening", address=f"http://{listen[0]}:{self.port}")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def step(self, answer: Callable[[str, str], str], *, ready: bool) -> None:
        """In the loop: show the pulse, and do what was asked."""
        self.pulse = Pulse(time.monotonic(), ready)
        while True:
            try:
                call = self.calls.get_nowait()
            except Empty:
                return
            try:
                call.said = answer(call.what, call.about)
            except RetouchdError as error:
                call.failed = error
            call.answered.set()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listen: tuple[str, int], web: Web) -> None:
        self.web = web
        super().__init__(listen, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10
    server_version = "retouchd"
    sys_version = ""

    def do_GET(self) -> None:
        """Look."""
        self._calmly(self._get)

    def do_POST(self) -> None:
        """Change."""
        self._calmly(self._post)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Health is asked for every few seconds: not worth a line."""

    def _calmly(self, act: Callable[[str], None]) -> None:
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        try:
            if host not in _HOSTS:
                self._send(403, {"failed": "ask for localhost"})
            else:
                act(urlsplit(self.path).path)
        except UnknownJob as error:
            self._send(404, {"failed": str(error)})
        except (RetouchdError, ValueError) as error:
            self._send(400, {"failed": str(error)})

    def _get(self, path: str) -> None:
        pulse = self.server.web.pulse
        alive = time.monotonic() - pulse.turned_s < _STALE_S
        if path == "/healthz":
            self._send(200 if alive else 503, {"alive": alive})
        elif path == "/readyz":
            ready = alive and pulse.ready
            self._send(200 if ready else 503, {"ready": ready})
        elif path == "/metrics":
            self._metrics()
        elif path == "/api/jobs":
            self._send(200, self._listed())
        elif path.startswith("/api/jobs/"):
            self._send(200, self._found(path.rpartition("/")[2]).as_json())
        else:
            self._send(404, {"failed": "not here"})

    def _metrics(self) -> None:
        journal = self._journal()
        try:
            text = metrics.text(journal)
        finally:
            journal.close()
        if text is None:
            self._send(501, {"failed": "prometheus-client is not installed"})
        else:
            self._reply(200, "text/plain; version=0.0.4; charset=utf-8", text)

    def _listed(self) -> list[dict[str, Any]]:
        asked = parse_qs(urlsplit(self.path).query)
        states = [State(s) for s in asked.get("state", [])] or list(State)
        limit = min(int(asked.get("limit", [_MOST_ROWS])[0]), _MOST_ROWS)
        journal = self._journal()
        try:
            return [row.as_json() for row in journal.listed(states)[-limit:]]
        finally:
            journal.close()

    def _found(self, number: str) -> Row:
        journal = self._journal()
        try:
            row = journal.get(JobId(int(number))) if number.isascii() and number.isdigit() else None
        finally:
            journal.close()
        if row is None:
            raise UnknownJob(number)
        return row

    def _journal(self) -> Journal:
        return Journal.attach(self.server.web.state_dir)

    def _post(self, path: str) -> None:
        parts = path.strip("/").split("/")
        if self.headers.get_content_type() != "application/json" or self.headers.get("Origin"):
            self._send(415, {"failed": "send application/json, from no other page"})
        elif path == "/api/submit":
            self._change("submit", str(self._body().get("file", "")))
        elif len(parts) == 4 and parts[:2] == ["api", "jobs"] and parts[3] == "retry":
            self._body()
            self._change("retry", str(self._found(parts[2]).id))
        else:
            self._send(404, {"failed": "not here"})

    def _body(self) -> dict[str, Any]:
        size = int(self.headers.get("Content-Length") or 0)
        if not 0 <= size <= _MOST_BYTES:
            raise BadRequest("too much")
        try:
            body = json.loads(self.rfile.read(size) or b"{}")
        except RecursionError:
            raise BadRequest("nested too deeply") from None
        if not isinstance(body, dict):
            raise BadRequest("an object is needed")
        return body

    def _change(self, what: str, about: str) -> None:
        call = Call(what, about)
        self.server.web.calls.put(call)
        self.server.web.ring()
        if not call.answered.wait(_ANSWER_S):
            self._send(503, {"failed": "the service is busy; try again"})
        elif call.failed:
            raise call.failed
        else:
            self._send(200, {"said": call.said})

    def _send(self, code: int, answer: Any) -> None:
        self._reply(code, "application/json", json.dumps(answer, ensure_ascii=True).encode())

    def _reply(self, code: int, kind: str, data: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(data)
