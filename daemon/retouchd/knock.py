"""Whether a disk answers at all: a dead share that is mounted hard holds whoever asks it, for ever.

So it is asked in a thread of its own, and who gets no answer in time leaves that thread behind: only an
answer ends it, or the end of the process. Several are asked side by side: one dead NAS has many folders, and
waited for one after another they took longer than systemd lets a service take to start.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable
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
        self._until_s = self._took_s = 0.0
        self._failed: Exception | None = None

    def ask(self) -> None:
        """Send somebody, unless the last one is still away."""
        if self.is_open:
            return
        patience_s = PATIENCE_S if self._took_s <= PATIENCE_S else min(_MOMENT_S, PATIENCE_S)
        self._until_s, self._failed = time.monotonic() + patience_s, None
        self._asking = threading.Thread(target=self._wait_for_it, daemon=True)
        try:
            self._asking.start()
        except RuntimeError:  # no more threads: nobody can be sent, which says nothing of the disk
            self._asking = None

    def came(self) -> bool:
        """Whether the answer to what was asked came in time, counted from then on.

        Raises:
            Exception: the question itself failed, by this.
        """
        if self._asking is not None:
            self._asking.join(max(0.0, self._until_s - time.monotonic()))
        if self._failed is not None and not self.is_open:
            raise self._failed
        return not self.is_open

    def answered(self) -> bool:
        """Ask, and whether an answer came in time; at once when the last question is still open."""
        self.ask()
        return self.came()

    @property
    def is_open(self) -> bool:
        """Whether the last question still waits for its answer."""
        return self._asking is not None and self._asking.is_alive()

    def _wait_for_it(self) -> None:
        began = time.monotonic()
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001 - raised again where the answer is waited for
            self._failed = error
        self._took_s = time.monotonic() - began


def at(folder: Path) -> Knock:
    """Ask for the disk of a folder: what is free there, no cache of the kernel's knows."""

    def ask() -> None:
        with contextlib.suppress(OSError):  # an answer as well; what it means is found out by who looks
            os.statvfs(folder)

    return Knock(ask)


def together(knocks: Iterable[Knock]) -> list[Knock]:
    """Ask all of them side by side, with one patience for all; those that gave no answer."""
    asked = list(knocks)
    for one in asked:
        one.ask()
    return [one for one in asked if not one.came()]


def silent(folders: Iterable[Path]) -> list[Path]:
    """The folders that do not answer, each once."""
    asked = {folder: at(folder) for folder in folders}
    unanswered = together(asked.values())
    return [folder for folder, one in asked.items() if one in unanswered]


def real(paths: Iterable[Path]) -> dict[Path, Path]:
    """Where paths really lie; each as it stands when that is not to be had in time."""
    wanted = set(paths)
    found: dict[Path, Path] = {}

    def follow(path: Path) -> Knock:
        return Knock(lambda: found.update({path: Path(os.path.realpath(path))}))

    together(follow(path) for path in wanted)
    return {path: found.get(path, path) for path in wanted}
