"""The size of a hole: grown until its rim is clean, and no larger than the spot needs.

A spot's outline lies half way up; its halo reaches further. A rim that is still red would be carried into the
heal by the membrane, and a pink ring would stay. A fixed margin is either too little for a soft blotch or
multiplies a small spot's area by ten: so each hole grows until its own rim looks like the skin further out.
Too large a hole is no better: on skin whose truth is known, a fifth more diameter costs a third more colour
error, and faint spots on uneven skin had grown to twice their size for nothing. So a rim counts as clean as
soon as it lies within what the skin further out varies by anyway: nearer its middle than its edge, for at
200 % a pink ring on a real cheek is seen long before a colour error is.

A pimple's outline may be its dark core alone, in a red halo several times as wide: half way up from that skin
to its peak lies inside the core, and what lies 3 px beyond it is still the halo. So what is left of a spot's
redness is looked for once more, in millimetres. The halo goes with its core where it is red all around, falls
off to the skin beyond, and holds nothing else that was found: what stays level is a flush, and stays.

Where the margin itself is clean skin, as around a crisp mole or under a careful person's brush, it is not
healed: of a hole of 60 px that is a third of its area, and a quarter of its colour error. Of spots that were
found on real faces, which are soft, one in twenty has such a margin, and that by 1 or 2 px.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density
from retouch_engine.imaging.masks import bounding_box, dilated, distance_to, eroded, placed
from retouch_engine.kernels.planes import along, between, clear_from, mean_in, octants
from retouch_engine.recipe import Kind
from retouch_engine.survey import Scene
from retouch_engine.types import Bool, Box, Float, Photo, Reals, Step

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
_HALO_PX_PER_MM = 5.0
_HALO_BLUR_MM = 0.25
_BEYOND_MM = 3.5, 5.0
"""From a hole's rim: skin beyond any halo."""
_MOST_HALO_MM = 2.4
_RED = np.array([-1.0, 1.0, 0.0])
"""Redness: density in green less that in red."""
_OCTANTS_WITHOUT = 2
_HALO_OD, _HALO_SHARE = 0.08, 0.2
"""A rim that is redder than the skin beyond by so much, and by this share of what its core is, in all octants
but two, lies in a halo: 13 of 440 heals on labelled portraits. Of the 7 that are widened three had left a red
blotch in sight, and one had been refused by the guard."""
_FALLEN_OD, _FALLEN, _FALLEN_ASIDE = 0.05, 0.5, 0.75
"""Redness at which a halo ends; and the shares of its rim's above which it has not fallen off: all around,
and in each octant but two."""
_GREEN = np.array([0.0, 1.0, 0.0])
_MOST_SLOPE_OD = 0.3
"""From octant to octant where the halo ends. On the edge of a jaw, where it was 0.32, the donor of so wide a
hole brought the edge along; others such as that are healed without."""
_DOT_MM = 0.12
"""How large a dot is that a halo is looked through for."""
_DARK_OD, _LIGHT_OD = ((0, 0.07), (2, 0.12)), ((0, 0.1), (1, 0.11))
"""By channel: a halo is not healed for a dot that is darker or lighter than what is around it by so much more
than 99 in 100 places of the skin beyond. Melanin stands out in blue, also in freckles hardly seen in red. A
scar is pale in green, where halos are dark. Laid into the seven halos, 0.6 to 2.2 mm wide: of freckles and
small moles (0.35 in blue) six in seven are seen, in stubble a quarter; of what is paler by 0.25 nineteen in
twenty, by 0.15 two in five. The halos themselves have 0.06, 0.11, 0.08 and 0.1 at most. Asked for a multiple
of what is beyond, next to none were seen in stubble; and for what is light nobody had looked."""
_CLEAR_MM = 0.5
"""Kept free around what else was found: a mole's own soft rim is its."""


def grown(photo: Photo, scene: Scene, steps: Sequence[Step], done: Collection[int] = ()) -> tuple[Step, ...]:
    """The same steps, each hole that is to be healed as large as its spot needs.

    Those of the spots in ``done`` stay as they are. A hole that grew names the one that it grew from: a wide
    one may fail for what lies further out. Of five such heals of portraits that the guard had refused four
    pass with the narrow hole, by its own ring; in a strong halo that ring refuses it.
    """
    return tuple(
        _with_halo(photo, scene, _grown(photo, scene, step), steps)
        if step.healers and step.spot.id not in done
        else step
        for step in steps
    )


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
    wide = dilated(hole, growth) & (scene.skin_in(box) | hole)
    return replace(_cut(step, wide, box), narrower=step)


def _with_halo(photo: Photo, scene: Scene, step: Step, steps: Sequence[Step]) -> Step:
    """The same step, its hole as wide as the halo around it; as it is where there is none."""
    px_per_mm = scene.px_per_mm_at(step.spot.box)
    if px_per_mm is None or step.spot.kind is Kind.PAINTED:
        return step
    every = max(1, round(px_per_mm / _HALO_PX_PER_MM))
    # Centred on the hole, as octants are told apart; what the photo's edge cuts is left alone.
    reach = math.ceil((_BEYOND_MM[1] + 3 * _HALO_BLUR_MM) * px_per_mm)
    box = step.box.grown(reach, photo.height, photo.width)
    if (box.height, box.width) != (step.box.height + 2 * reach, step.box.width + 2 * reach):
        return step
    thin = (slice(None, None, every), slice(None, None, every))
    hole, others = placed(step.hole, step.box, box), _others(step, steps, box)
    view = _View(
        od=density(photo.pixels[box.slices][thin]),
        skin=scene.skin_at(box, every) & ~others[thin],
        core=placed(step.spot.mask, step.spot.box, box)[thin],
        away=distance_to(np.ascontiguousarray(hole[thin])),
        step=every,
    )
    growth = _halo(view, px_per_mm / every)
    if growth == 0:
        return step
    wide = dilated(hole, growth * every)
    # What a lip or another find cuts short would end in a seam there.
    free = scene.skin_in(box) & ~dilated(others, round(_CLEAR_MM * px_per_mm))
    if (wide & ~hole & ~free).any():
        return step
    return replace(_cut(step, wide, box), narrower=step)


def _others(step: Step, steps: Sequence[Step], box: Box) -> Bool:
    """All else that was found in a box."""
    others = np.zeros((box.height, box.width), np.bool_)
    for other in steps:
        if other.spot is not step.spot and other.spot.box.meets(box):
            others |= placed(other.spot.mask, other.spot.box, box)
    return others


def _halo(view: _View, cells: float) -> int:
    """By how many steps a hole has to grow to hold its spot's halo; ``cells`` of them are a millimetre."""
    near, far = (round(mm * cells) for mm in _BEYOND_MM)
    od = blur(view.od, max(0.8, _HALO_BLUR_MM * cells))
    beyond = between(od, view.skin, view.away, near, far)
    core, places = mean_in(od, view.core)
    if near == 0 or beyond.shape[1] < _LEAST_FAR or places == 0:
        return 0
    none = float(_ranked(beyond[1] - beyond[0], 0.5))
    redness = _by_octant(replace(view, od=od), _RED, none, near)
    if redness is None:
        return 0
    least = max(_HALO_OD, _HALO_SHARE * float(core @ _RED - none))
    if np.sort(redness[:, 0])[_OCTANTS_WITHOUT] < least:
        return 0
    around = np.median(redness[:, : round(_MOST_HALO_MM * cells) + 1], axis=0)
    clean = np.flatnonzero(around <= _FALLEN_OD)
    growth = int(clean[0]) if clean.size else int(around.argmin())
    fallen = redness[:, growth] <= np.maximum(_FALLEN_OD, _FALLEN_ASIDE * redness[:, 0])
    falls = around[growth] <= _FALLEN * around[0] and np.count_nonzero(~fallen) <= _OCTANTS_WITHOUT
    light = _by_octant(replace(view, od=od), _GREEN, 0.0, near)
    level = light is not None and bool(np.ptp(light[:, growth]) <= _MOST_SLOPE_OD)
    return growth if falls and level and not _dotted(view, growth, (near, far), cells) else 0


def _by_octant(view: _View, colour: Reals, none: float, most: int) -> Reals | None:
    """How much of a colour lies around a hole, ``(8, most)``: by octant and by distance, in steps.

    None where an octant has no skin.
    """
    total, count = octants(view.od, view.skin, view.away, colour, none, most + 1)
    # Two rings together: one alone is a few pixels in each octant.
    total, count = (each[:, 1:] + each[:, :-1] for each in (total, count))
    return total / count if count.min() >= 1 else None


def _dotted(view: _View, growth: int, beyond: tuple[int, int], cells: float) -> bool:
    """Whether a halo holds what it is not made of: a mole, a freckle, a scar, unlike the skin beyond."""
    halo = view.skin & (view.away > 0) & (view.away <= growth)
    # Not beside what is no skin or another find: a mole's rim there would pass for the like of a dot.
    skin = eroded(view.skin, max(1, round(_CLEAR_MM * cells)))
    skin &= (view.away > beyond[0]) & (view.away <= beyond[1])
    if np.count_nonzero(skin) < _LEAST_FAR:
        return True
    for sign, limits in (1, _DARK_OD), (-1, _LIGHT_OD):
        for channel, more in limits:
            od = np.ascontiguousarray(view.od[..., channel])
            rises = sign * (blur(od, max(0.6, _DOT_MM * cells)) - blur(od, cells))
            if rises[halo].max(initial=0.0) > more + float(_ranked(rises[skin], 0.99)):
                return True
    return False


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
