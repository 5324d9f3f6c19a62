"""What is remembered of other photos of a sitting, as frozen data: marks by their place on a face.

A place is in millimetres from the middle between the eyes, along the line of the eyes and down from it: it is
the same in the next frame, however large the face is there. Persons are not recognised: all that is kept of
one are the marks that the decision records list anyway, and whether their constellation is there again is
asked anew for each photo. Nothing of it outlives the records and the list of kept marks that it is read from.

Nothing here loads an array library. What is read from disk may have been written by anybody.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from retouch_engine.errors import SittingMistake
from retouch_engine.recipe import PERMANENT

MOST_MARKS = 120
MOST_FACES = 64
_REACH_MM = 130.0
"""Further from the eyes nothing is part of a face."""
_LOOKS = ("melanin", "rise_g")
_LARGEST = 1e4
Point = tuple[float, float]


class Vote(StrEnum):
    """What a mark in another photo says about the same mark here."""

    KEEP = "keep"
    """A person's word that it stays: it is held, and nobody is asked again."""
    PERMANENT = "permanent"
    """It was taken for something that belongs to the person."""
    LEAVE = "leave"
    HEAL = "heal"
    NONE = "none"
    """It only tells whose face it is."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark on a face: place and diameter in millimetres, its look, its vote.

    ``melanin`` (share, 0 to 1 and a little beyond) and ``rise_g`` (optical density) are None where the mark
    has no outline of its own.
    """

    x: float
    y: float
    mm: float
    melanin: float | None = None
    rise_g: float | None = None
    vote: Vote = Vote.NONE

    def __post_init__(self) -> None:
        """Check what anybody could have written."""
        if not (abs(self.x) <= _REACH_MM and abs(self.y) <= _REACH_MM):
            raise SittingMistake("place", (self.x, self.y), f"within {_REACH_MM:g} mm of the eyes")
        if not 0 < self.mm <= _REACH_MM:
            raise SittingMistake("mm", self.mm, f"over 0, up to {_REACH_MM:g}")
        for name in _LOOKS:
            value = getattr(self, name)
            if value is not None and not abs(value) <= _LARGEST:
                raise SittingMistake(name, value, "a number")

    @classmethod
    def from_json(cls, told: object) -> Mark:
        """What ``asdict`` gave.

        Raises:
            SittingMistake: it is nothing of the kind.
        """
        if not isinstance(told, Mapping):
            raise SittingMistake("mark", told, "an object")
        numbers = {name: told.get(name) for name in ("x", "y", "mm", *_LOOKS)}
        for name, value in numbers.items():
            if not (_number(value) or (value is None and name in _LOOKS)):
                raise SittingMistake(name, value, "a number")
        if told.get("vote", Vote.NONE) not in list(Vote):
            raise SittingMistake("vote", told.get("vote"), ", ".join(Vote))
        plain = {name: None if value is None else float(value) for name, value in numbers.items()}
        return cls(vote=Vote(told.get("vote", Vote.NONE)), **plain)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Remembered:
    """The marks of one face in one other photo."""

    photo: str
    marks: tuple[Mark, ...]

    def __post_init__(self) -> None:
        """No more than a face has."""
        if not 0 < len(self.marks) <= MOST_MARKS:
            raise SittingMistake("marks", len(self.marks), f"1 to {MOST_MARKS}")

    @classmethod
    def from_json(cls, told: object) -> Remembered:
        """What ``asdict`` gave.

        Raises:
            SittingMistake: it is nothing of the kind.
        """
        if not isinstance(told, Mapping) or not isinstance(told.get("photo"), str):
            raise SittingMistake("photo", told, "an object with the photo's name")
        marks = told.get("marks")
        if not isinstance(marks, list | tuple):
            raise SittingMistake("marks", marks, "a list")
        return cls(told["photo"], tuple(Mark.from_json(mark) for mark in marks[: MOST_MARKS + 1]))


@dataclass(frozen=True, slots=True)
class Followed:
    """A spot that another photo decided about: ``box`` is ``(x, y, width, height)`` in pixels."""

    box: tuple[int, int, int, int]
    vote: Vote
    photo: str

    @classmethod
    def from_json(cls, told: object) -> Followed:
        """What ``asdict`` gave.

        Raises:
            SittingMistake: it is nothing of the kind.
        """
        if not isinstance(told, Mapping) or told.get("vote") not in list(Vote):
            raise SittingMistake("followed", told, "an object with box, vote and photo")
        box = told.get("box")
        if not isinstance(box, list | tuple) or len(box) != 4 or not all(type(v) is int for v in box):
            raise SittingMistake("box", box, "four whole numbers")
        return cls((box[0], box[1], box[2], box[3]), Vote(told["vote"]), str(told.get("photo", "")))


@dataclass(frozen=True, slots=True)
class Sitting:
    """All that is remembered when a photo is done. Empty: nothing.

    ``faces`` are ordered: of two that say something else about a mark the first counts. ``settled`` is what
    was followed when this very photo was done before: then the same is followed again, and ``faces`` are not
    asked, so that a correction changes nothing but what it names.
    """

    faces: tuple[Remembered, ...] = ()
    settled: tuple[Followed, ...] | None = field(default=None)

    def __bool__(self) -> bool:
        """Whether there is anything to follow."""
        return bool(self.faces) or self.settled is not None

    @property
    def digest(self) -> str:
        """SHA-256 of all of it; empty when there is nothing."""
        told = json.dumps(self.as_json(), sort_keys=True)
        return hashlib.sha256(told.encode("ascii")).hexdigest() if self else ""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: object) -> Sitting:
        """What :meth:`as_json` wrote.

        Raises:
            SittingMistake: the first thing that is wrong with it.
        """
        if not isinstance(told, Mapping):
            raise SittingMistake("sitting", told, "an object")
        faces, settled = told.get("faces", ()), told.get("settled")
        if not isinstance(faces, list | tuple) or not isinstance(settled, list | tuple | None):
            raise SittingMistake("sitting", told, "lists")
        known = tuple(Remembered.from_json(face) for face in faces[:MOST_FACES])
        return cls(known, None if settled is None else tuple(Followed.from_json(one) for one in settled))


def placed_on(eyes: Sequence[Point], px_per_mm: float, point: Point) -> Point | None:
    """Where a pixel lies on a face, in millimetres; None beyond it.

    Args:
        eyes: both eyes, ``(x, y)`` in pixels, the one on the left of the upright photo first.
        px_per_mm: the face's scale.
        point: ``(x, y)`` in pixels.
    """
    (ax, ay), (bx, by) = eyes
    apart = math.hypot(bx - ax, by - ay)
    if not (apart > 0 and px_per_mm > 0):
        return None
    cos, sin = (bx - ax) / apart, (by - ay) / apart
    dx, dy = point[0] - (ax + bx) / 2, point[1] - (ay + by) / 2
    x, y = (cos * dx + sin * dy) / px_per_mm, (cos * dy - sin * dx) / px_per_mm
    return (x, y) if max(abs(x), abs(y)) <= _REACH_MM else None


def remembered(record: Mapping[str, Any], *, votes: bool, face: object = None) -> list[Remembered]:
    """The faces of a photo as its decision record tells of them; what cannot be read there is left out.

    Args:
        record: the record of another photo, which anybody could have written.
        votes: whether its own decisions count; a person's word in it always does.
        face: only the face of this id.
    """
    source = record.get("source")
    photo = str(source.get("name", "")) if isinstance(source, Mapping) else ""
    by_face: dict[int, list[Mark]] = {}
    spots = record.get("spots")
    for spot in spots if isinstance(spots, list) else []:
        place = spot.get("place") if isinstance(spot, Mapping) else None
        if not isinstance(place, Mapping) or type(place.get("face")) is not int:
            continue
        mark = _mark(spot, place, votes=votes) if face in {None, place["face"]} else None
        if mark is not None:
            by_face.setdefault(place["face"], []).append(mark)
    return [Remembered(photo, tuple(marks[:MOST_MARKS])) for _, marks in sorted(by_face.items())]


def _mark(spot: Mapping[str, Any], place: Mapping[str, Any], *, votes: bool) -> Mark | None:
    features = spot.get("features")
    figures = features if isinstance(features, Mapping) else {}
    looks = {name: figures.get(name) for name in _LOOKS}
    told = {"x": place.get("x_mm"), "y": place.get("y_mm"), "mm": spot.get("diameter_mm"), **looks}
    try:
        return Mark.from_json(told | {"vote": _vote(spot, votes=votes)})
    except SittingMistake:
        return None


def _vote(spot: Mapping[str, Any], *, votes: bool) -> Vote:
    """What a recorded spot says: a person's word first, then what was taken for permanent, then the plan."""
    wishes = {"keep": Vote.KEEP, "reject": Vote.KEEP, "review": Vote.LEAVE, "heal": Vote.HEAL}
    if spot.get("wish") in wishes:
        return wishes[spot["wish"]]
    if not votes:
        return Vote.NONE
    if spot.get("kind") in PERMANENT:
        return Vote.PERMANENT
    return Vote.HEAL if spot.get("sure") is True else Vote.LEAVE


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
