"""Photos that lie elsewhere now: what is known of one goes along when it is the very same file.

A shoot's folder is renamed or put into another one, a share is mounted elsewhere, a watched folder is named
by a link to it. By their paths its photos are new, and what a person took back or told us to leave alone
would be done after all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from retouchd.config import Watch
from retouchd.jobs import GONE, WAITING, Signature, State
from retouchd.naming import RECORD, ResultSet
from retouchd.results import keepsakes
from retouchd.state.journal import Journal
from retouchd.state.rows import Resting, Row
from retouchd.watch.scanner import Found


def missing(known: Mapping[bytes, Row | Resting], found: Found) -> dict[str, bytes]:
    """The photos that are not where they were: their paths, by what tells the file."""
    return {
        _file(one.signature): path
        for path, one in known.items()
        if path not in found.files and one.code != GONE and found.covers(path)
    }


def before(journal: Journal, signature: Signature, lost: Mapping[str, bytes]) -> Row | None:
    """What is known of a photo that lay elsewhere. The file system says whether it is the same file."""
    path = lost.get(_file(str(signature)))
    return journal.find(path) if path else None


def follow(journal: Journal, watch: Watch, path: bytes, signature: Signature, row: Row) -> bool:
    """Have what is known of a photo follow it to ``path``; False when it is to be looked at as a new one.

    One that is done needs its results beside it, as when its folder was renamed. A file that was renamed
    itself has none there, and a mirror's have to be asked. So with what a person said of one that waits to be
    done again: it lies with those results, and a photo that is new by its name is asked about under others.
    On exFAT, where a file's ctime outlasts its renaming, a mole that was to be kept was healed.
    """
    was_done = row.state == State.DONE or (row.state in WAITING and row.source_digest)
    if was_done and (watch.mirror or not _results_beside(Path(os.fsdecode(path)), row.file)):
        return False
    after = replace(row, path=path, root=watch.root, signature=str(signature))
    return journal.save(after) is not None


def kept_marks_follow(
    former: Watch, watch: Watch, photo: Path, before: Row, followed: set[tuple[Path, Path]]
) -> None:
    """Have the list of kept marks go along when a shoot is renamed whose results lie in a mirror.

    A file that is moved by itself is another to the file system (its ctime), so that no list goes with it.

    Args:
        former: what was watched where it lay, whose mirror has its list: the other one's may have the list of
            another client's shoot at that place.
        watch: what is watched where it lies.
        photo: where it lies now.
        before: what is known of it under its former name.
        followed: folders of results, before and now, that are left alone; these two are put there. A shoot
            has thousands of photos and one list, and a slow share takes its time for each question.

    Raises:
        BrokenKeepList, UnsafeFolder, OSError: as :func:`retouchd.results.keepsakes.follow`.
    """
    root = Path(os.fsdecode(before.root))
    if former.mirror and before.file.is_relative_to(root):
        there, here = former.mirror / before.file.parent.relative_to(root), watch.results_of(photo)
        if (there, here) not in followed:
            followed.add((there, here))
            keepsakes.follow(there, here)


def _results_beside(photo: Path, before: Path) -> bool:
    """One look for each photo: there may be 100,000, and every one of them is asked before the next turn."""
    return photo.name == before.name and os.path.lexists(ResultSet(photo.parent, photo.stem).path(RECORD))


def _file(signature: str) -> str:
    """All but the number of the device, see :meth:`Signature.same_file`."""
    return signature.partition(":")[2]
