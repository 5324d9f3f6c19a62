"""Every parser of ours against anything at all: an answer or one of our own errors, never another."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from retouch_engine import Role, estimated_bytes
from retouchd import control, mounts, naming
from retouchd.config import Settings, overrides
from retouchd.errors import FolderMistake
from retouchd.results import contact, publish, record, undo
from retouchd.state.journal import STAGE_LIMITS_S
from retouchd.text import ascii_line, shown
from retouchd.work import gpu, protocol

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
)
KEYS = ("source", "engine", "outputs", "counts", "seconds", "spots", "contact")
RECORDS = st.dictionaries(st.sampled_from(KEYS), JSON).map(lambda d: {"schema": "retouchd.record/1", **d})
MAGIC = st.sampled_from(
    [b"II*\0", b"MM\0*", b"II+\0", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b""]
)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.binary())
@example(b"1 2 3 4 \\777 - x y\n")
@example(b"36 35 98:0 /mnt1 /a\\040b rw - ext3 /dev/root rw\n")
def test_a_mount_table_may_hold_anything(table: bytes) -> None:
    for mount in mounts.parse(table):
        assert isinstance(mount.network, bool)


@same_folder
@given(RECORDS)
@example({"schema": "retouchd.record/1", "outputs": None})
@example({"schema": "retouchd.record/1", "outputs": {"mask": 3}})
def test_a_record_may_hold_anything(tmp_path: Path, told: dict[str, Any]) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(record.dump(told))
    known = record.read(path)
    if known is None:
        return
    assert isinstance(record.summary(known), str)
    assert isinstance(record.same_source(known, tmp_path / "a.tif"), bool)
    assert all(isinstance(d, str) for d in record.our_digests(known, "result"))
    assert isinstance(record.renewed(known), dict)
    names = naming.ResultSet(tmp_path, "a")
    names.path(Role.MASK).parent.mkdir(exist_ok=True)
    names.path(Role.MASK).write_bytes(b"mask")
    assert publish.reusable(publish.Published(names, known), lambda: None) == {}
    assert record.seconds(known) is not None
    source = undo._source(known, tmp_path)
    assert source is None or ".." not in source.name


@same_folder
@given(st.binary(max_size=300))
def test_a_file_that_should_be_a_record_may_hold_anything(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    assert record.read(path) is None or b"schema" in data


@same_folder
@given(st.binary(max_size=200) | JSON.map(lambda v: f"strength = {json.dumps(v)}".encode()))
def test_a_folders_settings_may_hold_anything(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "retouch.toml").write_bytes(data)
    with contextlib.suppress(FolderMistake):
        overrides.recipe_for(tmp_path / "a.tif", tmp_path, "studio", Settings())


@same_folder
@given(MAGIC, st.binary(max_size=400))
def test_a_header_may_claim_anything(tmp_path: Path, magic: bytes, rest: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(magic + rest)
    found = estimated_bytes(path)
    assert found is None or found >= 0


@given(st.text())
def test_whatever_is_shown_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()
    assert ascii_line(text).isascii()


@given(st.text() | st.lists(st.text(max_size=8), max_size=9).map(", ".join))
def test_what_the_tool_for_cards_says_may_be_anything(answer: str) -> None:
    assert all(isinstance(card.index, int) for card in gpu.parse(answer))


@given(st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v).encode()))
def test_a_caller_of_the_socket_may_send_anything(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent + b"\n")
        theirs.shutdown(socket.SHUT_WR)
        answer = control._reply(ours, lambda what, about: f"{what} {about}")
    assert set(answer) in ({"said"}, {"failed", "exit_code"})


@given(st.dictionaries(st.text(max_size=9), JSON))
def test_a_message_survives_the_pipe(message: dict[str, Any]) -> None:
    line = protocol.encode(message)
    assert line.count(b"\n") == 1
    assert json.dumps(protocol.decode(line), sort_keys=True) == json.dumps(message, sort_keys=True)


@same_folder
@given(JSON)
def test_any_record_makes_a_page(tmp_path: Path, spots: Any) -> None:
    own = tmp_path / "_retouchd"
    own.mkdir(exist_ok=True)
    told = {"schema": "retouchd.record/1", "source": {"name": "a.tif"}, "spots": spots, "contact": spots}
    (own / "a.json").write_bytes(record.dump(told))
    assert "Contact sheet" in contact.ContactPages().render(tmp_path)


@given(st.dictionaries(st.text(max_size=9), st.floats() | st.integers() | JSON))
def test_the_stages_of_any_record_can_be_counted(seconds: dict[str, Any]) -> None:
    found = record.stages({"seconds": seconds})
    assert all(any(s <= limit for limit in STAGE_LIMITS_S) for s in found.values())
