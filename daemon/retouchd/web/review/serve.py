"""The review over HTTP: the gate first, then the site; headers of every reply forbid what is not needed."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jinja2 import TemplateError

from retouchd.errors import BadRequest, PortTaken, RetouchdError
from retouchd.results.corrections import BrokenCorrections
from retouchd.text import complaint
from retouchd.web.gate import Gate
from retouchd.web.review.site import NotHere, Reply, Site
from retouchd.web.review.viewer import NoPicture

_MOST_BYTES = 4 << 20
_MOST_AT_ONCE = 100
"""Connections: each is a thread and a descriptor, and the service needs descriptors for its photos."""
_END_S = 1.0
"""How long a new connection waits for the thread of one that was hung up on."""
_FOREIGN = (
    "a page of another origin may not change anything; a proxy before this one has to hand on the Host it was"
    " asked for"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; script-src 'self';"
    " style-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
}


class Server(ThreadingHTTPServer):
    """Listens; a thread for each connection."""

    daemon_threads = True
    request_queue_size = 128
    """With http.server's own five, the pictures of a page came one second after another: the kernel drops who
    does not fit, and a browser tries again after a second."""

    def __init__(
        self,
        listen: tuple[str, int],
        site: Site | None,
        gate: Gate,
        handler: type[BaseHTTPRequestHandler] | None = None,
    ) -> None:
        self.site, self.gate = site, gate
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._asking: dict[socket.socket, None] = {}
        if ":" in listen[0]:
            self.address_family = socket.AF_INET6
        try:
            super().__init__(listen, handler or Handler)
        except OSError as error:
            raise PortTaken(f"{listen[0]}:{listen[1]}", error) from None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where it listens, for a browser."""
        host = str(self.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve it, or hang up: held connections must not end the service, and not keep others out either.

        Who sends a byte now and then held its thread for ever, and a hundred such nobody could be served.
        """
        if not self._free.acquire(blocking=False):
            self._hang_up_on_the_slowest()
            if not self._free.acquire(timeout=_END_S):
                self.shutdown_request(request)
                return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """In its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.heard(request)
            self._free.release()

    def listen_to(self, request: socket.socket) -> None:
        """From now on it is the client who takes time."""
        self._asking[request] = None

    def heard(self, request: socket.socket) -> None:
        """From now on it is we."""
        self._asking.pop(request, None)

    def _hang_up_on_the_slowest(self) -> None:
        """On whoever has taken longest to ask, if anybody; its thread then ends."""
        slowest = next(iter(list(self._asking)), None)
        if slowest is not None:
            self.heard(slowest)
            with contextlib.suppress(OSError):  # gone meanwhile
                slowest.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error; each one was a stack in the log."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30
    server_version = "retouchd"
    sys_version = ""

    def handle_one_request(self) -> None:
        """Wait for a request, and answer it."""
        self.server.listen_to(self.connection)
        super().handle_one_request()

    def parse_request(self) -> bool:
        """Refuse a request line without a version: by HTTP/0.9 an answer would come without its status."""
        if not super().parse_request():
            return False
        if self.request_version == "HTTP/0.9":
            self.send_error(400, "no version of HTTP in the request")
            return False
        self.server.heard(self.connection)
        return self._ends_somewhere()

    def _ends_somewhere(self) -> bool:
        """Whether it is beyond doubt where the request ends: what is left of it is taken for the next one.

        A proxy sends the requests of several people over one connection.
        """
        lengths = [text.strip() for text in self.headers.get_all("Content-Length", [])]
        if self.headers.defects:  # with a blank before a colon all that follows is no header any more
            self.send_error(400, "a header that cannot be read")
        elif "Transfer-Encoding" in self.headers:
            self.send_error(411, "send a Content-Length; chunks are not read")
        elif len(lengths) > 1 or not all(text.isascii() and text.isdigit() for text in lengths):
            self.send_error(400, "not one Content-Length")
        else:
            if self.command != "POST" and lengths not in ([], ["0"]):
                self.close_connection = True  # nobody reads it
            return True
        return False

    def do_GET(self) -> None:
        """Look."""
        self._calmly(self._get)

    def do_HEAD(self) -> None:
        """Look, and take nothing along."""
        self._calmly(self._get)

    def do_POST(self) -> None:
        """Change."""
        self._calmly(self._post)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Pages and health are asked for all the time: not worth a line."""

    def _calmly(self, act: Callable[[str], None]) -> None:
        try:
            path = urlsplit(self.path).path
            if self.server.gate.knows(self.headers):
                act(path)
            elif self.command == "POST" and path == "/login":
                self._login()
            else:
                self._stop()
        except NotHere as error:
            self._fail(404, str(error))
        except (BrokenCorrections, NoPicture) as error:
            self._fail(409, str(error))
        except (RetouchdError, ValueError) as error:
            self._fail(400, str(error))
        except (AttributeError, KeyError, TypeError, TemplateError):
            # A record is a text that anybody could have written; it costs its own page.
            self._fail(409, "the record of this photo cannot be shown")
        except OSError as error:
            self._fail(500, complaint(error))
        except sqlite3.Error as error:
            self._fail(503, f"the journal cannot be read now: {error}")

    def _get(self, path: str) -> None:
        if self.server.site is None:
            raise NotHere
        self._reply(self.server.site.get(path))

    def _post(self, path: str) -> None:
        if self._may_change() and self.server.site is not None:
            self._reply(self.server.site.post(path, self._body()))

    def _may_change(self) -> bool:
        if not self.server.gate.own_page(self.headers):
            self._fail(403, _FOREIGN)
        elif self.headers.get_content_type() != "application/json":
            self._fail(415, "send application/json")
        else:
            return True
        return False

    def _stop(self) -> None:
        wants_page = self.command == "GET" and "text/html" in self.headers.get("Accept", "")
        if not self.server.gate.asks_for_a_token:
            self._fail(403, "ask for localhost")
        elif wants_page and self.server.site is not None:
            self._reply(self.server.site.login())
        else:
            self._fail(401, "send the token: Authorization: Bearer ...")

    def _login(self) -> None:
        given = parse_qs(self._raw().decode("ascii", "replace")).get("token", [""])[0]
        if not self.server.gate.own_page(self.headers):
            self._fail(403, _FOREIGN)
            return
        if not self.server.gate.fits(given):
            self._fail(401, "that is not the token")
            return
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Set-Cookie", self.server.gate.cookie())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _raw(self) -> bytes:
        size = int(self.headers.get("Content-Length") or 0)
        if not 0 <= size <= _MOST_BYTES:
            self.close_connection = True
            raise BadRequest("too much")
        self.server.listen_to(self.connection)
        try:
            return self.rfile.read(size)
        finally:
            self.server.heard(self.connection)

    def _body(self) -> dict[str, Any]:
        try:
            body = json.loads(self._raw() or b"{}")
        except RecursionError:
            raise BadRequest("nested too deeply") from None
        if not isinstance(body, dict):
            raise BadRequest("an object is needed")
        return body

    def _fail(self, code: int, why: str) -> None:
        self.close_connection = True  # a body may lie there unread
        page = self.command == "GET" and "text/html" in self.headers.get("Accept", "")
        if self.server.site is not None and page:
            self._reply(self.server.site.failed(code, why))
        else:
            self._send(code, {"failed": why})

    def _send(self, code: int, answer: Any) -> None:
        self._reply(Reply(code, "application/json", json.dumps(answer, ensure_ascii=True).encode()))

    def _reply(self, reply: Reply) -> None:
        self.send_response(reply.code)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.data)))
        keep = f"private, max-age={reply.keep_s}" if reply.keep_s else "no-store"
        self.send_header("Cache-Control", keep)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        try:
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.data)
        except OSError:
            self.close_connection = True  # whoever asked is gone; a second answer would go the same way
