"""Contact sheets of the service: written by a short-lived process of their own.

A page of 2,000 photos needs seconds and tens of megabytes. In the service itself that held up the loop, and
the memory stayed: +27 % over 1,500 photos, seen with tracemalloc in the cache of read records. A process that
ends gives everything back, and one that crashes costs a page, not the service.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from retouchd import log

_LEAST_PAUSE_S = 2.0
_SHARE = 10.0
"""Between two pages, this many times what the last took."""
_AT_ONCE = 50
"""Folders for one process: command lines are finite."""
_LONGEST_S = 300.0
_LAST_S = 20.0
"""How long a stop waits for the last pages."""


class Pages:
    """Folders whose page is due, and the process at work on some of them."""

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token, self._clock = token, clock
        self._due: dict[Path, float] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._began_s = 0.0
        self._pause_s = _LEAST_PAUSE_S

    def touch(self, folder: Path) -> None:
        """A result appeared in this folder."""
        self._due.setdefault(folder, self._clock() + self._pause_s)

    def step(self) -> None:
        """Have the pages written that are due, unless some are being written."""
        if not self._busy():
            self._start([folder for folder, due in self._due.items() if self._clock() >= due])

    def close(self) -> None:
        """Have every page written that is due or will be; give up on one that takes too long."""
        until_s = time.monotonic() + _LAST_S
        while (self._busy() or self._due) and time.monotonic() < until_s:
            if self._process is None:
                self._start(list(self._due))
            elif self._process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(until_s - time.monotonic())
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _busy(self) -> bool:
        if self._process is None:
            return False
        took = self._clock() - self._began_s
        if self._process.poll() is None and took <= _LONGEST_S:
            return True
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.returncode:
            log.get().warning("no contact sheet", status=self._process.returncode)
        self._process, self._pause_s = None, max(_LEAST_PAUSE_S, _SHARE * took)
        return False

    def _start(self, folders: list[Path]) -> None:
        if not folders:
            return
        chosen = folders[:_AT_ONCE]
        for folder in chosen:
            del self._due[folder]
        self._began_s = self._clock()
        command = [sys.executable, "-m", "retouchd.results.contact", self._token, *map(str, chosen)]
        try:
            # A session of its own: Ctrl-C is for the service, which decides what it means.
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError as error:
            log.get().warning("no contact sheet", why=error.strerror or str(error))
