"""From staging to the client's folder: whole files only, nobody's work overwritten, the main TIFF last.

For each file: a temporary name in the target folder, write, fsync, rename, and at the end fsync of the
folder. A new name is taken with ``link``, which fails when the name exists; only a file that is still
exactly as we left it is replaced. The record goes first: it claims the names of the set and carries the
digests by which a later run, after a crash in between, knows its own files.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retouch_engine import Role
from retouchd import mounts, naming, presence
from retouchd.errors import (
    JobError,
    NameRefused,
    SourceChanged,
    SourceGone,
    StagedDamaged,
    TargetFull,
    TargetUnavailable,
    UnsafeFolder,
)
from retouchd.jobs import FULL, Digest, Signature, Staged
from retouchd.naming import RECORD, ResultSet
from retouchd.results import record

_ABANDONED_S = 86_400.0
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL})
_NO_NAME = frozenset({errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG, errno.ENOENT})
"""What FAT, exFAT and NTFS answer to characters that they do not take, from the kernel and through FUSE."""
_NEVER = frozenset({errno.EILSEQ, errno.ENAMETOOLONG})
"""What a disk with links answers: an encrypted folder of a NAS takes 143 bytes, ZFS may want UTF-8."""
_NO_FSYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES})


@dataclass(frozen=True, slots=True)
class Parcel:
    """One finished render on its way out."""

    source: Path
    signature: Signature
    """The source as it was when the engine began."""
    folder: Path
    token: str
    record: dict[str, Any]
    files: Mapping[str, Staged]
    recipe: Digest
    reserve_bytes: int = 0
    collected: bool = False
    """Results of several folders come together in ``folder``, so that a name alone does not say whose."""
    read_masks: Collection[str] = ()
    """Digests of edited masks that were read; what they say is kept, so they may be replaced."""
    alive: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True, slots=True)
class Published:
    """What lies in the folder now."""

    names: ResultSet
    record: dict[str, Any]
    adopted: bool = False
    other_settings: bool = False
    """Whether it was adopted although settings or version are others now."""

    @property
    def is_there(self) -> bool:
        """Whether the main TIFF, which is published last, lies there; somebody may have edited it."""
        main = self.names.path(Role.RESULT)
        return presence.file(main) and main.stat().st_size > 0


def publish(parcel: Parcel) -> Published:
    """Put a finished render in its place.

    Raises:
        JobError: one subclass for each way to fail; the folder holds whole files only.
    """
    first = naming.first_set(parcel.source, parcel.folder)
    try:
        _check_source(parcel)  # a folder that was renamed, or whose share is gone, would be made anew below
        with locked(first.path(RECORD).parent):
            _check_source(parcel)
            names, before = _choose(first, parcel)
            if before and _done_already(before, names, parcel):
                return Published(names, before, adopted=True)
            _check_room(parcel)
            return _deliver(parcel, names, before)
    except OSError as error:
        raise _classified(error, parcel.folder) from error


def find_done(
    source: Path, folder: Path, digest: Digest, recipe: Digest, *, edited: bool = False
) -> Published | None:
    """The set that already holds this very work. ``edited`` also takes one whose TIFF was edited since."""
    for names, found in record.sets_of(source, folder):
        done = Published(names, found, adopted=True)
        known = record.same_work(found, digest, recipe) and done.is_there
        if known and (edited or record.is_complete(found, names, lambda: None)):
            return done
    return None


def reusable(done: Published, alive: Callable[[], None], *, renamed: bool = False) -> dict[str, Staged]:
    """The files of a set, to be published again elsewhere; none when one is missing or was touched.

    None either when another photo of its sitting had a say: elsewhere it may have none, but for a photo that
    was ``renamed``, whose decisions stand.
    """
    files: dict[str, Staged] = {}
    if record.followed(done.record) and not renamed:
        return files
    digests = record.published_digests(done.record)
    for role in (r for r in naming.PUBLISH_ORDER if r in digests):
        path = done.names.path(role)
        whole = presence.plain(path) and path.stat().st_size > 0
        if not whole or record.digest_of(path, alive) != digests[role]:
            return {}
        files[str(role)] = Staged(path, digests[role], path.stat().st_size)
    return files if Role.RESULT in files else {}


def may_be_done(source: Path, folder: Path) -> bool:
    """Whether there is a record that may be of this photo, or a mask painted beforehand."""
    mask = naming.first_set(source, folder).path(Role.MASK)
    return os.path.lexists(mask) or any(record.sets_named(source, folder))


def sweep(folder: Path, token: str, now: float) -> list[Path]:
    """Remove temporary files that a crash left in a folder and in our folders below it.

    Only those whose name begins with our token, and any of the day before: a younger one may belong to
    another process at work.
    """
    gone = []
    own = folder / naming.OWN_FOLDER
    for place in (folder, own, own / naming.CONTACT_FOLDER, own / naming.CORRECTIONS_FOLDER):
        with contextlib.suppress(OSError):
            for path in map(Path, os.scandir(place)):
                if naming.is_part(path.name) and _abandoned(path, token, now):
                    path.unlink()
                    gone.append(path)
    return gone


def _abandoned(part: Path, token: str, now: float) -> bool:
    ours = part.name.startswith(f"{naming.PART_PREFIX}{token}")
    return ours or now - part.lstat().st_mtime > _ABANDONED_S


def _done_already(before: dict[str, Any], names: ResultSet, parcel: Parcel) -> bool:
    same = record.same_work(before, record.source_digest(parcel.record), parcel.recipe)
    return same and record.is_complete(before, names, parcel.alive)


def _check_source(parcel: Parcel) -> None:
    try:
        now = Signature.of(parcel.source.stat())
    except FileNotFoundError:
        raise SourceGone(parcel.source) from None
    if not now.same_file(parcel.signature):
        raise SourceChanged(parcel.source)


def _choose(names: ResultSet, parcel: Parcel) -> tuple[ResultSet, dict[str, Any] | None]:
    """The photo's latest set when it is untouched, with its record; else the first that is free after it."""
    if sets := record.sets_of(parcel.source, parcel.folder):
        names, before = sets[-1]
        if all(_free(before, names, role, parcel) for role in naming.PUBLISH_ORDER):
            return names, before
    while any(os.path.lexists(names.path(role)) for role in naming.PUBLISH_ORDER):
        if _only_a_read_mask(names, parcel):
            return names, {}
        names = names.next()
    return names, None


def _only_a_read_mask(names: ResultSet, parcel: Parcel) -> bool:
    """Whether all that lies there is a mask that was painted before the photo was done, and was read."""
    there = [role for role in naming.PUBLISH_ORDER if os.path.lexists(names.path(role))]
    path = names.path(Role.MASK)
    if there != [Role.MASK] or not parcel.read_masks or not presence.plain(path):
        return False
    return record.digest_of(path, parcel.alive) in parcel.read_masks


def _free(before: dict[str, Any], names: ResultSet, role: str, parcel: Parcel) -> bool:
    """Whether a file of a set of ours may be replaced: it is as we left it, or a mask that was read."""
    if record.untouched(before, names, role, parcel.alive):
        return True
    path = names.path(role)
    known = role == Role.MASK and bool(parcel.read_masks) and not presence.link(path)
    return known and record.digest_of(path, parcel.alive) in parcel.read_masks


def _check_room(parcel: Parcel) -> None:
    needed = sum(f.size for f in parcel.files.values()) + parcel.reserve_bytes
    if mounts.lacks(parcel.folder, needed):
        raise TargetFull(parcel.folder)


def _deliver(parcel: Parcel, names: ResultSet, before: dict[str, Any] | None) -> Published:
    final = _final_record(parcel, names, before)
    if before is not None:
        _remove_outdated(parcel, names)
    placed: list[Path] = []
    try:
        for role in naming.PUBLISH_ORDER:
            if role == RECORD or role in parcel.files:
                _place(role, parcel, names, final, may_replace=before is not None)
                placed.append(names.path(role))
    except SourceGone:
        # Removed or renamed while we copied: what has no photo and no main TIFF nobody would take away again.
        with contextlib.suppress(OSError):
            for path in placed if before is None else ():
                path.unlink()
        raise
    return Published(names, final)


def _place(role: str, parcel: Parcel, names: ResultSet, final: dict[str, Any], *, may_replace: bool) -> None:
    target = names.path(role)
    part = target.parent / naming.part_name(parcel.token, role)
    _make_folder(target.parent)
    try:
        if role == RECORD:
            _write(part, [record.dump(final)], parcel)
        else:
            _copy(parcel.files[role], part, parcel)
        if role == Role.RESULT:
            _check_source(parcel)  # copying takes a while; the editor may have saved meanwhile
        _take_name(part, target, may_replace=may_replace)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    sync_folder(target.parent)


def _remove_outdated(parcel: Parcel, names: ResultSet) -> None:
    """Remove files of the older set that the new one does not have, before the record forgets them.

    They are ours and untouched, as was just checked; left behind, they would look like somebody's work.
    """
    for role in naming.PUBLISH_ORDER:
        if role != RECORD and role not in parcel.files:
            names.path(role).unlink(missing_ok=True)


def _final_record(parcel: Parcel, names: ResultSet, before: dict[str, Any] | None) -> dict[str, Any]:
    """The engine's record with what only the publisher knows: names, and what they replace."""
    final = copy.deepcopy(parcel.record)
    source = final.setdefault("source", {})
    source["name"] = parcel.source.name
    if parcel.collected:
        source["folder"] = str(parcel.source.parent)
    final.setdefault("engine", {})["recipe_digest"] = parcel.recipe
    told = final.get("outputs", {})
    final["outputs"] = {}
    for role, staged in parcel.files.items():
        path = names.path(role)
        entry = {**told.get(role, {}), "name": str(path.relative_to(names.folder))}
        entry |= {"sha256": staged.sha256, "bytes": staged.size}
        if before is not None and os.path.lexists(path) and path.stat().st_size:
            entry["replaces"] = record.digest_of(path, parcel.alive)
        final["outputs"][str(role)] = entry
    if Role.CONTACT not in parcel.files:
        final.pop("contact", None)
    return final


def _make_folder(folder: Path) -> None:
    if folder.name in {naming.OWN_FOLDER, naming.CONTACT_FOLDER} and presence.link(folder):
        raise UnsafeFolder(folder)
    if not presence.folder(folder):
        _make_folder(folder.parent)
        # The umask, not chmod: the group's bit is inherited, and the unit forbids us to set it ourselves.
        before = os.umask(0)
        try:
            folder.mkdir(folder.parent.stat().st_mode & 0o1777, exist_ok=True)
        finally:
            os.umask(before)


def _copy(staged: Staged, part: Path, parcel: Parcel) -> None:
    """Copy a staged file and prove on the way that it is what the engine wrote."""
    digest = hashlib.sha256()

    def pieces() -> Iterator[memoryview]:
        try:
            for piece in record.pieces(staged.path):
                digest.update(piece)
                yield piece
        except FileNotFoundError:
            raise StagedDamaged(staged.path) from None

    _write(part, pieces(), parcel)
    if digest.hexdigest() != staged.sha256:
        raise StagedDamaged(staged.path)


def _write(part: Path, pieces: Iterable[bytes | memoryview], parcel: Parcel) -> None:
    with contextlib.suppress(FileNotFoundError):
        part.unlink()  # of this very job, before a crash
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    with os.fdopen(fd, "wb", buffering=0) as file:
        # Whoever may enter the photo's folder may read the results, whatever our umask and staging are.
        with contextlib.suppress(OSError):
            os.fchmod(fd, parcel.folder.stat().st_mode & 0o666)
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]
            parcel.alive()
        os.fsync(fd)


def copy_whole(source: Path, part: Path) -> None:
    """Copy a file to a temporary name, on the disk before it gets its own: no power cut halves it."""
    shutil.copyfile(source, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())


def _take_name(part: Path, target: Path, *, may_replace: bool) -> None:
    """Give a finished file its name."""
    if may_replace and os.path.lexists(target):
        part.replace(target)
        return
    try:
        os.link(part, target, follow_symlinks=False)
    except FileExistsError:
        raise TargetUnavailable(target.parent, f"{target.name} appeared meanwhile") from None
    except OSError as error:
        if error.errno in _NEVER:
            raise NameRefused(target, error.strerror or str(error)) from None
        if error.errno not in _NO_LINKS:
            raise
        # SMB and FAT have no hard links: reserve the name, then rename over our own empty file.
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        except OSError as why:
            if why.errno in _NO_NAME and presence.anything(part):  # it took the temporary name
                raise NameRefused(target, why.strerror or str(why)) from None
            raise
        part.replace(target)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where its file system can."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_FSYNC:  # SMB cannot sync a folder
            raise
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes of this machine out of the folder while names are chosen and taken."""
    _make_folder(folder)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot; no-clobber still holds
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _classified(error: OSError, folder: Path) -> JobError:
    """Disk full is told by the free space as well: some writers raise without an errno."""
    if error.errno in FULL:
        return TargetFull(folder)
    with contextlib.suppress(OSError):
        if error.errno is None and mounts.lacks(folder, mounts.NO_ROOM_BYTES):
            return TargetFull(folder)
    return TargetUnavailable(folder, error.strerror or str(error))
