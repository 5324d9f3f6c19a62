"""Text for people: names as one printable line, sizes and durations in words.

File names are bytes that anybody chose. Nothing of theirs reaches a terminal, a log line or a page
without passing through here, so that a name can neither move a cursor nor forge a line.
"""

from __future__ import annotations

import os
import pwd


def shown(name: str | bytes | os.PathLike[str]) -> str:
    """A name as one printable line: control characters and undecodable bytes are escaped."""
    text = os.fsdecode(name)
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as surrogateescape carries it
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def ascii_line(text: str) -> str:
    """The text with everything outside printable ASCII escaped; for protocols that drop the rest."""
    return shown(text).encode("ascii", "backslashreplace").decode("ascii")


def complaint(error: OSError) -> str:
    """What the system says, and of which file: ``Not a directory: /shoot/_retouchd``."""
    words = error.strerror or shown(str(error)) or type(error).__name__
    return f"{words}: {shown(error.filename)}" if isinstance(error.filename, (str, bytes)) else words


def user_named(uid: int) -> str:
    """A user by name, or by number where nobody has that name."""
    try:
        return shown(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"'#{uid}'"


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``3 s``, ``4 min``, ``2.5 h``."""
    if seconds < 100:
        return f"{max(0, round(seconds))} s"
    if seconds < 6000:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Bytes as a person says them: ``512 B``, ``31.0 MB``."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
