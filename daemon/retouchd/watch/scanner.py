"""What lies in a folder now: the authority. Nothing is believed because an event said so.

Paths are bytes: on Linux a file name is bytes, and one that is not UTF-8 is a client's photo as well. A look
costs one listing of each folder and one ``lstat`` of each photo. The ``lstat`` cannot be saved: a photo that
is written over in place changes neither the time of its folder nor the listing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from retouchd import ignores
from retouchd.config import Watch
from retouchd.jobs import Signature

SYMLINK = "a symlink"
NOT_RECURSIVE = "a subfolder, and recursive is off"
TOO_DEEP = "deeper than max_depth"
NO_FILE = "neither a file nor a folder"


@dataclass(slots=True)
class Found:
    """One look at a root."""

    files: dict[bytes, Signature] = field(default_factory=dict)
    unreadable: dict[bytes, str] = field(default_factory=dict)
    """Folders that could not be listed. A file that is missing below one of them is not gone."""

    def covers(self, path: bytes) -> bool:
        """Whether this look could have seen a path."""
        return not any(path.startswith(folder + b"/") for folder in self.unreadable)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What of a root is looked at."""

    recursive: bool = True
    max_depth: int = 1000
    ignore: tuple[str, ...] = ()
    """Patterns of the settings, see :func:`retouchd.ignores.pattern`."""

    @classmethod
    def of(cls, watch: Watch) -> Bounds:
        """The bounds of a watched folder."""
        return cls(watch.recursive, watch.max_depth, watch.ignore)


EVERYTHING = Bounds()
_TOLD_EACH = 64
"""Photos for which progress is told once: a share that takes 200 ms for each is told of every 13 s."""


def scan(root: bytes, bounds: Bounds = EVERYTHING, alive: Callable[[], None] = lambda: None) -> Found:
    """Every photo below a root, folders depth first and by name; symlinks are not followed.

    ``alive`` is told of progress: on a slow share a look at thousands of photos takes many minutes.
    """
    found, rules = Found(), ignores.Rules(bounds.ignore)
    folders = [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        inside: list[bytes] = []
        alive()
        try:
            with os.scandir(folder) as entries:
                photos = _photos(entries, inside, found)
            _stat(photos if not rules else _wanted(photos, rules, root), found, alive)
        except OSError as error:
            found.unreadable[folder] = error.strerror or str(error)
        if bounds.recursive and depth < bounds.max_depth:
            wanted = (p for p in inside if rules.folder_ignored(p[len(root) + 1 :]) is None)
            folders += [(path, depth + 1) for path in sorted(wanted, reverse=True)]
    return found


def _photos(entries: Iterator[os.DirEntry[bytes]], inside: list[bytes], found: Found) -> list[bytes]:
    """The paths of one folder's photos, by name; its folders go to ``inside``.

    Where a listing does not say what an entry is, as on some shares, each is asked, and a broken one fails.
    """
    plain, careful = ignores.plain_photo, ignores.is_candidate
    photos = []
    for entry in entries:
        name = entry.name
        try:
            if (plain(name) or careful(name)) and entry.is_file(follow_symlinks=False):
                photos.append(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                inside.append(entry.path)
        except OSError as error:
            found.unreadable[entry.path.rpartition(b"/")[0]] = error.strerror or str(error)
    photos.sort()
    return photos


def _wanted(photos: Iterable[bytes], rules: ignores.Rules, root: bytes) -> Iterator[bytes]:
    return (path for path in photos if rules.path_ignored(path[len(root) + 1 :]) is None)


def _stat(photos: Iterable[bytes], found: Found, alive: Callable[[], None]) -> None:
    """Look at each photo itself. Half of a look's time is here, in the kernel."""
    files, lstat, make, kind = found.files, os.lstat, tuple.__new__, Signature
    for count, path in enumerate(photos, start=1):
        if count % _TOLD_EACH == 0:
            alive()
        try:
            s = lstat(path)
            # Signature.of, without its three calls.
            files[path] = make(kind, (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns))
        except FileNotFoundError:
            pass  # renamed or removed between the listing and the stat: the next look sees
        except OSError as error:
            found.unreadable[path.rpartition(b"/")[0]] = error.strerror or str(error)


def left_out(root: bytes, bounds: Bounds) -> Iterator[tuple[bytes, str]]:
    """What :func:`scan` does not take, with the reason in words; of an ignored folder nothing inside."""
    rules = ignores.Rules(bounds.ignore)
    folders = [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda e: e.name)
        except OSError as error:
            yield folder, error.strerror or str(error)
            continue
        inside = []
        for entry in entries:
            reason = _reason(entry, rules, entry.path[len(root) + 1 :], depth, bounds)
            if reason:
                yield entry.path, reason
            elif entry.is_dir(follow_symlinks=False):
                inside.append((entry.path, depth + 1))
        folders += reversed(inside)


def _reason(
    entry: os.DirEntry[bytes], rules: ignores.Rules, inner: bytes, depth: int, bounds: Bounds
) -> str | None:
    if entry.is_symlink():
        return SYMLINK
    if not entry.is_dir(follow_symlinks=False):
        return rules.path_ignored(inner) or (None if entry.is_file(follow_symlinks=False) else NO_FILE)
    if reason := rules.folder_ignored(inner):
        return reason
    if not bounds.recursive:
        return NOT_RECURSIVE
    return TOO_DEEP if depth >= bounds.max_depth else None


def why_left_out(parts: Sequence[bytes], bounds: Bounds) -> str | None:
    """Why a file is not taken, from the parts of its path below the root; None when it is."""
    rules = ignores.Rules(bounds.ignore)
    for depth in range(len(parts) - 1):
        if reason := rules.folder_ignored(b"/".join(parts[: depth + 1])):
            return reason if reason == ignores.OWN else f"inside {reason}"
        if not bounds.recursive:
            return f"in {NOT_RECURSIVE}"
        if depth >= bounds.max_depth:
            return f"in a folder {TOO_DEEP}"
    return rules.path_ignored(b"/".join(parts))
