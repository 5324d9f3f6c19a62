"""A studio's own taste on disk: ``calibration.json`` in the state folder, and the one before it.

Written by ``retouchd learn`` alone, whole or not at all; read for each photo, so that it counts from the next
photo on. What lies there may have been written by anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retouch_engine import EngineError, Recipe, __version__, checked_calibration
from retouchd import ours, presence
from retouchd.errors import JobError, StateDirUnusable
from retouchd.text import shown

CALIBRATION_SCHEMA = "retouchd.calibration/1"
_MOST_BYTES = 1 << 20


class BrokenCalibration(JobError):
    """A calibration that cannot be used; healing without it would not be what the studio asked for."""

    code = "settings"
    retryable = True

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{shown(path)}: {why}; take it back with: retouchd learn --undo")


def path_of(state_dir: Path) -> Path:
    """Where the calibration in force lies."""
    return state_dir / "calibration.json"


def before_path(state_dir: Path) -> Path:
    """Where the one before it is kept."""
    return state_dir / "calibration.before.json"


def told(state_dir: Path) -> dict[str, Any] | None:
    """What was learned, with its figures; None when nothing was, or nothing that this user may read.

    Raises:
        BrokenCalibration: there is a file, and it cannot be used.
    """
    path = path_of(state_dir)
    try:
        content = ours.read(path, CALIBRATION_SCHEMA, _MOST_BYTES, links=True)
    except (NotADirectoryError, PermissionError):
        return None
    except ours.NotOurs as error:
        raise BrokenCalibration(path, str(error)) from None
    if content is None:
        return None
    try:
        checked_calibration(content.get("calibration"))
    except EngineError as error:
        raise BrokenCalibration(path, str(error)) from None
    return content


def applied(recipe: Recipe, state_dir: Path) -> Recipe:
    """The recipe with the studio's own taste, where one was learned.

    Raises:
        BrokenCalibration: there is one, and it cannot be used.
    """
    content = told(state_dir)
    return replace(recipe, calibration=checked_calibration(content["calibration"])) if content else recipe


def write(state_dir: Path, learned: Mapping[str, Any]) -> Path:
    """Put a calibration in force and keep the one before.

    Raises:
        StateDirUnusable: it cannot be written.
    """
    path = path_of(state_dir)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"schema": CALIBRATION_SCHEMA, "made": now, "version": __version__, **learned}
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        ours.write(path, content, before=before_path(state_dir))
    except OSError as error:
        raise StateDirUnusable(state_dir, error.strerror or str(error)) from None
    return path


def undo(state_dir: Path) -> str:
    """Take the calibration in force back: the one before counts again, or none; what happened, in words.

    Raises:
        StateDirUnusable: it cannot be written.
    """
    path, before = path_of(state_dir), before_path(state_dir)
    try:
        if not presence.anything(path):
            return ""
        if presence.anything(before):
            before.replace(path)
            return "the calibration before it counts again"
        path.unlink()
    except OSError as error:
        raise StateDirUnusable(state_dir, error.strerror or str(error)) from None
    return "the shipped odds count again"
