"""Telling other programs: a command for each event, with the facts as JSON on its standard input.

Commands are lists of words, never lines for a shell, and nothing of a photo becomes a word of a command: a
file name cannot be executed. A hook that hangs is stopped, a hook that fails is a log line, and no photo ever
waits for one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from retouchd import log
from retouchd.config.settings import HookSettings
from retouchd.text import complaint

_AT_ONCE = 4
_LAST_S = 3.0
"""How long a stop waits for hooks."""
_MOST_WAITING = 10_000
_OURS = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"})
"""What systemd gave to us alone."""


@dataclass(frozen=True, slots=True)
class _Running:
    name: str
    process: subprocess.Popen[bytes]
    until_s: float


@dataclass(slots=True)
class Hooks:
    """Fire events; call :meth:`step` in the loop."""

    settings: HookSettings
    clock: Callable[[], float] = time.monotonic
    _waiting: deque[tuple[str, bytes]] = field(default_factory=lambda: deque(maxlen=_MOST_WAITING))
    _running: list[_Running] = field(default_factory=list)
    _ended: dict[str, int] = field(default_factory=dict)
    _last_s: float = 0.0

    def done(self, facts: dict[str, Any]) -> None:
        """A photo is done."""
        self._count("done")
        self._fire("on_done", {"event": "done", **facts})

    def failed(self, facts: dict[str, Any]) -> None:
        """A photo was set aside or left alone."""
        self._count("failed")
        self._fire("on_failed", {"event": "failed", **facts})

    def _count(self, what: str) -> None:
        self._ended[what] = self._ended.get(what, 0) + 1
        self._last_s = self.clock()

    def step(self, *, idle: bool) -> None:
        """Start what waits, stop what hangs; ``idle`` when there is no photo to do."""
        if not idle:
            self._last_s = self.clock()
        if self.clock() - self._last_s >= self.settings.idle_s:
            self._end_batch()
        self._running = [r for r in self._running if not self._ended_or_stopped(r)]
        while self._waiting and len(self._running) < _AT_ONCE:
            self._start(*self._waiting.popleft())

    def told_all(self) -> bool:
        """End the batch now, without waiting for quiet; whether all that was fired has come to its end.

        A drain ended the service before its batch was over: nobody was told that the night was done.
        """
        self._end_batch()
        return not self._waiting and not self._running

    def _end_batch(self) -> None:
        if self._ended:
            facts = {"done": self._ended.get("done", 0), "failed": self._ended.get("failed", 0)}
            self._ended = {}
            self._fire("on_batch_idle", {"event": "batch_idle", **facts})

    def close(self) -> None:
        """Let what was fired come to its end, for a moment; leave none behind."""
        until_s = time.monotonic() + _LAST_S
        while (self._waiting or self._running) and time.monotonic() < until_s:
            self.step(idle=False)
            time.sleep(0.02)
        if self._waiting:
            log.get().warning("hooks not called", waiting=len(self._waiting), why="the service ends")
        for running in self._running:
            _kill(running.process)

    def _fire(self, name: str, facts: dict[str, Any]) -> None:
        if getattr(self.settings, name):
            if len(self._waiting) == self._waiting.maxlen:
                log.get().warning("hook not called", hook=self._waiting[0][0], why="too many wait")
            self._waiting.append((name, json.dumps(facts, ensure_ascii=True, default=str).encode() + b"\n"))

    def _start(self, name: str, facts: bytes) -> None:
        command = list(getattr(self.settings, name))
        if not command:  # taken out of the settings since it was fired
            return
        try:
            # A file, not a pipe: a hook that reads nothing must not hold us up.
            with tempfile.TemporaryFile() as told:
                told.write(facts)
                told.seek(0)
                process = subprocess.Popen(
                    command,
                    stdin=told,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                    env={k: v for k, v in os.environ.items() if k not in _OURS},
                )
        except (OSError, ValueError) as error:  # a word of the settings may hold a NUL
            why = complaint(error) if isinstance(error, OSError) else str(error)
            log.get().warning("hook does not start", hook=name, why=why)
            return
        self._running.append(_Running(name, process, self.clock() + self.settings.seconds))

    def _ended_or_stopped(self, running: _Running) -> bool:
        code = running.process.poll()
        if code is None and self.clock() > running.until_s:
            _kill(running.process)
            log.get().warning("hook stopped", hook=running.name, seconds=self.settings.seconds)
            return True
        if code:
            log.get().warning("hook failed", hook=running.name, status=code)
        return code is not None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The command and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # One that hangs in the kernel, on a share that is away, dies when that answers: the service goes on.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_S)
