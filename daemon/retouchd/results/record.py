"""Decision records on disk: reading them, and what they say about who owns which file.

The record beside the mask is the proof of ownership, and works without any journal: it names its source and
holds the digest of every file of its set. A file with another digest is no longer ours: somebody's edit.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from retouch_engine import RECORD_SCHEMA, Decision, Role
from retouchd import naming, ours, presence
from retouchd.config import Settings
from retouchd.jobs import Digest, Outcome, Staged
from retouchd.naming import RECORD, ResultSet
from retouchd.text import shown

_CHUNK = 1 << 20
_MAX_BYTES = 64 << 20
"""A larger file is no record of ours."""
_MOST_FREE = 2
"""Numbers without a file after which no more sets are looked for: so many in a row may have been removed."""


def dump(record: dict[str, Any]) -> bytes:
    """The record as it lies on disk: ASCII, because names may hold bytes that are not UTF-8."""
    return json.dumps(record, indent=1, ensure_ascii=True, default=str).encode("ascii") + b"\n"


def read(path: Path) -> dict[str, Any] | None:
    """The record in a file, or None when there is none that we know."""
    try:
        found = path.lstat()
        # A pipe of that name would keep whoever opens it for ever.
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES:
            return None
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("schema") == RECORD_SCHEMA else None


def pieces(path: Path) -> Iterator[memoryview]:
    """The bytes of a file, each piece valid until the next.

    They pass through one buffer outside of the heap. ``read`` takes a new one of full size for each piece and
    each file; small things settle behind it, the heap cannot shrink any more, and a service that publishes
    2,000 photos grew by 8 MB (seen with mallinfo2: all of it free memory within the heap).
    """
    room = memoryview(mmap.mmap(-1, _CHUNK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(room):
            yield room[:count]


def digest_of(path: Path, alive: Callable[[], None] = lambda: None) -> Digest:
    """SHA-256 of a file; ``alive`` is told of each piece."""
    digest = hashlib.sha256()
    for piece in pieces(path):
        digest.update(piece)
        alive()
    return Digest(digest.hexdigest())


def _table(record: dict[str, Any], key: str) -> dict[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def source_digest(record: dict[str, Any]) -> Digest:
    """The digest of the source that the record tells of; empty when it does not say."""
    return Digest(str(_table(record, "source").get("sha256", "")))


def source_name(record: dict[str, Any]) -> str:
    """The name of the photo that the record tells of; empty when it does not say."""
    return str(_table(record, "source").get("name", ""))


def recipe_digest(record: dict[str, Any]) -> Digest:
    """The digest of the recipe that was used; empty when the record does not say."""
    return Digest(str(_table(record, "engine").get("recipe_digest", "")))


def preset(record: dict[str, Any]) -> str:
    """The preset by which the photo was done; empty when the record does not say."""
    return str(_table(_table(record, "engine"), "recipe").get("preset", ""))


def last_run(record: dict[str, Any]) -> str:
    """What became of the photo's last run, as words after the summary; empty where that says it all."""
    told = _table(record, "last_run")
    if told.get("other_settings"):
        return "; only what a person changed: the settings of then hold; retouchd requeue does it anew"
    return f"; done from the beginning: {shown(str(told['why']))}" if told.get("why") else ""


def result_digest(record: dict[str, Any]) -> Digest:
    """The digest of the main TIFF as it was published; empty when the record does not say."""
    return published_digests(record).get(Role.RESULT, Digest(""))


def published_digests(record: dict[str, Any]) -> dict[str, Digest]:
    """The digest of each file that was published, by its role; empty where the record does not say."""
    told = _table(record, "outputs")
    return {role: Digest(str(_table(told, role).get("sha256", ""))) for role in told}


def followed(record: dict[str, Any]) -> bool:
    """Whether another photo of the sitting had a say in what became of this one."""
    return bool(_table(record, "followed").get("spots"))


def same_work(record: dict[str, Any], source: Digest, recipe: Digest) -> bool:
    """Whether the record tells of these very source bytes under this very recipe."""
    return bool(source) and source_digest(record) == source and recipe_digest(record) == recipe


def same_source(record: dict[str, Any], source: Path) -> bool:
    """Whether the record belongs to this photo. Results collected in one folder also compare the folder."""
    about = _table(record, "source")
    folder = about.get("folder")
    return about.get("name") == source.name and folder in {None, str(source.parent)}


def sets_of(source: Path, folder: Path) -> list[tuple[ResultSet, dict[str, Any]]]:
    """Every set in a folder that was made of this photo, with its record, the latest last.

    Raises:
        BadName, NameTooLong, OSError: as :func:`sets_named`.
    """
    return [(names, told) for names, told in sets_named(source, folder) if same_source(told, source)]


def sets_named(source: Path, folder: Path) -> Iterator[tuple[ResultSet, dict[str, Any]]]:
    """Every set in a folder that has the names of this photo's, with its record, the latest last.

    A number may be missing: its names are somebody's files, or its set was removed. Counting up to the first
    one without a record made the service blind to all after it. The folder is not listed for it: that costs
    more with each photo done, 3 ms at the ten thousand files of a wedding and far more on a share, ten times
    a photo.

    Raises:
        BadName, NameTooLong: as :func:`retouchd.naming.first_set`.
        OSError: our folder may not be looked into, or does not answer.
    """
    names, free = naming.first_set(source, folder), 0
    while free <= _MOST_FREE:
        if _there(names.path(RECORD)):
            if told := read(names.path(RECORD)):
                yield names, told
            free = 0
        else:
            free = 0 if _there(names.path(Role.RESULT)) else free + 1
        names = names.next()


def _there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def take_over(source: Path, folder: Path, digest: Digest) -> None:
    """Give a photo the results that were made of its very bytes when it was called otherwise.

    A record in a mirror names the folder of its photo. When that is mounted elsewhere, or renamed together
    with its mirror, the results would be nobody's, and the whole folder be done again beside them. So it was
    with a shoot whose IMG.JPG became img.jpg on a share where capitals do not matter: the same result again,
    as ``img-retouched-2.tif``.

    Raises:
        OSError: a record cannot be written.
    """
    for names, told in sets_named(source, folder):
        about = _table(told, "source")
        before = Path(str(about.get("folder") or source.parent), source_name(told))
        renamed = before != source and _folded(before.name) == _folded(source.name)
        if renamed and source_digest(told) == digest and not is_there(before, source):
            fresh = {**about, "name": source.name}
            fresh |= {"folder": str(source.parent)} if "folder" in about else {}
            ours.write(names.path(RECORD), {**told, "source": fresh}, folder.stat().st_mode & 0o666)


def is_there(path: Path, now: Path) -> bool:
    """Whether a photo or folder is there under this spelling, and not only as another one of ``now``.

    Where capitals or composed letters do not matter (SMB, exFAT, a Mac's disk) both answer, and only a
    listing knows which is meant.

    Raises:
        OSError: a folder cannot be listed.
    """
    if not os.path.lexists(path) or _folded(str(path)) != _folded(str(now)):
        return os.path.lexists(path)
    others = (i for i, part in enumerate(path.parts) if part != now.parts[i])
    return all(_lists(Path(*path.parts[:i]), path.parts[i]) for i in others)


def _lists(folder: Path, name: str) -> bool:
    with os.scandir(folder) as entries:
        return any(entry.name == name for entry in entries)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def our_digests(record: dict[str, Any], role: str) -> set[str]:
    """The digests under which a file of the set is ours: the one published, and the one that it replaces.

    The second counts because the record is written first: a crash right after it leaves the older files
    beside the newer record, and they must not look like somebody's edits.
    """
    entry = _table(record, "outputs").get(role)
    values = (entry.get("sha256"), entry.get("replaces")) if isinstance(entry, dict) else ()
    return {v for v in values if isinstance(v, str)}


def untouched(record: dict[str, Any], names: ResultSet, role: str, alive: Callable[[], None]) -> bool:
    """Whether a file of the set is absent or still as we left it."""
    path = names.path(role)
    # os.path.lexists would call somebody's edit absent when the disk stumbles, and it would be replaced.
    if role == RECORD or not presence.entry(path):
        return True
    if not presence.plain(path):
        return False
    if path.stat().st_size == 0:  # a reservation of ours that a crash left, see publish; nobody's work
        return True
    try:
        return digest_of(path, alive) in our_digests(record, role)
    except PermissionError:  # somebody saved it since, as his own
        return False


def renewed(record: dict[str, Any]) -> dict[str, Any]:
    """A published record without what the publisher put in: for the same work under another name."""
    fresh = dict(record)
    fresh["source"] = {k: v for k, v in _table(record, "source").items() if k != "folder"}
    outputs = {r: v for r, v in _table(record, "outputs").items() if isinstance(v, dict)}
    fresh["outputs"] = {r: {k: v for k, v in e.items() if k != "replaces"} for r, e in outputs.items()}
    return fresh


def is_complete(record: dict[str, Any], names: ResultSet, alive: Callable[[], None]) -> bool:
    """Whether the main TIFF of the record's set lies there whole; it is published last, so the rest does."""
    path = names.path(Role.RESULT)
    entry = _table(record, "outputs").get(Role.RESULT)
    if not isinstance(entry, dict) or not presence.plain(path):
        return False
    return digest_of(path, alive) == entry.get("sha256")


def summary(record: dict[str, Any]) -> str:
    """``7 healed, 3 kept, 1 for review``."""
    counts = _table(record, "counts")
    words = (("healed", "healed"), ("kept", "kept"), ("review", "for review"), ("failed", "failed"))
    parts = [f"{counts[key]} {word}" for key, word in words if counts.get(key)]
    return ", ".join(parts) or "nothing to heal"


def counts(record: dict[str, Any]) -> dict[str, int]:
    """How many spots were found, and how many of them healed, kept, left for review or failed."""
    told = _table(record, "counts")
    return {key: told[key] for key in ("found", *map(str, Decision)) if type(told.get(key)) is int}


def stages(record: dict[str, Any]) -> dict[str, float]:
    """Seconds of each stage, as the record tells."""
    told = _table(record, "seconds").items()
    found = {k: float(v) for k, v in told if isinstance(v, (int, float)) and k != "total"}
    return {k: v for k, v in found.items() if 0 <= v < float("inf")}


def seconds(record: dict[str, Any]) -> float:
    """All stages together."""
    return sum(stages(record).values())


def staged_files(outcome: Outcome, settings: Settings) -> dict[str, Staged]:
    """The files to publish, with the digests that the engine promised for them."""
    wanted = dict(outcome.files)
    if not settings.output.xmp_sidecar:
        wanted.pop(Role.XMP, None)
    if not settings.output.contact_sheet:
        wanted.pop(Role.CONTACT, None)
        wanted.pop(Role.VIEW, None)
    told = outcome.record.get("outputs", {})
    staged = {}
    for role, path in wanted.items():
        promised = told.get(role, {}).get("sha256") or digest_of(path)
        staged[str(role)] = Staged(path, Digest(promised), path.stat().st_size)
    return staged
