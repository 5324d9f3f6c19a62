"""The journal, what it becomes of failures, and the intake that fills it; clocks are turned by hand."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from retouch_engine import errors
from retouchd.config.settings import Settings
from retouchd.errors import JournalMissing, JournalTooNew, JournalTooOld, StateDirBusy, StateDirUnusable
from retouchd.jobs import AT_REST, Failure, InstanceId, JobId, Signature, State
from retouchd.mounts import Mount
from retouchd.state import lock, schema
from retouchd.state.journal import FILE_NAME, LEASE_S, Journal
from retouchd.state.rows import Row
from retouchd.watch import scanner
from retouchd.watch.intake import Intake
from retouchd.work.verdicts import after_failure, after_publishing_failed

ME = InstanceId("me")
SIG = Signature(1, 2**64 - 1, 3, 4, 5)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Iterator[Journal]:
    made = Journal.create(tmp_path / "state", clock)
    yield made
    made.close()


def seen(journal: Journal, path: bytes = b"/r/a.tif", state: State = State.QUEUED) -> Row:
    journal.see(path, b"/r", SIG, "new")
    row = journal.find(path)
    assert row
    saved = journal.save(replace(row, state=state))
    assert saved
    return saved


def test_of_many_rows_only_the_latest_are_read(journal: Journal) -> None:
    """Of 100,000 photos all were read, 0.7 s of the service, for a page that asked for five."""
    rows = [seen(journal, b"/r/%d.tif" % n, State.SKIPPED if n == 4 else State.DONE) for n in range(6)]
    read: list[str] = []
    journal._db.set_trace_callback(read.append)

    assert journal.listed((State.DONE,), 3) == [rows[2], rows[3], rows[5]]
    assert journal.listed((State.DONE,)) == [r for r in rows if r.state == State.DONE]
    assert "LIMIT 3" in read[0]


def test_a_row_keeps_every_byte_of_its_path(journal: Journal) -> None:
    row = seen(journal, b"/r/\xff\n-.tif")

    assert journal.find(b"/r/\xff\n-.tif") == row
    assert os.fsencode(row.file) == b"/r/\xff\n-.tif"
    assert row.sig == SIG


def test_a_claim_has_one_winner(journal: Journal) -> None:
    row = seen(journal)

    first, second = journal.claim(row, ME), journal.claim(row, InstanceId("other"))

    assert first is not None
    assert second is None
    assert first.lease_until > 1000


def test_queued_photos_come_in_order_and_not_before_their_time(journal: Journal, clock: Clock) -> None:
    late = seen(journal, b"/r/late.tif", State.RETRY)
    journal.save(replace(late, not_before=1100.0))
    early = seen(journal, b"/r/early.tif")

    assert journal.next_queued([b"/r"]) == early
    assert journal.next_queued([b"/elsewhere"]) is None
    assert journal.next_queued([]) is None
    journal.claim(early, ME)
    assert journal.next_queued([b"/r"]) is None
    clock.now = 1100.0
    found = journal.next_queued([b"/r"])
    assert found
    assert found.path == b"/r/late.tif"


@pytest.mark.parametrize("state", [State.QUEUED, State.RETRY])
def test_no_photo_waits_for_a_clock_that_was_set_back(journal: Journal, clock: Clock, state: State) -> None:
    """A night's queue stood still for as long as the clock had gone wrong."""
    saved = journal.save(replace(seen(journal, state=state), not_before=1010.0))
    assert saved
    assert journal.next_queued([b"/r"]) is None
    assert saved.pauses(clock.now)
    clock.now -= 600
    assert journal.next_queued([b"/r"]) == saved
    assert not saved.pauses(clock.now)


def test_what_a_dead_daemon_had_in_hand_is_queued_again(journal: Journal) -> None:
    journal.claim(seen(journal), InstanceId("dead"))
    published = seen(journal, b"/r/b.tif", State.PUBLISHING)

    assert journal.reclaim(ME) == 1
    assert journal.next_queued([b"/r"])
    rendered = journal.next_rendered([b"/r"])
    assert rendered
    assert rendered.id == published.id


def test_a_claim_that_got_lost_is_queued_again(journal: Journal) -> None:
    kept, lost = (journal.claim(seen(journal, p), ME) for p in (b"/r/a.tif", b"/r/b.tif"))
    assert kept
    assert lost

    journal.requeue_lost(ME, [kept.id])

    assert [r.id for r in journal.listed((State.QUEUED,))] == [lost.id]


def test_heartbeats_keep_the_lease(journal: Journal, clock: Clock) -> None:
    claimed = journal.claim(seen(journal), ME)
    assert claimed
    clock.now += 30
    journal.beat(ME, 42, "busy")

    row, instance = journal.get(claimed.id), journal.instance()
    assert row
    assert instance
    assert row.lease_until == 1030 + LEASE_S
    assert (instance.id, instance.pid, instance.status) == ("me", 42, "busy")


def test_the_journal_is_durable_and_versioned(tmp_path: Path, journal: Journal) -> None:
    seen(journal)
    name = journal.id
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    journal.close()
    path = tmp_path / "state" / FILE_NAME
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)

    again = Journal.attach(tmp_path / "state")
    assert again.find(b"/r/a.tif")
    assert again.id == name
    again.close()


def test_an_older_journal_is_migrated_with_its_rows(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(journal)
    journal.close()
    newer = (*schema.MIGRATIONS, "CREATE TABLE pace (x INTEGER);")
    monkeypatch.setattr(schema, "MIGRATIONS", newer)
    with pytest.raises(JournalTooOld, match="restart"):
        Journal.attach(tmp_path / "state")
    migrated = Journal.create(tmp_path / "state")
    assert migrated.find(b"/r/a.tif")
    migrated.close()

    monkeypatch.setattr(schema, "MIGRATIONS", newer[:1])
    with pytest.raises(JournalTooNew, match="newer"):
        Journal.attach(tmp_path / "state")


@pytest.mark.parametrize("way", [Journal.attach, Journal.create])
def test_a_journal_that_is_refused_is_let_go_of_at_once(
    tmp_path: Path, journal: Journal, way: Callable[[Path], Journal]
) -> None:
    journal.close()
    path = tmp_path / "state" / FILE_NAME
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute(f"PRAGMA user_version={len(schema.MIGRATIONS) + 1}")
    with pytest.raises(JournalTooNew) as refused:  # whose traceback holds whatever the frames still hold
        way(path.parent)
    assert refused
    assert not any(str(path) in os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir())


def test_no_journal_and_no_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(JournalMissing):
        Journal.attach(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StateDirUnusable):
        Journal.create(tmp_path / "file")


def test_two_daemons_cannot_share_a_state_folder(tmp_path: Path) -> None:
    held = lock.hold(tmp_path)
    with pytest.raises(StateDirBusy):
        lock.hold(tmp_path)
    os.close(held)
    os.close(lock.hold(tmp_path))


# Verdicts.


def fail(row: Row, code: str, *, retryable: bool = False, now: float = 1000.0) -> Row:
    return after_failure(row, Failure(code, "why", retryable=retryable), Settings(), now, 0.0)


@pytest.mark.parametrize(
    ("code", "retryable", "state"),
    [
        ("damaged", False, State.SKIPPED),
        ("own-output", False, State.SKIPPED),
        ("bad-name", False, State.SKIPPED),
        ("gone", False, State.SKIPPED),
        ("internal", False, State.QUARANTINED),
        ("proof", False, State.QUARANTINED),
        ("changed", True, State.SETTLING),
        ("incomplete", True, State.SETTLING),
        ("disk-full", True, State.RETRY),
        ("settings", True, State.RETRY),
        ("missing", True, State.RETRY),
        ("worker-died", True, State.RETRY),
    ],
)
def test_what_becomes_of_a_photo_that_failed(
    journal: Journal, code: str, retryable: bool, state: State
) -> None:
    after = fail(seen(journal), code, retryable=retryable)

    assert (after.state, after.code, after.reason) == (state, "" if code == "changed" else code, "why")


def test_an_incomplete_photo_is_never_dropped(journal: Journal) -> None:
    row, pauses = seen(journal), []
    for _ in range(50):
        row = fail(row, "incomplete", retryable=True)
        pauses.append(row.not_before - 1000)
    assert pauses[:3] == [10, 20, 40]
    assert max(pauses) == 300
    for _ in range(50):
        row = fail(row, "incomplete", retryable=True, now=10_000.0)
        assert row.state == State.RETRY


def test_a_photo_that_was_seen_in_the_future_ends_no_service(journal: Journal) -> None:
    """A broken photo of many tries, and a machine that wakes up years ago: its pause was no number."""
    row = replace(seen(journal), attempts=1100, seen_at=5000.0)

    assert fail(row, "incomplete", retryable=True, now=1000.0).state == State.RETRY


def test_no_photo_waits_since_a_time_to_come(journal: Journal, clock: Clock) -> None:
    """After a start years ahead the oldest in line was -315,360,000 s old, and no alarm would have rung."""
    line = {State.QUEUED}, {b"/r"}
    assert journal.oldest_s(*line) == 0
    assert journal.save(replace(seen(journal), seen_at=clock.now + 5000))
    assert journal.oldest_s(*line) == 0
    clock.now += 5060
    assert journal.oldest_s(*line) == 60
    assert journal.oldest_s({State.RETRY}, {b"/r"}) == journal.oldest_s({State.QUEUED}, {b"/q"}) == 0


def test_waiting_for_room_costs_no_attempt(journal: Journal) -> None:
    row = seen(journal)
    for code in ("disk-full", "folder", "settings", errors.NotSigned.code) * 20:
        row = fail(row, code, retryable=True)

    assert row.state == State.RETRY
    assert row.attempts == 0


def test_failures_that_may_pass_are_tried_with_growing_pauses_and_then_set_aside(journal: Journal) -> None:
    row, pauses = seen(journal), []
    while row.state not in AT_REST:
        row = fail(row, "io", retryable=True)
        pauses.append(row.not_before - 1000)

    assert pauses[:3] == [10, 40, 160]
    assert row.state == State.QUARANTINED
    assert "tried 4 times" in row.reason


def test_a_photo_that_kills_the_worker_twice_is_set_aside(journal: Journal) -> None:
    once = fail(seen(journal), "worker-died", retryable=True)
    twice = fail(once, "time-limit", retryable=True)

    assert (once.state, twice.state) == (State.RETRY, State.QUARANTINED)


def test_a_finished_render_survives_an_outage(journal: Journal) -> None:
    row = replace(seen(journal, state=State.PUBLISHING), plan="kept")

    def after(code: str) -> Row:
        return after_publishing_failed(row, Failure(code, "why", retryable=True), 1000.0)

    assert (after("folder").state, after("folder").plan) == (State.RENDERED, "kept")
    assert after("disk-full").not_before > 1000
    assert (after("changed").state, after("changed").plan) == (State.SETTLING, "")
    assert after("staging").state == State.QUEUED


# Intake.


class Desk:
    """A watched folder with turned clocks and a mount table of its own."""

    def __init__(self, base: Path, journal: Journal, clock: Clock) -> None:
        self.hot = base / "hot"
        self.hot.mkdir()
        self.clock, self.journal = clock, journal
        self.table = [Mount(Path("/"), "ext4", "a"), Mount(self.hot, "nfs4", "nas:/x")]
        made = {"state_dir": str(base), "watch": [{"path": str(self.hot)}]}
        self.intake = Intake(Settings.model_validate(made), journal, clock=clock, table=lambda: self.table)

    def look(self, after: float = 10.0) -> None:
        self.clock.now += after
        self.intake.look()

    def state(self, name: str) -> tuple[State, str]:
        row = self.journal.find(os.fsencode(self.hot / name))
        assert row
        return row.state, row.reason


@pytest.fixture
def desk(tmp_path: Path, journal: Journal, clock: Clock) -> Desk:
    return Desk(tmp_path, journal, clock)


def test_a_photo_is_seen_settles_and_is_queued(desk: Desk) -> None:
    (desk.hot / "a.tif").write_bytes(b"x")
    desk.look()
    assert desk.state("a.tif")[0] == State.SETTLING
    (desk.hot / "a.tif").write_bytes(b"xx")
    desk.look()
    assert desk.state("a.tif") == (State.SETTLING, "size still grows (2 B so far)")
    desk.look()
    assert desk.state("a.tif")[0] == State.QUEUED


def test_one_broken_photo_keeps_no_other_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single entry that answers with an error had its whole watched folder offline."""
    for name in ("a.tif", "broken.tif"):
        (desk.hot / name).write_bytes(b"x")
    real = os.lstat

    def lstat(path: str | bytes) -> os.stat_result:
        if os.fsencode(path).endswith(b"/broken.tif"):
            raise OSError(errno.EIO, "Input/output error")
        return real(path)

    desk.look()
    monkeypatch.setattr(os, "lstat", lstat)
    desk.look()
    desk.look()
    assert desk.state("a.tif")[0] == State.QUEUED
    assert desk.state("broken.tif")[0] == State.SETTLING
    assert "Input/output error" in desk.intake.roots[desk.hot].mode


def test_what_a_look_takes_is_no_time_that_a_photo_stood_still(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo that was looked at first of 6,000 had not stood still while the others were."""
    (desk.hot / "a.tif").write_bytes(b"x")
    desk.look()
    real = scanner.scan

    def slow(*given: Any) -> scanner.Found:
        found = real(*given)
        desk.clock.now += 400
        return found

    monkeypatch.setattr(scanner, "scan", slow)
    desk.intake.poke(desk.hot)
    desk.look(after=1)
    desk.look(after=1)
    assert desk.state("a.tif")[0] == State.SETTLING
    desk.look(after=2000)
    assert desk.state("a.tif")[0] == State.QUEUED


def test_an_empty_photo_waits_for_a_while_and_is_then_judged(desk: Desk) -> None:
    (desk.hot / "a.tif").touch()
    for _ in range(5):
        desk.look()
    assert desk.state("a.tif") == (State.SETTLING, "the file is still empty")
    desk.look(after=1000)
    assert desk.state("a.tif")[0] == State.QUEUED


def test_an_empty_photo_does_not_wait_for_a_clock_that_was_set_back(desk: Desk) -> None:
    (desk.hot / "a.tif").touch()
    desk.look()
    row = desk.journal.find(os.fsencode(desk.hot / "a.tif"))
    assert row
    desk.journal.save(replace(row, seen_at=desk.clock.now + 5000))
    desk.look()
    assert desk.state("a.tif")[0] == State.QUEUED


def test_a_share_that_went_away_keeps_every_row_and_resumes(desk: Desk) -> None:
    (desk.hot / "a.tif").write_bytes(b"x")
    desk.look()
    mounted, desk.table = desk.table, desk.table[:1]
    (desk.hot / "a.tif").rename(desk.hot.parent / "a.tif")
    for _ in range(9):
        desk.look()
    assert desk.state("a.tif")[0] == State.SETTLING
    assert desk.intake.online() == []
    assert desk.journal.roots()[0].state == "offline"

    desk.table = mounted
    (desk.hot.parent / "a.tif").rename(desk.hot / "a.tif")
    for _ in range(3):
        desk.look()
    assert desk.state("a.tif")[0] == State.QUEUED


def test_a_root_that_vanished_is_offline(desk: Desk) -> None:
    (desk.hot / "a.tif").write_bytes(b"x")
    desk.look()
    desk.hot.rename(desk.hot.parent / "elsewhere")
    desk.look()
    assert desk.state("a.tif")[0] == State.SETTLING
    assert desk.intake.online() == []


def test_a_photo_that_was_removed_before_its_turn_says_so_and_may_return(desk: Desk) -> None:
    photo = desk.hot / "a.tif"
    photo.write_bytes(b"x")
    for _ in range(3):
        desk.look()
    photo.rename(desk.hot.parent / "a.tif")
    desk.look()
    assert desk.state("a.tif") == (State.SKIPPED, "removed or renamed before its turn")
    (desk.hot.parent / "a.tif").rename(photo)
    for _ in range(3):
        desk.look()
    assert desk.state("a.tif")[0] == State.QUEUED


def test_a_done_photo_is_taken_again_only_when_it_changes(desk: Desk) -> None:
    photo = desk.hot / "a.tif"
    photo.write_bytes(b"x")
    for _ in range(3):
        desk.look()
    (row,) = desk.journal.listed()
    done = replace(row, state=State.DONE, signature=str(row.sig._replace(dev=77)))
    desk.journal.save(replace(done, attempts=2, deaths=1, forced=1))
    desk.look()
    assert desk.state("a.tif")[0] == State.DONE
    photo.write_bytes(b"exported again")
    desk.look()
    (anew,) = desk.journal.listed()
    assert (anew.state, anew.attempts, anew.deaths, anew.forced) == (State.SETTLING, 0, 0, 0)


def test_own_outputs_are_no_photos_however_they_are_called(desk: Desk) -> None:
    for name in ("a-retouched.tif", "_retouchd/a-heal.tif", "other.tif"):
        (desk.hot / name).parent.mkdir(exist_ok=True)
        (desk.hot / name).write_bytes(b"x")
    desk.journal.note_published(JobId(1), [(desk.hot / "other.tif", "00")])
    for _ in range(3):
        desk.look()

    assert desk.journal.listed() == []
    desk.journal.forget_published([desk.hot / "other.tif"])  # undone, and now somebody's own
    desk.look()
    assert [row.file.name for row in desk.journal.listed()] == ["other.tif"]
