"""The door to the HTTP page: odd requests, many clients at once, clients that go away, proxies, IPv6."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.daemon.conftest import wait_for

from retouchd import config
from retouchd.cli import cli
from retouchd.config.settings import Http
from retouchd.errors import ConfigMistakes, PortTaken
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
        (
            b"GET /progress HTTP/1.1\r\nHost: localhost\r\nContent-Length : %d\r\n\r\n" % len(NEXT) + NEXT,
            b"400",
        ),
    ],
    ids=["a body nobody reads", "chunks", "two lengths", "an odd length", "a huge body", "a blank"],
)
def test_nothing_of_one_request_is_taken_for_the_next(door: Server, request_: bytes, status: bytes) -> None:
    answers = said(door, request_)
    assert answers.startswith(b"HTTP/1.1 " + status)
    assert answers.count(b"HTTP/1.1 ") == 1


def test_requests_one_after_another_over_one_connection_are_answered(door: Server) -> None:
    assert said(door, NEXT * 3).count(b"HTTP/1.1 200") == 3


def asking_are(server: Server, many: int) -> bool:
    return len(server._asking) == many


@pytest.mark.parametrize(
    "half", [b"", NEXT[:-2], NEXT, POST + b"Content-Length: 9\r\n\r\n{"], ids=["none", "head", "done", "body"]
)
def test_who_takes_longest_to_ask_makes_way(monkeypatch: pytest.MonkeyPatch, half: bytes) -> None:
    """A hundred connections by which a byte came now and then kept everybody else out for ever."""
    monkeypatch.setattr(serve, "_MOST_AT_ONCE", 4)
    server = opened()
    held = []
    for count in range(1, 5):
        held.append(socket.create_connection(("127.0.0.1", server.port), timeout=20))
        held[-1].sendall(half)
        if half == NEXT:
            assert held[-1].recv(10) == b"HTTP/1.1 2"
        wait_for(partial(asking_are, server, count))
    for _ in range(2):
        assert said(server, NEXT).startswith(b"HTTP/1.1 200")
    while held[0].recv(1000):
        pass
    for line in held:
        line.close()
    server.shutdown()
    server.server_close()


def test_nobody_who_is_being_answered_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_MOST_AT_ONCE", 2)
    monkeypatch.setattr(serve, "_END_S", 0.01)
    begun, go_on, whole = threading.Semaphore(0), threading.Event(), Site.get

    def slow(self: Site, path: str) -> Any:
        begun.release()
        assert go_on.wait(60)
        return whole(self, path)

    monkeypatch.setattr(Site, "get", slow)
    server = opened()
    lines = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(2)]
    for line in lines:
        line.sendall(NEXT)
        assert begun.acquire(timeout=60)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as refused:
        assert refused.recv(100) == b""
    go_on.set()
    for line in lines:
        assert line.recv(12) == b"HTTP/1.1 200"
        line.close()
    server.shutdown()
    server.server_close()


def test_a_thread_that_cannot_be_started_costs_no_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "_MOST_AT_ONCE", 1)
    server = opened()

    def none_left(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", none_left)
        assert said(server, b"") == b""
    assert said(server, NEXT).startswith(b"HTTP/1.1 200")
    assert "can't start new thread" in capsys.readouterr().err
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


@pytest.mark.parametrize(
    ("code", "remedy"), [(errno.EAFNOSUPPORT, "install-service"), (errno.EADDRINUSE, "another")]
)
def test_a_page_that_cannot_listen_says_what_helps(
    monkeypatch: pytest.MonkeyPatch, code: int, remedy: str
) -> None:
    """Below the unit without a network no other address helps."""

    def refused(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Server, "server_bind", refused)
    with pytest.raises(PortTaken, match=f"{os.strerror(code)}; .*{remedy}"):
        opened()


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
