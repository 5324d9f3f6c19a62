"""Guards that a long night needs: memory, stuck workers, circles, mixed mounts, history. Clocks by hand."""

from __future__ import annotations

import os
import select
import signal
import sqlite3
import struct
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.daemon.conftest import Hot, wait_for
from tests.daemon.test_journal import ME, Clock, Desk, fail, journal, seen
from tests.daemon.test_worker import ask, code, until_ready

from retouch_engine import estimated_bytes
from retouchd import config, naming
from retouchd.config.settings import Settings
from retouchd.errors import ConfigMistakes, MemoryShort, OverBudget
from retouchd.jobs import Signature, State
from retouchd.mounts import Mount
from retouchd.state import schema
from retouchd.state.journal import FILE_NAME, Journal
from retouchd.watch.intake import Intake
from retouchd.watch.scanner import Bounds, scan
from retouchd.work import desk as desks
from retouchd.work import dispatch, worker
from retouchd.work.room import Room
from retouchd.work.supervisor import Supervisor, WorkerPlan

__all__ = ["journal"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tiff_header(width: int, height: int) -> bytes:
    tags = [(256, 4, width), (257, 4, height), (258, 3, 16), (277, 3, 3)]
    body = b"".join(struct.pack("<HHLL", t, k, 1, v) for t, k, v in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4)


def test_a_worker_that_grows_past_its_ceiling_is_replaced(keeper: Supervisor, tmp_path: Path) -> None:
    keeper.plan = WorkerPlan("fake_engine:open_engine", memory_bytes=200_000_000)
    outcome = ask(keeper, tmp_path, b"HOG=300")

    assert code(outcome) == "memory-ceiling"
    assert outcome.failure
    assert "200.0 MB allowed" in outcome.failure.message
    assert ask(keeper, tmp_path, b"photo").failure is None


def test_a_worker_that_stands_still_is_replaced(keeper: Supervisor, tmp_path: Path) -> None:
    until_ready(keeper)
    keeper.stuck_s = 0.5  # not before: on a busy machine the start alone takes longer
    first = keeper.pid
    assert first
    os.kill(first, signal.SIGSTOP)
    while keeper.pid == first:
        select.select([], [], [], 0.05)
        list(keeper.poll())
    keeper.stuck_s = 60
    assert ask(keeper, tmp_path, b"photo").failure is None


def test_photos_are_admitted_by_the_memory_that_their_header_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "a.tif"
    photo.write_bytes(tiff_header(20_000, 10_000))
    needed = estimated_bytes(photo)
    assert needed
    assert needed >= 20_000 * 10_000 * 6
    with pytest.raises(OverBudget, match=r"a\.tif needs about 6\.3 GB of memory; 1\.0 GB allowed"):
        worker.admit(photo, 10**9)
    monkeypatch.setattr(worker, "_free_bytes", lambda: 10**9)
    with pytest.raises(MemoryShort, match="waits for memory"):
        worker.admit(photo, 10**11)
    worker.admit(photo, 0)
    photo.write_bytes(b"no photo")
    worker.admit(photo, 1)


def test_waiting_for_memory_costs_no_attempt(journal: Journal) -> None:
    row = seen(journal)
    for _ in range(20):
        row = fail(row, "memory-short", retryable=True)
    assert (row.state, row.attempts) == (State.RETRY, 0)
    assert fail(seen(journal, b"/r/b"), "over-budget").state == State.SKIPPED
    assert fail(seen(journal, b"/r/c"), "memory-ceiling", retryable=True).deaths == 1


def test_a_worker_that_dies_right_after_its_digest_costs_the_photo_nothing(
    tmp_path: Path, journal: Journal
) -> None:
    photo = tmp_path / "a.tif"
    photo.write_bytes(b"x")
    journal.see(os.fsencode(photo), os.fsencode(tmp_path), Signature.of(photo.stat()), "")
    row = journal.find(os.fsencode(photo))
    assert row
    journal.save(replace(row, state=State.QUEUED))

    class Dying:
        ready, busy, outdated, said, quiet_s = True, False, False, 0, 0.0

        def poll(self) -> list[dict[str, str]]:
            self.ready = not self.said  # the answer and the end of the pipe come in one reading
            return [{"event": "digest", "sha256": "d"}] if self.said else []

        def send(self, _message: dict[str, str]) -> None:
            assert self.ready
            self.said += 1

    watching = Settings.model_validate({"watch": [{"path": str(tmp_path)}]})
    keeper: Any = Dying()
    crew: Any = SimpleNamespace(keepers=[keeper], everybody=[keeper], plan=WorkerPlan())
    room = Room(tmp_path)
    desk = desks.Desk(journal, crew, ME, tmp_path, room, lambda: [os.fsencode(tmp_path)], lambda *_: None)
    for name in (naming.first_set(photo, tmp_path).path(naming.RECORD),):
        name.parent.mkdir()
        name.touch()
    work = dispatch.Dispatcher(watching, desk)
    work.step()
    work.step()
    after = journal.find(os.fsencode(photo))
    assert after
    assert (keeper.said, after.state, after.deaths, work.current) == (1, State.QUEUED, 0, [])


RESTING = {"done", "quarantined"}


def taken(hot: Hot, data: bytes) -> bool:
    result = hot.folder / "a-retouched.tif"
    return (result.exists() and data in result.read_bytes()) or len(hot.rows("quarantined")) == 2


def test_a_circle_is_broken_and_shouted_about(hot: Hot) -> None:
    hot.configure(more="generations = 2\n")
    photo = hot.drop("a.tif", b"0")
    hot.drop("b-retouched-proof-retouched-proof.jpg", b"result of a result")
    process = hot.start()
    for i in range(1, 8):  # a program that rewrites the photo whenever there is a result
        told = f"<rewritten {i} times>".encode()  # no digit of a digest looks like it
        wait_for(lambda: [r for r in hot.rows() if r["file"] == str(photo) and r["state"] in RESTING])
        if [r for r in hot.rows("quarantined") if r["file"].endswith("a.tif")]:
            break
        photo.write_bytes(told)
        wait_for(lambda: taken(hot, told))  # noqa: B023 - called at once
    wait_for(lambda: len(hot.rows("quarantined")) == 2)
    process.terminate()
    process.wait(60)
    assert {r["code"] for r in hot.rows("quarantined")} == {"loop"}
    assert '"level": "error"' in hot.log()
    assert naming.generations("a-retouched-RETOUCHED") == 2


def test_a_folder_inside_is_treated_as_its_own_mount_demands(
    tmp_path: Path, journal: Journal, clock: Clock
) -> None:
    desk = Desk(tmp_path, journal, clock)
    share = desk.hot / "share"
    share.mkdir()
    desk.table[:] = [Mount(Path("/"), "ext4", "a"), Mount(share, "cifs", "//nas/x")]
    for name in ("local.tif", "share/far.tif"):
        (desk.hot / name).write_bytes(b"x")
    desk.look()
    desk.look(after=3)
    root = desk.intake.roots[desk.hot]
    assert (root.network, root.network_at(share / "far.tif")) == (False, True)
    desk.look(after=7)
    assert desk.state("local.tif")[0] == State.QUEUED
    for _ in range(2):
        desk.look()
    assert desk.state("share/far.tif")[0] == State.QUEUED

    desk.table.pop()
    (share / "far.tif").rename(tmp_path / "far.tif")
    (share / "ghost.tif").write_bytes(b"below the mount point")
    for _ in range(4):
        desk.look()
    assert desk.state("share/far.tif")[0] == State.QUEUED
    assert desk.intake.away(share / "far.tif")
    assert journal.find(os.fsencode(share / "ghost.tif")) is None
    assert "no longer mounted" in journal.roots()[0].note
    assert desk.intake.online()


def test_a_root_without_its_marker_is_offline(tmp_path: Path, journal: Journal, clock: Clock) -> None:
    hot = tmp_path / "hot"
    hot.mkdir()
    made = {"state_dir": str(tmp_path), "watch": [{"path": str(hot), "marker": ".here"}]}
    table = [Mount(Path("/"), "ext4", "a")]
    intake = Intake(Settings.model_validate(made), journal, clock=clock, table=lambda: table)
    (hot / "a.tif").write_bytes(b"x")
    intake.look()
    assert intake.online() == []
    assert journal.listed() == []
    (hot / ".here").touch()
    clock.now += 10
    intake.look()
    assert intake.online() == [os.fsencode(hot)]
    assert len(journal.listed()) == 1


def test_depth_has_a_limit(tmp_path: Path) -> None:
    deep = tmp_path / "1/2/3"
    deep.mkdir(parents=True)
    for folder in (tmp_path, *deep.parents[:2], deep):
        (folder / "a.tif").touch()
    assert [len(scan(os.fsencode(tmp_path), Bounds(max_depth=d)).files) for d in (1, 2, 3)] == [
        2,
        3,
        4,
    ]


def test_history_of_removed_photos_is_pruned_by_age(tmp_path: Path, journal: Journal, clock: Clock) -> None:
    desk = Desk(tmp_path, journal, clock)
    for name in ("here.tif", "gone.tif", "open.tif"):
        (desk.hot / name).write_bytes(b"x")
    desk.look()
    for row in journal.listed():
        state = State.QUEUED if row.path.endswith(b"open.tif") else State.DONE
        journal.save(replace(row, state=state))
    (desk.hot / "gone.tif").unlink()
    desk.look(after=399 * 86_400)
    assert len(journal.listed()) == 3
    desk.look(after=2 * 86_400)
    assert [r.file.name for r in journal.listed()] == ["here.tif", "open.tif"]


def test_what_is_changed_together_is_changed_as_a_whole_or_not_at_all(journal: Journal) -> None:
    row = seen(journal)

    def change(reason: str) -> None:
        with journal.together():
            half = journal.save(replace(row, reason="half"))
            assert half
            with journal.together():
                journal.save(replace(half, reason=reason))
            if not reason:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        change("")
    assert journal.find(row.path) == row
    change("whole")
    assert [found.reason for found in journal.listed()] == ["whole"]


def test_a_journal_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    old = sqlite3.connect(path, isolation_level=None)
    old.executescript(f"BEGIN; {schema.MIGRATIONS[0]} PRAGMA user_version=1; COMMIT;")
    values = (7, b"/\xff.tif", b"/", "done", "3 healed", "", "1:2:3:4:5", "d", "r")
    old.execute(f"INSERT INTO job VALUES ({', '.join('?' * 9)}, 0, 0, 0, '', 0, '', 1, 2, 9)", values)
    (name,) = old.execute("SELECT value FROM about").fetchone()
    old.close()
    migrated = Journal.create(tmp_path)
    (row,) = migrated.listed()
    assert (row.id, row.path, row.reason, row.made, row.revision) == (7, b"/\xff.tif", "3 healed", 0, 9)
    assert migrated.id == name
    assert migrated.paused() == frozenset()
    assert migrated.save(replace(row, made=1))
    migrated.close()


@pytest.mark.parametrize(
    ("output", "wrong"),
    [
        ("mirror:{hot}/out", "outside of"),
        ("mirror:{hot}", "outside of"),
        ("mirror:{base}", "not above it"),
        ("mirror:{base}/state/out", "apart from state_dir"),
        ("mirror:relative", "absolute path"),
        ("elsewhere", '"beside"'),
        ("beside", ""),
        ("mirror:{base}/out", ""),
    ],
)
def test_results_that_would_be_watched_again_are_refused(tmp_path: Path, output: str, wrong: str) -> None:
    hot = tmp_path / "hot"
    path = tmp_path / "config.toml"
    place = output.format(hot=hot, base=tmp_path)
    path.write_text(f'state_dir = "{tmp_path}/state"\n[[watch]]\npath = "{hot}"\noutput = \'{place}\'\n')
    if not wrong:
        assert config.load(path).watch[0].output == place
        return
    with pytest.raises(ConfigMistakes, match=wrong):
        config.load(path)
