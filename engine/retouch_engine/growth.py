"""Growing a hole until its rim is clean.

A spot's outline lies half way up; its halo reaches further. A rim that is still red would be carried into the
heal by the membrane, and a pink ring would stay. A fixed margin is either too little for a soft blotch or
multiplies a small spot's area by ten: so each hole grows until its own rim looks like the skin further out.
Too large a hole is no better: on skin whose truth is known, a fifth more diameter costs a third more colour
error, and faint spots on uneven skin had grown to twice their size for nothing. So a rim counts as clean as
soon as it lies within what the skin further out varies by anyway: nearer its middle than its edge, for at
200 % a pink ring on a real cheek is seen long before a colour error is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density
from retouch_engine.imaging.masks import bounding_box, dilated, distance_to, placed
from retouch_engine.kernels.planes import along, between, mean_in
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


def grown(photo: Photo, scene: Scene, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The same steps, each hole that is to be healed grown until its rim is clean."""
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
        return step
    # Over skin only: what grows towards a brow or a lip stops there.
    hole = dilated(hole, growth) & (scene.skin_in(box) | hole)
    # The box is the hole's own again: how far donors may come from goes by it.
    tight = bounding_box(hole).grown(1, box.height, box.width)
    where = Box(box.y0 + tight.y0, box.x0 + tight.x0, box.y0 + tight.y1, box.x0 + tight.x1)
    return replace(step, hole=hole[tight.slices], box=where)


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
