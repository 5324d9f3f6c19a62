"""While the disk of the state folder is full all work waits: said once, and over when there is room."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.daemon.conftest import Hot, wait_for
from tests.daemon.test_journal import Clock, clock, journal
from tests.daemon.test_nas import QUICK, Space, calls, counted, end, space

from retouchd import mounts
from retouchd.config import Settings
from retouchd.jobs import InstanceId
from retouchd.state.journal import Journal
from retouchd.work.desk import Desk
from retouchd.work.dispatch import Dispatcher
from retouchd.work.room import FIRST_PAUSE_S, LONGEST_PAUSE_S, Room

__all__ = ["clock", "counted", "journal", "space"]
FULL, SHORT = mounts.NO_ROOM_BYTES - 1, 3 * mounts.NO_ROOM_BYTES


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is free: its last entry."""
    found = [10 * SHORT]
    monkeypatch.setattr(mounts, "free_bytes", lambda _: found[-1])
    return found


def test_a_full_disk_is_said_once_and_passes_by_itself(
    free: list[int], logged: list[MutableMapping[str, Any]]
) -> None:
    clock = Clock()
    room = Room(Path("/state"), clock)
    assert room.is_there()
    assert not room.lacking
    free.append(FULL)
    for _ in range(100):
        clock.now += 1
        assert not room.is_there()
    assert "/state" in room.lacking
    free.append(SHORT)
    clock.now += 100

    assert room.is_there()
    assert not room.lacking
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("no room", "error"),
        ("no room", "info"),
    ]


def test_after_a_result_that_did_not_fit_none_is_begun_until_more_is_free(free: list[int]) -> None:
    room = Room(Path("/state"), Clock())
    free.append(SHORT)
    room.did_not_suffice()
    assert not room.is_there(), "each photo of the night was rendered for nothing"
    free.append(SHORT + mounts.NO_ROOM_BYTES)
    assert room.is_there()


def test_what_is_freed_late_of_the_result_that_did_not_fit_is_no_more_room(free: list[int]) -> None:
    room = Room(Path("/state"), Clock())
    assert room.is_there()
    begun_with = free[-1]
    free.append(SHORT)
    room.did_not_suffice()
    free.append(begun_with)
    assert not room.is_there()
    free.append(begun_with + mounts.NO_ROOM_BYTES)
    assert room.is_there()


def test_the_disk_is_no_longer_called_full_when_nothing_is_in_line(
    free: list[int], journal: Journal, tmp_path: Path
) -> None:
    room = Room(tmp_path)
    crew: Any = SimpleNamespace(keepers=[], everybody=[])
    free.append(FULL)
    assert not room.is_there()
    free.append(SHORT)
    desk = Desk(journal, crew, InstanceId("me"), tmp_path, room, list, lambda _: None)
    Dispatcher(Settings(), desk).step()
    assert not room.lacking


def test_a_smaller_photo_is_tried_now_and_then(free: list[int]) -> None:
    clock = Clock()
    room = Room(Path("/state"), clock)
    free.append(SHORT)

    def tried_after() -> float:
        room.did_not_suffice()
        began = clock.now
        while not room.is_there():
            clock.now += 1
        return clock.now - began

    pauses = [tried_after() for _ in range(8)]
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S
    room.sufficed()
    assert tried_after() == FIRST_PAUSE_S


def test_one_render_finds_out_that_the_state_folder_is_full(counted: Hot, space: Space) -> None:
    hot = counted
    hot.state.mkdir()
    space.do("mount", "-t", "tmpfs", "-o", "size=48m", "none", hot.state)
    filler = space.at(hot.state) / "filler"
    for_ever = f"{QUICK}; from retouchd.work import room; room.FIRST_PAUSE_S = 1e9"
    process = hot.start(before=for_ever, inside=space.enter)
    wait_for(lambda: '"ready"' in hot.log())
    now = os.statvfs(space.at(hot.state))
    with filler.open("wb") as file:
        file.write(bytes(now.f_bavail * now.f_frsize - (6 << 20)))

    def status() -> str:
        command = [*space.enter, sys.executable, "-m", "retouchd", "status", "--config", str(hot.config)]
        done = subprocess.run(command, env=hot.env, capture_output=True, text=True, check=True)
        return str(done.stdout)

    for name in "abc":
        hot.drop(f"{name}.tif", name.encode() + bytes(1 << 21))
    wait_for(lambda: "all work waits" in hot.log())
    assert calls(hot) == ["a.tif"]
    wait_for(lambda: "all work waits" in status())
    filler.unlink()

    wait_for(lambda: len(list(hot.folder.glob("*-retouched.tif"))) == 3)
    assert sorted(calls(hot)) == ["a.tif", "a.tif", "b.tif", "c.tif"]
    assert hot.log().count('"no room"') == 1
    end(process)


QUOTA = """
import errno, os
is_back = os.path.exists
def within(real, fits):
    def write(*asked):
        if not fits(*asked) and not is_back({freed!r}):
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return real(*asked)
    return write
"""
"""What is written where it does not fit is refused until a file is there; the disk says that it has room."""
NOTHING_IN_STATE = "os.posix_fallocate = within(os.posix_fallocate, lambda *_: False)"
NO_RESULTS = """
from retouchd.results import publish
publish._write = within(publish._write, lambda part, *_: part.name.endswith("-xmp.part"))
"""


@pytest.mark.parametrize("at_the_start", [True, False])
def test_a_quota_of_the_state_folder_that_is_used_up_is_waited_for(
    counted: Hot, *, at_the_start: bool
) -> None:
    """The disk had room: a service that was started so ended as by a mistake in its settings, for good."""
    hot, freed = counted, counted.base / "freed"
    if not at_the_start:
        freed.touch()
    process = hot.start(before=QUOTA.format(freed=str(freed)) + NOTHING_IN_STATE)
    if not at_the_start:
        wait_for(lambda: '"ready"' in hot.log())
        freed.unlink()
    for name in "abc":
        hot.drop(f"{name}.tif", name.encode())
    wait_for(lambda: "a quota used up; free some space" in hot.log())
    if not at_the_start:
        wait_for(lambda: len(hot.rows("queued")) == 3)
        wait_for(lambda: "all work waits" in hot.about("status").stdout)
    assert calls(hot) == []

    freed.touch()
    wait_for(lambda: len(hot.rows("done")) == 3)
    assert sorted(calls(hot)) == ["a.tif", "b.tif", "c.tif"]
    assert hot.log().count("free some space") == 1
    end(process)


def test_a_quota_of_the_share_that_is_used_up_is_waited_for(counted: Hot) -> None:
    hot, freed = counted, counted.base / "freed"
    process = hot.start(before=f"{QUICK}\n{QUOTA.format(freed=str(freed))}{NO_RESULTS}")
    for name in "ab":
        hot.drop(f"{name}.tif", name.encode())
    wait_for(lambda: len([r for r in hot.rows("rendered") if r["code"] == "disk-full"]) == 2)
    assert not list(hot.folder.glob("*-retouched*"))
    assert not list(hot.folder.rglob("*.part"))

    freed.touch()
    wait_for(lambda: len(hot.rows("done")) == 2)
    assert sorted(calls(hot)) == ["a.tif", "b.tif"]
    end(process)
