"""What the service says over HTTP: health, metrics, a small JSON API for programs, and the review page.

    GET  /healthz   the loop makes progress          GET  /readyz   it takes photos now
    GET  /metrics   for Prometheus, where prometheus-client is installed
    GET  /api/jobs?state=S&limit=N     GET  /api/jobs/N
    POST /api/jobs/N/retry             POST /api/submit  {"file": "/path"}

Reading uses a connection of its own to the journal; changes go through the service's loop. Who may ask is the
gate's business; everything else is the review's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import parse_qs, urlsplit

from retouchd import log
from retouchd.config import Settings
from retouchd.errors import RetouchdError, UnknownJob
from retouchd.jobs import JobId, State
from retouchd.state.journal import Journal
from retouchd.state.rows import Row
from retouchd.web import metrics
from retouchd.web.gate import Gate
from retouchd.web.review import Album, Handler, Reply, Server, Site, Tiles, places_of

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

    def __init__(self, settings: Settings, listen: tuple[str, int], ring: Callable[[], None]) -> None:
        self.pulse = Pulse(time.monotonic())
        self.calls: SimpleQueue[Call] = SimpleQueue()
        self.ring = ring
        self.settings = settings
        album = Album(places_of((w.path, w.mirror) for w in settings.watch))
        self._tiles = Tiles(settings.limits.max_megapixels)
        site = Site(album, self._tiles, says=lambda: self.status, changed=lambda _: ring())
        self.status = ""
        self._server = _Server(listen, site, Gate(settings.http.token), self)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        log.get().info("listening", address=self._server.url)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    def watch(self, settings: Settings) -> None:
        """Show the folders of these settings from now on."""
        self.settings = settings
        self._server.album.places = places_of((w.path, w.mirror) for w in settings.watch)
        self._server.album.forget()

    def step(self, answer: Callable[[str, str], str], *, ready: bool, status: str) -> None:
        """In the loop: show the pulse, and do what was asked."""
        self.pulse, self.status = Pulse(time.monotonic(), ready), status
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
        self._tiles.close()


class _Server(Server):
    def __init__(self, listen: tuple[str, int], site: Site, gate: Gate, web: Web) -> None:
        self.web, self.album = web, site.album
        super().__init__(listen, site, gate, _Handler)


class _Handler(Handler):
    server: _Server

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
            self._known(path.rpartition("/")[2])
        else:
            super()._get(path)

    def _known(self, number: str) -> None:
        try:
            self._send(200, self._found(number).as_json())
        except UnknownJob as error:
            self._send(404, {"failed": str(error)})

    def _metrics(self) -> None:
        journal = self._journal()
        try:
            text = metrics.text(journal, self.server.web.settings)
        finally:
            journal.close()
        if text is None:
            self._send(501, {"failed": "prometheus-client is not installed"})
        else:
            self._reply(Reply(200, "text/plain; version=0.0.4; charset=utf-8", text))

    def _listed(self) -> list[dict[str, Any]]:
        asked = parse_qs(urlsplit(self.path).query)
        states = [State(s) for s in asked.get("state", [])] or list(State)
        limit = max(1, min(int(asked.get("limit", [_MOST_ROWS])[0]), _MOST_ROWS))
        journal = self._journal()
        try:
            return [row.as_json() for row in journal.listed(states, limit)]
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
        return Journal.attach(self.server.web.settings.state_dir)

    def _post(self, path: str) -> None:
        parts = path.strip("/").split("/")
        if not path.startswith("/api/"):
            super()._post(path)
        elif not self._may_change():
            return
        elif path == "/api/submit":
            self._change("submit", str(self._body().get("file", "")))
        elif len(parts) == 4 and parts[:2] == ["api", "jobs"] and parts[3] == "retry":
            self._body()
            self._retry(parts[2])
        else:
            self._send(404, {"failed": "not here"})

    def _retry(self, number: str) -> None:
        try:
            job = str(self._found(number).id)
        except UnknownJob as error:
            self._send(404, {"failed": str(error)})
        else:
            self._change("retry", job)

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
