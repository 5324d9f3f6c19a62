"""The door to the HTTP page: odd requests, many clients at once, clients that go away, proxies, IPv6."""

from __future__ import annotations

import http.client
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from retouchd import config
from retouchd.cli import cli
from retouchd.config.settings import Http
from retouchd.errors import ConfigMistakes
from retouchd.web.gate import Gate
from retouchd.web.review import Album, Server, Site, Tiles, serve

TOKEN = "a-token-of-20-letters"


def opened(host: str = "127.0.0.1", token: str = "") -> Server:
    """A page over no folder at all."""
    server = Server((host, 0), Site(Album(()), Tiles(1)), Gate(token))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def door() -> Iterator[Server]:
    server = opened()
    yield server
    server.shutdown()
    server.server_close()


def said(server: Server, request: bytes) -> bytes:
    """Everything that comes back until the server hangs up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        with line.makefile("rb") as answer:
            return answer.read()


NEXT = b"GET /progress HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /shoot/x/approve HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (
            b"GET /progress HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(NEXT) + NEXT,
            b"200",
        ),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + NEXT, b"411"),
        (POST + b"Content-Length: 2\r\nContent-Length: 0\r\n\r\n{}" + NEXT, b"400"),
        (POST + b"Content-Length: +2\r\n\r\n{}" + NEXT, b"400"),
        (POST + b"Content-Length: 99999999999\r\n\r\n{}" + NEXT, b"400"),
    ],
    ids=["a body nobody reads", "chunks", "two lengths", "an odd length", "a huge body"],
)
def test_nothing_of_one_request_is_taken_for_the_next(door: Server, request_: bytes, status: bytes) -> None:
    answers = said(door, request_)
    assert answers.startswith(b"HTTP/1.1 " + status)
    assert answers.count(b"HTTP/1.1 ") == 1


def test_requests_one_after_another_over_one_connection_are_answered(door: Server) -> None:
    assert said(door, NEXT * 3).count(b"HTTP/1.1 200") == 3


def test_connections_that_are_held_end_and_the_page_is_there_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "_MOST_AT_ONCE", 4)
    server = opened()
    held = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(4)]
    for line in held:
        line.sendall(NEXT[:-2])
    refused = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    assert refused.recv(100) == b""
    for line in (*held, refused):
        line.close()
    again: list[bytes] = []
    for _ in range(200):  # until the four have noticed
        try:
            again.append(said(server, NEXT))
        except ConnectionError:
            continue
        if again[-1]:
            break
    assert again[-1].startswith(b"HTTP/1.1 200")
    server.shutdown()
    server.server_close()


def test_many_clients_wait_in_line() -> None:
    """Twenty at once, before anybody is served: the kernel keeps them all."""
    server = Server(("127.0.0.1", 0), None, Gate())
    lines = [socket.create_connection(("127.0.0.1", server.port), timeout=0.9) for _ in range(20)]
    assert len(lines) == 20
    for line in lines:
        line.close()
    server.server_close()


def test_a_client_that_goes_away_leaves_no_stack_in_the_log(
    door: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    whole = Server.process_request_thread

    def watched(self: Server, request: Any, client_address: Any) -> None:
        whole(self, request, client_address)
        ended.set()

    monkeypatch.setattr(Server, "process_request_thread", watched)
    line = socket.create_connection(("127.0.0.1", door.port), timeout=20)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset
    line.sendall(NEXT * 50)
    line.close()
    assert ended.wait(30)
    assert capsys.readouterr().err == ""


def test_an_ipv6_address_is_listened_at() -> None:
    address = Http(listen="[::1]:0").address
    assert address == ("::1", 0)
    try:
        socket.create_server(address, family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    server = opened(address[0])
    line = http.client.HTTPConnection("::1", server.port, timeout=20)
    line.request("GET", "/progress")
    assert line.getresponse().status == 200
    assert server.url == f"http://[::1]:{server.port}"
    server.shutdown()
    server.server_close()


def test_an_ipv6_address_without_brackets_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[http]\nlisten = "::1:8712"\ntoken = "{TOKEN}"\n')
    with pytest.raises(ConfigMistakes, match="in brackets"):
        config.load(path)


PROXIED = {"Host": "127.0.0.1:8712", "Origin": "https://studio.example"}


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303, ""),
        ({}, 403, "hand on the Host"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "hand on the Host"),
    ],
)
def test_behind_a_proxy_that_changes_the_host_the_token_is_taken_or_the_proxy_blamed(
    more: dict[str, str], status: int, words: str
) -> None:
    server = opened(token=TOKEN)
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    line.request("POST", "/login", f"token={TOKEN}", PROXIED | more)
    answer = line.getresponse()
    assert (answer.status, words in answer.read().decode()) == (status, True)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--listen", "0.0.0.0:8712"], "a token of at least 16"),
        (["--listen", ""], "an address and a port"),
        (["--listen", "::1:8712"], "in brackets"),
        (["--token", "with a blank in it"], "token: "),
    ],
)
def test_a_review_that_cannot_listen_so_says_what_is_wrong(
    tmp_path: Path, words: list[str], told: str
) -> None:
    done = CliRunner().invoke(cli, ["review", str(tmp_path), *words])
    assert done.exit_code == 2
    assert told in done.output


def test_a_journal_that_cannot_be_read_now_is_told(door: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(Site, "get", locked)
    answer = said(door, NEXT)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"database is locked" in answer


def test_logins_at_two_services_of_one_machine_stand_side_by_side() -> None:
    """A browser sends the cookies of a host to each of its ports, one of each name."""
    gates = [Gate(TOKEN), Gate(TOKEN + "-of-another")]
    jar = dict(gate.cookie().partition(";")[0].split("=") for gate in gates)
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
    assert [gate.knows(headers) for gate in gates] == [True, True]
