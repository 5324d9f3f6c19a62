"""What is remembered when a photo is done: the list of kept marks, and what its neighbours' records say.

Everything lies in the folder of the results, so it moves with the shoot and goes with it. Neighbours are the
photos beside this one in order of their names, as far as they are done; their records are written anyway, and
anybody could have written them.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from retouch_engine import Agree, EngineError, Followed, Recipe, Sitting, remembered
from retouchd.naming import OWN_FOLDER
from retouchd.results import record
from retouchd.results.keepsakes import kept
from retouchd.results.record import source_name
from retouchd.state.journal import Journal

_BESIDE = 6
"""Photos before this one, and after it, whose records are read: few frames are nearly the same."""

_at_numbers = re.compile(r"([0-9]{1,18})").split


def recalled(
    source: Path, folder: Path, digest: str, recipe: Recipe, fresh: Iterable[dict[str, Any]] = ()
) -> Sitting:
    """What is remembered for one photo.

    Args:
        source: the photo.
        folder: where its results go.
        digest: SHA-256 of its bytes, when known; then what its own record followed is followed again.
        recipe: how it is done; only photos that were done in the same way have a say.
        fresh: records that are on their way into the folder.

    Raises:
        BrokenKeepList: the list cannot be used.
    """
    own = folder / OWN_FOLDER
    settled = _settled(source, folder, digest, recipe) if digest else None
    if settled is not None:
        return Sitting(settled=settled)
    faces = [one.face for one in kept(folder)]
    if recipe.agree is Agree.OFF:
        return Sitting(tuple(faces))
    told = {source_name(one): one for one in fresh if _belongs(one, source)}
    for path in _beside(own, source.stem):
        found = record.read(path)
        if found is not None and _belongs(found, source):
            told.setdefault(source_name(found), found)
    order = sorted(told, key=lambda name: (_distance(name, source.name, told), name))
    for name in order[: 2 * _BESIDE]:
        if name != source.name:
            faces += remembered(told[name], votes=_same_way(told[name], recipe))
    return Sitting(tuple(faces))


def on_their_way(journal: Journal, source: Path) -> Iterator[dict[str, Any]]:
    """Records of the photos beside this one that are done and not yet published: mostly the frame before."""
    waiting = {row.file.name: row for row in journal.unpublished() if row.file.parent == source.parent}
    for name in _closest(waiting, source.name):
        row = journal.get(waiting[name].id)
        if row and row.plan:
            yield json.loads(row.plan)["record"]


def _settled(source: Path, folder: Path, digest: str, recipe: Recipe) -> tuple[Followed, ...] | None:
    """What this very photo followed when it was done before; None when it was not."""
    sets = record.sets_of(source, folder)
    found = [told for _, told in sets if record.source_digest(told) == digest]
    about = found[-1].get("followed") if found else None
    if not isinstance(about, dict) or about.get("recipe") != recipe.digest:
        return None
    with contextlib.suppress(EngineError, TypeError):
        return tuple(Followed.from_json(one) for one in about.get("spots", ()))
    return None


def _same_way(told: dict[str, Any], recipe: Recipe) -> bool:
    """Whether a photo was done with this recipe, and with nothing of its own but wishes."""
    about, own = told.get("followed"), told.get("corrections")
    alike = isinstance(about, dict) and about.get("recipe") == recipe.digest
    return alike and not (isinstance(own, dict) and "sensitivity" in own)


def _belongs(told: dict[str, Any], source: Path) -> bool:
    """Whether a record tells of another photo of the same folder."""
    about = told.get("source")
    folder = about.get("folder") if isinstance(about, dict) else None
    return (
        bool(source_name(told)) and source_name(told) != source.name and folder in {None, str(source.parent)}
    )


def _beside(own: Path, stem: str) -> Iterator[Path]:
    """The records next to this photo's, in order of their names."""
    try:
        with os.scandir(own) as entries:
            names = [e.name for e in entries if e.name.endswith(".json")]
    except OSError:
        return
    for name in _closest(names, f"{stem}.json"):
        yield own / name


def _closest(names: Iterable[str], mine: str) -> list[str]:
    """The next ones before and after a name, in their order."""
    # A dozen are wanted: to sort 2,000 names for each of 2,000 photos was a quarter of what the service does.
    here = _natural(mine)
    keyed = [(_natural(name), name) for name in names if name != mine]
    before = heapq.nlargest(_BESIDE, (one for one in keyed if one[0] < here))
    after = heapq.nsmallest(_BESIDE, (one for one in keyed if one[0] >= here))
    return [name for _, name in (*reversed(before), *after)]


def _natural(name: str) -> list[tuple[int, str]]:
    """So that IMG_9 comes before IMG_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _at_numbers(name)]


def _distance(name: str, mine: str, told: Iterable[str]) -> int:
    """How many photos lie between two in order of their names; earlier ones before later ones."""
    order = sorted({*told, mine}, key=_natural)
    steps = order.index(name) - order.index(mine)
    return 2 * abs(steps) - (steps < 0)
