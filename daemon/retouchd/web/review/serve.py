"""The review over HTTP: the gate first, then the site; headers of every reply forbid what is not needed."""

from __future__ import annotations

import json
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
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; script-src 'self';"
    " style-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
}


class Server(ThreadingHTTPServer):
    """Listens; a thread for each request."""

    daemon_threads = True

    def __init__(
        self,
        listen: tuple[str, int],
        site: Site | None,
        gate: Gate,
        handler: type[BaseHTTPRequestHandler] | None = None,
    ) -> None:
        self.site, self.gate = site, gate
        try:
            super().__init__(listen, handler or Handler)
        except OSError as error:
            raise PortTaken(f"{listen[0]}:{listen[1]}", error.strerror or str(error)) from None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30
    server_version = "retouchd"
    sys_version = ""

    def parse_request(self) -> bool:
        """Refuse a request line without a version: by HTTP/0.9 an answer would come without its status."""
        if not super().parse_request():
            return False
        if self.request_version == "HTTP/0.9":
            self.send_error(400, "no version of HTTP in the request")
            return False
        return True

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

    def _get(self, path: str) -> None:
        if self.server.site is None:
            raise NotHere
        self._reply(self.server.site.get(path))

    def _post(self, path: str) -> None:
        if self._may_change() and self.server.site is not None:
            self._reply(self.server.site.post(path, self._body()))

    def _may_change(self) -> bool:
        if not self.server.gate.own_page(self.headers):
            self._fail(403, "a page of another origin may not change anything")
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
        if not self.server.gate.own_page(self.headers) or not self.server.gate.fits(given):
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
        return self.rfile.read(size)

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
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.data)
