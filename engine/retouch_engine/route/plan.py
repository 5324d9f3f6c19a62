"""Spots into steps, by diameter, shape, place and kind.

By diameter in pixels, not by a share of the image: one percent of a 24 MP photo is a disc of 550 px.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from retouch_engine.imaging.masks import dilated, placed
from retouch_engine.recipe import PERMANENT, Body, Kind, Recipe
from retouch_engine.survey import Scene
from retouch_engine.types import Bool, Box, HealerId, Spot, Step, Takes

_MARGIN_PX = 2
_MARGIN_SHARE = 0.12
"""A hole is its spot plus 2 px plus an eighth of its diameter: a fixed 5 to 10 px would multiply a small
spot's area by ten."""
_ELONGATED = 3.5
"""Longer than wide by this: what crosses it is a line or a fold."""
_COMPACT = 0.35
_LARGE_PX = 150
_EDGE_PX = 4
"""Nearer than this to what is not skin, a hole touches an edge."""
_LEAST_OTHER = 0.05


def plan(
    spots: Sequence[Spot], recipe: Recipe, healers: Mapping[HealerId, Takes], scene: Scene
) -> tuple[Step, ...]:
    """One step for each spot, in the same order.

    Args:
        spots: what was found.
        recipe: what to remove and what to offer.
        healers: what each healer takes, best healer first.
        scene: the photo's size and skin.
    """
    return tuple(_step(spot, recipe, healers, scene) for spot in spots)


def _step(spot: Spot, recipe: Recipe, healers: Mapping[HealerId, Takes], scene: Scene) -> Step:
    margin = _MARGIN_PX + round(_MARGIN_SHARE * spot.diameter_px)
    box = spot.box.grown(margin + 1, scene.height, scene.width)
    hole = dilated(placed(spot.mask, spot.box, box), margin)
    review, reason = _decided(spot, recipe, scene)
    able = _ordered(spot, healers, scene) if not review and not reason else ()
    if not review and not reason and not able:
        review, reason = True, f"no healer takes {spot.diameter_px:.0f} px"
    return Step(spot, able, hole, box, reason or spot.reason, review)


def _ordered(spot: Spot, healers: Mapping[HealerId, Takes], scene: Scene) -> tuple[HealerId, ...]:
    """The healers that take this spot, those made for its shape and place first."""
    able = {h: t for h, t in healers.items() if t.smallest_px <= spot.diameter_px <= t.largest_px}
    at_edge = any(t.at_edges for t in able.values()) and _touches_edge(spot, scene)
    hard = spot.diameter_px > _LARGE_PX or elongation(spot.mask) > _ELONGATED

    def rank(healer: HealerId) -> tuple[bool, bool, bool]:
        takes = able[healer]
        models = takes.first_from_px < float("inf")
        first = models and (spot.diameter_px >= takes.first_from_px or (takes.at_edges and at_edge))
        return not first, takes.at_edges is not at_edge, takes.structure is not hard

    return tuple(sorted(able, key=rank))


def elongation(mask: Bool) -> float:
    """How much longer than wide a mask is: the ratio of its spreads along its two axes, 1 for a disc."""
    # Most spots fill their box; what fills a good part of a square is no line.
    if np.count_nonzero(mask) > _COMPACT * max(mask.shape) ** 2:
        return 1.0
    places = np.argwhere(mask)
    if len(places) < 3:
        return 1.0
    # A pixel has a width: a line one pixel wide is not infinitely thin.
    small, large = np.linalg.eigvalsh(np.cov(places.T) + np.eye(2) / 12)
    return float(np.sqrt(large / small))


def _touches_edge(spot: Spot, scene: Scene) -> bool:
    """Whether what lies close around the spot is partly no skin; a spot with none around is no edge."""
    reach = _EDGE_PX + _MARGIN_PX + round(_MARGIN_SHARE * spot.diameter_px)
    box = spot.box.grown(reach + 1, scene.height, scene.width)
    skin = scene.skin_in(box)
    if skin.all():
        return False
    mask = placed(spot.mask, spot.box, box)
    around = dilated(mask, reach) & ~mask
    if not around.any():
        return False
    other = 1 - float(skin[around].mean())
    return _LEAST_OTHER < other < 1


def _decided(spot: Spot, recipe: Recipe, scene: Scene) -> tuple[bool, str]:
    """Whether a person is asked, and why; ``(False, "")`` means: heal it."""
    if spot.kind is Kind.PAINTED:
        return False, ""
    if spot.held:
        return False, spot.held
    wanted = spot.kind in recipe.remove or spot.kind in recipe.review
    if wanted and (place := _by_place(spot, recipe, scene)):
        return place
    if spot.kind in recipe.remove:
        # A recipe may ask for moles or scars; the odds were made for blemishes, so such a wish is enough.
        if not (spot.sure or spot.kind in PERMANENT):
            return True, f"not sure enough to heal unasked: {spot.reason}"
        too_large = _too_large(spot, recipe, scene)
        return bool(too_large), too_large
    if spot.kind in recipe.review:
        return True, spot.reason
    return False, f"kept: {spot.reason}"


def _by_place(spot: Spot, recipe: Recipe, scene: Scene) -> tuple[bool, str] | None:
    """Whether a person is asked, and why, of a spot that its place keeps from being healed; else None."""
    if recipe.body is not Body.HEAL and scene.face_at(spot.box) is None:
        return recipe.body is Body.REVIEW, f"on no face, and body is {recipe.body}: {spot.reason}"
    if scene.suspect_at(spot.box):
        return True, f"perhaps on a face that is not known for one: {spot.reason}"
    if scene.ear_at(spot.box) and spot.kind not in PERMANENT:
        # Its hollows and edges look like red spots: of 60 finds on the ears of 105 labelled portraits none is
        # a blemish, and all three heals on ears of 650 other photos were wrong.
        return spot.sure, f"on an ear: {spot.reason}"
    return None


def _too_large(spot: Spot, recipe: Recipe, scene: Scene) -> str:
    """Why a spot is too large to be healed unasked; empty when it is not."""
    if spot.diameter_px > recipe.largest_px:
        return f"{spot.diameter_px:.0f} px wide, over largest_px {recipe.largest_px}"
    px_per_mm = scene.px_per_mm_at(spot.box)
    if px_per_mm and spot.diameter_px > recipe.largest_mm * px_per_mm:
        return f"{spot.diameter_px / px_per_mm:.1f} mm wide, over largest_mm {recipe.largest_mm:g}"
    return ""


def bounds(steps: Sequence[Step]) -> Box:
    """The smallest box around all the holes."""
    return Box.around([step.box for step in steps])
