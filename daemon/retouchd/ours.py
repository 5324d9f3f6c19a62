"""Small JSON files of ours where others may write: read as if anybody had written them, written whole."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retouchd import presence
from retouchd.naming import part_name


class NotOurs(ValueError):
    """What was found in the place of a file of ours; its class of errors says what to do about it."""


def read(path: Path, schema: str, most_bytes: int, *, links: bool = False) -> dict[str, Any] | None:
    """What a file of ours says; None when there is none.

    Args:
        path: the file.
        schema: what it has to say that it is.
        most_bytes: more is not read.
        links: whether it, or its folder, may be a symlink, as where only the administrator writes.

    Raises:
        NotOurs: it is a symlink or lies in one, is no plain file, too large, no JSON, or of another schema.
        OSError: it cannot be read.
    """
    try:
        linked = not links and (presence.link(path) or presence.link(path.parent))
        found = path.stat()
        if linked or not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
            raise NotOurs("not a file of ours")
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):  # also bytes that are no text, and a number of 5,000 digits
        raise NotOurs("no JSON") from None
    if not isinstance(told, dict) or told.get("schema") != schema:
        raise NotOurs(f"its schema is not {schema}")
    return told


def write(path: Path, told: Mapping[str, Any], mode: int | None = None, before: Path | None = None) -> None:
    """Put a file in its place, whole; the one that lies there goes to ``before``.

    Raises:
        OSError: it cannot be written; what lay there lies there still, or in ``before``.
    """
    part = path.parent / part_name(f"ours-{os.getpid()}", "json")
    try:
        with part.open("wb") as file:
            file.write(json.dumps(told, indent=1, ensure_ascii=True).encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            # Where a mount gives all files to one user (SMB, FAT, exFAT with uid=), others may write but not
            # change rights: corrections could not be written there at all.
            with contextlib.suppress(PermissionError):
                part.chmod(mode)
        if before is not None and presence.anything(path):
            path.replace(before)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
