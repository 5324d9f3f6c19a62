"""The nouns of the service: a photo's signature, its job's states, how one attempt ended.

Frozen data without input or output.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple, NewType, Self

from retouchd.errors import JobError
from retouchd.text import complaint

JobId = NewType("JobId", int)
InstanceId = NewType("InstanceId", str)
Digest = NewType("Digest", str)
"""SHA-256, lower-case hexadecimal."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says where there is no room, or none that this user may take."""


class State(StrEnum):
    """Where a photo stands. A job at rest moves again only when its file changes or a person asks."""

    SEEN = "seen"
    SETTLING = "settling"
    QUEUED = "queued"
    RUNNING = "running"
    RENDERED = "rendered"
    PUBLISHING = "publishing"
    DONE = "done"
    RETRY = "retry"
    QUARANTINED = "quarantined"
    SKIPPED = "skipped"


class Asked(IntEnum):
    """What a person asked for a photo; the journal keeps the numbers."""

    NOTHING = 0
    EVEN_OURS = 1
    """To do it although it is a result of ours."""
    ANEW = 2
    """To do it, although it may be done already."""


AT_REST = frozenset({State.DONE, State.SKIPPED, State.QUARANTINED})
IN_HAND = frozenset({State.RUNNING, State.RENDERED, State.PUBLISHING})
WAITING = frozenset({State.SEEN, State.SETTLING, State.QUEUED, State.RETRY})
IN_LINE = frozenset({State.QUEUED, State.RETRY}) | IN_HAND
"""Taken, and not done: also a finished result that cannot be written where it goes."""


GONE = "gone"
"""The code of a photo that was removed or renamed before its turn."""
LEFT_ALONE = "asked"
"""The code of a photo that a person told us to leave alone."""
UNDONE = "undone"
"""The code of a photo whose results a person took back: ``requeue`` of its folder makes them again."""


class Signature(NamedTuple):
    """What the file system says of a file.

    Includes ctime: a rewrite of the same size with its mtime put back is caught by ctime alone. A named
    tuple, because a look at a large folder makes 100,000 of them.
    """

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Signature:
        """The signature in a stat result."""
        return cls._make((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))

    @classmethod
    def parse(cls, text: str) -> Signature:
        """The signature that :meth:`__str__` wrote."""
        return cls(*(int(part) for part in text.split(":")))

    def __str__(self) -> str:
        """Text, because inode numbers of some network file systems do not fit SQLite's signed 64 bits."""
        return f"{self.dev}:{self.ino}:{self.size}:{self.mtime_ns}:{self.ctime_ns}"

    def same_file(self, other: Signature) -> bool:
        """Equal but for the device number, which a remount or a reboot deals out anew."""
        return self[1:] == other[1:]

    def same_content(self, other: Signature) -> bool:
        """Equal in size and time, as after other rights, a copy back from a backup, or another mount."""
        return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)

    def is_written(self, text: str) -> bool:
        """As :meth:`same_file`, with what :meth:`__str__` wrote of the other."""
        return text.endswith(f":{self.ino}:{self.size}:{self.mtime_ns}:{self.ctime_ns}")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, as data."""

    code: str
    message: str
    retryable: bool

    @classmethod
    def of(cls, error: JobError) -> Failure:
        """A failure of ours."""
        return cls(error.code, str(error), error.retryable)

    @classmethod
    def of_system(cls, error: OSError) -> Failure:
        """What the system could not do, and may be able to later."""
        code = "disk-full" if error.errno in FULL else "folder"
        return cls(code, complaint(error), retryable=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one order to the worker ended: a record with its staged files, or a failure. Never an exception."""

    record: dict[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Staged:
    """A finished file in our own staging folder, with the digest that the engine promised."""

    path: Path
    sha256: Digest
    size: int

    def as_json(self) -> dict[str, Any]:
        """As it lies in the journal."""
        return {"path": str(self.path), "sha256": self.sha256, "size": self.size}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """What :meth:`as_json` gave."""
        return cls(Path(entry["path"]), Digest(entry["sha256"]), entry["size"])
