"""Tiles from a process of their own: photos are decoded there, and what one of them breaks breaks alone.

question  one JSON object a line: {"do": "about" | "tile", "source", "heal", "level", "column", "row"}
answer    one line with a JSON object, {"bytes": N} or {"about": ...} or {"failed": ...}, then N bytes
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

from retouchd import knock
from retouchd.errors import RetouchdError
from retouchd.knock import Knock

_MOST_TILES = 400
"""Kept as they were sent: going back to a place that was looked at costs nothing."""
_END_S = 5.0


class NoPicture(RetouchdError):
    """What was asked for cannot be shown."""

    exit_code = 1


class Tiles:
    """Asks the process, which is started with the first question and again when it died."""

    def __init__(self, megapixels: float) -> None:
        self._command = [sys.executable, "-m", "retouchd.web.review.darkroom", str(megapixels)]
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._knocks: dict[Path, Knock] = {}

    def about(self, source: Path) -> dict[str, int]:
        """Width, height, levels, tile and orientation of a photo; it stays decoded for what follows.

        Raises:
            NoPicture: it cannot be shown.
        """
        return dict(self._ask({"do": "about", "source": str(source)})[0]["about"])

    def tile(self, source: Path, heal: Path | None, level: int, column: int, row: int, stamp: int) -> bytes:
        """One tile as JPEG.

        Raises:
            NoPicture: there is none.
        """
        key = (source, heal, level, column, row, stamp)
        if key not in self._kept:
            layer = str(heal) if heal else None
            question = {"do": "tile", "source": str(source), "heal": layer}
            data = self._ask({**question, "level": level, "column": column, "row": row})[1]
            with self._lock:
                self._kept[key] = data
                while len(self._kept) > _MOST_TILES:
                    self._kept.popitem(last=False)
            return data
        return self._kept[key]

    def close(self) -> None:
        """End the process, whatever it is at: a share that hangs would keep the service from stopping."""
        if (asked := self._process) is not None:
            asked.kill()  # who waits for its answer holds the lock
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # some dead shares let nobody end
                self._process.communicate(timeout=_END_S)
            self._process = None

    def _ask(self, question: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._end()
                pipe = subprocess.PIPE
                self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe)
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            try:
                self._process.stdin.write(json.dumps(question).encode("ascii") + b"\n")
                self._process.stdin.flush()
                self._wait_for_an_answer(self._process.stdout, question)
                answer = json.loads(self._process.stdout.readline())
                data = self._process.stdout.read(answer.get("bytes", 0))
            except NoPicture:
                self._end()
                raise
            except (OSError, ValueError):
                self._end()
                raise NoPicture("the photo could not be decoded") from None
        if "failed" in answer:
            raise NoPicture(answer["failed"])
        return answer, data

    def _wait_for_an_answer(self, answers: IO[bytes], question: dict[str, Any]) -> None:
        """Wait for as long as the shares of the photo answer, however slow they are.

        One photo on a dead share kept everybody from the pictures of all others.
        """
        folders = [Path(question[key]).parent for key in ("source", "heal") if question.get(key)]
        asked = [self._knocks.setdefault(folder, knock.at(folder)) for folder in folders]
        while not select.select([answers], [], [], knock.PATIENCE_S)[0]:
            if knock.together(asked):
                raise NoPicture("the share of the photo does not answer")
