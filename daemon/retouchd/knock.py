"""Whether a disk answers at all: a dead share that is mounted hard holds whoever asks it, for ever.

So it is asked in a thread of its own, and who gets no answer in time leaves that thread behind: only an
answer ends it, or the end of the process.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 10.0
_MOMENT_S = 0.2
"""How long whoever answered late is waited for. A share that took 11 s each time held up all other folders
for 10 of every 12."""


class Knock:
    """One question, which may be asked again and again; never a second time while the first is open."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._asking: threading.Thread | None = None
        self._took_s = 0.0

    def answered(self) -> bool:
        """Whether an answer came in time; at once when the last question is still open."""
        if not self.is_open:
            patience_s = PATIENCE_S if self._took_s <= PATIENCE_S else min(_MOMENT_S, PATIENCE_S)
            self._asking = threading.Thread(target=self._wait_for_it, daemon=True)
            try:
                self._asking.start()
            except RuntimeError:  # no more threads: nobody can be sent, which says nothing of the disk
                self._asking = None
                return True
            self._asking.join(patience_s)
        return not self.is_open

    @property
    def is_open(self) -> bool:
        """Whether the last question still waits for its answer."""
        return self._asking is not None and self._asking.is_alive()

    def _wait_for_it(self) -> None:
        began = time.monotonic()
        self._ask()
        self._took_s = time.monotonic() - began


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
