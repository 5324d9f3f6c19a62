"""A plan after what a person said about it: spots healed that were not, spots left that were, spots added.

A wish finds its spot by where it lies; a wish to heal where no spot is known adds one. A painted mask is
read into the same wishes, so that there is one way to correct a photo, whichever way it was told: white
heals, black keeps, half grey leaves the spot to a person. A known spot counts by the larger part of its
area; of one that is healed, what was white and was painted black stays as it is, until it is white again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine import route
from retouch_engine.corrections import Correction, Wish, packed_bits, unpacked_bits
from retouch_engine.errors import CorrectionsMistake
from retouch_engine.imaging.masks import bounding_box, diameter, dilated, distance_inside, framed, placed
from retouch_engine.recipe import Kind, Recipe
from retouch_engine.survey import Scene
from retouch_engine.types import Bool, Box, HealerId, Patch, Spot, Step, Takes

HEAL, IGNORE = 255, 128
"""Values of a painted mask."""
_SAME = 0.5
"""Share of both boxes that a wish and its spot have in common."""
_MOST = 0.5
_SLOP_PX = 1
_BRUSH_SHARE = 0.35
"""A brush that reaches this far beyond a spot, in its diameters, meant the spot."""
_LEAST_AS_WRITTEN = 0.5
"""Of the outlines of heals and of all offers, or of one heal's own outline, that is not black where a part of
a heal was painted black: around small brushes on a mask that was begun empty all of it is. Asked of the own
outline alone, a brush that went around three quarters of it said nothing, and what it had painted was
healed."""
_REASONS = {
    Wish.HEAL: "a person asked for it",
    Wish.KEEP: "a person wants it kept",
    Wish.REJECT: "a person saw no blemish there",
    Wish.REVIEW: "a person put it off",
}


def amended(
    steps: Sequence[Step],
    wishes: Sequence[Correction],
    recipe: Recipe,
    healers: Mapping[HealerId, Takes],
    scene: Scene,
) -> tuple[Step, ...]:
    """The plan after one round of wishes: the same steps in the same order, then those of added spots.

    A step that no wish is about is the very same object.

    Raises:
        CorrectionsMistake: a wish that lies outside of the photo.
    """
    plan = list(steps)
    for wish in wishes:
        place = _place(plan, wish)
        if place is not None:
            plan[place] = _changed(plan[place], wish, recipe, healers, scene)
        elif wish.wish is Wish.HEAL:
            number = max((step.spot.id for step in plan), default=0) + 1
            (step,) = route.plan([_added(wish, number, scene)], recipe, healers, scene)
            plan.append(replace(step, wish=str(Wish.HEAL)))
    return tuple(plan)


def without_kept(steps: Sequence[Step], wishes: Sequence[Correction]) -> tuple[Step, ...]:
    """The plan, its holes grown, without the pixels that one round of wishes keeps.

    A wish with the very shape of a spot is about that spot alone, and no hole covers what stays anyway.
    """
    for wish in _parts(wishes, steps):
        kept = _kept_by(wish)
        steps = tuple(_spared(step, *kept) for step in steps)
    return tuple(steps)


def _spared(step: Step, kept: Bool, box: Box) -> Step:
    """The step without what is kept of its hole; kept as a whole where nothing is left of that."""
    if not step.healers or not step.box.meets(box):
        return step
    hole = step.hole & ~placed(kept, box, step.box)
    if not hole.any():
        return Step(step.spot, (), step.hole, step.box, _REASONS[Wish.KEEP], wish=str(Wish.KEEP))
    narrower = None if step.narrower is None else _spared(step.narrower, kept, box)
    return replace(step, hole=hole, narrower=narrower) if (hole != step.hole).any() else step


def painted(
    mask: NDArray[np.uint8],
    steps: Sequence[Step],
    healed: Mapping[int, Patch],
    wishes: Sequence[Correction],
    *,
    anew: bool,
) -> tuple[Correction, ...]:
    """What a painted mask says beyond what is done anyway.

    Args:
        mask: uint8 ``(H, W)``: nearer to 255 than to 128 is white, nearer to 0 is black.
        steps: the plan that the mask was painted over, holes grown.
        healed: the heal of each spot whose heal came about.
        wishes: what was said before; what these took out of a heal may be painted white again.
        anew: nothing was healed yet when it was painted: what is black may be what nobody painted.
    """
    white = mask > (HEAL + IGNORE) // 2
    cuts = _cuts(white, wishes, steps)
    said, part, offers = [], {}, []
    for step in steps:
        wish = _read(mask[step.spot.box.slices][step.spot.mask], step, step.spot.id in healed)
        its = [cut for cut in cuts if wish is None and step.healers and _borders(step, cut)]
        if any(cut.given_back for cut in its):
            wish = Wish.HEAL
            said += [cut.wish for cut in its if not cut.given_back]
        if wish is not None:
            said.append(Correction(_listed(step.spot.box), wish, shape=_shape(step.spot.mask)))
        elif step.spot.id in healed:
            part[healed[step.spot.id].spot_id] = healed[step.spot.id]
        if step.spot.id not in healed and (step.healers or step.review) and wish is not Wish.HEAL:
            offers.append(mask[step.spot.box.slices][step.spot.mask])
        if wish is Wish.HEAL or step.healers:
            _wipe(white, step)
    heals = () if anew else tuple(part.values())
    ours = _as_written([*(_outline_of(mask, patch) for patch in heals), *offers])
    heeded = (p for p in heals if ours or _as_written([_outline_of(mask, p)]))
    return (*said, *(wish for patch in heeded for wish in _blackened(mask, patch)), *_new(white))


def mask_of(correction: Correction) -> Bool:
    """The mask that a correction stands for: bool, the height and width of its box.

    Raises:
        CorrectionsMistake: its shape is no mask of that size, or empty.
    """
    _, _, width, height = correction.box
    if not correction.shape:
        canvas = np.zeros((height, width), np.uint8)
        middle = ((width - 1) / 2, (height - 1) / 2)
        cv2.ellipse(canvas, (middle, (width, height), 0), 1, -1)
        return np.asarray(canvas > 0) if canvas.any() else np.ones((height, width), np.bool_)
    bits = unpacked_bits(correction.shape, (width * height + 7) // 8)
    mask = np.unpackbits(np.frombuffer(bits, np.uint8), count=width * height).reshape(height, width) > 0
    if not mask.any():
        raise CorrectionsMistake("shape", "an empty mask", "one with an inside")
    return mask


def _shape(mask: Bool) -> str:
    return packed_bits(np.packbits(mask).tobytes())


def _listed(box: Box) -> tuple[int, int, int, int]:
    return box.x0, box.y0, box.width, box.height


def _place(steps: Sequence[Step], wish: Correction) -> int | None:
    """The index of the spot that a wish is about."""
    x, y, width, height = wish.box
    box = Box(y, x, y + height, x + width)
    shares = [(_alike(step.spot.box, box), -i) for i, step in enumerate(steps) if step.spot.box.meets(box)]
    share, index = max(shares, default=(0.0, 0))
    return -index if share >= _SAME and not _of_a_part(wish, steps[-index].spot) else None


def _of_a_part(wish: Correction, spot: Spot) -> bool:
    """Whether a shape keeps less than the larger part of a spot, as black all around its middle does."""
    if wish.wish is not Wish.KEEP or not wish.shape:
        return False
    kept = placed(*_kept_by(wish), spot.box) & spot.mask
    return bool(np.count_nonzero(kept) < _MOST * np.count_nonzero(spot.mask))


def _alike(a: Box, b: Box) -> float:
    """Area that two boxes share over the area that they cover together."""
    common = (min(a.y1, b.y1) - max(a.y0, b.y0)) * (min(a.x1, b.x1) - max(a.x0, b.x0))
    return common / (a.width * a.height + b.width * b.height - common)


def _changed(
    step: Step, asked: Correction, recipe: Recipe, healers: Mapping[HealerId, Takes], scene: Scene
) -> Step:
    wish = asked.wish
    if wish is not Wish.HEAL:
        return Step(step.spot, (), step.hole, step.box, _REASONS[wish], wish is Wish.REVIEW, str(wish))
    # Of a spot that is healed anyway a shape is only said where a part of it was taken out before.
    if step.healers and not asked.shape:
        return step if step.wish == wish else replace(step, wish=str(wish))
    # As a painted spot: what a person asks for is not weighed against the odds or the protected parts.
    (whole,) = route.plan([replace(step.spot, kind=Kind.PAINTED)], recipe, healers, scene)
    reason = _REASONS[wish] if whole.healers else whole.reason
    return replace(whole, spot=step.spot, reason=reason, wish=str(wish))


def _added(wish: Correction, number: int, scene: Scene) -> Spot:
    x, y, width, height = wish.box
    if x + width > scene.width or y + height > scene.height:
        raise CorrectionsMistake("box", wish.box, f"inside {scene.width} x {scene.height} px")
    mask = mask_of(wish)
    tight = bounding_box(mask)
    box = Box(y + tight.y0, x + tight.x0, y + tight.y1, x + tight.x1)
    inside = np.ascontiguousarray(mask[tight.slices])
    return Spot(
        number, box, inside, diameter(inside), Kind.PAINTED, 1.0, sure=True, reason="painted by a person"
    )


def _read(values: NDArray[np.uint8], step: Step, healed: bool) -> Wish | None:
    """What the paint over a spot says; None when it says what is done anyway."""
    white = float((values > (HEAL + IGNORE) // 2).mean())
    black = float((values < IGNORE // 2).mean())
    if white >= _MOST:
        return None if step.healers else Wish.HEAL
    if healed:
        return Wish.KEEP if black >= 1 - white - black else Wish.REVIEW
    if step.healers or step.review:
        return Wish.KEEP if black >= _MOST else None
    return None if black >= _MOST else Wish.REVIEW


def _as_written(values: Sequence[NDArray[np.uint8]]) -> bool:
    """Whether what was written white or grey into a mask is not black now, for the most part."""
    black = np.concatenate([np.zeros(0, np.bool_), *(v < IGNORE // 2 for v in values)])
    return bool(np.count_nonzero(~black) >= _LEAST_AS_WRITTEN * black.size)


def _outline_of(mask: NDArray[np.uint8], patch: Patch) -> NDArray[np.uint8]:
    """What a mask has on a heal's outline."""
    inside = distance_inside(framed(patch.changed, repeated=False))[1:-1, 1:-1]
    return mask[patch.box.slices][patch.changed & (inside <= 1)]


def _blackened(mask: NDArray[np.uint8], patch: Patch) -> Iterator[Correction]:
    """What was painted black of a heal of which the larger part stays."""
    black = patch.changed & (mask[patch.box.slices] < IGNORE // 2)
    # All of each stroke; what is nowhere as thick as a brush is a rim.
    _, strokes = cv2.connectedComponents(black.view(np.uint8), connectivity=8)
    for number in np.unique(strokes[_solid(black)]):
        stroke = strokes == number
        tight, at = bounding_box(stroke), patch.box
        box = at.x0 + tight.x0, at.y0 + tight.y0, tight.width, tight.height
        yield Correction(box, Wish.KEEP, shape=_shape(stroke[tight.slices]))


def _parts(wishes: Sequence[Correction], steps: Sequence[Step]) -> list[Correction]:
    """The wishes that keep parts of heals: a shape, and not that of a spot."""
    whole = {(_listed(step.spot.box), _shape(step.spot.mask)) for step in steps}
    kept = [w for w in wishes if w.wish is Wish.KEEP and w.shape]
    return [w for w in kept if (w.box, w.shape) not in whole]


def _kept_by(wish: Correction) -> tuple[Bool, Box]:
    x, y, width, height = wish.box
    return mask_of(wish), Box(y, x, y + height, x + width)


@dataclass(frozen=True, slots=True)
class _Cut:
    """What an earlier wish keeps of a heal, and whether it is white again."""

    wish: Correction
    kept: Bool
    box: Box
    given_back: bool


def _cuts(white: Bool, wishes: Sequence[Correction], steps: Sequence[Step]) -> list[_Cut]:
    """The parts that are kept; the paint over those that are white again is taken away."""
    cuts = []
    for wish in _parts(wishes, steps):
        kept, box = _kept_by(wish)
        if box.y1 > white.shape[0] or box.x1 > white.shape[1]:
            continue
        cuts.append(_Cut(wish, kept, box, bool(white[box.slices][kept].mean() > _MOST)))
        if cuts[-1].given_back:
            white[box.slices] &= ~kept
    return cuts


def _borders(step: Step, cut: _Cut) -> bool:
    """Whether a hole ends where something that is kept begins."""
    height, width = max(step.box.y1, cut.box.y1), max(step.box.x1, cut.box.x1)
    near = step.box.grown(_SLOP_PX, height, width)
    kept, hole = placed(cut.kept, cut.box, near), placed(step.hole, step.box, near)
    return bool((kept & dilated(hole, _SLOP_PX)).any() and not (kept & hole).any())


def _solid(mask: Bool) -> Bool:
    """The mask without what is thinner than a brush."""
    kernel = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(np.ascontiguousarray(mask).view(np.uint8), cv2.MORPH_OPEN, kernel)
    return np.asarray(opened).view(np.bool_)


def _wipe(white: Bool, step: Step) -> None:
    """Take away the paint that a spot accounts for, with what a brush puts around it."""
    margin = _SLOP_PX if step.healers else max(_SLOP_PX, round(_BRUSH_SHARE * step.spot.diameter_px))
    box = step.box.grown(margin + 1, *white.shape)
    hole = placed(step.hole, step.box, box)
    white[box.slices] &= ~dilated(hole, margin)


def _new(white: Bool) -> Iterator[Correction]:
    """Each connected region that is left, as a spot to add; what is thinner than a brush is a rim."""
    solid = _solid(white)
    total, labels, stats, _ = cv2.connectedComponentsWithStats(solid.view(np.uint8), connectivity=8)
    for number in range(1, total):
        x, y, w, h, _ = (int(v) for v in stats[number])
        inside = np.ascontiguousarray(labels[y : y + h, x : x + w] == number)
        yield Correction((x, y, w, h), Wish.HEAL, shape=_shape(inside))
