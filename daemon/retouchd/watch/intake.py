"""From files in folders to queued jobs: looks at every root in turn and moves rows as far as ``queued``.

Every look reconsiders every file, so nothing is stuck for ever and nothing depends on an event.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from retouchd import log, mounts
from retouchd.config import Settings
from retouchd.errors import JobError
from retouchd.jobs import AT_REST, GONE, IN_HAND, LEFT_ALONE, UNDONE, WAITING, Asked, Signature, State
from retouchd.results import publish
from retouchd.state.journal import Journal, holding
from retouchd.state.rows import Resting, Row
from retouchd.watch import moves, scanner
from retouchd.watch.roots import MountTable, Root, knock_at
from retouchd.watch.settle import SettleTracker
from retouchd.watch.wake import Wake

_LEAST_PAUSE_S = 0.3
"""Between two looks at one root, however often events poke it."""
_REST_WHEN_POKED = 3.0
"""And this many times what a look takes."""
_YOUNG_S = 1.0
"""How old an answer may be for who touches a root: it is not asked anew for each of its folders."""
_DAY_S = 86_400.0
_PRUNE_PAUSE_S = 3600.0


class Intake:
    """Looks at the roots when they are due."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        *,
        clock: Callable[[], float] = time.monotonic,
        table: MountTable = mounts.current,
        wake: Wake | None = None,
        moved: Callable[[Path], None] = lambda _: None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """``moved`` is told of each folder to which a photo came that is done, ``alive`` of progress."""
        self._journal, self._clock, self._table, self._wake = journal, clock, table, wake
        self._moved, self._alive = moved, alive
        self._settings = settings
        self.roots: dict[Path, Root] = {}
        self._followed_lists: set[tuple[Path, Path]] = set()
        self._trackers: dict[Path, SettleTracker] = {}
        self._prune_s = 0.0
        self.reconfigure(settings)

    def reconfigure(self, settings: Settings) -> None:
        """Take over new settings; roots that stay keep what is known of them."""
        self._settings = settings
        wanted = {w.path: w for w in settings.watch}
        for path in set(self.roots) - set(wanted):
            del self.roots[path]
            if self._wake:
                self._wake.forget(path)
        # From above: a link in one folder may lead to another that is watched as well.
        for path in sorted(wanted):
            self._journal.take_over(wanted[path].root)
        for path, watch in wanted.items():
            root = self.roots.setdefault(path, Root(watch))
            root.watch, root.next_look_s = watch, 0.0
            self._trackers.setdefault(path, SettleTracker())

    def poke(self, path: Path) -> None:
        """An event below this root. Called from other threads: it only sets a flag."""
        root = self.roots.get(path)
        if root is not None:
            root.poked = True

    def online(self) -> list[bytes]:
        """The roots that are watched, well and not paused: only their photos are worked on."""
        paused = self._journal.paused()
        well = (root.key for root in self.roots.values() if root.well)
        return [key for key in well if not holding(paused, key)]

    def well(self, folder: Path) -> bool:
        """Whether results may be looked at: none of a root that is offline, or was never looked at.

        Of a mirror that several share one of them tells enough: it is off where their mirror is.
        """
        its = [root for _, root in self._with_results_at(folder)]
        return not its or any(self._there(root) for root in its)

    def there(self, key: bytes) -> bool:
        """Whether the folders of a root answer now: asked before its photos are touched.

        A share that died since the last look held the whole service: who looked for corrections, every three
        seconds, nearly always met it first.
        """
        return self._there(self.roots[Path(os.fsdecode(key))])

    def _there(self, root: Root) -> bool:
        if root.well and self._clock() - root.answered_s >= _YOUNG_S:
            self._alive()
            knock_at(one for one in self.roots.values() if one.well)
            root.offline = root.silent()
            root.answered_s = self._clock()
            if root.offline:
                self._health_changed(root)
                self._journal.note_root(root.key, "offline", root.offline)
        return root.well

    def answers(self, folder: Path) -> bool:
        """Whether who asks for results there gets an answer, be it that they are not there."""
        knocks = (root.knocks.get(top) for top, root in self._with_results_at(folder))
        return not any(knock and knock.is_open for knock in knocks)

    def _with_results_at(self, folder: Path) -> Iterator[tuple[Path, Root]]:
        """The roots whose results lie below a place that a folder lies in, each with that place."""
        tops = ((root.watch.mirror or root.watch.path, root) for root in self.roots.values())
        return ((top, root) for top, root in tops if folder.is_relative_to(top))

    def away(self, path: Path) -> bool:
        """Whether a path is missing because its mount is."""
        return any(
            root.vanished(path, self._table) for p, root in self.roots.items() if path.is_relative_to(p)
        )

    def next_due_s(self) -> float:
        """When a root is to be looked at next."""
        return min((r.next_look_s for r in self.roots.values()), default=self._clock() + 3600)

    def look(self) -> None:
        """Look at every root that is due or was poked."""
        self._prune()
        for root in self.roots.values():
            if root.poked:
                pause = max(_LEAST_PAUSE_S, _REST_WHEN_POKED * root.cost_s)
                root.next_look_s = min(root.next_look_s, self._clock() + pause)
                root.poked = False
        due = [root for root in self.roots.values() if self._clock() >= root.next_look_s]
        while due:
            knock_at(due)
            asked_s = self._clock()
            # After a long look or wait those that are left are asked again: they may have died since.
            while due and self._clock() - asked_s < _YOUNG_S:
                self._alive()
                self._look_at(due.pop(0))

    def _look_at(self, root: Root) -> None:
        before, root.looked_s = (root.offline, root.mount, root.lost), self._clock()
        closed = root.unwritable
        root.check(self._table)
        found = scanner.Found() if root.offline else self._scan(root)
        if not found.files:  # else it is one broken entry, for which the others need not wait
            root.offline = root.offline or found.unreadable.get(root.key, "")
        if (root.offline, root.mount, root.lost) != before:
            self._health_changed(root)
        if root.unwritable and root.unwritable != closed:
            log.get().warning("results cannot be written", root=root.watch.path, why=root.unwritable)
        if not root.offline and not root.vanished(root.watch.path, self._table):  # not even meanwhile
            self._reconcile(root, found)
            self._sweep_once(root, found)
            self._note_barred(root, found)
        self._journal.note_root(root.key, "offline" if root.offline else "online", root.offline or root.mode)
        # To find out that a share does not answer is waiting, not work that wants twenty times its rest.
        root.cost_s = 0.0 if root.offline else self._clock() - root.looked_s
        self._plan_next(root)

    @staticmethod
    def _note_barred(root: Root, found: scanner.Found) -> None:
        """A client's folder that we may not list looks like one without photos: say so, once."""
        barred = {Path(os.fsdecode(p)): why for p, why in found.unreadable.items()}
        for folder in barred.keys() - root.barred.keys() - root.lost:
            log.get().warning("folder cannot be listed", folder=folder, why=barred[folder])
        root.barred = {p: why for p, why in barred.items() if p not in root.lost}

    def _scan(self, root: Root) -> scanner.Found:
        found = scanner.scan(root.key, scanner.Bounds.of(root.watch), self._alive)
        for point in root.lost:
            # What lies there now is the empty folder below the mount, not the photos.
            found.unreadable[os.fsencode(point)] = "no longer mounted"
        if root.lost:
            found.files = {p: s for p, s in found.files.items() if found.covers(p)}
        return found

    def _plan_next(self, root: Root) -> None:
        """The next look comes early when a file could have settled by then."""
        now = self._clock()
        shortest = root.settle_s(self._settings, root.watch.path)
        due = self._trackers[root.watch.path].next_due(root.looked_s, shortest)
        latest = now + root.interval_s(self._settings)
        root.next_look_s = (
            latest
            if due is None or root.offline
            else min(latest, max(due, now + max(_LEAST_PAUSE_S, _REST_WHEN_POKED * root.cost_s)))
        )

    def _health_changed(self, root: Root) -> None:
        if root.offline:
            log.get().warning("root offline", root=root.watch.path, why=root.offline)
        else:
            log.get().info("root online", root=root.watch.path)
        if self._wake is None:
            return
        # An observer does not outlive its mount, so each return gets a new one.
        self._wake.forget(root.watch.path)
        root.events = False
        if not root.offline and not root.network:
            why = self._wake.watch(root.watch.path, recursive=root.watch.recursive)
            root.events = why is None
            if why:
                log.get().warning("no events, scanning only", root=root.watch.path, why=why)

    def _sweep_once(self, root: Root, found: scanner.Found) -> None:
        if root.swept:
            return
        root.swept = True
        known = self._journal.moving(root.key).keys() | self._journal.resting(root.key).keys()
        photos = (Path(os.fsdecode(path)) for path in (*found.files, *known))
        for folder in {root.watch.results_of(photo) for photo in photos}:
            self._alive()
            for part in publish.sweep(folder, self._journal.id, time.time()):
                log.get().info("removed what a crash left", file=part)

    def _reconcile(self, root: Root, found: scanner.Found) -> None:
        """Bring the journal's rows and the files together."""
        tracker = self._trackers[root.watch.path]
        self._followed_lists.clear()
        moving, resting = self._journal.moving(root.key), self._journal.resting(root.key)
        new = any(path not in resting and path not in moving for path in found.files)
        lost = self._lost(root, found, resting, moving) if new else {}
        with self._journal.together():
            for path, signature in found.files.items():
                rest = resting.get(path)
                if rest is None and path not in moving and self._followed(root, path, signature, lost):
                    continue
                if rest is None:
                    self._consider(root, tracker, moving.get(path), path, signature)
                elif rest.code == GONE or not signature.is_written(rest.signature):
                    self._consider(root, tracker, self._journal.find(path), path, signature)
            for path, row in moving.items():
                if path not in found.files and row.state in WAITING and found.covers(path):
                    tracker.forget(path)
                    self._journal.save(
                        replace(row, state=State.SKIPPED, code=GONE, reason=self._why_gone(root, row))
                    )
            for path, rest in resting.items():
                if path not in found.files and self._forgettable(rest) and found.covers(path):
                    self._journal.forget(path)

    def _lost(
        self, root: Root, found: scanner.Found, resting: Mapping[bytes, Resting], moving: Mapping[bytes, Row]
    ) -> dict[str, bytes]:
        """Where photos were that are not there now; first also those of folders watched no longer.

        Of the other watched folders those that were left, taken back or set aside: what is done is known by
        its bytes. A shoot that was moved into another watched folder had all of them healed.
        """
        others = [r.key for r in self.roots.values() if r is not root and r.well]
        lost = moves.missing(self._journal.left(others), found)
        lost |= moves.missing(resting, found) | moves.missing(moving, found)
        for other in () if root.swept else self._journal.roots():
            if other.path not in self._settings.roots:
                lost = moves.missing(self._journal.resting(other.path), found) | lost
        return lost

    def _followed(self, root: Root, path: bytes, signature: Signature, lost: Mapping[str, bytes]) -> bool:
        self._alive()
        before = moves.before(self._journal, signature, lost)
        if before is None or (before.root != root.key and self._is_there(before)):
            return False
        if before.state in IN_HAND:
            # Where capitals do not matter its result is still written, by its former name. Taken at once as
            # another photo, it got a second one.
            return True
        photo = Path(os.fsdecode(path))
        try:
            former = self._settings.roots.get(before.root, root.watch)
            moves.kept_marks_follow(former, root.watch, photo, before, self._followed_lists)
        except (JobError, OSError) as error:
            # Its own photos say so when their turn comes, and wait.
            log.get().error("kept marks stay behind", folder=photo.parent, why=str(error))
        known = moves.follow(self._journal, root.watch, path, signature, before)
        if known:
            self._moved(root.watch.results_of(photo))
        return known

    def _is_there(self, row: Row) -> bool:
        """Whether a photo of another watched folder lies there still, or on a mount that went away."""
        return row.root in self._settings.roots and (os.path.lexists(row.path) or self.away(row.file))

    @staticmethod
    def _why_gone(root: Root, row: Row) -> str:
        """Not in the folder any more, or no longer asked for since the settings changed."""
        inner = row.path[len(root.key) + 1 :].split(b"/")
        left_out = scanner.why_left_out(inner, scanner.Bounds.of(root.watch))
        return left_out or "removed or renamed before its turn"

    def _forgettable(self, rest: Resting) -> bool:
        """Whether a photo that is gone was done with so long ago that it need not be remembered."""
        keep_s = self._settings.history.keep_days * _DAY_S
        return keep_s > 0 and self._journal.now() - rest.changed_at > keep_s

    def _prune(self) -> None:
        """Once in a while: what we published for photos that were forgotten is forgotten with them."""
        keep_s, now = self._settings.history.keep_days * _DAY_S, self._clock()
        if keep_s > 0 and now >= self._prune_s:
            self._prune_s = now + _PRUNE_PAUSE_S
            self._journal.prune(self._journal.now() - keep_s)

    def _consider(
        self, root: Root, tracker: SettleTracker, row: Row | None, path: bytes, signature: Signature
    ) -> None:
        """Decide about one file."""
        if row is None:
            if self._journal.is_published(path):  # ours by another name than today's versions give
                return
            watched = tracker.observe(path, signature, self._clock())
            self._journal.see(path, root.key, signature, watched.why)
            return
        same = signature.same_file(row.sig)
        left = row.state == State.QUARANTINED or row.code in {LEFT_ALONE, UNDONE}
        if left and signature.same_content(row.sig):
            # Other rights, another mount: no change that takes back what was decided.
            self._journal.save(replace(row, signature=str(signature)))
            return
        if row.state in IN_HAND or (same and row.state in AT_REST and row.code != GONE):
            return
        if same and row.state in {State.QUEUED, State.RETRY}:
            return
        watched = tracker.observe(path, signature, self._clock())
        if not same or row.state not in {State.SEEN, State.SETTLING}:
            self._settle_anew(row, signature, watched.why)
        elif tracker.settled(path, root.looked_s, root.settle_s(self._settings, row.file)):
            self._settled(root, tracker, row)
        elif row.reason != watched.why and not row.code:
            self._journal.save(replace(row, reason=watched.why))

    def _settle_anew(self, row: Row, signature: Signature, why: str) -> None:
        now = self._journal.now()
        fresh = replace(row, state=State.SETTLING, reason=why, code="", signature=str(signature), plan="")
        made = row.made if now - row.changed_at < _DAY_S else 0
        fresh = replace(fresh, attempts=0, deaths=0, not_before=0.0, seen_at=now)
        self._journal.save(replace(fresh, made=made, forced=Asked.NOTHING))

    def _settled(self, root: Root, tracker: SettleTracker, row: Row) -> None:
        """The file stands still. Three more reasons to wait, then it is queued."""
        now = self._journal.now()
        if row.pauses(now):
            return
        waits = ""
        if row.sig.size == 0 and row.younger_than(self._settings.scan.incomplete_grace_s, now):
            waits = "the file is still empty"
        elif not root.network_at(row.file) and has_writer(row.path):
            waits = "a program still has it open for writing"
        if not waits:
            tracker.forget(row.path)
            self._journal.save(replace(row, state=State.QUEUED, reason="", code="", not_before=now))
        elif row.reason != waits:
            self._journal.save(replace(row, reason=waits))


def has_writer(path: bytes) -> bool:
    """Whether a process has the file open for writing, as far as the kernel tells.

    A read lease is refused with EAGAIN while there is a writer: this sees the copy whose size was set in
    advance. Other answers (not the owner, not a local file system) say nothing.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A lease that is broken raises SIGIO, which would end us; SIGURG is ignored by default.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(fd)
    return False
