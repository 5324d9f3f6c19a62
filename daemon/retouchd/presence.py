"""What lies at a path; a disk that does not say is an error here, never an absence.

Since Python 3.14 pathlib's own questions answer no to whatever goes wrong. A share that stumbled for a moment
would have had no retouch.toml, and its photos the preset's settings instead of the client's.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP}


def anything(path: Path) -> bool:
    """Whether a path leads to anything.

    Raises:
        OSError: that is not to be found out; so it is for all of these.
    """
    return _mode(path) != 0


def entry(path: Path) -> bool:
    """Whether there is anything of that name, be it a link that leads nowhere."""
    return _mode(path, follow=False) != 0


def file(path: Path) -> bool:
    """Whether it is a file, or a link to one."""
    return stat.S_ISREG(_mode(path))


def plain(path: Path) -> bool:
    """Whether it is a file itself, and no link to one."""
    return stat.S_ISREG(_mode(path, follow=False))


def folder(path: Path) -> bool:
    """Whether it is a folder, or a link to one."""
    return stat.S_ISDIR(_mode(path))


def link(path: Path) -> bool:
    """Whether it is a link, wherever that leads."""
    return stat.S_ISLNK(_mode(path, follow=False))


def _mode(path: Path, *, follow: bool = True) -> int:
    try:
        return path.stat(follow_symlinks=follow).st_mode
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return 0
