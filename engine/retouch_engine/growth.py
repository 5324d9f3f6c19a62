"""Growing a hole until its rim is clean.

A spot's outline lies half way up; its halo reaches further. A rim that is still red would be carried into the
heal by the membrane, and a pink ring would stay. A fixed margin is either too little for a soft blotch or
multiplies a small spot's area by ten: so each hole grows until its own rim looks like the skin further out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density
from retouch_engine.imaging.masks import dilated, placed
from retouch_engine.survey import Scene
from retouch_engine.types import Bool, Float, Photo, Step

_STILL_SPOT = 0.16
"""A rim that rises by more than this share of the spot's own height still belongs to the spot."""
_MOST_GROWTH = 0.75
"""In diameters."""


def grown(photo: Photo, scene: Scene, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The same steps, each hole that is to be healed grown until its rim is clean."""
    return tuple(_grown(photo, scene, step) if step.healers else step for step in steps)


def _grown(photo: Photo, scene: Scene, step: Step) -> Step:
    size = step.spot.diameter_px
    margin = int(np.ceil(1.9 * size)) + 6
    box = step.box.grown(margin, photo.height, photo.width)
    od = blur(density(photo.pixels[box.slices]), float(np.clip(size / 12, 0.8, 4)))
    skin = scene.skin_in(box)
    core = placed(step.spot.mask, step.spot.box, box)
    hole = placed(step.hole, step.box, box)
    level = _level(od, skin, hole, round(_MOST_GROWTH * size) + 3)
    if level is None:
        return step
    height = np.abs(od[core].mean(axis=0) - level)
    # Over skin only: what grows towards a brow or a lip stops there.
    room = skin | hole
    for candidate in _sizes(hole, size):
        hole = candidate & room
        rim = dilated(hole, 1) & ~hole & skin
        if not rim.any() or _clean(np.abs(od[rim].mean(axis=0) - level), height):
            break
    return Step(step.spot, step.healers, hole, box, step.reason, step.review)


def _level(od: Float, skin: Bool, hole: Bool, distance: int) -> Float | None:
    """The skin's density beyond any halo, or None where there is none."""
    far = dilated(hole, distance + 4) & ~dilated(hole, distance) & skin
    return np.median(od[far], axis=0) if np.count_nonzero(far) >= 20 else None


def _sizes(hole: Bool, size: float) -> Iterator[Bool]:
    """The hole as it is, then larger by steps of a pixel or a twelfth of the spot."""
    step = max(1, round(size / 12))
    yield hole
    for growth in range(step, round(_MOST_GROWTH * size) + 1, step):
        yield dilated(hole, growth)


def _clean(rise: Float, height: Float) -> bool:
    return bool((rise <= np.maximum(_STILL_SPOT * height, 0.01)).all())
