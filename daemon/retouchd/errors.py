"""Every way the service can fail, one class each; the class writes its own one-line message.

    RetouchdError                  ends the command with ``exit_code``
    ├── ConfigMistakes             all mistakes of a configuration at once          (78)
    ├── ConfigNotFound             no configuration anywhere we look                (78)
    ├── ConfigExists               a file is there that may not be overwritten      (73)
    ├── StateDirBusy               another daemon holds the state folder            (75)
    ├── StateDirUnusable           the state folder cannot be written               (78)
    ├── JournalDamaged             the database is not one any more                 (78)
    ├── JournalTooNew              written by a later version                       (78)
    ├── JournalTooOld              the daemon has to be restarted after an update   (1)
    ├── JournalMissing             no daemon has run with this configuration yet    (1)
    ├── EngineUnavailable          the engine does not load                         (69)
    ├── PortTaken                  nothing can listen at http.listen                (69)
    ├── UnknownJob                 nothing in the journal goes by this name         (1)
    ├── JobInHand                  the photo is being worked on right now           (75)
    ├── NotWatched                 the folder is not a watched one                  (1)
    ├── NoDaemon                   only a running daemon can do it                  (1)
    ├── NothingToUndo              no result of ours lies there                     (1)
    ├── BadRequest                 the daemon does not understand what it was asked (2)
    └── JobError                   one photo's failure; the service goes on
        ├── BadName                control characters in the name
        ├── NameTooLong            no room for our suffix within 255 bytes
        ├── FolderMistake          a retouch.toml with mistakes                     (waits)
        ├── SourceGone             the file was removed or renamed
        ├── SourceChanged          rewritten while we worked                        (again)
        ├── TargetFull             no room where the result goes                    (waits)
        ├── TargetUnavailable      the folder does not answer                       (waits)
        ├── UnsafeFolder           a symlink where our folder should be
        ├── StagedDamaged          a staged file is not what the engine wrote       (again)
        ├── WorkerDied             the worker ended in the middle of the photo
        ├── TimeLimit              the photo took too long
        ├── MemoryCeiling          the worker used more memory than it may
        ├── WorkerStuck            the worker gave no sign of life
        ├── OverBudget             the photo needs more memory than there may ever be
        ├── MemoryShort            the photo needs more memory than is free now     (waits)
        └── LoopSuspected          results of results, or one photo again and again

Exit codes follow sysexits.h where it has a word for it: 69 unavailable, 73 cannot create, 74 input/output,
75 try later, 77 not permitted, 78 configuration. systemd does not restart after 78 (see systemd/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from retouchd.text import duration, shown, size


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a settings file: where, what was found, what is allowed."""

    file: Path | None
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        """One line."""
        where = shown(self.file) if self.file else "the built-in settings"
        return f"{where}: {shown(self.key)}: found {shown(self.found)}; allowed: {shown(self.allowed)}"


class RetouchdError(Exception):
    """Anything that ends a command."""

    exit_code: ClassVar[int] = 1


class ConfigMistakes(RetouchdError):
    """A configuration with mistakes, all of them."""

    exit_code = 78

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(m) for m in mistakes))


class ConfigNotFound(RetouchdError):
    """No configuration anywhere we look."""

    exit_code = 78

    def __init__(self, looked: Sequence[Path]) -> None:
        places = ", ".join(shown(p) for p in looked)
        super().__init__(
            f"no configuration found in {places}; write one with: retouchd init-config --watch DIR"
        )


class ConfigExists(RetouchdError):
    """A file that a person may have changed is never overwritten without being told to."""

    exit_code = 73

    def __init__(self, path: Path, instead: str = "choose another place with --out") -> None:
        super().__init__(f"{shown(path)} exists already; {instead}")


class StateDirBusy(RetouchdError):
    """Another daemon holds the lock of the state folder."""

    exit_code = 75

    def __init__(self, path: Path) -> None:
        super().__init__(f"another retouchd uses {shown(path)}; stop it or choose another state_dir")


class StateDirUnusable(RetouchdError):
    """The state folder cannot be made or written."""

    exit_code = 78

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"cannot use the state folder {shown(path)}: {why}; choose another state_dir")


class JournalDamaged(RetouchdError):
    """A journal that cannot be read any more; starting anew is for a person to decide, who knows the disk."""

    exit_code = 78

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{shown(path)} is damaged ({why}); look after the disk, move journal* away and start again:"
            " finished photos are known by their records, what was skipped or failed is looked at anew"
        )


class JournalTooNew(RetouchdError):
    """A journal written by a later version of the service."""

    exit_code = 78

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            f"{shown(path)} has schema {found}, this version knows {known}; install the newer retouchd again"
        )


class JournalTooOld(RetouchdError):
    """A journal that the daemon has not migrated yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{shown(path)} is of an earlier version; restart the daemon, which brings it up to date"
        )


class JournalMissing(RetouchdError):
    """No daemon has run with this configuration yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no journal at {shown(path)}: no daemon has run with this configuration yet")


class EngineUnavailable(RetouchdError):
    """The worker could not load the engine."""

    exit_code = 69

    def __init__(self, why: str) -> None:
        super().__init__(f"the engine does not load: {shown(why)}; see retouchd doctor")


class PortTaken(RetouchdError):
    """The address of ``http.listen`` cannot be used."""

    exit_code = 69

    def __init__(self, address: str, why: str) -> None:
        super().__init__(f"cannot listen at {shown(address)}: {shown(why)}; choose another http.listen")


class UnknownJob(RetouchdError):
    """Nothing in the journal goes by this name."""

    def __init__(self, given: str) -> None:
        super().__init__(f"{shown(given)} is not in the journal; see retouchd why FILE")


class JobInHand(RetouchdError):
    """The photo is being worked on right now."""

    exit_code = 75

    def __init__(self, path: Path, state: str) -> None:
        super().__init__(f"{shown(path)} is {state} right now; wait for it")


class NotWatched(RetouchdError):
    """A folder that no ``[[watch]]`` names."""

    def __init__(self, given: str) -> None:
        super().__init__(f"{shown(given)} is not a watched folder; see retouchd status")


class NoDaemon(RetouchdError):
    """Only a running daemon can do this."""

    def __init__(self, what: str) -> None:
        super().__init__(f"no daemon runs with this configuration; there is nothing to {what}")


class NothingToUndo(RetouchdError):
    """No result of ours lies there."""

    def __init__(self, given: Path) -> None:
        super().__init__(f"no result of retouchd was found for {shown(given)}")


class BadRequest(RetouchdError):
    """A request to the daemon that it does not understand."""

    exit_code = 2

    def __init__(self, what: str) -> None:
        super().__init__(f"not a request that this daemon knows: {shown(what)[:80]}")


class JobError(RetouchdError):
    """One photo's failure. ``retryable``: the same file may succeed later without anyone touching it."""

    code: ClassVar[str] = "job"
    retryable: ClassVar[bool] = False


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
