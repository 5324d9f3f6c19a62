"""Notices what people correct while nobody tells the service: edited masks, and files of corrections.

It looks at the folders of results now and then, and takes a photo up again when a file there has changed and
stands still. Only a change is looked into, so that a correction that cannot be used is tried once and not
for ever. A restart looks at what is younger than its result.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from retouch_engine import Role
from retouchd import actions, corrections, log, naming
from retouchd.config import Settings
from retouchd.jobs import IN_HAND, State
from retouchd.journal import Journal, Row
from retouchd.naming import CORRECTIONS_FOLDER, OWN_FOLDER

_LOOK_S = 3.0
_COST = 20.0
"""A look that takes long, on a share, is taken as many times its duration later."""
_Stamp = tuple[int, int]


class Amends:
    """Looks at the folders of results."""

    def __init__(
        self, settings: Settings, journal: Journal, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self._journal, self._clock = journal, clock
        self._seen: dict[Path, _Stamp] = {}
        self._moving: set[Path] = set()
        self._next_s = 0.0
        done = journal.listed((State.DONE, State.SKIPPED, State.QUARANTINED))
        self._folders = {folder for row in done if (folder := self._folder(row))}

    def touch(self, folder: Path) -> None:
        """Results appeared in this folder."""
        self._folders.add(folder)

    def poke(self) -> None:
        """Look with the next step. Called from other threads: it only sets a number."""
        self._next_s = 0.0

    def step(self) -> None:
        """Look, when it is time."""
        began = self._clock()
        if began < self._next_s:
            return
        for folder in sorted(self._folders):
            for entry, stamp in _entries(folder):
                self._consider(folder, entry, stamp)
        took = self._clock() - began
        self._next_s = self._clock() + max(_LOOK_S, _COST * took)

    def _consider(self, folder: Path, entry: Path, stamp: _Stamp) -> None:
        """A file that changed is looked into as soon as two looks find it the same."""
        before = self._seen.get(entry)
        self._seen[entry] = stamp
        if before is None and not _younger(entry, stamp):
            return
        if before != stamp:
            self._moving.add(entry)
        # Files of corrections appear whole; an editor may write a mask for a while.
        stands = before == stamp or entry.parent.name == CORRECTIONS_FOLDER
        if stands and entry in self._moving and self._redone(folder, entry):
            self._moving.discard(entry)

    def _redone(self, folder: Path, entry: Path) -> bool:
        """Take the photo up again if its results do not show what was decided; False: look again later."""
        name = corrections.photo_of(entry)
        row = self._row(folder, name) if name else None
        if row is None or (row.state not in IN_HAND and not corrections.outdated(row.file, folder)):
            return True
        if row.state in IN_HAND:
            return False
        after = actions.taken_up(row, self._journal.now(), "a person corrected it")
        log.get().info("corrected", file=row.file, job=row.id, by=entry.name)
        return self._journal.save(after) is not None

    def _row(self, folder: Path, name: str) -> Row | None:
        for watch in self.settings.watch:
            top = watch.mirror or watch.path
            if folder.is_relative_to(top):
                row = self._journal.find(os.fsencode(watch.path / folder.relative_to(top) / name))
                if row is not None:
                    return row
        return None

    def _folder(self, row: Row) -> Path | None:
        """Where the results of a photo lie; None when its folder is watched no longer."""
        for watch in self.settings.watch:
            if os.fsencode(watch.path) == row.root:
                return watch.results_of(row.file)
        return None


def _entries(folder: Path) -> Iterator[tuple[Path, _Stamp]]:
    """The masks and the corrections in a folder of results."""
    own = folder / OWN_FOLDER
    for place, wanted in ((own, naming.is_mask), (own / CORRECTIONS_FOLDER, _is_json)):
        try:
            found = [e for e in os.scandir(place) if wanted(e.name) and e.is_file(follow_symlinks=False)]
            for entry in found:
                stat = entry.stat(follow_symlinks=False)
                yield Path(entry.path), (stat.st_mtime_ns, stat.st_size)
        except OSError:
            continue  # taken back, or the share is away: there is nothing to correct


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _younger(entry: Path, stamp: _Stamp) -> bool:
    """Whether a file that was never seen before changed after its photo was published, main TIFF last."""
    if entry.parent.name == CORRECTIONS_FOLDER:
        return True
    names = naming.set_of_mask(entry)
    try:
        return stamp[0] > names.path(Role.RESULT).stat().st_mtime_ns
    except OSError:
        return False
