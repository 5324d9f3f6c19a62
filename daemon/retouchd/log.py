"""Log lines: JSON for the journal, readable on a terminal. One line each, whatever a file is called."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from retouchd.text import shown

Format = Literal["auto", "json", "console"]

_AGAIN_S = 600.0
_CALM_S = 60.0
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def _printable(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Names carry anything; a log line stays one line."""
    return {k: shown(v) if isinstance(v, (str, bytes, os.PathLike)) else v for k, v in event.items()}


def _with_priority(_logger: Any, method: str, line: Any) -> str:
    """Prefix the level that journald reads from the start of a line (sd-daemon(3))."""
    return f"<{_PRIORITY.get(method, 6)}>{line}"


def wants_json(chosen: Format) -> bool:
    """JSON when journald reads us or nobody looks."""
    if chosen == "auto":
        return "JOURNAL_STREAM" in os.environ or not sys.stderr.isatty()
    return chosen == "json"


def configure(level: str, chosen: Format) -> None:
    """Send every line to stderr in the chosen form."""
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _printable,
    ]
    if wants_json(chosen):
        processors.append(structlog.processors.JSONRenderer(sort_keys=True))
        if "JOURNAL_STREAM" in os.environ:
            processors.append(_with_priority)
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get() -> structlog.typing.FilteringBoundLogger:
    """The logger."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log


@dataclass(slots=True)
class Trouble:
    """Trouble that may come back each second: said when it changes, then rarely, and when it has passed."""

    event: str
    clock: Callable[[], float]
    """Monotonic seconds."""
    _why: str = ""
    _said_s: float = 0.0
    _met_s: float = 0.0

    def met(self, why: str) -> None:
        """It is there, now."""
        self._met_s = self.clock()
        if why != self._why or self._met_s - self._said_s >= _AGAIN_S:
            self._why, self._said_s = why, self._met_s
            get().error(self.event, why=why)

    def absent(self) -> None:
        """It is not there, now; it has passed when it was not met for a minute."""
        if self._why and self.clock() - self._met_s >= _CALM_S:
            self._why = ""
            get().info(self.event, why="well again")
