"""Spots into steps, by diameter and kind.

By diameter in pixels, not by a share of the image: one percent of a 24 MP photo is a disc of 550 px.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from retouch_engine.imaging.masks import dilated, placed
from retouch_engine.recipe import PERMANENT, Kind, Recipe
from retouch_engine.types import Box, HealerId, Spot, Step

_MARGIN_PX = 2
_MARGIN_SHARE = 0.12
"""A hole is its spot plus 2 px plus an eighth of its diameter: a fixed 5 to 10 px would multiply a small
spot's area by ten."""


def plan(
    spots: Sequence[Spot], recipe: Recipe, healers: Mapping[HealerId, float], height: int, width: int
) -> tuple[Step, ...]:
    """One step for each spot, in the same order.

    Args:
        spots: what was found.
        recipe: what to remove and what to offer.
        healers: each healer's largest diameter in px, best healer first.
        height: of the photo.
        width: of the photo.
    """
    return tuple(_step(spot, recipe, healers, height, width) for spot in spots)


def _step(spot: Spot, recipe: Recipe, healers: Mapping[HealerId, float], height: int, width: int) -> Step:
    margin = _MARGIN_PX + round(_MARGIN_SHARE * spot.diameter_px)
    box = spot.box.grown(margin + 1, height, width)
    hole = dilated(placed(spot.mask, spot.box, box), margin)
    able = tuple(h for h, largest in healers.items() if spot.diameter_px <= largest)
    review, reason = _decided(spot, recipe)
    if not review and not reason and not able:
        review, reason = True, f"no healer takes {spot.diameter_px:.0f} px"
    chosen = able if not review and not reason else ()
    return Step(spot, chosen, hole, box, reason or spot.reason, review)


def _decided(spot: Spot, recipe: Recipe) -> tuple[bool, str]:
    """Whether a person is asked, and why; ``(False, "")`` means: heal it."""
    if spot.kind is Kind.PAINTED:
        return False, ""
    if spot.kind in recipe.remove:
        # A recipe may ask for moles or scars; the odds were made for blemishes, so such a wish is enough.
        if not (spot.sure or spot.kind in PERMANENT):
            return True, f"not sure enough to heal unasked: {spot.reason}"
        if spot.diameter_px > recipe.largest_px:
            return True, f"{spot.diameter_px:.0f} px wide, over largest_px {recipe.largest_px}"
        return False, ""
    if spot.kind in recipe.review:
        return True, spot.reason
    return False, f"kept: {spot.reason}"


def holes_share(steps: Sequence[Step], skin_px: float) -> float:
    """How much of the skin would be healed, 0 to 1."""
    healed = sum(int(step.hole.sum()) for step in steps if step.healers)
    return healed / max(1.0, skin_px)


def all_for_review(steps: Sequence[Step], reason: str) -> tuple[Step, ...]:
    """The same plan with nothing healed: every spot that would have been is offered instead."""
    return tuple(Step(s.spot, (), s.hole, s.box, reason, review=True) if s.healers else s for s in steps)


def bounds(steps: Sequence[Step]) -> Box:
    """The smallest box around all the holes."""
    boxes = [s.box for s in steps]
    return Box(
        min(b.y0 for b in boxes), min(b.x0 for b in boxes), max(b.y1 for b in boxes), max(b.x1 for b in boxes)
    )
