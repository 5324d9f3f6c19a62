"""Files that are never photos: what other programs leave in a folder while they work, and what we leave.

Each rule has a word that ``retouchd why`` shows. Adding one is one line here.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from retouch_engine import PHOTO_SUFFIXES
from retouchd.naming import OWN_FOLDER, is_own_result

FOLDER_RULES: tuple[tuple[str, str], ...] = (
    (rf"{OWN_FOLDER}", "own output"),
    (r"\..*", "a hidden folder"),
    (r"@eaDir|#recycle|#snapshot|\$RECYCLE\.BIN|System Volume Information", "a folder of the NAS or system"),
    (r"__MACOSX", "a folder of macOS"),
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
_ENDING = re.compile(
    rb"\.(?:" + b"|".join(s[1:].encode("ascii") for s in sorted(PHOTO_SUFFIXES)) + rb")\Z", re.IGNORECASE
)
_SUSPECT = re.compile(rb"\A[.~]|\ALR|sync-conflict|-retouched", re.IGNORECASE)
"""A name with a photo's ending that a rule could match. A new rule for such names belongs here as well."""
_FOLDERS = tuple((re.compile(p, re.DOTALL | re.IGNORECASE), why) for p, why in FOLDER_RULES)
_FILES = tuple((re.compile(p, re.DOTALL | re.IGNORECASE), why) for p, why in FILE_RULES)


def folder_ignored(name: str) -> str | None:
    """Why a folder is not entered, or None when it is."""
    return next((why for rule, why in _FOLDERS if rule.fullmatch(name)), None)


def is_candidate(name: bytes) -> bool:
    """Whether a file may be a photo: :func:`file_ignored` without its reason, for very large folders."""
    if _ENDING.search(name) is None:
        return False
    return _SUSPECT.search(name) is None or file_ignored(os.fsdecode(name)) is None


def file_ignored(name: str) -> str | None:
    """Why a file is not taken, or None when it may be a photo."""
    for rule, why in _FILES:
        if rule.fullmatch(name):
            return why
    if PurePath(name).suffix.lower() not in PHOTO_SUFFIXES:
        return "not a photo's ending (" + ", ".join(sorted(PHOTO_SUFFIXES)) + ")"
    return "own output" if is_own_result(name) else None
