"""The health of one watched folder: is it really there, and how is it to be looked at.

A share that went away leaves an empty folder behind. Empty is not "all photos deleted": a root whose mount
is missing is offline, keeps every row, and resumes by itself when the mount returns.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retouchd import knock
from retouchd.config import Settings, Watch
from retouchd.knock import Knock
from retouchd.mounts import Mount, covering, gone, unwritable
from retouchd.text import shown
from retouchd.watch import scanner

_REST = 20.0
"""Between two looks, this many times what a look takes: five percent of one core at most."""
_REST_TOLD, _LONGEST_S = 300.0, 30.0
"""The same where the kernel tells of changes, and its limit: with 2,000 photos in the folder, an idle service
took 2 percent of a core to see again and again that nothing had changed."""


_MOST_NAMED = 5
"""Folders that one line names."""

MountTable = Callable[[], Sequence[Mount]]


def rest_s(wanted_s: float, cost_s: float) -> float:
    """Seconds until the next look where nothing is lost by looking late: as wanted, more after a dear one."""
    return max(wanted_s, min(_LONGEST_S, _REST_TOLD * cost_s), _REST * cost_s)


@dataclass(slots=True)
class Root:
    """A watched folder from one look to the next."""

    watch: Watch
    mount: Mount | None = None
    """Where it was mounted when it was last well; None before the first good look."""
    results: Mount | None = None
    """Where its mirror was mounted then, if it has one."""
    inner: dict[Path, Mount] = field(default_factory=dict)
    """Other mounts below it, also those that went away: each folder is treated as its own mount demands."""
    lost: frozenset[Path] = frozenset()
    """Those that are away now."""
    barred: Mapping[Path, str] = field(default_factory=dict)
    """Folders below it that the last look could not list, and why: nothing in them is ever seen."""
    cost_s: float = 0.0
    """What the last look took: a folder of 100,000 photos is not looked at all the time."""
    unwritable: str = ""
    """Why its results cannot be written, as far as that can be told without trying."""
    offline: str = ""
    """Why it cannot be looked at; empty when it can."""
    looked_s: float = 0.0
    """When the last look began: none of its photos was looked at before."""
    next_look_s: float = 0.0
    poked: bool = False
    knocks: dict[Path, Knock] = field(default_factory=dict)
    """One for each folder that is asked whether it answers."""
    answered_s: float = float("-inf")
    """When it was last found to answer, or not to, for who touches its photos or results."""
    swept: bool = False
    events: bool = False

    @property
    def key(self) -> bytes:
        """Its path, as the journal keeps it."""
        return self.watch.root

    @property
    def well(self) -> bool:
        """Whether it was found well by a look, and nothing else was found since."""
        return self.mount is not None and not self.offline

    @property
    def network(self) -> bool:
        """Whether it is polled."""
        return self.mount is not None and self.mount.network

    @property
    def mode(self) -> str:
        """For people."""
        if self.offline:
            return "offline"
        kind = self.mount.fstype if self.mount else "unknown"
        how = f"polling ({kind})" if self.network or not self.events else f"events and scan ({kind})"
        inner = sorted({m.fstype for p, m in self.inner.items() if p not in self.lost and m.network})
        away = ", ".join(shown(p) for p in sorted(self.lost))
        how += f"; below it {', '.join(inner)}" if inner else ""
        how += f"; no longer mounted: {away}" if away else ""
        how += f"; results cannot be written: {self.unwritable}" if self.unwritable else ""
        barred = ", ".join(f"{shown(p)} ({why})" for p, why in sorted(self.barred.items())[:_MOST_NAMED])
        return how + (f"; cannot be listed: {barred}" if barred else "")

    def interval_s(self, settings: Settings) -> float:
        """Seconds between two looks."""
        network = self.network or any(m.network for m in self.inner.values())
        wanted = settings.scan.interval_network_s if network else settings.scan.interval_local_s
        if self.events and not network:
            return rest_s(wanted, self.cost_s)
        return max(wanted, _REST * self.cost_s)

    def network_at(self, path: Path) -> bool:
        """Whether a file of this root lies on a network file system."""
        best = max((p for p in self.inner if path.is_relative_to(p)), key=_depth, default=None)
        return self.inner[best].network if best else self.network

    def away(self, path: Path) -> bool:
        """Whether a path lies on a mount that went away."""
        return any(path.is_relative_to(point) for point in self.lost)

    def vanished(self, path: Path, table: MountTable) -> bool:
        """Whether a path is missing because its mount is, asked now: the last look may be seconds old."""
        mounts = table()
        away = any(
            path.is_relative_to(p) and not any(m.point == self.inner[p].point for m in mounts)
            for p in self.inner
        )
        return away or bool(_trouble(self.watch.path, self.mount, mounts))

    def settle_s(self, settings: Settings, path: Path) -> float:
        """Seconds that a file must stand still."""
        return settings.scan.settle_network_s if self.network_at(path) else settings.scan.settle_local_s

    def check(self, table: MountTable) -> None:
        """Find out whether the root and the place of its results are well; ``knock_at`` it before."""
        silent, known = self.silent(), set(self.knocks)
        # Not before: what autofs took off is mounted by being asked for, and was called gone.
        mounts = table()
        self.offline = silent or _trouble(self.watch.path, self.mount, mounts)
        if not self.offline and self.watch.marker:
            self.offline = _missing(self.watch.marker, self.watch.path)
        # A mirror that went away must not be made anew on the disk below its mount point.
        mirror = self.watch.mirror
        if not self.offline and mirror and (trouble := _trouble(mirror, self.results, mounts)):
            self.offline = f"{shown(mirror)}, where its results go: {trouble}"
        if not self.offline:
            self.mount = covering(self.watch.path, mounts)
            self.results = covering(mirror, mounts) if mirror else None
            self._look_inside(mounts)
            for folder in self._asked().keys() - known:  # a share below it that was not seen before
                self.knocks[folder].ask()
            self.offline = self.silent()
        if not self.offline:
            self.unwritable = unwritable(mirror or self.watch.path)

    def ask(self) -> None:
        """Ask its folders whether they answer, without waiting for it."""
        for one in self._asked().values():
            one.ask()

    def silent(self) -> str:
        """Which of its folders does not answer what it was asked last, in words; empty when all do.

        One dead NFS, mounted hard, held the whole service: no other folder was looked at, systemd's watchdog
        ended it, and the next one hung at the same place.
        """
        return next((f"{shown(f)} does not answer" for f, one in self._asked().items() if not one.came()), "")

    def _asked(self) -> dict[Path, Knock]:
        """Its folders, and the shares mounted below it, each with who asks whether it answers."""
        folders = (self.watch.path, self.watch.mirror, *self._shares_looked_into())
        return {folder: self.knocks.setdefault(folder, knock.at(folder)) for folder in filter(None, folders)}

    def _shares_looked_into(self) -> Iterator[Path]:
        bounds = scanner.Bounds.of(self.watch)
        for folder, mount in self.inner.items():
            photo = os.fsencode(folder.relative_to(self.watch.path) / "a.tif").split(b"/")
            if mount.network and not scanner.why_left_out(photo, bounds):
                yield folder

    def _look_inside(self, mounts: Sequence[Mount]) -> None:
        real = Path(os.path.realpath(self.watch.path))
        now = {
            self.watch.path / m.point.relative_to(real): m
            for m in mounts
            if m.point != real and m.point.is_relative_to(real)
        }
        self.inner |= now
        self.lost = frozenset(self.inner.keys() - now.keys())


def _depth(path: Path) -> int:
    return len(path.parts)


def _trouble(folder: Path, before: Mount | None, mounts: Sequence[Mount]) -> str:
    """Why a folder cannot be used; empty when it can."""
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return "not a folder"
    except OSError as error:
        return error.strerror or str(error)
    # What lies there now may be the empty folder below a mount that went away.
    if before and gone(before, covering(folder, mounts)):
        return f"{before.point} is no longer mounted"
    return ""


def _missing(marker: str, folder: Path) -> str:
    """Why the marker is not seen; empty when it is. A share that dies answers anything but "no such file"."""
    try:
        (folder / marker).stat()
    except (FileNotFoundError, NotADirectoryError):
        return f"its marker {shown(marker)} is missing"
    except OSError as error:
        return f"its marker {shown(marker)}: {error.strerror or error}"
    return ""


def knock_at(roots: Iterable[Root]) -> None:
    """Ask the folders of several roots side by side; who wants to know of one waits for its answer alone.

    The 18 folders of one dead NAS were waited for one after another, three minutes in which nothing was done.
    """
    for root in roots:
        root.ask()


def probed(watches: Iterable[Watch], table: MountTable) -> list[Root]:
    """For ``doctor``: how folders would be watched."""
    roots = [Root(watch) for watch in watches]
    knock_at(roots)
    for root in roots:
        root.check(table)
        root.events = not root.network
    return roots
