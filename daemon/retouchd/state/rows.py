"""What the journal says: one photo's row, what a look needs of one at rest, a watched folder, a daemon."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from retouchd.jobs import Asked, Digest, JobId, Signature, State


@dataclass(frozen=True, slots=True)
class Row:
    """One photo's line in the journal; the fields are the columns, in order."""

    id: JobId
    path: bytes
    root: bytes
    state: State
    reason: str
    code: str
    signature: str
    source_digest: Digest
    recipe_digest: Digest
    attempts: int
    deaths: int
    not_before: float
    owner: str
    lease_until: float
    plan: str
    seen_at: float
    changed_at: float
    revision: int
    made: int = 0
    """How often a result was made of it."""
    forced: int = Asked.NOTHING
    """What a person asked for it, until it changes."""

    @property
    def file(self) -> Path:
        """The photo."""
        return Path(os.fsdecode(self.path))

    def pauses(self, now: float) -> bool:
        """Whether its pause lasts; none does that began before the clock was set back."""
        return self.changed_at <= now < self.not_before

    def younger_than(self, seconds: float, now: float) -> bool:
        """Whether it was first seen so lately; not when that was before the clock was set back."""
        return 0 <= now - self.seen_at < seconds

    def age_s(self, now: float) -> float:
        """Seconds since it was first seen; 0 when that was before the clock was set back."""
        return max(0.0, now - self.seen_at)

    def as_json(self) -> dict[str, object]:
        """What programs are told of a photo: ``list --json`` and the page alike."""
        return {
            "job": self.id,
            "file": str(self.file),
            "state": str(self.state),
            "reason": self.reason,
            "code": self.code,
            "attempts": self.attempts,
        }

    @property
    def sig(self) -> Signature:
        """The photo's signature when this row was last decided."""
        return Signature.parse(self.signature)


class Resting(NamedTuple):
    """What a look needs to know of a photo that is done with; there may be 100,000 of them."""

    signature: str
    code: str
    changed_at: float


@dataclass(frozen=True, slots=True)
class RootRow:
    """What the daemon last saw of a watched folder."""

    path: bytes
    state: str
    note: str
    checked_at: float


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """The daemon that writes, or last wrote, this journal."""

    id: str
    pid: int
    started_at: float
    beat_at: float
    status: str
