"""Whose a state folder is: one daemon's, by an advisory lock that dies with its holder, and one user's."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from retouchd.errors import RetouchdError, StateDirBusy, StateDirUnusable
from retouchd.text import shown, user_named

LOCK_NAME = "lock"


class NotItsUser(RetouchdError):
    """The state folder is another user's; to choose another one would be to ask another service."""

    exit_code = 77

    def __init__(self, state_dir: Path) -> None:
        user = user_named(state_dir.stat().st_uid)
        super().__init__(f"{shown(state_dir)} belongs to {user}; do it as that user: sudo -u {user} ...")


def hold(state_dir: Path) -> int:
    """Take the lock of a state folder and return the descriptor that keeps it.

    Raises:
        StateDirBusy: another process holds it.
        StateDirUnusable: the folder cannot be made or written.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        fd = os.open(state_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StateDirUnusable(state_dir, error.strerror or str(error)) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise StateDirBusy(state_dir) from None
    return fd
