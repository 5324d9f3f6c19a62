"""What lies in a folder now: the authority. Nothing is believed because an event said so.

Paths are bytes: on Linux a file name is bytes, and one that is not UTF-8 is a client's photo as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from retouchd import ignores
from retouchd.jobs import Signature


@dataclass(slots=True)
class Found:
    """One look at a root."""

    files: dict[bytes, Signature] = field(default_factory=dict)
    unreadable: dict[bytes, str] = field(default_factory=dict)
    """Folders that could not be listed. A file that is missing below one of them is not gone."""

    def covers(self, path: bytes) -> bool:
        """Whether this look could have seen a path."""
        return not any(path.startswith(folder + b"/") for folder in self.unreadable)


def scan(root: bytes, *, recursive: bool, max_depth: int = 1000) -> Found:
    """Every photo below a root, folders depth first and by name; symlinks are not followed."""
    found = Found()
    folders = [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        inside: list[bytes] = []
        for entry in _entries(folder, found):
            if entry.is_dir(follow_symlinks=False):
                if recursive and depth < max_depth and not ignores.folder_ignored(os.fsdecode(entry.name)):
                    inside.append(entry.path)
            elif ignores.is_candidate(entry.name) and entry.is_file(follow_symlinks=False):
                _note(entry, found)
        folders += [(path, depth + 1) for path in reversed(inside)]
    return found


def _entries(folder: bytes, found: Found) -> Iterator[os.DirEntry[bytes]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda e: e.name)
    except OSError as error:
        found.unreadable[folder] = error.strerror or str(error)


def _note(entry: os.DirEntry[bytes], found: Found) -> None:
    try:
        found.files[entry.path] = Signature.of(entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        pass  # renamed or removed between the listing and the stat: the next look sees
    except OSError as error:
        found.unreadable[entry.path.rpartition(b"/")[0]] = error.strerror or str(error)
