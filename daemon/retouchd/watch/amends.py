"""Notices what people correct while nobody tells the service: edited masks, and files of corrections.

It looks at the folders of results now and then, and takes a photo up again when a file there has changed and
stands still, or when one is gone that kept the photo from being done. Only a change is looked into, so that a
correction that cannot be used is tried once and not for ever. A restart looks at what is younger than its
result.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from retouch_engine import Role
from retouchd import actions, log, naming
from retouchd.config import Settings
from retouchd.jobs import GONE, IN_HAND, LEFT_ALONE, UNDONE, Asked, State
from retouchd.naming import CORRECTIONS_FOLDER, OWN_FOLDER, RECORD
from retouchd.results import corrections
from retouchd.results.keepsakes import KEEP_FILE, BrokenKeepList
from retouchd.state.journal import Journal
from retouchd.state.rows import Row
from retouchd.watch.roots import rest_s

_LOOK_S = 3.0
"""Seconds between two looks where they are cheap. Always so, the masks of 2,000 photos alone were half a
percent of a core, all day."""
_SIZE_BITS = 44
"""A stamp is one number, time and size: of 2,000 photos a service remembers one each, all night."""

_GIVEN_UP = (State.SKIPPED, State.QUARANTINED)


class Amends:
    """Looks at the folders of results."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
        alive: Callable[[], None] = lambda: None,
        well: Callable[[Path], bool] = lambda _: True,
    ) -> None:
        """``alive`` is told of progress: on a slow share a look at thousands of masks takes many minutes.

        ``well`` says whether a folder can be looked at: what lies on a dead share is not touched.
        """
        self.settings = settings
        self._journal, self._clock, self._alive, self._well = journal, clock, alive, well
        self._seen: dict[Path, dict[str, int]] = {}
        """By folder, the stamp of each file at the last look."""
        self._moving: set[Path] = set()
        self._next_s, self._poked = 0.0, False
        done = journal.listed((State.DONE, State.SKIPPED, State.QUARANTINED))
        self._folders = {folder for row in done if (folder := self._folder(row))}

    def touch(self, folder: Path) -> None:
        """Results appeared in this folder, or a photo of it could not be done."""
        self._folders.add(folder)

    def poke(self) -> None:
        """Look with the next step. Called from other threads: it only sets a flag."""
        self._poked = True

    def step(self) -> None:
        """Look, when it is time."""
        if self._clock() < self._next_s and not self._poked:
            return
        self._poked = False  # before the look: what is decided during it is seen by the next
        took = 0.0
        # To find out that a share does not answer is waiting, not work that wants its rest: one that died
        # had all other folders wait for minutes until a mask that was painted there was seen.
        for folder in filter(self._well, sorted(self._folders)):
            began, own = self._clock(), folder / OWN_FOLDER
            self._look_into(folder, own, naming.is_mask)
            self._look_into(folder, own / CORRECTIONS_FOLDER, _is_json)
            took += self._clock() - began
        self._next_s = self._clock() + rest_s(_LOOK_S, took)

    def _look_into(self, folder: Path, place: Path, wanted: Callable[[str], bool]) -> None:
        try:
            now = _stamps(place, wanted, self._alive)
        except OSError:
            return  # taken back, or the share is away: there is nothing to correct
        before, self._seen[place] = self._seen.get(place, {}), now
        moving = {entry.name for entry in self._moving if entry.parent == place}
        for name in before.keys() - now.keys():
            self._let_go(folder, place / name)
        for name, stamp in now.items():
            self._alive()
            if before.get(name) != stamp or name in moving:
                self._consider(folder, place / name, before.get(name), stamp)

    def _consider(self, folder: Path, entry: Path, before: int | None, stamp: int) -> None:
        """A file that changed is looked into as soon as two looks find it the same."""
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
        rows = self._rows(folder, entry)
        if any(row.state in IN_HAND for row in rows):
            return False
        return all(self._taken_up(row, folder, entry) for row in rows)

    def _let_go(self, folder: Path, entry: Path) -> None:
        """A file is gone. What is done stays: the whole folder may be on its way from a backup."""
        for row in filter(_barred, self._rows(folder, entry)):
            self._take_up(row, entry)

    def _taken_up(self, row: Row, folder: Path, entry: Path) -> bool:
        wanted = _barred(row) or corrections.outdated(row.file, folder)
        return self._take_up(row, entry) if wanted else True

    def _take_up(self, row: Row, entry: Path) -> bool:
        # What was asked of a photo that is done, was done: a correction does not ask for all of it anew.
        asked = Asked.NOTHING if (row.state, row.forced) == (State.DONE, Asked.ANEW) else row.forced
        after = actions.taken_up(row, self._journal.now(), "a person corrected it", asked)
        log.get().info("corrected", file=row.file, job=row.id, by=entry.name)
        return self._journal.save(after) is not None

    def _rows(self, folder: Path, entry: Path) -> list[Row]:
        """The photos that a file is about; where no record tells, those that it may keep from being done."""
        name = corrections.photo_of(entry)
        if entry.name != KEEP_FILE and name is not None:
            return self._named(folder, name)
        here = (r for r in self._journal.listed(_GIVEN_UP) if self._folder(r) == folder)
        if entry.name == KEEP_FILE:
            return [row for row in here if row.code == BrokenKeepList.code]
        return [row for row in here if row.file.stem == naming.set_of_mask(entry).stem]

    def _named(self, folder: Path, name: str) -> list[Row]:
        """The photos of this name whose results lie here: several where watched folders share a mirror."""
        tops = ((watch, watch.mirror or watch.path) for watch in self.settings.watch)
        paths = [w.path / folder.relative_to(top) / name for w, top in tops if folder.is_relative_to(top)]
        return [row for path in paths if (row := self._journal.find(os.fsencode(path)))]

    def _folder(self, row: Row) -> Path | None:
        """Where the results of a photo lie; None when its folder is watched no longer."""
        watch = self.settings.roots.get(row.root)
        return watch.results_of(row.file) if watch else None


def _barred(row: Row) -> bool:
    """Whether what lies beside it may have kept a photo from being done."""
    return row.state in _GIVEN_UP and row.code not in {GONE, LEFT_ALONE, UNDONE}


def _stamps(place: Path, wanted: Callable[[str], bool], alive: Callable[[], None]) -> dict[str, int]:
    """What tells of a change, for each file in a folder whose name is wanted."""
    found = {}
    with os.scandir(place) as entries:
        for entry in entries:
            if wanted(entry.name) and entry.is_file(follow_symlinks=False):
                stat = entry.stat(follow_symlinks=False)
                found[entry.name] = (stat.st_mtime_ns << _SIZE_BITS) + stat.st_size
                alive()
    return found


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _younger(entry: Path, stamp: int) -> bool:
    """Whether a file that was never seen before changed after its photo was published, main TIFF last.

    Or before its photo was ever done, and maybe kept it from being done.
    """
    if entry.parent.name == CORRECTIONS_FOLDER:
        return True
    names = naming.set_of_mask(entry)
    try:
        return stamp >> _SIZE_BITS > names.path(Role.RESULT).stat().st_mtime_ns
    except OSError:
        return not os.path.lexists(names.path(RECORD))
