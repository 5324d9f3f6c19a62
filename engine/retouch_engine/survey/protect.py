"""What must never be touched, and why: eyes, brows, lips, nostrils, hair, glasses, ink, all that is no skin.

Everything grows by millimetres, not by pixels: a lash is as long on a large face as on a small one. Where
faces differ in size, each has its own millimetre. What the network calls no skin on a speck of skin is a
spot, not a thing: specks protect nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density, tone
from retouch_engine.imaging.masks import bounding_box, rows_and_columns
from retouch_engine.survey.beard import beards, jaws
from retouch_engine.survey.faces import Face
from retouch_engine.survey.foreign import enclosed, foreign
from retouch_engine.survey.hairs import hairs, lashes, shaved
from retouch_engine.survey.parts import Part
from retouch_engine.survey.skin import near_colour, side_of
from retouch_engine.survey.suspects import Suspect
from retouch_engine.survey.turned import FAR
from retouch_engine.threads import borrowed
from retouch_engine.types import Bool, Box, Float, Samples


class Cause(IntFlag):
    """Bits of the protected map, 16 of them."""

    EYE = 1
    BROW = 2
    LIPS = 4
    NOSTRIL = 8
    HAIR = 16
    EYEWEAR = 32
    NOT_SKIN = 64
    CLIPPED = 128
    """Burnt out, or black: no texture is left to heal from."""
    STUBBLE = 256
    """Below the nose, a field darker and less red than the face, or thin strokes: a beard, shaved or not."""
    INK = 512
    JEWELLERY = 1024
    TEXT = 2048
    CLOTHING = 4096
    """No skin, below a face, where its body has to be."""
    EDGE = 8192
    """A long edge, sharper than skin's own: a strand, a strap, a cord."""
    DOUBT = 16384
    """A second opinion sees a face, or a thing, where the network of this project does not."""


Causes = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Guarded:
    """How a part protects: at which likelihood it is believed, and by how many mm it grows."""

    cause: Cause
    part: Part
    least: float
    mm: float


_GUARDED = (
    Guarded(Cause.EYE, Part.EYES, 0.25, 1.1),
    Guarded(Cause.BROW, Part.BROWS, 0.25, 0.9),
    Guarded(Cause.LIPS, Part.LIPS, 0.3, 0.8),
    Guarded(Cause.NOSTRIL, Part.NOSTRILS, 0.25, 0.9),
    Guarded(Cause.HAIR, Part.HAIR, 0.3, 0.3),
    Guarded(Cause.EYEWEAR, Part.GLASSES, 0.4, 1.0),
)
_FEATURES = (Part.EYES, Part.BROWS, Part.LIPS, Part.NOSTRILS)
_FEATURE_MAPS = slice(_FEATURES[0], _FEATURES[-1] + 1)
"""The same as they lie beside each other, to be read without a copy."""
_ANY_FEATURE = 0.25
"""Between a brow and an eye neither is likely, but their sum is."""
_SPECK_MM2 = 70.0
"""Smaller pieces of no skin, all around them skin, are spots."""
_SOFT = 6
"""Cells beyond a margin in which its blurred rim ends."""
_WHITE, _BLACK = 0.985, 0.02
_REACH = 0.9
"""In widths of a face, from its middle."""
_DARK, _WIDER, _WIDEST = 1.4, 0.8, 1.6
"""From this optical density of the face's skin on margins grow: so much for each unit, at most so far."""
_TURNED = ((FAR, 55.0, 75.0), (1.0, 1.2, 1.5))
"""By how many degrees a head is turned, and how much wider its margins are."""
_SMALL, _SMALL_CELLS = 1.3, 2.0
"""Px per mm below which parts are a few cells, and spots hardly a pixel; the least margin there, in cells."""
_ASIDE = 0.012
"""Margin around a dark piece where no face is known, of the side of the skin's area."""
_SUSPECT_MM = 80.0
"""Width of a face that is not known for one: of one from the side, so that margins are rather too wide."""
_CHIN, _SHOULDER, _NECK = 0.55, 1.3, 0.3
"""Where a body begins below the middle of a face, its slope, and its half width there, in face widths."""


def protection(
    maps: Float, shown: Samples, faces: Sequence[Face], cell: float
) -> tuple[Float, Float, Causes]:
    """Skin, protection and its causes on the grid of the maps.

    Args:
        maps: likelihood of each part, ``(parts, h, w)``.
        shown: the photo on the same grid, sRGB ``(h, w, 3)``.
        faces: at least one, largest first.
        cell: the size of one cell in px of the photo.

    Returns:
        ``(skin, level, causes)``: float32 0 to 1 (the border of each lies at one half), and bits of
        :class:`Cause`.
    """
    mm = _cells_per_mm(faces, maps.shape[1:], cell)
    od = density(shown)
    maps = _bared(maps, shaved(maps, od, faces, cell))
    with borrowed("hairs", 1) as hands:
        # None of these asks where skin is, which takes longer than all of them.
        beside = hands.submit(_without_skin, maps, od, shown, faces, cell)
        skin = _skin(maps, od, float(mm.max()), _of_a_face(faces, maps.shape[1:], cell))
        wider, hairy = beside.result()
    level = np.zeros(skin.shape, dtype=np.float32)
    causes = np.zeros(skin.shape, dtype=np.uint16)
    least = _coarse(faces, maps.shape[1:], cell)
    _protect_parts(level, causes, maps, mm * wider, least, skin > 0.5)
    for what, margin, cause in hairy:
        _protect(level, causes, what, (margin, mm, 0.0), cause)
    things = foreign(od, (skin > 0.5) & (level < 0.5), float(mm.max()))
    jaw = jaws(faces, skin.shape, cell)
    for what, margin, cause in (
        (things.ink & ~jaw, 1.0, Cause.INK),
        (things.jewellery, 1.0, Cause.JEWELLERY),
        (things.text & ~jaw, 1.0, Cause.TEXT),
        ((things.ink | things.text) & jaw, 0.3, Cause.STUBBLE),
        (things.edge, 0.4, Cause.EDGE),
    ):
        _protect(level, causes, what, (margin, mm, 0.0), cause)
    bare = np.asarray(1 - skin, dtype=np.float32)
    unnamed = (bare > 0.4) & (causes == 0)
    causes[bare > 0.4] |= np.uint16(Cause.NOT_SKIN)
    causes[unnamed & _bodies(faces, skin.shape, cell)] |= np.uint16(Cause.CLOTHING)
    causes[enclosed(unnamed, skin > 0.5, float(mm.max()))] |= np.uint16(Cause.INK)
    level = np.maximum(level, bare)
    return np.minimum(skin, 1 - level), level, causes


def _without_skin(
    maps: Float, od: Float, shown: Samples, faces: Sequence[Face], cell: float
) -> tuple[Float, list[tuple[Bool, float, Cause]]]:
    """How much wider margins are at each cell; hairs, beards and what is clipped, each with its margin."""
    mm = _cells_per_mm(faces, maps.shape[1:], cell)
    wider = _wider(maps, od) * _aslant(faces, maps.shape[1:], cell)
    return wider, [
        (_hairs(maps, od, mm * wider), 0.2, Cause.BROW),
        (lashes(maps[Part.EYES] > 0.25, od, mm), 0.1, Cause.EYE),
        (beards(od, maps[Part.FACE_SKIN], faces, cell), 0.5, Cause.STUBBLE),
        (_clipped(shown), 0.3, Cause.CLIPPED),
    ]


def _bared(maps: Float, bare: Bool) -> Float:
    """The maps with this hair called skin of the face."""
    if not bare.any():
        return maps
    told = maps.copy()
    told[Part.FACE_SKIN][bare] += told[Part.HAIR][bare]
    told[Part.HAIR][bare] = 0
    return told


def _protect_parts(level: Float, causes: Causes, maps: Float, mm: Float, least: Float, speck: Bool) -> None:
    """What the network knows. Hair and glasses on a speck of skin are a spot."""
    some = maps[_FEATURE_MAPS].sum(axis=0) > _ANY_FEATURE
    strongest = np.full(some.shape, -1, np.int8)
    strongest[some] = maps[_FEATURE_MAPS, some].argmax(axis=0)
    for guarded in _GUARDED:
        believed = maps[guarded.part] > guarded.least
        if guarded.part in _FEATURES:
            believed |= strongest == _FEATURES.index(guarded.part)
        else:
            believed &= ~speck
        _protect(level, causes, believed, (guarded.mm, mm, least), guarded.cause)


def _wider(maps: Float, od: Float) -> float:
    """How much wider the margins are: on dark skin, or in a dark photo, the parts stand out less."""
    face = maps[Part.FACE_SKIN] > 0.8
    dark = float(np.median(tone(od)[face])) if face.any() else 0.0
    return min(_WIDEST, max(1.0, 1 + _WIDER * (dark - _DARK)))


def _hairs(maps: Float, od: Float, mm: Float) -> Bool:
    brow = maps[Part.BROWS]
    bare = (maps[Part.FACE_SKIN] > 0.3) & (maps[_FEATURE_MAPS].sum(axis=0) < 0.2) & (maps[Part.HAIR] < 0.3)
    return hairs(brow > 0.25, brow > 0.6, bare, od, mm)


def _protect(
    level: Float, causes: Causes, what: Bool, margin: tuple[float, Float, float | Float], cause: Cause
) -> None:
    """Protect something with a margin: so many times the second, cells, at each cell, at least the third."""
    if not what.any():
        return
    times, unit, least = margin
    # Nothing changes further off than the largest radius and the blur: most things are small.
    most = max(np.float32(times) * unit.max(), np.max(least))
    cut = bounding_box(what).grown(math.ceil(float(most)) + _SOFT, *what.shape).slices
    distance = np.asarray(cv2.distanceTransform((~what[cut]).view(np.uint8), cv2.DIST_L2, 5))
    radius = np.maximum(times * unit[cut], least if isinstance(least, float) else least[cut])
    grown = np.asarray(np.clip(0.5 + (radius - distance) / 2, 0, 1), dtype=np.float32)
    np.maximum(level[cut], blur(grown, 0.8), out=level[cut])
    causes[cut][grown > 0.05] |= np.uint16(cause)


def by_colour(
    skin: Float, dark: Bool, shown: Samples, suspects: Sequence[Suspect] = (), cell: float = 1.0
) -> tuple[Float, Float, Causes]:
    """Protection where no face is known: all that is not skin's colour, and large dark pieces within it.

    A brow, an eye or a lip is several times as large as a spot, and darker than the skin around; without a
    face nothing else tells them from spots.

    Args:
        skin: skin by colour, 0 to 1, ``(h, w)``.
        dark: the dark pieces within it, :func:`retouch_engine.survey.skin.dark_pieces`.
        shown: the photo on the same grid, sRGB.
        suspects: what may be faces; what the network calls their parts is protected.
        cell: the size of one cell in px of the photo.

    Returns:
        The same as :func:`protection`.
    """
    level = np.zeros(shown.shape[:2], dtype=np.float32)
    causes = np.zeros(shown.shape[:2], dtype=np.uint16)
    side = side_of(skin)
    cells = np.ones(skin.shape, np.float32)
    _protect(level, causes, dark, (_ASIDE * side, cells, 0.0), Cause.NOT_SKIN)
    for suspect in suspects:
        mm = cells * np.float32(suspect.width / _SUSPECT_MM / cell)
        for guarded in _GUARDED[: len(_FEATURES)]:
            what = suspect.where(guarded.part, guarded.least, skin.shape)
            _protect(level, causes, what, (guarded.mm, mm, 0.0), guarded.cause)
    _protect(level, causes, _clipped(shown), (0.5, cells, 0.0), Cause.CLIPPED)
    causes[skin < 0.6] |= np.uint16(Cause.NOT_SKIN)
    level = np.maximum(level, np.asarray(1 - skin, dtype=np.float32))
    return np.minimum(skin, 1 - level), level, causes


def _clipped(shown: Samples) -> Bool:
    """White in every channel, or black."""
    most = np.iinfo(shown.dtype).max
    white = cv2.inRange(shown, (math.ceil(_WHITE * most),) * 3, (most,) * 3)
    black = cv2.inRange(shown, (0,) * 3, (math.floor(_BLACK * most),) * 3)
    return np.asarray(white | black) > 0


def _cells_per_mm(faces: Sequence[Face], shape: tuple[int, ...], cell: float) -> Float:
    """The millimetre, in cells, of the nearest face."""
    return _of_the_nearest([float(f.scale.px_per_mm or 1.0) / cell for f in faces], faces, shape, cell)


def _aslant(faces: Sequence[Face], shape: tuple[int, ...], cell: float) -> Float:
    """How much wider the margins are on turned heads, whose parts are seen aslant and known less well."""
    wider = [float(np.interp(abs(face.turn), *_TURNED)) for face in faces]
    return _of_the_nearest(wider, faces, shape, cell)


def _coarse(faces: Sequence[Face], shape: tuple[int, ...], cell: float) -> Float:
    """The least margin, in cells: of faces so small that millimetres say nothing any more."""
    small = [_SMALL_CELLS if (face.scale.px_per_mm or 1.0) < _SMALL else 0.0 for face in faces]
    return _of_the_nearest(small, faces, shape, cell)


def _of_the_nearest(
    values: Sequence[float], faces: Sequence[Face], shape: tuple[int, ...], cell: float
) -> Float:
    """For each cell what the nearest face says."""
    if len(faces) == 1:
        return np.full(shape, values[0], dtype=np.float32)
    ys, xs = rows_and_columns(Box(0, 0, shape[0], shape[1]))
    far = [np.hypot(xs - f.centre[0] / cell, ys - f.centre[1] / cell) / (f.width / cell) for f in faces]
    nearest = np.stack(far).argmin(axis=0)
    return np.asarray(np.array(values, dtype=np.float32)[nearest])


def _of_a_face(faces: Sequence[Face], shape: tuple[int, ...], cell: float) -> Bool:
    """Near enough to a face to be part of it: an orange suit further down is no cheek."""
    ys, xs = rows_and_columns(Box(0, 0, shape[0], shape[1]))
    inside = np.zeros(shape, dtype=np.bool_)
    for face in faces:
        (x, y), reach = (at / cell for at in face.centre), _REACH * face.width / cell
        # As far as the face reaches: a portrait's is a third of the photo, one in a group a hundredth.
        cut = tuple(slice(max(0, int(at - reach)), max(0, int(at + reach) + 2)) for at in (y, x))
        inside[cut] |= np.hypot(xs[:, cut[1]] - x, ys[cut[0]] - y) < reach
    return inside


def _bodies(faces: Sequence[Face], shape: tuple[int, ...], cell: float) -> Bool:
    """Below a chin and under its shoulders."""
    ys, xs = rows_and_columns(Box(0, 0, shape[0], shape[1]))
    inside = np.zeros(shape, dtype=np.bool_)
    for face in faces:
        down = (ys - face.centre[1] / cell) / (face.width / cell)
        aside = np.abs(xs - face.centre[0] / cell) / (face.width / cell)
        inside |= (down > _CHIN) & (aside < _NECK + _SHOULDER * (down - _CHIN) * 2)
    return inside


def _skin(maps: Float, od: Float, mm: float, of_a_face: Bool) -> Float:
    """Learned skin that also has the photo's own skin colour, its border laid along the photo's edges."""
    learned = maps[Part.OTHER_SKIN] + maps[Part.EARS] + maps[Part.FACE_SKIN] * of_a_face
    named = maps[_FEATURE_MAPS].sum(axis=0) * of_a_face
    fine = guided(np.asarray(learned + named), tone(od), max(2, round(2 * mm)))
    body = fine > 0.5
    sure = (maps[Part.FACE_SKIN] > 0.8) & of_a_face
    if np.count_nonzero(sure) >= 50:
        # In the face the network knows better than any colour: a red cheek, a pimple, a hard light.
        doubtful = body & ~(of_a_face & (maps[Part.FACE_SKIN] + named > 0.6))
        body[doubtful] = near_colour(blur(od, 1.0), sure, doubtful)
    body = _without_specks(body, _SPECK_MM2 * mm * mm)
    return blur(np.where(body, np.maximum(fine, 0.6), np.minimum(fine, 0.4)).astype(np.float32), 0.8)


def _without_specks(body: Bool, area: float) -> Bool:
    """Holes and islands smaller than ``area`` cells are filled and dropped."""
    for wanted in (False, True):
        _, labels, stats, _ = cv2.connectedComponentsWithStats(
            (body == wanted).view(np.uint8), connectivity=4
        )
        small = stats[:, cv2.CC_STAT_AREA] < area
        small[0] = False
        if small.any():
            body = body ^ small[labels]
    return body


def guided(values: Float, guide: Float, radius: int, eps: float = 0.01) -> Float:
    """Guided filter (He 2010): ``values`` redrawn as a local line of ``guide``, so that edges coincide."""
    size = (2 * radius + 1, 2 * radius + 1)

    def around(x: Float) -> Float:
        return np.asarray(cv2.blur(x, size, borderType=cv2.BORDER_REFLECT_101))

    guide_mean, value_mean = around(guide), around(values)
    slope = around(guide * values)
    slope -= guide_mean * value_mean
    varying = around(guide * guide)
    varying -= guide_mean**2
    varying += eps
    slope /= varying
    value_mean -= np.multiply(slope, guide_mean, out=guide_mean)
    line = around(slope)
    line *= guide
    line += around(value_mean)
    return np.clip(line, 0, 1, out=line)
