"""Hot folders the usual way, each short and each with its hole: the tests show the hole, and that we lack it.

What they do was taken from the trackers of hot folders that people use: events believed, sizes believed, an
empty folder believed, queues that delete first, results written in place.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class EventsOnly(FileSystemEventHandler):
    """Takes a photo when the kernel says that a program closed it, and never looks itself."""

    def __init__(self, folder: Path, said: Callable[[str], None] = lambda _: None) -> None:
        self.taken: list[str] = []
        self._said = said
        self.observer = Observer()
        self.observer.schedule(self, str(folder), recursive=True)
        self.observer.start()

    def on_closed(self, event: FileSystemEvent) -> None:
        name = Path(os.fsdecode(event.src_path)).name
        self.taken.append(name)
        self._said(name)

    def close(self) -> None:
        self.observer.stop()
        self.observer.join()


class SizeStands:
    """Takes a photo whose size and time stood still between two looks; what is not there was deleted."""

    def __init__(self, folder: Path, patience: int = 1000) -> None:
        self.folder, self.patience = folder, patience
        self.taken: dict[str, bytes] = {}
        self.times: list[str] = []
        self.ignored: set[str] = set()
        """Those that did not stand still for too long."""
        self._before: dict[str, tuple[int, int]] = {}
        self._looks: dict[str, int] = {}

    def look(self) -> None:
        now = {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(self.folder.glob("*.tif"))}
        for name in self._before.keys() - now.keys():
            self.taken.pop(name, None)
        for name, stamp in now.items():
            self._looks[name] = self._looks.get(name, 0) + 1
            if name in self.taken or name in self.ignored:
                continue
            if self._before.get(name) == stamp:
                self.taken[name] = (self.folder / name).read_bytes()
                self.times.append(name)
            elif self._looks[name] > self.patience:
                self.ignored.add(name)
        self._before = now


class PopQueue:
    """A queue in SQLite that hands a job out by deleting it, as huey does."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("CREATE TABLE IF NOT EXISTS job (name TEXT)")

    def put(self, name: str) -> None:
        self.db.execute("INSERT INTO job VALUES (?)", (name,))

    def pop(self) -> str | None:
        found = self.db.execute(
            "DELETE FROM job WHERE rowid = (SELECT min(rowid) FROM job) RETURNING name"
        ).fetchone()
        return str(found[0]) if found else None


def write_in_place(target: Path, pieces: Iterable[bytes], alive: Callable[[], None] = lambda: None) -> None:
    """Write a result under its final name."""
    with target.open("wb", buffering=0) as file:
        for piece in pieces:
            file.write(piece)
            alive()


def feed_by_timer(feed: Callable[[], None], every_s: float) -> threading.Event:
    """Feed a watchdog for as long as the process lives; set the answer to end it."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(every_s):
            feed()

    threading.Thread(target=beat, daemon=True).start()
    return ended


if __name__ == "__main__":
    EventsOnly(Path(sys.argv[1]), click.echo)
    click.echo("watching")
    sys.stdin.read()
