"""Nothing protected is ever healed: a spot on a brow is kept with that reason, a hole stops at a lip.

What a person painted is left to that person.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from retouch_engine.recipe import Kind
from retouch_engine.survey import Cause, Scene
from retouch_engine.types import Bool, Step

_LARGEST_SHARE = 0.25
"""A spot with more than this share of its area on protected pixels belongs to what is protected there. One
that is bent around so much is a part of something: the rest would stay with a sharp edge, as on a cheek
where the middle of a pimple was taken for a nostril."""


def spared(steps: Sequence[Step], scene: Scene) -> tuple[Step, ...]:
    """The same plan with protected spots kept and the other holes cut back to what may change."""
    return tuple(step if step.spot.kind is Kind.PAINTED else _spared(step, scene) for step in steps)


def _spared(step: Step, scene: Scene) -> Step:
    if not (step.healers or step.review):
        return step
    spot = step.spot
    causes = scene.causes_at(spot.box, 1)
    touched = (causes > 0) & spot.mask
    if np.count_nonzero(touched) > _LARGEST_SHARE * np.count_nonzero(spot.mask):
        return Step(spot, (), step.hole, step.box, f"protected: {_named(causes[touched])}")
    inside = (causes > 0) & _filled(spot.mask) if causes.any() else touched
    if np.count_nonzero(inside) > _LARGEST_SHARE * np.count_nonzero(spot.mask | inside):
        reason = f"it lies around what is protected, {_named(causes[inside])}: {spot.reason}"
        return Step(spot, (), step.hole, step.box, reason, review=True)
    hole = step.hole & ~scene.protected_in(step.box)
    return Step(spot, step.healers, hole, step.box, step.reason, step.review)


def _filled(mask: Bool) -> Bool:
    """The convex hull of a mask."""
    outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    canvas = np.zeros(mask.shape, np.uint8)
    return np.asarray(cv2.fillConvexPoly(canvas, cv2.convexHull(np.vstack(outlines)), 1)).view(np.bool_)


def _named(causes: np.ndarray[tuple[int], np.dtype[np.uint16]]) -> str:
    """The cause of the most pixels; a part of the face before the plain absence of skin."""
    counts = [(int(np.count_nonzero(causes & c)), c.name or "") for c in Cause if c != Cause.NOT_SKIN]
    most, name = max(counts)
    return (name if most else "not skin").lower().replace("_", " ")
