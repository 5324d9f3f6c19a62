"""One daemon for each state folder: an advisory lock that the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from retouchd.errors import StateDirBusy, StateDirUnusable

LOCK_NAME = "lock"


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
