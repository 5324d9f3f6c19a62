"""What lies on skin and is none of it: ink, jewellery, lettering, edges that are too sharp for skin.

The network was taught none of these. They are told by what skin cannot do: melanin and haemoglobin both make
it redder, so a large, sharp field that is darker or off in colour and *less* red is ink (the Beer-Lambert
reading of skin's colour, Tsumura 1999); metal and stones are brighter and darker than skin within a few
millimetres; lettering is thin sharp strokes close together. A pimple, a mole or a scab is small and redder
or browner, and none of these.

All maps are on the survey's grid; ``mm`` is the length of a millimetre in its cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from retouch_engine.imaging.bands import blur, low_band, steepness
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import bounding_box, dilated, disc, eroded, placed
from retouch_engine.threads import borrowed
from retouch_engine.types import Bool, Box, Float

_LEAST_MM = 0.9
"""Cells for a millimetre below which strokes, stones and edges cannot be told from noise."""
_WIDE_MM = 9.0
"""How far the skin around counts as its own colour."""
_ROUNDS = 2
_OWN_DARK, _OWN_RED = np.float32(0.25), np.float32(0.15)
"""What differs by more is not the skin's own colour."""
_INK_DARKER, _INK_PALER = 0.3, 0.06
"""Black ink: optical density darker, and less red, than the skin around."""
_INK_OFF = 0.26
"""Coloured ink: so much less red, however dark."""
_INK_SHARP = 0.16
"""Least change of density per mm along the outline: shadows are softer."""
_INK_MM2, _INK_LONG_MM = 40.0, 9.0
_RIM_MM, _INNER = 4.0, 0.5
_ENCLOSED = 0.8
_STONE_BRIGHT, _STONE_DARK, _STONE_MM = 0.3, 0.45, 1.6
_STONE_MM2, _STONE_SHARP = 1.5, 0.35
_EDGE_PER_MM, _EDGE_LONG_MM, _EDGE_THICK = 0.55, 16.0, 0.22
_STROKE, _STROKE_SHARP, _STROKE_MM = 0.2, 0.3, 3.2
_GAP_MM = 2.2
"""Between letters of one word."""
_TEXT_MM2, _TEXT_LONG_MM, _TURNS = 8.0, 9.0, 3.0
"""Fewer turns of its outline for its length, and it is a hair or a crease."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Where each lies: bool, the shape of the grid."""

    ink: Bool
    jewellery: Bool
    text: Bool
    edge: Bool


@dataclass(frozen=True, slots=True)
class _Relief:
    """Skin against the skin around: darker by ``dark``, redder by ``red``; ``steep`` is per mm."""

    dark: Float
    red: Float
    steep: Float
    body: Bool
    mm: float


def foreign(od: Float, body: Bool, mm: float) -> Foreign:
    """Look for what is none of skin's on ``body``.

    Args:
        od: optical density, ``(h, w, 3)``.
        body: skin with its small holes filled, without the parts that are protected anyway, ``(h, w)``.
        mm: cells for a millimetre.
    """
    none = np.zeros(body.shape, dtype=np.bool_)
    if mm < _LEAST_MM or np.count_nonzero(body) < _INK_MM2 * mm * mm:
        return Foreign(none, none, none, none)
    frame = Box(0, 0, *body.shape)
    cut = bounding_box(body).grown(round(2 * mm), frame.height, frame.width)
    relief = _relief(od[cut.slices], np.ascontiguousarray(body[cut.slices]), mm)
    with borrowed("things", 2) as hands:
        found = hands.map(lambda look: look(relief), (_ink, _jewellery, _text, _edges))
    return Foreign(*(placed(one, cut, frame) for one in found))


def enclosed(bare: Bool, skin: Bool, mm: float) -> Bool:
    """Pieces that are no skin, have no name, and lie in the middle of skin: large ink, a plaster, a thing."""
    found = np.zeros_like(bare)
    if mm < _LEAST_MM:
        return found
    for piece in _pieces(bare, _INK_MM2 * mm * mm):
        rim = dilated(piece, 2) & ~piece
        x, y, w, h = cv2.boundingRect(piece.view(np.uint8))
        framed = min(x, y) == 0 or x + w == bare.shape[1] or y + h == bare.shape[0]
        if not framed and _share(skin, rim) > _ENCLOSED:
            found |= piece
    return found


def _relief(od: Float, body: Bool, mm: float) -> _Relief:
    soft = blur(od, max(0.6, 0.3 * mm))
    grey = tone(soft)
    redness = soft[..., 1] - soft[..., 0]
    values = np.asarray(cv2.merge([grey, redness]))
    weight = eroded(body, round(mm)).astype(np.float32)
    for _ in range(_ROUNDS):
        dark, red = cv2.split(np.subtract(values, _around(values, weight, _WIDE_MM * mm)))
        # A tattoo is no part of the skin that it is measured against.
        weight *= (np.abs(dark) < _OWN_DARK) & (np.abs(red) < _OWN_RED)
    # Green ink on dark skin is no darker than the skin, only off in colour.
    steep = np.maximum(steepness(grey), steepness(redness)) * np.float32(mm)
    return _Relief(dark, red, steep, body, mm)


def _around(values: Float, weight: Float, sigma: float) -> Float:
    """The masked mean around each cell, at a quarter of the size: nothing finer is left in it."""
    h, w = weight.shape
    size = (max(1, w // 4), max(1, h // 4))
    small = [np.asarray(cv2.resize(v, size, interpolation=cv2.INTER_AREA)) for v in (values, weight)]
    wide = low_band(small[0], small[1], sigma / 4)
    return np.asarray(cv2.resize(wide, (w, h), interpolation=cv2.INTER_LINEAR))


def _ink(relief: _Relief) -> Bool:
    black = (relief.dark > _INK_DARKER) & (relief.red < -_INK_PALER)
    coloured = (relief.red < -_INK_OFF) & (relief.dark > -0.1)
    marked = (black | coloured) & relief.body
    joined = _closed(marked, round(1.5 * relief.mm)) & relief.body
    # The rim of hair, and cheeks seen at a slant, are as pale as ink; ink lies in the middle of skin too.
    inner = eroded(relief.body, round(_RIM_MM * relief.mm))
    found = np.zeros_like(marked)
    for piece in _pieces(joined, _INK_MM2 * relief.mm**2):
        own = piece & marked & inner
        if np.count_nonzero(own) < _INNER * np.count_nonzero(piece & marked):
            continue
        rim = dilated(own, 1) & ~eroded(own, 1)
        if _length(piece) >= _INK_LONG_MM * relief.mm and _mean(relief.steep, rim) > _INK_SHARP:
            found |= piece
    return found


def _jewellery(relief: _Relief) -> Bool:
    """Bright and dark side by side: no skin does that over the width of a stone."""
    reach = max(1, round(_STONE_MM * relief.mm))
    bright = relief.dark < -_STONE_BRIGHT
    dark = relief.dark > _STONE_DARK
    # Beside an eye or a nostril skin shines next to a shadow.
    inner = eroded(relief.body, round(_STONE_MM * relief.mm))
    both = dilated(bright, reach) & dilated(dark, reach) & inner
    seeds = both & (bright | dark)
    found = np.zeros_like(both)
    for piece in _pieces(_closed(seeds, reach) & relief.body, _STONE_MM2 * relief.mm**2):
        rim = piece & (bright | dark)
        if (piece & bright).any() and (piece & dark).any() and _mean(relief.steep, rim) > _STONE_SHARP:
            found |= piece
    return found


def _edges(relief: _Relief) -> Bool:
    inner = eroded(relief.body, max(1, round(1.2 * relief.mm)))
    steep = (relief.steep > _EDGE_PER_MM) & inner
    found = np.zeros_like(steep)
    for piece in _pieces(steep, 4 * relief.mm**2):
        length = _length(piece)
        thick = np.count_nonzero(piece) / max(1.0, length**2)
        if length > _EDGE_LONG_MM * relief.mm and thick < _EDGE_THICK:
            found |= piece
    # A cord has two edges, and is one thing.
    return _closed(found, max(1, round(relief.mm)))


def _text(relief: _Relief) -> Bool:
    """Sharp thin strokes, so many in a small place that their outlines go around it several times."""
    found = np.zeros(relief.body.shape, dtype=np.bool_)
    thick = max(1, round(_STROKE_MM / 2 * relief.mm))
    inner = eroded(relief.body, round(relief.mm))
    for sign in (1, -1):
        height = np.maximum(sign * relief.dark, 0)
        strokes = (height > _STROKE) & inner
        if not strokes.any():
            continue
        # White on dark skin has a wide halo: a stroke ends where half of its height is gone.
        cut = bounding_box(strokes).grown(thick, *strokes.shape).slices
        strokes[cut] &= height[cut] > 0.45 * np.asarray(cv2.dilate(height[cut], disc(thick)))
        thin = strokes & ~dilated(eroded(strokes, thick), thick)
        rims = thin & ~eroded(thin, 1)
        for piece in _pieces(_closed(thin, round(_GAP_MM * relief.mm)), _TEXT_MM2 * relief.mm**2):
            length, own = _length(piece), piece & rims
            turns = np.count_nonzero(own) / max(1.0, length)
            if (
                length > _TEXT_LONG_MM * relief.mm
                and turns > _TURNS
                and _mean(relief.steep, own) > _STROKE_SHARP
            ):
                found |= piece
    return found & relief.body


def _pieces(mask: Bool, least: float) -> list[Bool]:
    """Connected pieces of at least so many cells."""
    if np.count_nonzero(mask) < max(1.0, least):
        return []
    frame, box = Box(0, 0, *mask.shape), bounding_box(mask)
    near = np.ascontiguousarray(mask[box.slices]).view(np.uint8)
    total, labels, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    large = (n for n in range(1, total) if stats[n, cv2.CC_STAT_AREA] >= least)
    return [placed(np.asarray(labels == n), box, frame) for n in large]


def _length(piece: Bool) -> float:
    """The diagonal of the piece's box."""
    return float(np.hypot(*cv2.boundingRect(piece.view(np.uint8))[2:]))


def _share(what: Bool, where: Bool) -> float:
    return float(what[where].mean()) if where.any() else 0.0


def _mean(values: Float, where: Bool) -> float:
    return float(values[where].mean()) if where.any() else 0.0


def _closed(mask: Bool, radius: int) -> Bool:
    return eroded(dilated(mask, radius), radius) if radius > 0 else mask
