"""The tables of the journal, version by version: an update migrates what an earlier version wrote."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from retouchd.errors import JournalDamaged, JournalTooNew, RetouchdError, StateDirUnusable
from retouchd.state.lock import NotItsUser

_NO_TEXT = "Could not decode"
"""Python's word for a column whose bytes are no text: the file's fault, though it comes as a passing one."""

# One script for each version; the number of scripts is the schema's version (PRAGMA user_version).
MIGRATIONS = (
    """
    CREATE TABLE job (
        id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, root BLOB NOT NULL, state TEXT NOT NULL,
        reason TEXT NOT NULL, code TEXT NOT NULL, signature TEXT NOT NULL, source_digest TEXT NOT NULL,
        recipe_digest TEXT NOT NULL, attempts INTEGER NOT NULL, deaths INTEGER NOT NULL,
        not_before REAL NOT NULL, owner TEXT NOT NULL, lease_until REAL NOT NULL, plan TEXT NOT NULL,
        seen_at REAL NOT NULL, changed_at REAL NOT NULL, revision INTEGER NOT NULL
    );
    CREATE INDEX job_by_state ON job (state, not_before, id);
    CREATE INDEX job_by_work ON job (source_digest, recipe_digest);
    CREATE TABLE published (
        path BLOB PRIMARY KEY, sha256 TEXT NOT NULL, job INTEGER NOT NULL, at REAL NOT NULL
    );
    CREATE TABLE root (
        path BLOB PRIMARY KEY, state TEXT NOT NULL, note TEXT NOT NULL, checked_at REAL NOT NULL
    );
    CREATE TABLE instance (
        one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, pid INTEGER NOT NULL,
        started_at REAL NOT NULL, beat_at REAL NOT NULL, status TEXT NOT NULL
    );
    CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    INSERT INTO about VALUES ('id', lower(hex(randomblob(4))));
    """,
    # made counts the results of a photo, for the guard against circles; pause holds the folders that a person
    # paused, the empty path for all of them.
    """
    ALTER TABLE job ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE pause (root BLOB PRIMARY KEY, at REAL NOT NULL);
    """,
    # forced: a person asked for a photo although it is a result of ours. stage: how long the stages took, how
    # often up to each limit, for the metrics; kept here, because counts that survive a restart need no care.
    """
    ALTER TABLE job ADD COLUMN forced INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE stage (
        name TEXT NOT NULL, upto REAL NOT NULL, count INTEGER NOT NULL, seconds REAL NOT NULL,
        PRIMARY KEY (name, upto)
    );
    """,
)


def version(db: sqlite3.Connection, path: Path) -> int:
    """The version of the tables.

    Raises:
        JournalTooNew: a later retouchd wrote them.
        sqlite3.DatabaseError: the file is damaged.
    """
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    if found < 0:
        raise sqlite3.DatabaseError("the number of its version is damaged")
    if found > len(MIGRATIONS):
        raise JournalTooNew(path, found, len(MIGRATIONS))
    return found


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the tables up to date; each step is one transaction.

    Raises:
        JournalTooNew: a later retouchd wrote them.
    """
    for step in range(version(db, path), len(MIGRATIONS)):
        db.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[step]} PRAGMA user_version={step + 1}; COMMIT;")


def unusable(state_dir: Path, error: Exception) -> RetouchdError:
    """What an error of SQLite's means for the folder that the journal lies in."""
    closed = state_dir.is_dir() and not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK)
    # A disk that broke is mounted read-only by the kernel: nobody may write there, its user neither.
    theirs = closed and not os.statvfs(state_dir).f_flag & os.ST_RDONLY
    return NotItsUser(state_dir) if theirs else StateDirUnusable(state_dir, str(error))


@contextlib.contextmanager
def opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """A connection to the journal at ``path``, closed again when what is done with it first fails.

    Left to the garbage collector it went later, and its files with it, under the feet of whoever came next.

    Raises:
        JournalDamaged: it is no database any more.
        NotItsUser: the folder is another user's.
        StateDirUnusable: it cannot be opened.
    """
    with contextlib.ExitStack() as undo:
        try:
            address = f"{path.absolute().as_uri()}?mode={mode}"
            db = sqlite3.connect(address, timeout=30, isolation_level=None, uri=True)
            undo.callback(db.close)
            yield db
        except (OSError, sqlite3.OperationalError) as error:
            raise unusable(path.parent, error) from None
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise JournalDamaged(path, str(error)) from None
        undo.pop_all()


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Around whatever reads the journal at ``path``.

    Raises:
        JournalDamaged: it cannot be read any more.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        # Its kin are a full disk, or mistakes of ours.
        if type(error) is not sqlite3.DatabaseError and not str(error).startswith(_NO_TEXT):
            raise
        raise JournalDamaged(path, str(error)) from error
