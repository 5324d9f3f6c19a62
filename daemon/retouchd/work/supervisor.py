"""The keeper of the worker: starts it, listens, stops it when it takes too long, starts it again.

One order at a time. The daemon never blocks here: it polls, and sleeps on the worker's pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retouch_engine import Stock
from retouchd.errors import JobError, MemoryCeiling, TimeLimit, WorkerDied, WorkerStuck
from retouchd.jobs import Failure, Outcome
from retouchd.text import complaint
from retouchd.work import protocol

STUCK_S = 120.0
"""A worker beats every few seconds, also while it computes; one that is silent for this long stands still."""
_ABSENT_S = 10.0
"""The loop looks each second; what passes beyond this, as where a share hangs, is not the worker's."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_END_S = 10.0
"""How long a worker that was killed is waited for."""
_RESPAWN_PAUSES_S = (0.0, 0.0, 1.0, 5.0, 15.0, 30.0)


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """How workers are started."""

    engine: str = protocol.ENGINE_FACTORY
    max_megapixels: float = 300.0
    scratch: Path | None = None
    memory_bytes: int = 0
    """What the worker may use; 0 for no ceiling."""
    stock: Stock = field(default_factory=Stock)
    """The models that it is handed."""
    card: str = ""
    """The one card that it may see, as the driver's tools name it; empty for all that the daemon sees."""
    compiled: Path | None = None
    """Where the engine keeps the loops that it compiles; None leaves it to the engine, which wants to write
    below the user's home."""

    def environment(self) -> dict[str, str]:
        """What the worker finds in its environment. The order of cards is that of nvidia-smi."""
        told = dict(os.environ)
        if self.compiled:
            # A service may not write there; who set the folder knows better.
            told.setdefault("NUMBA_CACHE_DIR", str(self.compiled))
        if self.card:
            told |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": self.card}
        return told

    def command(self) -> list[str]:
        """The command line."""
        line = [
            sys.executable,
            "-m",
            "retouchd.work.worker",
            "--engine",
            self.engine,
            "--parent",
            str(os.getpid()),
        ]
        line += ["--megapixels", str(self.max_megapixels), "--memory", str(self.memory_bytes)]
        if self.stock.models:
            line += ["--stock", json.dumps(self.stock.as_json())]
        return [*line, "--scratch", str(self.scratch)] if self.scratch else line


class Supervisor:
    """Owns the worker process."""

    def __init__(
        self, plan: WorkerPlan, job_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.plan = plan
        self.job_seconds = job_seconds
        self.ready = False
        self.busy = False
        self.stage = ""
        self.why_not_ready = ""
        self.models: dict[str, dict[str, Any]] = {}
        """By id, what the worker said last of the models that it holds."""
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._started_by = plan
        self._buffer = bytearray()
        self._began_s = 0.0
        self._heard_s = 0.0
        self._staged_s = 0.0
        self._let_go = False
        self._looked_s = 0.0
        self.stuck_s = STUCK_S
        self.failures = 0
        """Starts in a row that ended before the engine was loaded."""
        self._start_at_s = clock()

    @property
    def fd(self) -> int | None:
        """The pipe to sleep on, while there is one."""
        return self._process.stdout.fileno() if self._process and self._process.stdout else None

    @property
    def pid(self) -> int | None:
        """The worker's process id."""
        return self._process.pid if self._process else None

    @property
    def quiet_s(self) -> float:
        """Seconds for which the order in hand has not come further."""
        return self._clock() - self._staged_s if self.busy else 0.0

    def let_go(self) -> None:
        """Have the next poll replace the worker: what it waits for does not come."""
        self._let_go = True

    @property
    def outdated(self) -> bool:
        """Whether the worker was started by another plan than is valid now."""
        return self._process is not None and self._started_by != self.plan

    def keep_running(self) -> None:
        """Start a worker when there is none and the pause after failures is over."""
        if self._process is None and self._clock() >= self._start_at_s:
            self._buffer.clear()
            try:
                self._process = subprocess.Popen(
                    self.plan.command(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    bufsize=0,
                    env=self.plan.environment(),
                )
            except OSError as error:  # no memory for a process now, or an update has Python replaced
                self._did_not_start(complaint(error))
                return
            self._started_by = self.plan
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)
            self._heard_s = self._looked_s = self._clock()

    def send(self, message: dict[str, Any]) -> None:
        """Give the idle worker an order. A worker that just died is noticed by the next poll."""
        assert self._process is not None and self._process.stdin is not None and not self.busy  # noqa: PT018
        self.busy, self.stage, self._let_go = True, "", False
        self._began_s = self._staged_s = self._clock()
        rest = memoryview(protocol.encode(message))
        with contextlib.suppress(BrokenPipeError):
            while rest:  # a signal in the middle of a long order ends a write early
                rest = rest[self._process.stdin.write(rest) :]

    def poll(self) -> Iterator[dict[str, Any] | Outcome]:
        """What happened since the last call: messages, and outcomes of the order in hand."""
        if self._process is None:
            return
        self._forgive_absence()
        ended = self._read()
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            yield from self._heard(protocol.decode(line))
        if ended:
            yield from self._died(self._how_it_ended())
        elif (excess := self._excess()) is not None:
            self.kill()
            yield from self._died(Failure.of(excess))

    def _forgive_absence(self) -> None:
        """Leave out of the worker's times what passed while nobody looked.

        A daemon that copied to a hanging share for longer than a photo may take, or was stopped together with
        its worker, killed it over an answer of which the pipe held only the first 64 KiB. After the second
        time the photo was in quarantine. Not all of it: else one that stands still is never found by a
        daemon that is always late.
        """
        now = self._clock()
        away_s, self._looked_s = now - self._looked_s - _ABSENT_S, now
        if away_s > 0:
            self._began_s = min(now, self._began_s + away_s)
            self._heard_s = min(now, self._heard_s + away_s)

    def _excess(self) -> JobError | None:
        """Why the worker has to be replaced, if it has."""
        now = self._clock()
        if self.busy and now - self._began_s > self.job_seconds:
            return TimeLimit(self.job_seconds)
        if self.busy and self._let_go:  # else the answer came after all
            return WorkerStuck(self.quiet_s)
        if now - self._heard_s > self.stuck_s:
            return WorkerStuck(now - self._heard_s)
        used, limit = self._resident_bytes(), self.plan.memory_bytes
        return MemoryCeiling(used, limit) if limit and used > limit else None

    def _resident_bytes(self) -> int:
        """What the worker has in memory. Asked, not limited by the kernel: libraries map far more."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        except (OSError, ValueError, IndexError):
            return 0
        return pages * _PAGE_BYTES

    def _heard(self, message: dict[str, Any]) -> Iterator[dict[str, Any] | Outcome]:
        if message["event"] == "ready":
            self.ready, self.failures, self.why_not_ready = True, 0, ""
        elif message["event"] == "failed" and not self.ready:
            self.why_not_ready = message["message"]
            return
        elif message["event"] == "stage":
            self.stage, self._staged_s = message["name"], self._clock()
        elif message["event"] == "beat":
            self.models = message.get("models", {})
            return
        else:
            self.busy = False
        yield protocol.outcome(message) or message

    def _read(self) -> bool:
        """Take in what the pipe holds; True at its end."""
        assert self._process is not None and self._process.stdout is not None  # noqa: PT018
        while True:
            try:
                chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            except BlockingIOError:
                return False
            if not chunk:
                return True
            self._heard_s = self._clock()
            self._buffer += chunk

    def _how_it_ended(self) -> Failure:
        assert self._process is not None
        code = self._process.wait()
        how = f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        return Failure.of(WorkerDied(how))

    def _died(self, why: Failure) -> Iterator[Outcome]:
        was_busy = self.busy
        if self.ready:
            self._start_at_s = self._clock()
        else:
            self._did_not_start(self.why_not_ready or why.message)
        self._drop()
        if was_busy:
            yield Outcome(failure=why)

    def _did_not_start(self, why: str) -> None:
        self.failures += 1
        self.why_not_ready = why
        pause = _RESPAWN_PAUSES_S[min(self.failures, len(_RESPAWN_PAUSES_S) - 1)]
        self._start_at_s = self._clock() + pause

    def _drop(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            # Who waits for a dead share may not even be killed; it ends when that answers.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
        self._process, self.ready, self.busy, self.stage = None, False, False, ""
        self._let_go = False
        self.models = {}

    def kill(self) -> None:
        """End the worker at once."""
        if self._process is not None:
            self._process.kill()

    def stop(self, patience_s: float = 5.0) -> None:
        """Let the worker close the engine and go; insist when it does not."""
        if self._process is None:
            return
        if self._process.stdin is not None and not self.busy:
            self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
        self.kill()
        self._drop()
