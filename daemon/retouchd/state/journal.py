"""The journal: what became of every photo, on local disk, true after a crash.

SQLite with a write-ahead log and full synchronisation. One row a photo, keyed by its path as bytes. A row is
changed only from the revision that was read, so that two writers (the daemon and ``retouchd retry``) cannot
undo each other's decisions.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path

from retouchd.errors import JournalMissing, JournalTooOld, StateDirUnusable
from retouchd.jobs import AT_REST, GONE, Digest, InstanceId, JobId, Signature, State
from retouchd.state import schema
from retouchd.state.lock import NotItsUser
from retouchd.state.rows import InstanceRow, Resting, RootRow, Row

FILE_NAME = "journal.sqlite"
LEASE_S = 60.0

_NO_ROW = 1 << 63
"""The first number that SQLite cannot hold."""
EVERYWHERE = b""
"""The pause of all folders."""


def holding(pauses: Collection[bytes], root: bytes) -> list[bytes]:
    """Which pauses hold for a watched folder: its own, that of a folder above it, that of all.

    Somebody paused all years and then watched this one alone: work began again without a word.
    """
    return sorted(one for one in pauses if root == one or root.startswith(one + b"/"))


STAGE_LIMITS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, float("inf"))
_REST_MARKS = ", ".join("?" * len(AT_REST))
_SELECT = "SELECT " + ", ".join(f.name for f in fields(Row)) + " FROM job "  # noqa: S608 - our own column names
_WITHOUT_PLANS = _SELECT.replace(" plan,", " '' AS plan,")


def _row(values: tuple[object, ...]) -> Row:
    return Row(*values[:3], State(values[3]), *values[4:])  # type: ignore[arg-type, call-arg]


class Journal:
    """Open with :meth:`create` in the daemon and :meth:`attach` elsewhere; close when done."""

    def __init__(self, database: sqlite3.Connection, clock: Callable[[], float] = time.time) -> None:
        self._db = database
        self._clock = clock

    @classmethod
    def create(cls, state_dir: Path, clock: Callable[[], float] = time.time) -> Journal:
        """Open for writing, making or migrating the file as needed.

        Raises:
            JournalDamaged: it is no database any more.
            JournalTooNew: a later version wrote it.
            StateDirUnusable: it cannot be opened.
        """
        path = state_dir / FILE_NAME
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateDirUnusable(state_dir, str(error)) from None
        with schema.opened(path, "rwc") as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA cache_size=-512")  # KiB; the default of 2 MiB fills in a night
            schema.migrate(db, path)
        return cls(db, clock)

    @classmethod
    def attach(cls, state_dir: Path, clock: Callable[[], float] = time.time) -> Journal:
        """Open the journal of a daemon beside it; makes, migrates and needs to write nothing.

        Raises:
            JournalDamaged: it is no database any more.
            JournalMissing: there is none.
            JournalTooNew: a later version wrote it.
            JournalTooOld: an earlier version wrote it.
            NotItsUser: the folder is another user's.
            StateDirUnusable: it cannot be opened.
        """
        path = state_dir / FILE_NAME
        try:
            path.lstat()  # is_file() tells nothing apart since Python 3.14
        except (FileNotFoundError, NotADirectoryError):
            raise JournalMissing(path) from None
        except PermissionError:
            raise NotItsUser(state_dir) from None
        with schema.opened(path, "rw") as db:
            if schema.version(db, path) < len(schema.MIGRATIONS):
                raise JournalTooOld(path)
        return cls(db, clock)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def now(self) -> float:
        """The journal's clock."""
        return self._clock()

    @property
    def id(self) -> str:
        """This journal's own name: it marks our temporary files, so that we never sweep another's."""
        (value,) = self._db.execute("SELECT value FROM about WHERE key = 'id'").fetchone()
        return str(value)

    def find(self, path: bytes) -> Row | None:
        """The row of a photo."""
        return self._one(_SELECT + "WHERE path = ?", path)

    def get(self, job: JobId) -> Row | None:
        """The row of a job."""
        return self._one(_SELECT + "WHERE id = ?", job) if job < _NO_ROW else None

    def moving(self, root: bytes) -> dict[bytes, Row]:
        """The rows of a root that are not at rest, by path."""
        rows = self._db.execute(_SELECT + f"WHERE root=? AND state NOT IN ({_REST_MARKS})", (root, *AT_REST))
        return {row.path: row for row in map(_row, rows)}

    def resting(self, root: bytes) -> dict[bytes, Resting]:
        """The photos of a root that are at rest, by path."""
        query = f"SELECT path, signature, code, changed_at FROM job WHERE root=? AND state IN ({_REST_MARKS})"  # noqa: S608
        return {path: Resting(*rest) for path, *rest in self._db.execute(query, (root, *AT_REST))}

    def left(self, roots: Sequence[bytes]) -> dict[bytes, Resting]:
        """The photos of some roots that are at rest and neither done nor gone, by path."""
        marks = ", ".join("?" * len(roots))
        query = "SELECT path, signature, code, changed_at FROM job WHERE state IN (?, ?) AND code<>?"
        values = (State.SKIPPED, State.QUARANTINED, GONE, *roots)
        return {p: Resting(*rest) for p, *rest in self._db.execute(f"{query} AND root IN ({marks})", values)}

    def listed(self, states: Iterable[State] = State, latest: int = -1) -> list[Row]:
        """The rows in some states, oldest first; of many only the ``latest``, where that is not negative."""
        wanted = [str(s) for s in states]
        marks = ", ".join("?" * len(wanted))
        query = _SELECT + f"WHERE state IN ({marks}) ORDER BY id DESC LIMIT ?"
        return [_row(v) for v in self._db.execute(query, (*wanted, latest))][::-1]

    def unpublished(self) -> list[Row]:
        """The finished renders that wait to be published, oldest first, without their plans.

        With them, asked for each photo, 300 that waited took 79 ms, each time.
        """
        wanted = (State.RENDERED, State.PUBLISHING)
        return [
            _row(v) for v in self._db.execute(_WITHOUT_PLANS + "WHERE state IN (?, ?) ORDER BY id", wanted)
        ]

    def take_over(self, root: bytes) -> None:
        """Give every photo below a watched folder to it, whichever was watched when it was seen.

        A folder that is watched instead of the one above it, or below it, found rows of its photos under
        the other one: what was queued waited for ever, and new exports of the same names were not seen.
        """
        self._db.execute(
            "UPDATE job SET root=?, revision=revision+1 WHERE path>? AND path<? AND root<>?",
            (root, root + b"/", root + b"0", root),  # 0 comes right after /
        )

    def counts(self, roots: Collection[bytes]) -> dict[State, int]:
        """How many rows are in each state; of those not at rest only what lies below these roots."""
        rest, marks = f"state IN ({_REST_MARKS})", ", ".join("?" * len(roots))
        query = f"SELECT state, count(*) FROM job WHERE {rest} OR root IN ({marks}) GROUP BY state"  # noqa: S608
        found = dict(self._db.execute(query, (*AT_REST, *roots)))
        return {state: found.get(str(state), 0) for state in State}

    def oldest_s(self, states: Collection[State], roots: Collection[bytes]) -> float:
        """Seconds since the oldest photo in one of these states was seen below one of these roots.

        0 when there is none, or when it was seen before the clock was set back.
        """
        marks, more = ", ".join("?" * len(states)), ", ".join("?" * len(roots))
        query = f"SELECT min(seen_at) FROM job WHERE state IN ({marks}) AND root IN ({more})"  # noqa: S608
        (found,) = self._db.execute(query, (*map(str, states), *roots)).fetchone()
        return 0.0 if found is None else max(0.0, self.now() - float(found))

    def see(self, path: bytes, root: bytes, signature: Signature, reason: str) -> None:
        """A photo that was never seen before."""
        now = self._clock()
        self._db.execute(
            "INSERT OR IGNORE INTO job VALUES"
            " (NULL, ?, ?, ?, ?, '', ?, '', '', 0, 0, 0, '', 0, '', ?, ?, 1, 0, 0)",
            (path, root, State.SETTLING, reason, str(signature), now, now),
        )

    def save(self, row: Row) -> Row | None:
        """Write a changed row back; None when somebody else changed it since it was read."""
        after = replace(row, changed_at=self._clock(), revision=row.revision + 1)
        columns = astuple(after)
        changed = self._db.execute(
            "UPDATE job SET id=?, path=?, root=?, state=?, reason=?, code=?, signature=?, source_digest=?,"
            " recipe_digest=?, attempts=?, deaths=?, not_before=?, owner=?, lease_until=?, plan=?, seen_at=?,"
            " changed_at=?, revision=?, made=?, forced=? WHERE id=? AND revision=?",
            (*columns, row.id, row.revision),
        )
        return after if changed.rowcount else None

    def next_queued(self, roots: Sequence[bytes]) -> Row | None:
        """The photo whose turn it is, below these roots."""
        return self._next((State.QUEUED, State.RETRY), roots)

    def next_rendered(self, roots: Sequence[bytes]) -> Row | None:
        """The finished render that waits to be published, below these roots."""
        return self._next((State.RENDERED, State.PUBLISHING), roots)

    def _next(self, states: tuple[State, State], roots: Sequence[bytes]) -> Row | None:
        marks = ", ".join("?" * len(roots))
        # What was decided in the future was decided before the clock was set back: its pause means nothing.
        where = f"WHERE state IN (?, ?) AND (not_before <= ? OR changed_at > ?) AND root IN ({marks})"
        now = self._clock()
        return self._one(_SELECT + where + " ORDER BY not_before, id LIMIT 1", *states, now, now, *roots)

    def claim(self, row: Row, owner: InstanceId) -> Row | None:
        """Take a photo in hand, with a lease."""
        return self.save(
            replace(
                row, state=State.RUNNING, owner=owner, lease_until=self._clock() + LEASE_S, reason="", code=""
            )
        )

    def reclaim(self, alive: InstanceId) -> int:
        """Queue again what a daemon had in hand that is gone, as the lock of the state folder proves."""
        changed = self._db.execute(
            "UPDATE job SET state=?, owner='', lease_until=0, revision=revision+1 WHERE state=? AND owner<>?",
            (State.QUEUED, State.RUNNING, alive),
        )
        return changed.rowcount

    def requeue_lost(self, owner: InstanceId, in_hand: Sequence[JobId]) -> None:
        """Queue what we claimed but do not have in hand: writes that fail on a full disk leave such rows."""
        self._db.execute(
            "UPDATE job SET state=?, owner='', revision=revision+1 WHERE state=? AND owner=?"
            " AND id NOT IN (SELECT value FROM json_each(?))",
            (State.QUEUED, State.RUNNING, owner, json.dumps(in_hand)),
        )

    def beat(self, instance: InstanceId, pid: int, status: str) -> None:
        """Show that this daemon lives, and keep its leases."""
        now = self._clock()
        self._db.execute(
            "INSERT INTO instance VALUES (1, ?, ?, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET id=excluded.id,"
            " pid=excluded.pid, beat_at=excluded.beat_at, status=excluded.status, started_at="
            "CASE WHEN id=excluded.id THEN started_at ELSE excluded.started_at END",
            (instance, pid, now, now, status),
        )
        self._db.execute(
            "UPDATE job SET lease_until=? WHERE state=? AND owner=?", (now + LEASE_S, State.RUNNING, instance)
        )

    def instance(self) -> InstanceRow | None:
        """The last daemon."""
        found = self._db.execute("SELECT id, pid, started_at, beat_at, status FROM instance").fetchone()
        return InstanceRow(*found) if found else None

    def note_root(self, path: bytes, state: str, note: str) -> None:
        """What was seen of a root."""
        self._db.execute(
            "INSERT OR REPLACE INTO root VALUES (?, ?, ?, ?)", (path, state, note, self._clock())
        )

    def roots(self) -> list[RootRow]:
        """Every root that was ever watched."""
        return [RootRow(*v) for v in self._db.execute("SELECT path, state, note, checked_at FROM root")]

    def note_published(self, job: JobId, files: Iterable[tuple[Path, str]]) -> None:
        """Remember what we put where: one of the guards against taking our own results."""
        now = self._clock()
        rows = [(os.fsencode(path), digest, job, now) for path, digest in files]
        with self.together():
            self._db.executemany("INSERT OR REPLACE INTO published VALUES (?, ?, ?, ?)", rows)

    def last_published(self) -> float:
        """When a photo was done last; 0 when none was."""
        return float(self._db.execute("SELECT coalesce(max(at), 0) FROM published").fetchone()[0])

    def is_published(self, path: bytes) -> bool:
        """Whether we published a file there."""
        return self._db.execute("SELECT 1 FROM published WHERE path=?", (path,)).fetchone() is not None

    def prune(self, before: float) -> int:
        """Forget what was published before a time for photos that are forgotten themselves; how many."""
        gone = "DELETE FROM published WHERE at<? AND job NOT IN (SELECT id FROM job)"
        return self._db.execute(gone, (before,)).rowcount

    def note_stages(self, seconds: Mapping[str, float]) -> None:
        """Count how long each stage of one photo took."""
        rows = [(name, next(b for b in STAGE_LIMITS_S if s <= b), s) for name, s in seconds.items()]
        with self.together():
            self._db.executemany(
                "INSERT INTO stage VALUES (?, ?, 1, ?) ON CONFLICT (name, upto) DO UPDATE SET count=count+1,"
                " seconds=seconds+excluded.seconds",
                rows,
            )

    def stages(self) -> dict[str, dict[float, tuple[int, float]]]:
        """For each stage and limit: how many photos took so long (over the limit before), and seconds."""
        found: dict[str, dict[float, tuple[int, float]]] = {}
        for name, upto, count, seconds in self._db.execute("SELECT name, upto, count, seconds FROM stage"):
            found.setdefault(name, {})[upto] = (count, seconds)
        return found

    def same_bytes(self, photo: Path, digest: Digest) -> list[Row]:
        """Other photos of the very same bytes that are done, latest first.

        Also one that is gone: it was corrected and then renamed, before its turn came.
        """
        which = "WHERE source_digest=? AND (state=? OR code=?) AND path<>? ORDER BY changed_at DESC"
        found = self._db.execute(_SELECT + which, (digest, State.DONE, GONE, os.fsencode(photo)))
        return [_row(v) for v in found]

    def has_twin(self, row: Row) -> bool:
        """Whether a photo of the same size is done or gone: only then is it worth while to compare bytes."""
        pattern = f"*:*:{row.sig.size}:*:*"
        query = "SELECT 1 FROM job WHERE (state=? OR code=?) AND id<>? AND signature GLOB ? LIMIT 1"
        return self._db.execute(query, (State.DONE, GONE, row.id, pattern)).fetchone() is not None

    def pause(self, root: bytes) -> None:
        """Work on nothing below a root, or nowhere."""
        self._db.execute("INSERT OR IGNORE INTO pause VALUES (?, ?)", (root, self._clock()))

    def resume(self, root: bytes) -> None:
        """Work below a root again, or everywhere."""
        self._db.execute("DELETE FROM pause WHERE root=? OR ?=?", (root, root, EVERYWHERE))

    def paused(self) -> frozenset[bytes]:
        """The roots that a person paused."""
        return frozenset(root for (root,) in self._db.execute("SELECT root FROM pause"))

    def forget(self, path: bytes) -> None:
        """Drop the row of a photo that is at rest."""
        self._db.execute(f"DELETE FROM job WHERE path=? AND state IN ({_REST_MARKS})", (path, *AT_REST))  # noqa: S608

    def forget_published(self, files: Iterable[Path]) -> None:
        """These files of ours are gone."""
        rows = [(os.fsencode(path),) for path in files]
        with self.together():
            self._db.executemany("DELETE FROM published WHERE path=?", rows)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Several changes in one transaction: ``with journal.together(): ...``."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:  # commits, or rolls back
            yield

    def _one(self, query: str, *values: object) -> Row | None:
        found = self._db.execute(query, values).fetchone()
        return _row(found) if found else None
