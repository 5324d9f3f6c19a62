"""The size of a hole: grown until its rim is clean, and no larger than the spot needs.

A spot's outline lies half way up; its halo reaches further. A rim that is still red would be carried into the
heal by the membrane, and a pink ring would stay. A fixed margin is either too little for a soft blotch or
multiplies a small spot's area by ten: so each hole grows until its own rim looks like the skin further out.
Too large a hole is no better: on skin whose truth is known, a fifth more diameter costs a third more colour
error, and faint spots on uneven skin had grown to twice their size for nothing. So a rim counts as clean as
soon as it lies within what the skin further out varies by anyway: nearer its middle than its edge, for at
200 % a pink ring on a real cheek is seen long before a colour error is.

Where the margin itself is clean skin, as around a crisp mole or under a careful person's brush, it is not
healed: of a hole of 60 px that is a third of its area, and a quarter of its colour error. Of spots that were
found on real faces, which are soft, one in twenty has such a margin, and that by 1 or 2 px.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density
from retouch_engine.imaging.masks import bounding_box, dilated, distance_to, placed
from retouch_engine.kernels.planes import along, between, clear_from, mean_in, octants
from retouch_engine.survey import Scene
from retouch_engine.types import Bool, Box, Float, Photo, Step

_STILL_SPOT = 0.08
"""A rim that has more than this share of the spot's own colour still belongs to the spot."""
_MOST_GROWTH = 0.75
"""In diameters."""
_LEAST_FALL = 0.0
_SEEN_OD = 0.025
"""Less than that of a halo is lost among pores, which differ by 0.03 to 0.05."""
_FAR_PX = 3
_FAR_SHARE = 0.6
_RIM_SHARE = 0.7
"""The rim is judged by this quantile: a halo on one side is seen, a hair that crosses the rim is not."""
_STEPS_ACROSS = 16
"""Larger spots are looked at on fewer pixels: their halo is as soft as they are large."""
_LEAST_FAR = 20
_BESIDE_PX = 1.2
"""Nearer than that are the four pixels beside one."""
_LEAST_MARGIN_PX = 2
"""The feather has to lie beyond the spot."""
_LEAST_SPOT_PX = 12
"""A smaller one has a margin of 3 px; with less, the guard has too few pixels of its feather to judge by."""
_LEAST_WIDTH_PX, _WIDTH_SHARE = 4, 0.12
"""Of the ring of skin beyond the hole that a margin is compared with."""
_LEAST_OCTANT = 3
_CLEAN, _CLEAN_SIDE = 0.05, 0.12
"""A margin that has less of the spot's own colour than that is skin: all around, and in two octants."""
_CLEAN_OD, _CLEAN_SIDE_OD = 0.01, 0.015
"""Less than that nobody sees, however faint the spot."""


def grown(photo: Photo, scene: Scene, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The same steps, each hole that is to be healed as large as its spot needs."""
    return tuple(_grown(photo, scene, step) if step.healers else step for step in steps)


@dataclass(frozen=True, slots=True)
class _View:
    """Every ``step``-th pixel around a spot: density, skin, the spot itself, the distance to its hole."""

    od: Float
    skin: Bool
    core: Bool
    away: Float
    step: int


def _grown(photo: Photo, scene: Scene, step: Step) -> Step:
    size = step.spot.diameter_px
    every = max(1, int(size / _STEPS_ACROSS))
    sigma = min(4.0, max(0.8, size / 12 / every))
    reach = _MOST_GROWTH * size + _FAR_PX + every * (_far_width(every) + 3 * sigma)
    box = step.box.grown(math.ceil(reach) + 1, photo.height, photo.width)
    thin = (slice(None, None, every), slice(None, None, every))
    hole = placed(step.hole, step.box, box)
    view = _View(
        od=blur(density(photo.pixels[box.slices][thin]), sigma),
        skin=scene.skin_at(box, every),
        core=placed(step.spot.mask, step.spot.box, box)[thin],
        away=distance_to(np.ascontiguousarray(hole[thin])),
        step=every,
    )
    growth = _growth(view, size)
    if growth == 0:
        return _shrunk(photo, scene, step)
    # Over skin only: what grows towards a brow or a lip stops there.
    return _cut(step, dilated(hole, growth) & (scene.skin_in(box) | hole), box)


def _cut(step: Step, hole: Bool, box: Box) -> Step:
    """The step with another hole; the box is the hole's own: how far donors may come from goes by it."""
    tight = bounding_box(hole).grown(1, box.height, box.width)
    where = Box(box.y0 + tight.y0, box.x0 + tight.x0, box.y0 + tight.y1, box.x0 + tight.x1)
    return replace(step, hole=hole[tight.slices], box=where)


def _shrunk(photo: Photo, scene: Scene, step: Step) -> Step:
    """The same step, its margin narrowed to where the spot's colour ends; as it is where that is unsure."""
    margin, width = _margin(step), max(_LEAST_WIDTH_PX, round(_WIDTH_SHARE * step.spot.diameter_px))
    if margin <= _LEAST_MARGIN_PX or step.spot.diameter_px < _LEAST_SPOT_PX:
        return step
    # Centred on the spot, which lies in the middle of its own box; what the photo's edge cuts is left alone.
    reach = margin + 1 + width
    spot = step.spot.box
    box = spot.grown(reach, photo.height, photo.width)
    if (box.height, box.width) != (spot.height + 2 * reach, spot.width + 2 * reach):
        return step
    core = placed(step.spot.mask, spot, box)
    narrow = _narrowest(density(photo.pixels[box.slices]), scene.skin_in(box), core, margin, width)
    if narrow == margin:
        return step
    return _cut(step, placed(step.hole, step.box, box) & dilated(core, narrow), box)


def _margin(step: Step) -> int:
    """How far a hole reaches beyond its spot, px."""
    core = placed(step.spot.mask, step.spot.box, step.box)
    return int(distance_to(core)[step.hole].max()) if core.any() else 0


def _narrowest(od: Float, skin: Bool, core: Bool, margin: int, width: int) -> int:
    """The least margin beyond which nothing of a spot is seen.

    The spot's colour is looked for in eight directions, ring by ring from the hole's edge inwards, and
    compared with the skin just beyond the hole in the same direction.
    """
    away = distance_to(core)
    far = between(od, skin, away, margin + 1, margin + 1 + width)
    middle, places = mean_in(od, core)
    if far.shape[1] < _LEAST_FAR or places == 0:
        return margin
    level = _ranked(far[:3], 0.5).astype(np.float64)
    height = middle - level
    size = max(float(np.linalg.norm(height)), 1e-3)
    colour = height / size**2
    total, count = octants(od, skin, away, colour, float(level @ colour), margin + 1 + width)
    if count[:, margin + 1 :].sum(axis=1).min() < _LEAST_OCTANT:
        return margin
    all_around, on_a_side = max(_CLEAN, _CLEAN_OD / size), max(_CLEAN_SIDE, _CLEAN_SIDE_OD / size)
    return clear_from(total, count, margin, _LEAST_MARGIN_PX, all_around, on_a_side)


def _growth(view: _View, size: float) -> int:
    """By how many pixels of the photo the hole has to grow."""
    near = round((_MOST_GROWTH * size + _FAR_PX) / view.step)
    far = between(view.od, view.skin, view.away, near, near + _far_width(view.step))
    middle, places = mean_in(view.od, view.core)
    if far.shape[1] < _LEAST_FAR or places == 0:
        return 0
    level = _ranked(far[:3], 0.5).astype(np.float64)
    height = middle - level
    colour = height / max(float(height @ height), 1e-6)
    # 1 is the spot's own colour, 0 the skin's.
    none = float(level @ colour)
    usual = float(_ranked(along(far, colour, none), _FAR_SHARE))
    by = max(1, round(size / 12 / view.step))
    kept, first, last = 0, np.inf, np.inf
    most = round(_MOST_GROWTH * size / view.step)
    beside = between(view.od, view.skin, view.away, 0.0, most + _BESIDE_PX)
    share, away = along(beside, colour, none), beside[3]
    for growth in range(0, most + 1, by):
        rim = share[(away > growth) & (away <= growth + _BESIDE_PX)]
        now = float(_ranked(rim, _RIM_SHARE)) if len(rim) else np.inf
        # A halo falls off; what stays level is the light, and no hole outgrows that.
        if now > last - _LEAST_FALL:
            break
        kept, last = growth, now
        first = last if growth == 0 else first
        if now <= max(_STILL_SPOT, usual):
            break
    # A rim that is hardly worse than what lies further out is uneven skin, and more of that is no cleaner.
    worth = bool((first - last) * float(np.linalg.norm(height)) >= _SEEN_OD)
    return kept * view.step if worth else 0


def _ranked(values: Float, share: float) -> Float:
    """The value that this share of each row lies below; sorted, many times faster than ``np.quantile``."""
    return np.asarray(np.sort(values)[..., int(share * (values.shape[-1] - 1))])


def _far_width(step: int) -> int:
    """How wide the ring of skin beyond any halo is, in steps."""
    return max(2, round(4 / step))
