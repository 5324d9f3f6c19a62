"""Photos of the very same bytes under other names: copies, and what a photo was called before it was renamed.

What is done of a photo stays as it is when it is renamed, as it does under its own name: settings, version
and calibration of today have no say in it. A copy is a photo of its own, done by what holds now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retouchd.config import Settings
from retouchd.jobs import Asked, Digest
from retouchd.results import corrections, keepsakes, publish, record
from retouchd.results.corrections import LastRun, Memory
from retouchd.results.publish import Published
from retouchd.state.rows import Row
from retouchd.work.desk import Desk, InHand


@dataclass(frozen=True, slots=True)
class Twins:
    """Asks the journal, and what lies in the folders of their results."""

    settings: Settings
    desk: Desk

    def folder(self, row: Row) -> Path:
        """Where the results of a photo go."""
        return self.settings.roots[row.root].results_of(row.file)

    def memory(self, row: Row, digest: Digest) -> Memory:
        """What a person decided about a photo; about one that is new by its name also under another.

        Raises:
            BrokenCorrections, BrokenKeepList, UnsafeFolder, OSError: it cannot be read or taken along.
        """
        folder = self.folder(row)
        if row.source_digest:
            return corrections.read(row.file, folder, digest)
        record.take_over(row.file, folder, digest)
        twins = self._twins(row, digest)
        # Of a shoot that was renamed: what its folder keeps comes along, or its photos wait.
        for twin in (t for t in twins if self._gone(t, t.file.parent, row.file.parent)):
            keepsakes.follow(self.folder(twin), folder)
        return corrections.read_anywhere(row.file, folder, digest, ((t.file, self.folder(t)) for t in twins))

    def edited_mask(self, row: Row, memory: Memory) -> tuple[Path, Digest] | None:
        """A mask that nobody has read yet, with its digest; of a renamed photo also the former one's.

        Who painted, renamed the photo and only then started the service was not heard.

        Raises:
            BrokenCorrections, OSError: what lies there cannot be read.
        """
        found = corrections.edited_mask(row.file, self.folder(row), memory.masks)
        if found or row.source_digest:
            return found
        digest, read = Digest(memory.sha256), memory.masks
        for twin in self._twins(row, digest):
            read += corrections.read(twin.file, self.folder(twin), digest).masks
        before = (corrections.edited_mask(t.file, self.folder(t), read) for t in self._renamed(row, digest))
        return next(filter(None, before), None)

    def last_run(self, row: Row, memory: Memory, *, painted: bool) -> LastRun:
        """Where a corrected photo is taken up: also where it lay before it was renamed.

        Raises:
            OSError: what lies there cannot be read.
        """
        if row.forced == Asked.ANEW:
            return LastRun()
        last = corrections.last_run(row.file, self.folder(row), memory, painted=painted)
        lost = last.lost or (painted and not last.heal)
        for twin in self._renamed(row, Digest(memory.sha256)) if lost else ():
            before = corrections.last_run(twin.file, self.folder(twin), memory, painted=painted)
            if before.heal:
                return before
        return last

    def done(self, hand: InHand, digest: Digest) -> Iterator[tuple[Published, bool]]:
        """Results that can be copied, and whether they are of the photo before it was renamed.

        Of such a photo whatever it was done by, as long as they show what a person decided. Of a copy only
        what would be made of this one now, and none where marks are kept: the copy may have been done before
        they were, or in a folder without them; nor of a photo that was corrected: the copy's other spots may
        have been decided about otherwise.
        """
        row, memory = hand.row, hand.memory
        for twin in self._renamed(row, digest) if row.forced == Asked.NOTHING else ():
            done = corrections.done_before(twin.file, self.folder(twin), digest)
            if done and memory and corrections.shows(done.record, memory):
                yield done, True
        if hand.last.heal or keepsakes.kept(self.folder(row)):
            return
        for twin in self._twins(row, digest):
            known = twin.recipe_digest == hand.key
            done = publish.find_done(twin.file, self.folder(twin), digest, hand.key) if known else None
            if done:
                yield done, False

    def _twins(self, row: Row, digest: Digest) -> list[Row]:
        """Without those on a dead share, which would hold the photos of all other folders."""
        twins = self.desk.journal.same_bytes(row.file, digest)
        return [t for t in twins if t.root in self.settings.roots and self.desk.answers(self.folder(t))]

    def _renamed(self, row: Row, digest: Digest) -> list[Row]:
        """The same photo under the names that it had before: done there, and gone."""
        return [twin for twin in self._twins(row, digest) if self._gone(twin, twin.file, row.file)]

    def _gone(self, twin: Row, path: Path, now: Path) -> bool:
        """Whether it is there no more. On a card that was taken out it is still: that one was copied."""
        looked_at = twin.root in self.desk.online() and not self.desk.away(path)
        return looked_at and not record.is_there(path, now)
