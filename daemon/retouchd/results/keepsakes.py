"""Marks that a person wants kept in every photo of a folder: ``_retouchd/corrections/keep.json``.

One small file in the folder of the results, so that it moves with the shoot and goes with it. Each mark is
there with its place on the face and the marks around it, which tell whose face it is; both come from a
decision record that lists them anyway. What is read may have been written by anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retouch_engine import EngineError, Mark, Remembered, Vote, placed_on, remembered
from retouchd import ours, presence
from retouchd.errors import JobError, RetouchdError, UnsafeFolder
from retouchd.naming import CORRECTIONS_FOLDER, OWN_FOLDER
from retouchd.results import publish
from retouchd.results.record import source_name
from retouchd.text import shown

KEEP_SCHEMA = "retouchd.keep/1"
KEEP_FILE = "keep.json"
"""No photo's corrections have this name: theirs end in the photo's own ending before ``.json``."""
MOST_KEPT = 500
_MOST_BYTES = 4 << 20
_UNSEEN_MM = 3.0
"""Taken for the diameter of a mark that was not found, only pointed at."""
_AROUND = 24
"""Marks that are remembered with a kept one, the nearest first, to tell whose face it is."""


class BrokenKeepList(JobError):
    """A list of kept marks that cannot be used; healing without it could remove what a person wants kept."""

    code = "keep-list"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{shown(path)}: {why}; repair or remove it")


class NothingKept(RetouchdError):
    """No kept mark of this number."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(f"no kept mark {number} in {shown(folder)}; see retouchd keep FOLDER --list")


@dataclass(frozen=True, slots=True)
class Kept:
    """One mark of the list: its number, when it was put there, and its face, the mark itself first."""

    id: int
    at: str
    face: Remembered

    @property
    def mark(self) -> Mark:
        """The mark that is kept."""
        return self.face.marks[0]


def path_of(folder: Path) -> Path:
    """Where the list of a folder of results lies."""
    return folder / OWN_FOLDER / CORRECTIONS_FOLDER / KEEP_FILE


def kept(folder: Path) -> tuple[Kept, ...]:
    """The marks that a person wants kept in every photo of this folder.

    Raises:
        BrokenKeepList: there is a list, and it cannot be used.
    """
    path = path_of(folder)
    try:
        told = ours.read(path, KEEP_SCHEMA, _MOST_BYTES)
    except ours.NotOurs as error:
        raise BrokenKeepList(path, str(error)) from None
    if told is None:
        return ()
    marks = told.get("kept")
    if not isinstance(marks, list) or len(marks) > MOST_KEPT:
        raise BrokenKeepList(path, f"no list of at most {MOST_KEPT} marks")
    try:
        return tuple(_one(mark) for mark in marks)
    except (EngineError, TypeError, ValueError) as error:
        raise BrokenKeepList(path, str(error)) from None


def _one(told: object) -> Kept:
    if not isinstance(told, dict) or type(told.get("id")) is not int:
        raise ValueError("a mark without an id")
    face = Remembered.from_json(told)
    if face.marks[0].vote is not Vote.KEEP:
        raise ValueError("a mark that is not to be kept")
    return Kept(told["id"], str(told.get("at", ""))[:40], face)


def keep(folder: Path, faces: Sequence[Remembered]) -> tuple[Kept, ...]:
    """Put marks on the list; of each face the first mark is meant, the rest tells whose face it is.

    Raises:
        BrokenKeepList: the list cannot be used, or is full.
        UnsafeFolder: a symlink where our folder should be.
        OSError: it cannot be written.
    """
    with publish.locked(folder / OWN_FOLDER):
        before = kept(folder)
        known = {(one.face.photo, one.mark.x, one.mark.y) for one in before}
        new = [f for f in faces if (f.photo, f.marks[0].x, f.marks[0].y) not in known]
        number = max((one.id for one in before), default=0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        fresh = tuple(Kept(number + i, now, face) for i, face in enumerate(new, start=1))
        if len(before) + len(fresh) > MOST_KEPT:
            raise BrokenKeepList(path_of(folder), f"it would hold more than {MOST_KEPT} marks")
        if fresh:
            _write(folder, (*before, *fresh))
    return fresh


def follow(before: Path, folder: Path) -> None:
    """Have the marks of a shoot go with it to the folder where its results will lie from now on.

    A shoot that was renamed under a mirror left its list behind, and what a person had kept was healed in the
    next photo. A copy: where a shoot was split, each part has them.

    Raises:
        BrokenKeepList: one of the two lists cannot be used, or is full.
        UnsafeFolder, OSError: as :func:`keep`.
    """
    if before != folder and (marks := kept(before)):
        keep(folder, [one.face for one in marks])


def forget(folder: Path, number: int) -> bool:
    """Take a mark off the list; False when there is none of that number."""
    with publish.locked(folder / OWN_FOLDER):
        before = kept(folder)
        after = tuple(one for one in before if one.id != number)
        if len(after) < len(before):
            _write(folder, after)
    return len(after) < len(before)


def let_go(folder: Path, told: dict[str, Any], spots: Iterable[dict[str, Any]]) -> None:
    """Take spots of this record off the list, if they were put there from this photo."""
    places = {(one.get("x_mm"), one.get("y_mm")) for one in (_place(spot) for spot in spots)}
    for one in kept(folder):
        if one.face.photo == source_name(told) and (one.mark.x, one.mark.y) in places:
            forget(folder, one.id)


def _place(spot: dict[str, Any]) -> dict[str, Any]:
    place = spot.get("place")
    return place if isinstance(place, dict) else {}


def _write(folder: Path, marks: Iterable[Kept]) -> None:
    path = path_of(folder)
    if presence.link(path.parent) or presence.link(path):
        raise UnsafeFolder(path.parent)
    told = [{"id": one.id, "at": one.at, **asdict(one.face)} for one in marks]
    if not told:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(exist_ok=True)
    ours.write(path, {"schema": KEEP_SCHEMA, "kept": told}, folder.stat().st_mode & 0o666)


def face_around(told: dict[str, Any], at: tuple[float, float]) -> Remembered | None:
    """The mark at a place of a photo, to be kept, with those around it; None where no face is known.

    Args:
        told: the photo's decision record.
        at: ``(x, y)`` in millimetres on the face, as a spot's ``place`` says it.
    """
    for face in remembered(told, votes=False):
        nearest = sorted(face.marks, key=lambda m: _far(m, at))
        if (nearest[0].x, nearest[0].y) == at:
            plain = [Mark(**{**asdict(m), "vote": Vote.NONE}) for m in nearest[1 : _AROUND + 1]]
            return Remembered(face.photo, (Mark(**{**asdict(nearest[0]), "vote": Vote.KEEP}), *plain))
    return None


def face_at(told: dict[str, Any], x: float, y: float) -> Remembered | None:
    """A place where nothing was found, to be kept, with the marks of its face; None beyond faces.

    Args:
        told: the photo's decision record.
        x: column in pixels of the photo as stored.
        y: row.
    """
    places = []
    faces = told.get("faces")
    for face in faces if isinstance(faces, list) else []:
        try:
            eyes = [(float(ex), float(ey)) for ex, ey in face["eyes"]]
            place = placed_on(eyes, float(face["px_per_mm"]), (x, y)) if len(eyes) == 2 else None
            mark = Mark(*place, _UNSEEN_MM, vote=Vote.KEEP) if place else None
        except (KeyError, TypeError, ValueError, EngineError):
            continue
        if mark is not None:
            around = [f.marks for f in remembered(told, votes=False, face=face.get("id"))]
            plain = sorted((m for marks in around for m in marks), key=lambda m: _far(m, (mark.x, mark.y)))
            places.append((_far(mark, (0, 0)), Remembered(source_name(told), (mark, *plain[:_AROUND]))))
    return min(places, key=lambda found: found[0])[1] if places else None


def _far(mark: Mark, at: tuple[float, float]) -> float:
    return (mark.x - at[0]) ** 2 + (mark.y - at[1]) ** 2


def spot_at(told: dict[str, Any], x: float, y: float) -> dict[str, Any] | None:
    """The recorded spot at a pixel, the smallest when several boxes hold it; one that lies close counts."""
    found: list[tuple[float, int, dict[str, Any]]] = []
    spots = told.get("spots")
    for spot in spots if isinstance(spots, list) else []:
        box = spot.get("box") if isinstance(spot, dict) else None
        if not isinstance(box, list) or len(box) != 4 or not all(type(v) is int for v in box):
            continue
        near = max(6.0, 0.5 * max(box[2:]))
        if box[0] - near <= x < box[0] + box[2] + near and box[1] - near <= y < box[1] + box[3] + near:
            far = (box[0] + box[2] / 2 - x) ** 2 + (box[1] + box[3] / 2 - y) ** 2
            found.append((far, len(found), spot))
    return min(found)[2] if found else None


def keep_spots(folder: Path, told: dict[str, Any], spots: Iterable[dict[str, Any]]) -> tuple[Kept, ...]:
    """Put recorded spots on the list; those that lie on no face that can be measured are left out."""
    faces = []
    for spot in spots:
        place = _place(spot)
        face = face_around(told, (place.get("x_mm", 0.0), place.get("y_mm", 0.0))) if place else None
        faces += [face] if face else []
    return keep(folder, faces) if faces else ()
