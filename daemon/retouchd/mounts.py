"""Where a folder is mounted and what follows: network file systems tell nobody when a file arrives.

inotify(7): "does not report events that occur on network filesystems. Applications must fall back to
polling". So the mode is decided for each root from the kernel's own table, never by a global switch.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retouchd.jobs import FULL
from retouchd.text import shown, user_named

NETWORK_TYPES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "vmhgfs", "afs", "ceph", "glusterfs"}
)
"""Types without events, or with a cache that may be older than the truth. Every ``fuse`` counts as well."""

NO_ROOM_BYTES = 4 << 20
"""A disk with less than this is full."""

_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table."""

    point: Path
    fstype: str
    source: str
    layer: int = 1
    """One more than the mounts at the same point that it lies over."""

    @property
    def network(self) -> bool:
        """Whether to poll."""
        return self.fstype in NETWORK_TYPES or self.fstype.split(".", 1)[0] in {"fuse", "fuseblk"}


def parse(table: bytes) -> list[Mount]:
    """The mounts in the text of ``/proc/self/mountinfo``; later lines lie over earlier ones."""
    mounts, layers = [], Counter[Path]()
    for line in table.splitlines():
        head, separator, tail = line.partition(b" - ")
        fields, kinds = head.split(b" "), tail.split(b" ")
        if separator and len(fields) > 4 and len(kinds) > 1:
            point = Path(os.fsdecode(_OCTAL.sub(lambda m: bytes([int(m[1], 8)]), fields[4])))
            layers[point] += 1
            mounts.append(Mount(point, os.fsdecode(kinds[0]), os.fsdecode(kinds[1]), layers[point]))
    return mounts


def current() -> list[Mount]:
    """The mount table now; empty when the kernel shows none."""
    try:
        return parse(Path("/proc/self/mountinfo").read_bytes())
    except OSError:
        return []


def covering(path: Path, mounts: Sequence[Mount]) -> Mount:
    """The mount that a path lies on, wherever its links lead."""
    return above(Path(os.path.realpath(path)), mounts)


def above(real: Path, mounts: Sequence[Mount]) -> Mount:
    """The mount of a path without links: the longest mount point above it, the last of equals."""
    best = Mount(Path("/"), "unknown", "unknown")
    for mount in mounts:
        if real.is_relative_to(mount.point) and len(mount.point.parts) >= len(best.point.parts):
            best = mount
    return best


def gone(before: Mount, now: Mount) -> bool:
    """Whether what covers a folder now is what lay below the mount that covered it before.

    systemd mounts each folder of ReadWritePaths over itself, so that where a share came and went after the
    start of the service something is mounted as ever: the empty folder.
    """
    if now.point != before.point:
        return len(now.point.parts) < len(before.point.parts)
    return now.layer < before.layer and (now.fstype, now.source) != (before.fstype, before.source)


def closest(path: Path) -> Path:
    """The path, or the closest folder above it that is there."""
    return next((p for p in (path, *path.parents) if p.is_dir()), Path("/"))


def unwritable(folder: Path) -> str:
    """Why nothing can be written in a folder, or in the closest one above it that is there.

    Empty as far as can be told without trying: some servers say yes and refuse later.
    """
    try:
        place = closest(folder)
        if os.access(place, os.W_OK | os.X_OK):
            return ""
        sealed = os.statvfs(place).f_flag & os.ST_RDONLY
    except OSError as error:
        return error.strerror or str(error)
    if sealed:
        return (
            "read-only; a systemd unit opens what `retouchd install-service --replace` names in it, that of"
            " an instance what a drop-in does:"
            f" `systemctl edit retouchd@NAME`, ReadWritePaths=-{shown(folder)}"
        )
    return f"user {user_named(os.geteuid())} may not"


def free_bytes(folder: Path) -> int | None:
    """What is free on the disk of a folder; None where that does not say how large it is.

    Raises:
        OSError: the disk does not answer.
    """
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize if space.f_blocks else None


def takes(folder: Path, count: int) -> bool:
    """Whether so many bytes can be written in a folder: what is free says nothing of a user's quota."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, count)
    except OSError as error:
        return error.errno not in FULL  # all else is met, and told, by who writes there
    return True


def lacks(folder: Path, needed_bytes: int) -> bool:
    """Whether fewer bytes are free on the disk of a folder; not where it does not say how large it is."""
    free = free_bytes(folder)
    return free is not None and free < needed_bytes
