"""Decisions that agree across the photos of a sitting: no mark is healed in one and left in the next.

Each remembered face is laid over each face of this photo: marks pair up with their nearest likes, a gentle
affine map through the pairs follows the turn of the head, twice. When enough of the marks are there again, it
is taken for the same face, and what was decided there counts here. A person's word that a mark stays asks for
less: a wrong match there keeps one spot more, and never heals one.

What may be healed because of another photo is narrow: only its odds may have spoken against it, they lie
near the line, and nothing else does (:attr:`retouch_engine.types.Spot.close`). What was taken for permanent
anywhere is not healed unasked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retouch_engine.recipe import PERMANENT, Agree
from retouch_engine.sitting import Followed, Mark, Point, Remembered, Sitting, Vote, placed_on
from retouch_engine.survey import Scene
from retouch_engine.types import Spot

_STEPS_MM = (9.0, 6.0, 4.0)
"""How far apart two marks may lie and still be a pair, while the faces are being laid over each other."""
_NEAR_MM, _NEAR_SHARE = 2.5, 0.3
"""The same at the end: so far, and so much of the larger diameter more."""
_LOOSE = 2.0
_STIFF_MM2 = 4000.0
"""How firmly the map holds to no change of form: the spread, in square millimetres, that outweighs it."""
_SAME = 5, 0.35
"""Pairs, and their share of the smaller face's marks, from which two faces are the same. When the line was
drawn, of 2,412 pairs of different people none came so far, one with 4; of 28 people in two nearly identical
frames 25 did, of 22 people neutral in one photo and smiling in the other 9. With today's finds 2 of 870 pairs
of different people do."""
_PERHAPS = ((3, 0.3), (2, 0.4))
"""The same where only less may be healed because of it: 30 of those 2,412, 27 of the 28, 15 of the 22."""
_KEEP_MM = 5.0
_TELLING, _OTHER_SHARE = 6, 0.12
"""With so many marks on both faces, fewer pairs than this share say that they are two persons."""
_SIZE_RATIO = 2.2
_MELANIN_APART, _RISE_APART, _RISE_RATIO = 0.35, 0.12, 2.0
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Here:
    """A mark of this photo, and the index of its spot."""

    mark: Mark
    spot: int


def place_of(spot: Spot, scene: Scene) -> tuple[int, Point] | None:
    """The face that a spot lies on or below, and its place there; None without two eyes to measure from."""
    face, box = scene.person_at(spot.box), spot.box
    if face is None or len(face.eyes) != 2 or not face.scale.px_per_mm:
        return None
    middle = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    place = placed_on(face.eyes, face.scale.px_per_mm, middle)
    return None if place is None else (face.id, place)


def recalled(
    spots: Sequence[Spot], scene: Scene, sitting: Sitting, agree: Agree
) -> tuple[tuple[Spot, ...], tuple[Followed, ...]]:
    """The spots after what is remembered of them, and which of them followed another photo.

    Args:
        spots: what was found.
        scene: the faces.
        sitting: what is remembered.
        agree: whether anything but a person's word counts, and whether it may heal.
    """
    votes = _settled(spots, sitting) if sitting.settled is not None else _votes(spots, scene, sitting)
    after, followed = list(spots), []
    for index, (vote, photo) in sorted(votes.items()):
        changed = _after(spots[index], vote, photo, agree)
        if changed is not None:
            after[index] = changed
            box = spots[index].box
            followed.append(Followed((box.x0, box.y0, box.width, box.height), vote, photo))
    return tuple(after), tuple(followed)


def _after(spot: Spot, vote: Vote, photo: str, agree: Agree) -> Spot | None:
    """A spot after a vote; None when the vote changes nothing."""
    if vote is Vote.KEEP:
        return replace(spot, sure=False, held=f"kept as in {photo}, by a person's word: {spot.reason}")
    if agree is Agree.OFF or spot.kind in PERMANENT:
        return None
    if vote is Vote.PERMANENT and spot.sure:
        return replace(spot, sure=False, reason=f"taken for permanent in {photo}: {spot.reason}")
    if vote is Vote.LEAVE and spot.sure and spot.close:
        return replace(spot, sure=False, reason=f"left in {photo}: {spot.reason}")
    if vote is Vote.HEAL and agree is Agree.BOTH and spot.close and not spot.sure:
        return replace(spot, sure=True, reason=f"healed in {photo}: {spot.reason}")
    return None


def _settled(spots: Sequence[Spot], sitting: Sitting) -> dict[int, tuple[Vote, str]]:
    """What was followed when this photo was done before: the same spots, at the same boxes."""
    said = {one.box: (one.vote, one.photo) for one in sitting.settled or ()}
    boxes = [(s.box.x0, s.box.y0, s.box.width, s.box.height) for s in spots]
    return {i: said[box] for i, box in enumerate(boxes) if box in said}


def _votes(spots: Sequence[Spot], scene: Scene, sitting: Sitting) -> dict[int, tuple[Vote, str]]:
    """What other photos say of each spot; of several the weightiest, and of equals the first."""
    by_face: dict[int, list[_Here]] = {}
    for index, spot in enumerate(spots):
        placed = place_of(spot, scene)
        px_per_mm = scene.px_per_mm_at(spot.box)
        if placed and px_per_mm:
            said = spot.features
            mm = min(spot.diameter_px / px_per_mm, 100.0)
            mark = Mark(*placed[1], mm, said.get("melanin"), said.get("rise_g"))
            by_face.setdefault(placed[0], []).append(_Here(mark, index))
    weight = {Vote.KEEP: 2, Vote.PERMANENT: 1}
    votes: dict[int, tuple[Vote, str]] = {}
    for there in sitting.faces:
        for here in by_face.values():
            for index, vote in _said(here, there).items():
                before = votes.get(index)
                if before is None or weight.get(vote, 0) > weight.get(before[0], 0):
                    votes[index] = vote, there.photo
    return votes


def _said(here: Sequence[_Here], there: Remembered) -> dict[int, Vote]:
    """What one remembered face says of the spots of one face here."""
    marks = [h.mark for h in here]
    moved, pairs = laid_over(there.marks, marks)
    share = len(pairs) / max(1, min(len(marks), len(there.marks)))
    same = len(pairs) >= _SAME[0] and share >= _SAME[1]
    perhaps = any(len(pairs) >= least and share >= part for least, part in _PERHAPS)
    counts = {Vote.NONE: False, Vote.HEAL: same}
    said = {here[b].spot: there.marks[a].vote for a, b in pairs if counts.get(there.marks[a].vote, perhaps)}
    if min(len(marks), len(there.marks)) >= _TELLING and share < _OTHER_SHARE:
        return said
    for number, mark in enumerate(there.marks):
        if mark.vote is Vote.KEEP:
            near = [h for h in here if _apart(moved[number], h.mark) < _KEEP_MM and _alike(mark, h.mark)]
            nearest = min(near, key=lambda h: _apart(moved[number], h.mark), default=None)
            if nearest is not None:
                said[nearest.spot] = Vote.KEEP
    return said


def same_face(there: Sequence[Mark], here: Sequence[Mark]) -> tuple[bool, list[tuple[int, int]]]:
    """Whether two faces are the same beyond doubt, and the pairs of indices of marks that are."""
    _, pairs = laid_over(there, here)
    share = len(pairs) / max(1, min(len(here), len(there)))
    return len(pairs) >= _SAME[0] and share >= _SAME[1], pairs


def laid_over(there: Sequence[Mark], here: Sequence[Mark]) -> tuple[list[Point], list[tuple[int, int]]]:
    """One face's marks laid over another's.

    Returns:
        Where the marks of ``there`` come to lie, and pairs of indices of marks that are the same.
    """
    source = np.array([(m.x, m.y) for m in there]).reshape(-1, 2)
    target = np.array([(m.x, m.y) for m in here]).reshape(-1, 2)
    alike = np.array([[_alike(a, b) for b in here] for a in there], dtype=np.bool_).reshape(len(there), -1)
    moved = source
    for reach in _STEPS_MM:
        pairs = _pairs(moved, target, alike, np.full(alike.shape, reach))
        moved = _mapped(source, source[[a for a, _ in pairs]], target[[b for _, b in pairs]])
    sizes = np.array([[max(a.mm, b.mm) for b in here] for a in there]).reshape(alike.shape)
    pairs = _pairs(moved, target, alike, _NEAR_MM + _NEAR_SHARE * sizes)
    return [(float(x), float(y)) for x, y in moved], pairs


def _pairs(moved: Points, target: Points, alike: NDArray[np.bool_], reach: Points) -> list[tuple[int, int]]:
    """Marks that are each other's nearest among those that look alike."""
    if alike.size == 0:
        return []
    apart = np.hypot(*(moved[:, None] - target[None]).transpose(2, 0, 1))
    apart = np.where(alike & (apart <= reach), apart, np.inf)
    nearest, back = apart.argmin(axis=1), apart.argmin(axis=0)
    return [(a, int(b)) for a, b in enumerate(nearest) if np.isfinite(apart[a, b]) and int(back[b]) == a]


def _mapped(points: Points, source: Points, target: Points) -> Points:
    """All points under the affine map that takes ``source`` to ``target`` best and hardly changes forms."""
    if len(source) == 0:
        return points
    # One or two pairs would agree with any shift: they move the face by a part of it only.
    trust = len(source) / (len(source) + _LOOSE)
    middle, shift = source.mean(axis=0), trust * (target - source).mean(axis=0)
    around = source - middle
    left = target - source - shift
    form = np.linalg.solve(around.T @ around + _STIFF_MM2 * np.eye(2), around.T @ left)
    return np.asarray(points + shift + (points - middle) @ form)


def _apart(a: Point, b: Mark) -> float:
    return math.hypot(a[0] - b.x, a[1] - b.y)


def _alike(a: Mark, b: Mark) -> bool:
    """Whether two marks may be one, by size and colour; what has no outline may be anything of its size."""
    if max(a.mm, b.mm) > _SIZE_RATIO * min(a.mm, b.mm):
        return False
    if a.melanin is None or b.melanin is None or a.rise_g is None or b.rise_g is None:
        return True
    far = abs(a.rise_g - b.rise_g) > max(_RISE_APART, (1 - 1 / _RISE_RATIO) * max(a.rise_g, b.rise_g))
    return not far and abs(a.melanin - b.melanin) <= _MELANIN_APART
