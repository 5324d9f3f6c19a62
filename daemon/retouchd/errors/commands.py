"""Ways in which a command, or the whole service, ends."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retouchd.errors.base import RetouchdError
from retouchd.text import shown


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

    def __init__(self, address: str, error: OSError) -> None:
        remedy = "choose another http.listen"
        if error.errno == errno.EAFNOSUPPORT:  # another would not help below systemd
            remedy = "retouchd install-service --replace gives the unit its network; without IPv6 " + remedy
        why = error.strerror or str(error)
        super().__init__(f"cannot listen at {shown(address)}: {shown(why)}; {remedy}")


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
    """Nothing of ours lies there."""

    def __init__(self, given: Path, what: str = "no result of retouchd was found for") -> None:
        super().__init__(f"{what} {shown(given)}")


class BadRequest(RetouchdError):
    """A request to the daemon that it does not understand."""

    exit_code = 2

    def __init__(self, what: str) -> None:
        super().__init__(f"not a request that this daemon knows: {shown(what)[:80]}")
