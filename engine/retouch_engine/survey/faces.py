"""Faces: found in the network's maps of the whole photo, then each looked at again by itself.

A face is believed only with evidence from both ends: eyes or brows, and a mouth or nostrils. Two dark discs
are a socket, a red stripe is a book; both together, in the right places, are a face.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density, tone
from retouch_engine.imaging.masks import dilated
from retouch_engine.survey.gauge import Point, centres, pupils, scale_of, yaw_hint
from retouch_engine.survey.guesses import (
    AT_ONCE,
    WIDTH,
    Candidate,
    Look,
    View,
    guesses,
)
from retouch_engine.survey.parts import Network, Part
from retouch_engine.survey.pieces import LOWER, UPPER, Piece, evidence, pieces
from retouch_engine.survey.suspects import Suspect, suspects
from retouch_engine.survey.turned import FAR, completed, frame, single, turn
from retouch_engine.threads import borrowed
from retouch_engine.types import Bool, Box, Float, PixelScale

_CROP = 320
_CROP_FACE = 180.0
"""Width of the face in its own crop."""
_CLOSER = 416
"""The same crop for a second look, in which the face is 234 px wide: brows and lips end half a mm nearer to
where they end, and what one size gets wrong the other does not."""
_SURE = 0.9
_LEAST_SURE = 0.75
"""How sure the network must be of the face as a whole: of a cat or a coin it never is."""
_BEYOND, _HINT, _SURE_IN_PROFILE = 0.97, 0.4, 0.84
"""In profile: of eye and brow, of the less certain one of mouth and nostrils, and of the whole face."""
_MOST = 60
_STEADY = 6
"""So many faces are looked at in the mirror too; in a crowd one look must do."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face. Points are ``(x, y)`` in pixels of the photo."""

    id: int
    box: Box
    centre: Point
    width: float
    eyes: tuple[Point, ...]
    """Centres of the eyes that are seen, the one on the left of the upright photo first."""
    yaw_hint: float
    """How far the nose stands off the middle of the eyes, of their distance; 0 is frontal."""
    scale: PixelScale
    turn: float = 0.0
    """By about how many degrees the head is turned; positive: its far side is on the right of the upright
    face. 0 is frontal, or not known."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A face seen by itself: maps at half of its crop's size, and the affine from that crop to the photo."""

    maps: Float
    to_photo: Float
    middle: Piece | None
    """The face in the middle, without its neighbours; None: there is none."""
    dark: Float
    """Mean optical density of the crop itself, at its full size."""


@dataclass(frozen=True, slots=True)
class Found:
    """The faces of a photo with their crops, and maps of the whole photo at one coarse size."""

    faces: tuple[Face, ...]
    crops: tuple[Crop, ...]
    coarse: Float
    suspects: tuple[Suspect, ...] = ()
    """What may be a face and is none of these."""


def find(
    look: Look,
    size: tuple[int, int],
    network: Network,
    others: Sequence[Candidate] = (),
    nobody: Callable[[], object] = lambda: None,
) -> Found:
    """Find every face: largest first.

    Args:
        look: sees a part of the photo.
        size: the photo's height and width, px.
        network: tells the parts of faces.
        others: guesses from elsewhere, for places without ours.
        nobody: told while the last look is still under way that none before it saw anything like a face.
    """
    faces: list[Face] = []
    crops: list[Crop] = []
    with borrowed("faces", AT_ONCE) as hands:

        def begun(one: Candidate, *, steady: bool = True) -> Future[Crop]:
            return hands.submit(partial(_crop, look, one, size, network, steady=steady))

        early: dict[Candidate, Future[Crop]] = {}

        def foreseen(likely: list[Candidate]) -> None:
            early.update((one, begun(one)) for one in likely[:_STEADY])
            if not likely:
                nobody()

        chosen, views = guesses(look, size, network, others, foreseen)
        chosen = chosen[:_MOST]
        steady = len(chosen) <= _STEADY
        known = early if steady else {}
        looks = deque(known.get(one) or begun(one, steady=steady) for one in chosen)
        while looks:
            seen = _face(len(faces) + 1, looks.popleft().result(), size)
            if seen is not None and not any(_same(seen[0], f) for f in faces):
                faces.append(seen[0])
                crops.append(seen[1])
    doubtful = suspects(views, [(face.centre, face.width) for face in faces])
    return Found(tuple(faces), tuple(crops), _fitting(views, faces), doubtful)


def _fitting(views: list[View], faces: list[Face]) -> Float:
    """The maps of the size at which the largest face is seen best."""
    if not faces:
        return views[min(1, len(views) - 1)].maps
    wanted = max(f.width for f in faces)
    return min(views, key=lambda view: abs(math.log(max(1e-3, view.shrink * wanted / 120)))).maps


def _same(a: Face, b: Face) -> bool:
    reach = 0.5 * max(a.width, b.width)
    return math.hypot(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1]) < reach


def _crop(look: Look, guess: Candidate, size: tuple[int, int], network: Network, *, steady: bool) -> Crop:
    """Look at one face upright, at the size that the network knows best, and once more from nearer."""
    side = _CLOSER if steady else _CROP
    upright, to_photo = _upright(look, guess, size, side)
    maps = _twice(upright, network) if steady else network.maps(upright)
    middle = _middle(maps)
    tidy = maps if middle is None else _tidied(maps, middle.on(maps.shape[1:]))
    dark = tone(density(np.asarray(upright * 255 + 0.5, dtype=np.uint8)))
    return Crop(tidy, to_photo, middle, blur(dark, 1.2))


def _twice(upright: Float, network: Network) -> Float:
    """The mean of two looks: the crop mirrored, and the crop as it is but at the size of a first look."""
    small = np.asarray(cv2.resize(upright, (_CROP, _CROP), interpolation=cv2.INTER_AREA))
    with borrowed("mirrored", 1) as hands:
        told = hands.submit(network.maps, small)
        near = network.maps(np.ascontiguousarray(upright[:, ::-1]))[:, :, ::-1]
        far = told.result()
    size = (near.shape[2], near.shape[1])
    for one, other in zip(near, far, strict=True):
        np.copyto(one, (one + cv2.resize(other, size, interpolation=cv2.INTER_LINEAR)) * 0.5)
    return np.ascontiguousarray(near)


def _upright(look: Look, guess: Candidate, size: tuple[int, int], side: int) -> tuple[Float, Float]:
    """A square of ``side`` px around a face, turned upright, and the affine from it to the photo."""
    zoom = _CROP_FACE / _CROP * side / guess.width
    shrink = min(1.0, zoom)
    reach = 0.75 * side / zoom
    height, width = size
    box = Box(
        max(0, int(guess.y - reach)),
        max(0, int(guess.x - reach)),
        min(height, int(guess.y + reach) + 1),
        min(width, int(guess.x + reach) + 1),
    )
    view = look(box, shrink)
    sy, sx = view.shape[0] / box.height, view.shape[1] / box.width
    cos, sin = math.cos(guess.tilt), math.sin(guess.tilt)
    # From the crop to the photo: turn, enlarge, move.
    to_photo = np.array(
        [
            [cos / zoom, -sin / zoom, guess.x - (cos - sin) * side / 2 / zoom],
            [sin / zoom, cos / zoom, guess.y - (sin + cos) * side / 2 / zoom],
        ],
        dtype=np.float32,
    )
    to_view = to_photo.copy()
    for row, (scale, start) in enumerate(((sx, box.x0), (sy, box.y0))):
        to_view[row] *= scale
        to_view[row, 2] += (0.5 - start) * scale - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shown = cv2.warpAffine(view, to_view, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shown, dtype=np.float32), to_photo


def _tidied(maps: Float, inside: Bool) -> Float:
    """Drop specks of eye, brow, mouth and nostril: on a face they are spots, and spots are what we heal."""
    tidy = maps.copy()
    for part, most in ((Part.EYES, 2), (Part.BROWS, 2), (Part.LIPS, 2), (Part.NOSTRILS, 2)):
        above = ((maps[part] > 0.2) & inside).view(np.uint8)
        total, labels, _, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
        masses = np.bincount(labels.ravel(), maps[part].ravel(), minlength=total)
        masses[0] = 0
        order = np.argsort(-masses)
        kept = {int(i) for i in order[:most] if masses[i] >= 0.2 * masses.max()}
        stays = np.isin(labels, list(kept))
        # With their faint rims, which would add up to something with those of other parts.
        drop = dilated((labels > 0) & ~stays, 2) & ~stays
        tidy[Part.FACE_SKIN][drop] += tidy[part][drop]
        tidy[part][drop] = 0
    return tidy


def _middle(maps: Float) -> Piece | None:
    """The piece of face nearest to the middle of its crop."""
    middle = (maps.shape[2] / 2, maps.shape[1] / 2)
    return min(pieces(maps), key=lambda piece: math.dist(middle, piece.centre), default=None)


def _moved(affine: Float, point: Point) -> Point:
    """A point of the maps in pixels of the photo. A map's cell is 2 px of the crop."""
    x, y = 2 * point[0] + 0.5, 2 * point[1] + 0.5
    (a, b, c), (d, e, f) = affine.tolist()
    return a * x + b * y + c, d * x + e * y + f


def _face(number: int, crop: Crop, size: tuple[int, int]) -> tuple[Face, Crop] | None:
    """The face in a crop, and the crop with what a turn hides of it; None: no face."""
    if crop.middle is None or evidence(crop.maps, crop.middle, first=False) is None:
        return None
    inside = crop.middle.on(crop.maps.shape[1:])
    eyes = centres(np.where(inside, crop.maps[Part.EYES], 0), 0.25, 2)
    mouth = centres(np.where(inside, crop.maps[Part.LIPS], 0), 0.5, 1)
    eyes = single(eyes, mouth)
    if not _believed(crop.maps, inside, len(eyes)):
        return None
    nose = centres(np.where(inside, crop.maps[Part.NOSTRILS], 0), 0.5, 1)
    eyes = pupils(eyes, crop.dark, crop.maps[Part.EYES])
    hint = yaw_hint(eyes, nose or mouth)
    degrees = turn(inside, eyes, nose, mouth, hint)
    ys, xs = np.nonzero(inside)
    cell = 2 * float(np.hypot(*crop.to_photo[:, 0]))
    root = math.sqrt(len(xs)) * cell
    scale = scale_of(number, eyes, mouth, (hint, degrees), (cell, root))
    face = Face(
        number,
        _box(crop.to_photo, inside, size),
        _moved(crop.to_photo, (float(xs.mean()), float(ys.mean()))),
        WIDTH * root,
        tuple(sorted(_moved(crop.to_photo, e) for e in eyes)),
        hint,
        scale,
        round(degrees, 1),
    )
    if abs(degrees) < FAR or not mouth or not scale.px_per_mm:
        return face, crop
    own = frame(eyes, mouth[0], degrees)
    return face, replace(crop, maps=completed(crop.maps, inside, own, eyes, scale.px_per_mm / cell))


def _box(to_photo: Float, inside: Bool, size: tuple[int, int]) -> Box:
    """What holds the face, in the photo."""
    height, width = size
    ys, xs = np.nonzero(inside)
    corners = [
        _moved(to_photo, (float(x), float(y))) for x in (xs.min(), xs.max()) for y in (ys.min(), ys.max())
    ]
    left, top = min(c[0] for c in corners), min(c[1] for c in corners)
    right, bottom = max(c[0] for c in corners), max(c[1] for c in corners)
    x0, y0 = min(max(0, int(left)), width - 1), min(max(0, int(top)), height - 1)
    return Box(y0, x0, max(y0 + 1, min(height, int(bottom) + 1)), max(x0 + 1, min(width, int(right) + 1)))


def _believed(maps: Float, inside: Bool, eyes: int) -> bool:
    """Three kinds of parts without a doubt when both eyes are seen, all four of them in profile.

    From the side the nostrils or the mouth may be hard to see: there one of them is enough when the rest is
    beyond any doubt, which it was in no animal, thing or pattern.
    """
    most = {part: float(maps[part][inside].max()) for part in (*UPPER, *LOWER)}
    overall = float(maps.max(axis=0)[inside].mean())
    certain = sum(value > _SURE for value in most.values())
    if certain >= (3 if eyes == 2 else 4):
        return overall >= _LEAST_SURE
    lower = sorted(most[part] for part in LOWER)
    beyond = all(most[part] > _BEYOND for part in UPPER) and lower[0] > _HINT and lower[1] > _SURE
    return eyes == 1 and beyond and overall >= _SURE_IN_PROFILE
