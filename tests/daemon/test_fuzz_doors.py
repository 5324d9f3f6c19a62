"""Whoever may speak to us from outside may say anything at all: commands, HTTP, files that others wrote."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import traceback
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.daemon.test_fuzz import JSON

from retouch_engine import CORRECTIONS_SCHEMA, Corrections
from retouch_engine.corrections import unpacked_bits
from retouch_engine.errors import EngineError
from retouchd import actions
from retouchd.config import Settings
from retouchd.errors import RetouchdError
from retouchd.models import safe
from retouchd.models.errors import ModelDamaged, UnsafeModelFile
from retouchd.models.manifest import Manifest
from retouchd.models.store import RECEIPT, Receipt
from retouchd.results import corrections
from retouchd.state.journal import FILE_NAME, Journal
from retouchd.web import server as web
from retouchd.web.gate import Gate

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
DEEP = b"[" * 5_000


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    made = Journal.create(tmp_path_factory.mktemp("state"))
    yield made
    made.close()


@given(st.sampled_from([*actions.ACTIONS, "nonsense"]), ANY_TEXT)
@example("retry", "9" * 30)
@example("retry", "a\0b")
@example("submit", "/tmp/\ud800")
@example("resume", "\ud800")
@example("pause", "x" * 5000)
def test_a_person_may_ask_for_anything(journal: Journal, what: str, about: str) -> None:
    watching = Settings.model_validate({"watch": [{"path": "/tmp"}]})
    with contextlib.suppress(RetouchdError):
        assert actions.perform(watching, journal, what, about).isprintable()


class Doors:
    """The HTTP server of the service, which writes down what its threads did not catch."""

    def __init__(self, base: Path, token: str = "") -> None:
        self.caught: list[str] = []
        tree = {"state_dir": str(base), "watch": [{"path": str(base)}], "http": {"token": token}}
        watching = Settings.model_validate(tree)
        self.web = web.Web(watching, ("127.0.0.1", 0), lambda: None)
        self.web._server.handle_error = self._note  # type: ignore[method-assign, assignment]
        self.ended = threading.Event()
        threading.Thread(target=self._answer, args=(watching, base), daemon=True).start()

    def _note(self, *_: object) -> None:
        self.caught.append(traceback.format_exc())

    def _answer(self, watching: Settings, base: Path) -> None:
        journal = Journal.create(base)
        while not self.ended.wait(0.005):
            self.web.step(
                lambda what, about: actions.perform(watching, journal, what, about), ready=True, status="x"
            )
        journal.close()

    def send(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.web.port), timeout=30) as line:
            with contextlib.suppress(ConnectionError):
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                return b"".join(iter(lambda: line.recv(1 << 16), b""))
        return b""


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    base = tmp_path_factory.mktemp("doors")
    Journal.create(base).close()
    made = Doors(base)
    yield made
    made.ended.set()
    made.web.close()


PLACES = st.sampled_from(
    [
        "/",
        "/api/jobs",
        "/api/jobs/",
        "/api/submit",
        "/api/jobs/1/retry",
        "/shoot/",
        "/photo/",
        "/tile/",
        "//",
        "",
    ]
)
TEXT = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20)
WORDS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "", "\0"])
HEADERS = st.dictionaries(
    st.sampled_from(["Host", "Origin", "Cookie", "Authorization", "Content-Type", "Accept"]),
    TEXT | st.sampled_from(["localhost", "application/json", "text/html", "[", "http://[", "null"]),
)


def request(word: str, place: str, headers: dict[str, str], body: bytes) -> bytes:
    told = {"Host": "localhost", "Content-Type": "application/json", **headers, "Content-Length": len(body)}
    lines = [f"{word} {place} HTTP/1.1", *(f"{k}: {v}" for k, v in told.items()), "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@given(WORDS, st.builds(str.__add__, PLACES, TEXT), HEADERS, st.binary(max_size=40) | JSON)
@example("GET", "http://[", {}, b"")
@example("GET", "", {}, b"")
@example("GET", "/api/jobs?limit=x&state=y", {}, b"")
@example("GET", "/api/jobs/" + "9" * 30, {}, b"")
@example("GET", "/", {"Host": "["}, b"")
@example("POST", "/api/submit", {}, b'{"file": "/tmp/\\ud800"}')
@example("POST", "/api/jobs/" + "9" * 30 + "/retry", {}, b"")
@example("POST", "/api/submit", {}, DEEP)
@example("POST", "/photo/1", {"Origin": "http://["}, b"{}")
def test_a_request_may_hold_anything(
    doors: Doors, word: str, place: str, headers: dict[str, str], body: Any
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = doors.send(request(word, place, headers, data))
    assert doors.caught == []
    assert answer[:9] in {b"HTTP/1.1 ", b"HTTP/1.0 "} or b"Error response" in answer or not word
    assert b" 200 " in doors.send(request("GET", "/healthz", {}, b""))


LATIN = st.text(st.characters(codec="latin-1"), max_size=30)


@given(LATIN, LATIN, LATIN)
@example("", "\xff", "[")
def test_a_gate_may_be_asked_by_anybody(cookie: str, given: str, host: str) -> None:
    gate = Gate("the-token-of-the-studio")
    headers = Message()
    for name, value in (("Cookie", cookie), ("Authorization", f"Bearer {given}"), ("Host", "x" + host)):
        headers[name] = value
    with contextlib.suppress(ValueError):  # the handler answers 400
        assert not gate.knows(headers)
    with contextlib.suppress(ValueError):
        assert not Gate().knows(headers)


SPOTS = st.lists(st.dictionaries(st.sampled_from(["box", "wish", "round", "shape"]), JSON), max_size=3)


@same_folder
@given(
    JSON | st.fixed_dictionaries({"spots": SPOTS | JSON, "strength": JSON, "masks": JSON, "approved": JSON})
)
def test_a_file_of_corrections_may_hold_anything(tmp_path: Path, told: Any) -> None:
    with contextlib.suppress(EngineError):
        Corrections.from_json(told)
    photo = tmp_path / "a.tif"
    path = corrections.path_of(photo, tmp_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {**(told if isinstance(told, dict) else {}), "schema": CORRECTIONS_SCHEMA}
    path.write_text(json.dumps({**whole, "source": {"sha256": "ab"}}))
    with contextlib.suppress(corrections.BrokenCorrections):
        corrections.read(photo, tmp_path, "ab")


@given(st.text(max_size=60), st.integers(0, 100))
def test_a_shape_may_hold_anything(shape: str, size: int) -> None:
    with contextlib.suppress(EngineError):
        assert len(unpacked_bits(shape, size)) == size


@same_folder
@given(st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v).encode()))
@example(DEEP)
def test_the_header_of_weights_may_hold_anything(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "a.safetensors"
    for data in (len(header).to_bytes(8, "little") + header, header):
        path.write_bytes(data)
        with contextlib.suppress(UnsafeModelFile):
            safe.check(path, path.name)


@same_folder
@given(st.binary(max_size=100) | JSON.map(lambda v: json.dumps(v).encode()))
@example(DEEP)
@example(b'{"id": 1, "source": 2, "taken_at": 3, "pinned": 4, "files": {"a": [1, 2]}}')
def test_a_receipt_may_hold_anything(tmp_path: Path, told: bytes) -> None:
    (tmp_path / RECEIPT).write_bytes(told)
    with contextlib.suppress(ModelDamaged):
        Receipt.read(tmp_path)


@given(st.dictionaries(st.sampled_from(list(Manifest.model_fields)), JSON))
def test_a_manifest_may_hold_anything(told: dict[str, Any]) -> None:
    with contextlib.suppress(ValidationError):
        Manifest.model_validate(told)


@same_folder
@given(st.binary(max_size=3000), st.integers(0, 20_000))
def test_a_journal_may_be_damaged(tmp_path: Path, noise: bytes, at: int) -> None:
    for path in tmp_path.glob("journal*"):
        path.unlink()
    Journal.create(tmp_path).close()
    data = bytearray((tmp_path / FILE_NAME).read_bytes())
    data[at : at + len(noise)] = noise
    (tmp_path / FILE_NAME).write_bytes(data)
    for way in (Journal.attach, Journal.create):
        with contextlib.suppress(RetouchdError):
            way(tmp_path).close()
