"""Which names results get, and which names are results. Pure: nothing here touches a disk.

Beside the photo lie only what an editor should import (the TIFF and its XMP); everything else goes into
``_retouchd``. A number for a second set applies to the whole set, so that its members stay together.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from retouch_engine import Role
from retouchd.errors import BadName, NameTooLong

OWN_FOLDER = "_retouchd"
CONTACT_FOLDER = "contact"
CONTACT_PAGE = "contact.html"
CORRECTIONS_FOLDER = "corrections"
PART_PREFIX = ".retouchd-"
PART_SUFFIX = ".part"
RECORD = "record"
"""The role of the decision record, which the engine does not stage: we write it."""

NAME_MAX_BYTES = 255
OWN_RESULT = re.compile(r".*-retouched(-\d+)?\.(tif|xmp)", re.DOTALL | re.IGNORECASE)
_MASK = re.compile(r"(.*)-mask(-\d+)?\.tif", re.DOTALL)
_SHAPES = {
    Role.RESULT: "{stem}-retouched{n}.tif",
    Role.XMP: "{stem}-retouched{n}.xmp",
    Role.HEAL: OWN_FOLDER + "/{stem}-heal{n}.tif",
    Role.MASK: OWN_FOLDER + "/{stem}-mask{n}.tif",
    # .jpeg here and .jpg below: with one ending for both, some photo's name would bring them together.
    Role.CONTACT: OWN_FOLDER + "/" + CONTACT_FOLDER + "/{stem}{n}.jpeg",
    Role.PSD: OWN_FOLDER + "/{stem}{n}.psd",
    Role.VIEW: OWN_FOLDER + "/" + CONTACT_FOLDER + "/{stem}{n}.jpg",
    RECORD: OWN_FOLDER + "/{stem}{n}.json",
}
PUBLISH_ORDER = (RECORD, Role.HEAL, Role.MASK, Role.CONTACT, Role.VIEW, Role.PSD, Role.XMP, Role.RESULT)
"""The record first, because it claims the names of the set; the main TIFF last, because its appearance
means that everything else is there."""


@dataclass(frozen=True, slots=True)
class ResultSet:
    """The names of all results of one photo. ``number`` is 1 for the plain names, then 2, 3 ..."""

    folder: Path
    stem: str
    number: int = 1

    def path(self, role: str) -> Path:
        """Where the file of this role belongs."""
        n = "" if self.number == 1 else f"-{self.number}"
        head, _, tail = _SHAPES[role].rpartition("/")
        # str.replace, not format: a stem may hold braces.
        return self.folder / head / tail.replace("{n}", n).replace("{stem}", self.stem)

    def next(self) -> ResultSet:
        """The set to try when this one is taken."""
        return ResultSet(self.folder, self.stem, self.number + 1)


def has_control_characters(path: str | os.PathLike[str]) -> bool:
    """Whether any part of the path could break a line-based protocol."""
    return any(unicodedata.category(c) == "Cc" for c in os.fsdecode(path))


def first_set(source: Path, folder: Path) -> ResultSet:
    """The plain result names of a photo in a folder.

    Raises:
        BadName: control characters, in the name or in a folder's.
        NameTooLong: our longest suffix does not fit.
    """
    if has_control_characters(source):
        raise BadName(source)
    needed = len(os.fsencode(source.stem)) + len("-retouched-99.tif")
    if needed > NAME_MAX_BYTES:
        raise NameTooLong(source, needed)
    return ResultSet(folder, source.stem)


def is_own_result(name: str) -> bool:
    """Whether a name is one that we give to results."""
    return OWN_RESULT.fullmatch(name) is not None


def is_mask(name: str) -> bool:
    """Whether a name is one that we give to masks."""
    return _MASK.fullmatch(name) is not None


def set_of_mask(path: Path) -> ResultSet:
    """The set that a mask of ours belongs to.

    Raises:
        ValueError: its name is not one that we give to masks.
    """
    found = _MASK.fullmatch(path.name)
    if found is None:
        raise ValueError(path.name)
    return ResultSet(path.parent.parent, found[1], int(found[2][1:]) if found[2] else 1)


def set_of_record(path: Path, source: Path) -> ResultSet | None:
    """The set whose record this is when it is this photo's, judged by its name; None when it cannot be."""
    tail = path.name.removesuffix(".json").removeprefix(source.stem)
    if tail and not (tail[:1] == "-" and tail[1:].isascii() and tail[1:].isdigit()):
        return None
    names = ResultSet(path.parent.parent, source.stem, int(tail[1:]) if tail else 1)
    return names if names.path(RECORD) == path else None


def generations(stem: str) -> int:
    """How often a name says that it is a result: more than once is a result of a result."""
    return stem.casefold().count("-retouched")


def part_name(token: str, role: str) -> str:
    """The temporary name of a file on its way into a folder."""
    return f"{PART_PREFIX}{token}-{role}{PART_SUFFIX}"


def is_part(name: str) -> bool:
    """Whether a name is one of our temporary ones."""
    return name.startswith(PART_PREFIX) and name.endswith(PART_SUFFIX)
