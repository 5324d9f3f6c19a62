"""Files that are never photos: what other programs leave in a folder while they work, and what we leave.

Each rule has a word that ``retouchd why`` shows. Adding one is one line here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import PurePath

from retouch_engine import PHOTO_SUFFIXES, missing_extra
from retouchd.naming import OWN_FOLDER, OWN_RESULT, is_own_result

OWN = "own output"
FOLDER_RULES: tuple[tuple[str, str], ...] = (
    (rf"{OWN_FOLDER}", OWN),
    (r"\..*", "a hidden folder"),
    (r"@eaDir|#recycle|#snapshot|~snapshot|@tmp", "a folder of the NAS or system"),
    (r"@Recycle|@Recently-Snapshot|@__thumb|Network Trash Folder", "a folder of the NAS or system"),
    (r"\$RECYCLE\.BIN|RECYCLER|System Volume Information|lost\+found", "a folder of the NAS or system"),
    (r"__MACOSX|Temporary Items", "a folder of macOS"),
    (
        r".*\.(photoslibrary|aplibrary|lrlibrary|lrdata|cocatalog)",
        "a library of another program",
    ),
)
FILE_RULES: tuple[tuple[str, str], ...] = (
    (r"\.retouchd-.*\.part", "own temporary file"),
    (r"\._.*", "an AppleDouble shadow of another file"),
    (r"\.nfs.*", "a deleted file that NFS keeps open"),
    (r"\.smbdelete.*", "a deleted file that SMB keeps open"),
    (r"\.syncthing\..*\.tmp|~syncthing~.*\.tmp|.*\.sync-conflict-.*", "a Syncthing temporary"),
    (r"\..*\.[A-Za-z0-9]{6}", "an rsync temporary"),
    (r"\..*", "a hidden file"),
    (r".*\.(tmp|part|partial|crdownload|filepart|!sync)", "a temporary file"),
    (r".*_exiftool_tmp", "an exiftool temporary"),
    (r".*\.(lrtmp|lrexport)|LR[A-F0-9]{6,}\.tmp.*|~.*", "an editor's temporary"),
    (r"Thumbs\.db|desktop\.ini", "a file of the system"),
)
_ENDINGS = frozenset(s[1:].encode("ascii") for s in PHOTO_SUFFIXES)
_ENDING = b"|".join(b"".join(b"[%c%c]" % (c, c - 32) for c in e) for e in sorted(_ENDINGS))
plain_photo = re.compile(rb"[^-.~Ll][^-]*\.(?:" + _ENDING + rb")", re.DOTALL).fullmatch
"""Finds names that are a photo's and that no rule could match: most of a folder, for one call of C each.
A new rule for names with a photo's ending belongs here as well; a test compares the two."""
_own_result = re.compile(OWN_RESULT.pattern.encode("ascii"), OWN_RESULT.flags & ~re.UNICODE).fullmatch
"""As :func:`is_own_result`: results are a third of a folder that is done."""
_FOLDERS = tuple((re.compile(p, re.DOTALL | re.IGNORECASE), why) for p, why in FOLDER_RULES)
_FILES = tuple((re.compile(p, re.DOTALL | re.IGNORECASE), why) for p, why in FILE_RULES)


def folder_ignored(name: str) -> str | None:
    """Why a folder is not entered, or None when it is."""
    return next((why for rule, why in _FOLDERS if rule.fullmatch(name)), None)


def is_candidate(name: bytes) -> bool:
    """Whether a file may be a photo: :func:`file_ignored` without its reason, for very large folders."""
    if plain_photo(name):
        return True
    if _own_result(name) or name.rpartition(b".")[2].lower() not in _ENDINGS:
        return False
    return file_ignored(os.fsdecode(name)) is None


def file_ignored(name: str) -> str | None:
    """Why a file is not taken, or None when it may be a photo."""
    for rule, why in _FILES:
        if rule.fullmatch(name):
            return why
    suffix = PurePath(name).suffix.lower()
    if extra := missing_extra(suffix):
        return f'{extra.kind}; read only with its extra: pip install "retouchd[{extra.name}]"'
    if suffix not in PHOTO_SUFFIXES:
        return "not a photo's ending (" + ", ".join(sorted(PHOTO_SUFFIXES)) + ")"
    return OWN if is_own_result(name) else None


def pattern(text: str) -> str:
    """A pattern of the settings as a regular expression over the path below the watched folder.

    ``*`` and ``?`` stay inside one name, ``**`` crosses folders. A pattern without a slash fits a name at any
    depth; capitals do not matter.
    """
    anywhere = "" if "/" in text.strip("/") else "(?:.*/)?"
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", text.strip("/"))
    return anywhere + "".join(_PIECES.get(piece, re.escape(piece)) for piece in pieces)


_PIECES = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class Rules:
    """The built-in rules and the patterns of one watched folder. Paths are bytes below that folder."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = tuple(
            (re.compile(pattern(text), re.DOTALL | re.IGNORECASE), f"a pattern of its settings: {text}")
            for text in patterns
        )

    def __bool__(self) -> bool:
        """Whether there are patterns of the settings, beside the built-in rules."""
        return bool(self._patterns)

    def folder_ignored(self, inner: bytes) -> str | None:
        """Why a folder is not entered; the folders above it have been judged."""
        return folder_ignored(os.fsdecode(inner.rpartition(b"/")[2])) or self._named(inner)

    def path_ignored(self, inner: bytes) -> str | None:
        """Why a file is not taken; the folders above it have been judged."""
        return file_ignored(os.fsdecode(inner.rpartition(b"/")[2])) or self._named(inner)

    def _named(self, inner: bytes) -> str | None:
        path = os.fsdecode(inner)
        return next((why for rule, why in self._patterns if rule.fullmatch(path)), None)
