"""A spot is healed whole or not at all: what would stay on protected pixels is seen sooner than the spot was.

An outline ends where protection begins, and protection is now and then wrong, or begins in the middle of
a spot: half of a pimple was taken for hair, for lettering, for a lid. Its other half was healed, and a red
piece with a straight edge stayed. A spot that only lies beside a lip ends before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from retouch_engine.imaging.density import density
from retouch_engine.imaging.masks import dilated, placed
from retouch_engine.recipe import Kind
from retouch_engine.survey import Cause, Scene
from retouch_engine.types import Bool, Box, Photo, Spot, Step

_MOST = 0.19
"""Share of a spot's rim where it goes on. Of 1,612 heals on portraits and on faces with acne 29 touch what is
protected: those of 0.2 and more left a piece that is seen, or the guard refused them; the others did not."""
_ALIKE = 0.5
"""Of a spot's own colour: what differs from the skin by more, in the same direction, belongs to it."""
_RIM_PX = 2
_REACH_PX, _REACH_SHARE = 6, 0.6
"""How far around a spot skin is looked for: the larger of some px and a share of its diameter."""
_LEAST_SKIN = 20
_HARMLESS = Cause.STUBBLE
"""Dark and light by itself: its hairs were taken for pieces of a spot, and hide what stays."""


def whole(photo: Photo, scene: Scene, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The same plan, with a spot offered that goes on where nothing may change.

    What a person painted is left to that person.

    Args:
        photo: the photo.
        scene: what is known of it.
        steps: what becomes of each spot.
    """
    return tuple(
        _offered(step)
        if step.healers and step.spot.kind is not Kind.PAINTED and _goes_on(photo, scene, step.spot) > _MOST
        else step
        for step in steps
    )


def _offered(step: Step) -> Step:
    reason = f"a part of it lies on what is protected, and would stay: {step.spot.reason}"
    return replace(step, healers=(), reason=reason, review=True)


def _goes_on(photo: Photo, scene: Scene, spot: Spot) -> float:
    """The share of a spot's rim that is protected and looks like the spot."""
    if not _guarded(scene, spot.box.grown(_RIM_PX, photo.height, photo.width)).any():
        return 0.0
    reach = round(max(_REACH_PX, _REACH_SHARE * spot.diameter_px))
    box = spot.box.grown(reach, photo.height, photo.width)
    mask, guarded = placed(spot.mask, spot.box, box), _guarded(scene, box)
    rim = dilated(mask, _RIM_PX) & ~mask
    around = dilated(mask, reach) & ~dilated(mask, _RIM_PX + 1) & ~guarded
    if np.count_nonzero(around) < _LEAST_SKIN:
        return 0.0
    od = density(photo.pixels[box.slices])
    skin = np.median(od[around], axis=0)
    own = od[mask].mean(axis=0) - skin
    beyond = (od[rim & guarded] - skin) @ own
    return float(np.count_nonzero(beyond > _ALIKE * (own @ own)) / np.count_nonzero(rim))


def _guarded(scene: Scene, box: Box) -> Bool:
    return (scene.causes_at(box, 1) & ~np.uint16(_HARMLESS)) > 0
