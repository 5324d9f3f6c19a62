"""Telling systemd: READY, STATUS, WATCHDOG, RELOADING, STOPPING (sd_notify(3)).

sdnotify encodes as Latin-1 and swallows what it cannot encode, so a status with a Polish file name in it
would drop the whole message, the watchdog's included, and systemd would kill a healthy service. Everything
that leaves here is ASCII.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from sdnotify import SystemdNotifier

from retouchd.text import ascii_line


class Notifier:
    """Talks to systemd, or to nobody where there is none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._systemd = SystemdNotifier()
        if self._systemd.socket is not None:
            # The kernel queues ten datagrams; a reader that hangs must not hang us with it.
            self._systemd.socket.settimeout(1.0)
        micros = os.environ.get("WATCHDOG_USEC", "")
        # Half of the limit, as sd_watchdog_enabled(3) advises.
        self._watchdog_s = int(micros) / 2e6 if micros.isdigit() else None
        self._fed_s = -1e9
        self._status = ""

    def ready(self, status: str) -> None:
        """The engine is loaded and the folders are watched."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``; sent when it changed."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog. Call it after real progress only: a timer would keep a hung service alive."""
        if self._watchdog_s is not None and self._clock() - self._fed_s >= self._watchdog_s / 2:
            self._fed_s = self._clock()
            self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Ask for more time to start or to stop."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def reloading(self) -> None:
        """A reload begins; :meth:`ready` ends it. From systemd 253 on it hangs without the time."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """The service is on its way out."""
        self._send("STOPPING=1", f"STATUS={status}")

    def _send(self, *lines: str) -> None:
        self._systemd.notify("\n".join(ascii_line(line) for line in lines))
