"""Room in the state folder: while its disk is full all work waits. It is said once, and goes on by itself.

Each photo of a night used to be rendered, found no room for its result, and then waited a minute of its own:
one warning and one wasted render after the other, and nothing in ``status`` said why.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from retouchd import log, mounts
from retouchd.text import shown

FIRST_PAUSE_S, LONGEST_PAUSE_S = 30.0, 600.0
"""Until a photo is tried although no more is free than was: the next may be a smaller one. Each try that
fails costs a render, so the pauses double."""


class Room:
    """Asked before each photo whether to begin it."""

    def __init__(self, place: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._place, self._clock = place, clock
        self._trouble = log.Trouble("no room", clock)
        self._wanted_bytes = mounts.NO_ROOM_BYTES
        self._begun_with_bytes = 0
        self._until_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self.lacking = ""
        """In words, why work waits; empty when it does not, as far as was asked last."""

    def is_there(self) -> bool:
        """Whether to begin a photo now.

        Raises:
            OSError: the disk does not answer.
        """
        wanted = self._wanted_bytes if self._clock() < self._until_s else mounts.NO_ROOM_BYTES
        free = mounts.free_bytes(self._place)
        if (free is not None and free < wanted) or not mounts.takes(self._place, mounts.NO_ROOM_BYTES):
            full = f"the disk of {shown(self._place)} is full, or a quota used up"
            self.lacking = f"all work waits: {full}; free some space"
            self._trouble.met(self.lacking)
        else:
            self.lacking, self._begun_with_bytes = "", free or 0
            self._trouble.absent()
        return not self.lacking

    def did_not_suffice(self) -> None:
        """A result did not fit: wait until more is free than when it was begun.

        Not than right now: XFS and btrfs free what was removed only seconds later, and each photo of the
        night would be rendered for the room of the one before.

        Raises:
            OSError: the disk does not answer.
        """
        most = max(self._begun_with_bytes, mounts.free_bytes(self._place) or 0)
        self._wanted_bytes = most + mounts.NO_ROOM_BYTES
        self._until_s = self._clock() + self._pause_s
        self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)

    def sufficed(self) -> None:
        """A result fitted."""
        self._until_s, self._pause_s = 0.0, FIRST_PAUSE_S
