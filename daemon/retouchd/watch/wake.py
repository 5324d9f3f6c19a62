"""Hints that a look may be worth while. Losing every one of them costs seconds, never a photo.

watchdog loses events silently: queue overflow, watch limits, a mount that returns, renames from outside.
So a hint only shortens the wait for the next scan, and failing to watch at all is a log line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from retouchd import ignores

# Opening and closing without writing are our own reading of photos; they would wake us in a circle.
_TELLING = frozenset({"created", "modified", "moved", "closed", "deleted"})
# A folder counts as modified when anything in it is, which has an event of its own. Taken for a hint, each of
# our results had the whole folder looked at again: 2,000 photos of which nothing had changed.
_TELLING_OF_FOLDERS = _TELLING - {"modified"}


class _Handler(FileSystemEventHandler):
    def __init__(self, depth: int, poke: Callable[[], None]) -> None:
        self._depth, self._poke = depth, poke

    def on_any_event(self, event: FileSystemEvent) -> None:
        telling = _TELLING_OF_FOLDERS if event.is_directory else _TELLING
        paths = [os.fsdecode(p) for p in (event.src_path, event.dest_path) if p]
        if event.event_type in telling and any(self._news(path, event.is_directory) for path in paths):
            self._poke()

    def _news(self, path: str, folder: bool) -> bool:
        *above, name = ("", *Path(path).parts[self._depth :])
        ignored = ignores.folder_ignored if folder else ignores.file_ignored
        return not (ignored(name) or any(map(ignores.folder_ignored, above)))


class Wake:
    """Watches local roots and pokes. Use :meth:`close` when done."""

    def __init__(self, poke: Callable[[Path], None]) -> None:
        self._poke = poke
        self._observers: dict[Path, BaseObserver] = {}

    def watch(self, root: Path, *, recursive: bool) -> str | None:
        """Begin to watch a root; the answer is None, or why its events are not to be had."""
        observer, real = Observer(), root.resolve()  # the kernel tells nothing of what a link leads to
        handler = _Handler(len(real.parts), lambda: self._poke(root))
        try:
            observer.schedule(handler, str(real), recursive=recursive)
            observer.start()
        except OSError as error:
            return error.strerror or str(error)
        self._observers[root] = observer
        return None

    def forget(self, root: Path) -> None:
        """Stop watching a root. An observer does not survive its mount, so a returned root gets a new one."""
        observer = self._observers.pop(root, None)
        if observer is not None:
            observer.stop()
            observer.join(timeout=2)

    def close(self) -> None:
        """Stop watching everything."""
        for root in list(self._observers):
            self.forget(root)
