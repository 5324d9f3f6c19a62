"""Whether a disk answers at all: a dead share that is mounted hard holds whoever asks it, for ever.

So it is asked in a thread of its own, and who gets no answer in time leaves that thread behind: only an
answer ends it, or the end of the process.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 10.0


class Knock:
    """One question, which may be asked again and again; never a second time while the first is open."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._asking: threading.Thread | None = None

    def answered(self) -> bool:
        """Whether an answer came in time; at once when the last question is still open."""
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask, daemon=True)
            try:
                self._asking.start()
            except RuntimeError:  # no more threads: nobody can be sent, which says nothing of the disk
                self._asking = None
                return True
            self._asking.join(PATIENCE_S)
        return not self._asking.is_alive()


def at(folder: Path) -> Knock:
    """Ask for the disk of a folder: what is free there, no cache of the kernel's knows."""

    def ask() -> None:
        with contextlib.suppress(OSError):  # an answer as well; what it means is found out by who looks
            os.statvfs(folder)

    return Knock(ask)


def real(path: Path) -> Path:
    """Where a path really lies; as it stands when that is not to be had in time."""
    found = [path]
    Knock(lambda: found.append(Path(os.path.realpath(path)))).answered()
    return found[-1]
