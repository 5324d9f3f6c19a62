"""Taking results back: removes what the daemon itself wrote and nobody has touched since.

The decision record is the proof, file by file: only a file with the very digest that we wrote is removed. A
file with any other digest is somebody's work and stays, together with its record. The main TIFF goes first
and the record last, so that an undo that was interrupted can be finished by another.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retouchd import ignores, naming, presence
from retouchd.errors import RetouchdError
from retouchd.naming import OWN_FOLDER, RECORD, ResultSet
from retouchd.results import record
from retouchd.results.publish import locked
from retouchd.text import shown


class TooWide(RetouchdError):
    """A folder that holds watched ones is no shoot: a slip would take back the work of years."""

    exit_code = 2

    def __init__(self, given: Path, watched: Path) -> None:
        super().__init__(f"{shown(given)} holds {shown(watched)} with all its shoots; name a shoot")


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one set of results."""

    source: Path
    folder: Path
    removed: tuple[Path, ...]
    kept: tuple[Path, ...]
    """Files that somebody changed."""


def sources_below(top: Path) -> Iterator[tuple[Path, Path]]:
    """Source and folder of each set of results below a folder, as the records there tell."""
    for place, folders, _ in os.walk(top):
        folder = Path(place)
        seen = set()
        for told in _records(folder / OWN_FOLDER):
            source = _source(told, folder)
            if source is not None and source not in seen:
                seen.add(source)
                yield source, folder
        folders[:] = sorted(f for f in folders if not ignores.folder_ignored(f))


def _records(own: Path) -> Iterable[dict[str, Any]]:
    if presence.link(own):
        return
    for path in sorted(own.glob("*.json")):
        if told := record.read(path):
            yield told


def _source(told: dict[str, Any], folder: Path) -> Path | None:
    """The photo that a record tells of. A record is a text that anybody could have written."""
    about = told.get("source")
    name = about.get("name") if isinstance(about, dict) else None
    if not isinstance(name, str) or name in {"", ".", ".."} or "/" in name or "\0" in name:
        return None
    place = about.get("folder") if isinstance(about, dict) else None
    return Path(place if isinstance(place, str) else folder) / name


def undo(source: Path, folder: Path, *, dry_run: bool = False) -> list[Undone]:
    """Remove the untouched results of one photo from a folder."""
    own = folder / OWN_FOLDER
    if presence.link(own) or not presence.folder(own):
        return []
    with locked(own):
        sets = record.sets_of(source, folder)
        return [_undo_set(source, names, told, dry_run=dry_run) for names, told in sets]


def _undo_set(source: Path, names: ResultSet, told: dict[str, Any], *, dry_run: bool) -> Undone:
    removed: list[Path] = []
    kept: list[Path] = []
    for role in reversed(naming.PUBLISH_ORDER):
        path = names.path(role)
        if role == RECORD:
            if kept:  # it tells what the rest is, and stays with it
                continue
        elif not presence.entry(path):  # overlooked, it would stay without the record that says whose it is
            continue
        elif not record.untouched(told, names, role, lambda: None):
            kept.append(path)
            continue
        removed.append(path)
        if not dry_run:
            path.unlink(missing_ok=True)
    if not dry_run:
        _remove_empty(names)
    return Undone(source, names.folder, tuple(removed), tuple(kept))


def _remove_empty(names: ResultSet) -> None:
    """The folders that are empty now but for the contact page, which tells of nothing any more."""
    own = names.folder / OWN_FOLDER
    with contextlib.suppress(OSError):
        (own / naming.CONTACT_FOLDER).rmdir()
    if [entry.name for entry in os.scandir(own)] == [naming.CONTACT_PAGE]:
        (own / naming.CONTACT_PAGE).unlink()
    with contextlib.suppress(OSError):
        own.rmdir()
