"""What signals ask of the service, and the pipe that ends its sleep.

Handlers set a flag and ring; whatever follows is done by the loop.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Flags:
    """What signals asked for. Handlers write, the loop reads."""

    stops: int = 0
    reload: bool = False
    drain: bool = False
    """Take nothing new, finish what is queued, then stop: asked for by a person."""


@dataclass(slots=True)
class Alarm:
    """A pipe that ends the loop's sleep, from signal handlers and other threads."""

    read_fd: int = -1
    write_fd: int = -1

    def __post_init__(self) -> None:
        """Make the pipe."""
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def ring(self) -> None:
        """End the sleep. A full pipe has rung already."""
        with contextlib.suppress(BlockingIOError):
            os.write(self.write_fd, b"!")

    def clear(self) -> None:
        """Be ready to sleep again."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.read_fd, 4096):
                pass


def listen(flags: Flags, alarm: Alarm) -> None:
    """SIGTERM and SIGINT stop, a second one at once; SIGHUP reads the configuration again."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        flags.stops += 1
        alarm.ring()

    def reload(_number: int, _frame: FrameType | None) -> None:
        flags.reload = True
        alarm.ring()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)
