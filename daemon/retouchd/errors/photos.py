"""Ways in which one photo fails; the service goes on with the next. A class knows whether waiting helps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retouchd.errors.base import JobError
from retouchd.errors.commands import Mistake
from retouchd.text import duration, shown, size


class BadName(JobError):
    """A name that must never reach another program."""

    code = "bad-name"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"unusable name {shown(path.name)}: it or its folder holds control characters; rename it"
        )


class NameTooLong(JobError):
    """No room for our suffix within the 255 bytes that file systems allow."""

    code = "bad-name"

    def __init__(self, path: Path, needed: int) -> None:
        super().__init__(
            f"unusable name: the result of {shown(path.name)[:40]}... would need {needed} bytes;"
            " names have at most 255; shorten it"
        )


class NameRefused(JobError):
    """A name that the disk of the results does not take, though it takes others in the same folder."""

    code = "bad-name"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{shown(path.parent)} takes no file of the name {shown(path.name)} ({shown(why)});"
            " rename the photo"
        )


class FolderMistake(JobError):
    """The folder's ``retouch.toml`` has mistakes; its photos wait until they are corrected."""

    code = "settings"
    retryable = True

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(str(m) for m in mistakes))


class SourceGone(JobError):
    """The photo was removed or renamed before its turn."""

    code = "gone"

    def __init__(self, path: Path, what: str = "was removed or renamed") -> None:
        super().__init__(f"{shown(path.name)} {what}")


class SourceChanged(JobError):
    """The photo was rewritten while it was being retouched; the stale result is thrown away."""

    code = "changed"
    retryable = True

    def __init__(self, path: Path) -> None:
        super().__init__(f"{shown(path.name)} was rewritten while it was being retouched")


class TargetFull(JobError):
    """No room where the result goes."""

    code = "disk-full"
    retryable = True

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no room in {shown(folder)}; free some space")


class TargetUnavailable(JobError):
    """The folder of the result does not answer."""

    code = "folder"
    retryable = True

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"cannot write in {shown(folder)}: {shown(why)}")


class FolderWaits(JobError):
    """Finished results wait already until something can be written in the folder of this one's."""

    code = "folder-waits"
    retryable = True

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"waits until results can be written in {shown(folder)} again: {why}")


class UnsafeFolder(JobError):
    """Something other than a real folder stands where our own folder should be."""

    code = "unsafe-folder"

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{shown(folder)} is not a real folder; remove it")


class StagedDamaged(JobError):
    """A staged file is missing or is not what the engine wrote."""

    code = "staging"
    retryable = True

    def __init__(self, path: Path) -> None:
        super().__init__(f"the staged file {shown(path.name)} is not what the engine wrote")


class WorkerDied(JobError):
    """The worker process ended in the middle of the photo."""

    code = "worker-died"
    retryable = True

    def __init__(self, how: str) -> None:
        super().__init__(f"the worker died on this photo ({how})")


class TimeLimit(JobError):
    """The photo took longer than the configured limit."""

    code = "time-limit"
    retryable = True

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"stopped after {duration(limit_s)} (limits.job_seconds)")


class MemoryCeiling(JobError):
    """The worker used more memory than it may, and was stopped before the machine suffered."""

    code = "memory-ceiling"
    retryable = True

    def __init__(self, used_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"stopped at {size(used_bytes)} of memory; {size(limit_bytes)} allowed (limits.memory_mb)"
        )


class WorkerStuck(JobError):
    """The worker's process stands still: it does not even say that it works."""

    code = "worker-stuck"
    retryable = True

    def __init__(self, silent_s: float) -> None:
        super().__init__(f"the worker gave no sign of life for {duration(silent_s)} and was replaced")


class OverBudget(JobError):
    """A photo that needs more memory than the worker may ever have."""

    code = "over-budget"

    def __init__(self, path: Path, needed_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"{shown(path.name)} needs about {size(needed_bytes)} of memory; {size(limit_bytes)} allowed"
            " (limits.memory_mb)"
        )


class MemoryShort(JobError):
    """Other programs have the memory now; the photo waits."""

    code = "memory-short"
    retryable = True

    def __init__(self, path: Path, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"{shown(path.name)} waits for memory: it needs about {size(needed_bytes)};"
            f" {size(free_bytes)} free"
        )


class LoopSuspected(JobError):
    """A circle: what we write comes back to us as a photo."""

    code = "loop"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{shown(path.name)}: {why}; a program seems to feed results back. Stop it, then: retouchd retry"
        )
