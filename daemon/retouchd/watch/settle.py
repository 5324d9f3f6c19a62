"""Has this export finished? A pure answer: fed with signatures and a clock, it touches no file.

A photo has settled when its signature stood still for a while by the monotonic clock. The file's own times
are never compared with ours: the clocks of a NAS and of this machine disagree. Nothing is dropped by a
time-out: a file that never settles is looked at for ever, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from retouchd.jobs import Signature
from retouchd.text import size


@dataclass(frozen=True, slots=True)
class Watched:
    """What is remembered of one unsettled file."""

    signature: Signature
    since_s: float
    why: str


class SettleTracker:
    """Remembers unsettled files from one look to the next."""

    def __init__(self) -> None:
        self._watched: dict[bytes, Watched] = {}

    def observe(self, path: bytes, signature: Signature, now_s: float) -> Watched:
        """Take note of one look at a file; the answer says since when it stands still, and why it waits."""
        before = self._watched.get(path)
        if before is None:
            after = Watched(signature, now_s, "waiting whether it still changes")
        elif before.signature == signature:
            return before
        else:
            after = Watched(signature, now_s, _difference(before.signature, signature))
        self._watched[path] = after
        return after

    def settled(self, path: bytes, now_s: float, settle_s: float) -> bool:
        """Whether a file stood still for long enough."""
        watched = self._watched.get(path)
        return watched is not None and now_s - watched.since_s >= settle_s

    def forget(self, path: bytes) -> None:
        """Stop following a file: it was taken, or it is gone."""
        self._watched.pop(path, None)

    def next_due(self, now_s: float, settle_s: float) -> float | None:
        """When the next file could have settled; those that stand still but wait for more do not count."""
        due = (w.since_s + settle_s for w in self._watched.values())
        return min((s for s in due if s > now_s), default=None)


def _difference(before: Signature, after: Signature) -> str:
    """In words, what changed between two looks."""
    if after.size > before.size:
        return f"size still grows ({size(after.size)} so far)"
    if after.size < before.size:
        return f"size shrank to {size(after.size)}"
    if after.ino != before.ino:
        return "replaced by a new file"
    if after.mtime_ns != before.mtime_ns:
        return "still being written"
    return "rewritten with its old time"
