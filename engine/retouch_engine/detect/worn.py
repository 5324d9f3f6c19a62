"""What is no blemish but lies on skin or before it: paint, a bindi, stones, a veil's dots, confetti.

Networks and trees were taught none of these; to them a red disc is a perfect pimple. Two things tell. Blood
lies in the skin and under its sheen: it makes skin redder so far and no further, by taking green and hardly
any red away, while paint and cloth are as red as they like, and often lighter in red than the skin that they
cover. And no two blemishes are the same: marks of one size and one colour, several of them, were made. Stones
are besides bright and dark within a millimetre.

Where a person wears several such marks nothing is healed unasked: of a veil's or a row's dots some are always
seen worse than others, and what is left of a row when one of it is gone is worse than a blemish.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from retouch_engine.detect.spotnet import View
from retouch_engine.imaging.density import density
from retouch_engine.types import Bool, Box

WORN = "worn"
"""The figure's name beside the others."""
SEEN_RED = "seen_red"
"""The redness of what has no outline, by the network's own map."""
_REDDEST = 0.5
"""Rise in redness, in the usual rendering, beyond which it is not blood's. Of 455 finds that were healed in
166 labelled portraits one is beyond, a thick fresh scab; the next has 0.49, 99 in 100 have less than 0.41."""
_SEEN_REDDEST = 0.4
"""The same of what has no outline, seen in cells of half a millimetre: of the same finds a blemish has 0.34,
and the groove beside a nose 0.52."""
_PLAINLY = 1.5
"""Of both, beyond which a mark counts for its company as well. Three of 127 faces with acne have three or
four marks beyond the lines themselves, by up to a half, for which all their 95 likely blemishes were left. Of
what comes in company in ``benchmarks.worn`` three and more are beyond this, are alike or glint."""
_LIGHTER = -0.1
"""Rise in red below which something red covers the skin: blood and melanin only darken it. None of the same
finds is below -0.06."""
_RED = 0.03
_GLINTS, _DARK = 1.2, 0.25
"""Spread inside, of its own rise, and rise in green, above both of which a mark glints. Of the same finds
those that rise so far have at most 0.91."""
_LIKELY, _EVEN = 0.25, 0.19
"""Odds of a blemish from which a mark counts, and the largest spread of the skin around it: freckles are
alike, too, and ears and their rings are red."""
_ALIKE_MM, _ALIKE_RISE = 0.2, 0.12
"""How far marks that are alike may differ: in the logarithm of their size, and in each rise, of the one in
green."""
_OTHERS, _OTHERS_SHARE = 5, 0.125
"""Others like it from which a mark was made, and their least share of all that count. Of the same finds none
has more than three, but nobody there has over 29 such marks, and the more there are the more are alike by
chance: by the number alone six in ten faces with 80 spots, drawn from those of one person each, were left."""
_SEVERAL = 3
"""Worn marks on one person from which nothing is healed unasked."""
_COLOURS = ("rise_r", "rise_g", "rise_b")
_AROUND = 3
"""Cells."""


def no_skin(figures: Mapping[str, float]) -> str:
    """Why a find by itself may be no part of the skin; empty when nothing speaks for it."""
    if _too_red(figures):
        return "redder than blood makes skin: perhaps paint, a stone, or something before the face"
    return "both bright and dark inside: perhaps a stone or metal" if _glints(figures) else ""


def _too_red(figures: Mapping[str, float], times: float = 1.0) -> bool:
    """Whether a find is redder than blood makes skin, by so many times, or lighter in red than the skin."""
    if "melanin" not in figures:
        return figures.get(SEEN_RED, 0.0) > times * _SEEN_REDDEST
    red = figures["rise_red"]
    return red > times * _REDDEST or (red > _RED and figures["rise_g"] - red < _LIGHTER)


def _glints(figures: Mapping[str, float]) -> bool:
    return "melanin" in figures and figures["inside_spread"] > _GLINTS and figures["rise_g"] > _DARK


def _plainly(figures: Mapping[str, float]) -> bool:
    """Whether a find by itself is so surely no part of the skin that it speaks against others."""
    return _too_red(figures, _PLAINLY) or _glints(figures)


def among_worn(figures: Mapping[str, float]) -> bool:
    """Whether several marks that were found on the person are worn."""
    return figures.get(WORN, 0.0) >= _SEVERAL


def worn(finds: Sequence[Mapping[str, float]], heal: Sequence[float]) -> float:
    """How many finds on one person are worn, by what each is or because they are alike.

    Args:
        finds: the figures of each.
        heal: the odds that it is a blemish.
    """
    likely = [f for f, h in zip(finds, heal, strict=True) if h >= _LIKELY]
    outlined = [f for f in likely if f.get("ring_spread", math.inf) <= _EVEN]
    least = max(_OTHERS, _OTHERS_SHARE * len(outlined))
    told = [_plainly(f) or n >= least for f, n in zip(outlined, _others(outlined), strict=True)]
    return float(sum(told) + sum(_plainly(f) for f in likely if "melanin" not in f))


def _others(finds: Sequence[Mapping[str, float]]) -> list[int]:
    """For each find how many others are like it."""
    sizes = np.array([math.log(f["mm"]) for f in finds])
    rises = np.array([[f[name] for name in _COLOURS] for f in finds]).reshape(-1, len(_COLOURS))
    green = np.abs(rises[:, 1])
    far = np.abs(rises[:, None] - rises[None]).max(axis=2)
    alike = (far < _ALIKE_RISE * np.maximum(green[:, None], green[None])) & (
        np.abs(sizes[:, None] - sizes[None]) < _ALIKE_MM
    )
    return [int(n) - 1 for n in np.count_nonzero(alike, axis=1)]


def seen_red(seen: View, cells: Box, inside: Bool) -> float:
    """How much redder some cells of the network's maps are than the skin around, in the usual rendering.

    Args:
        seen: the skin at the network's scale.
        cells: where they lie in the maps.
        inside: which of these, bool, the box's shape.
    """
    box = cells.grown(max(_AROUND, cells.width // 2, cells.height // 2), *seen.skin.shape)
    mask = np.zeros((box.height, box.width), np.uint8)
    mask[cells.y0 - box.y0 : cells.y1 - box.y0, cells.x0 - box.x0 : cells.x1 - box.x0] = inside
    rgb = seen.rgb[2 * box.y0 : 2 * box.y1, 2 * box.x0 : 2 * box.x1]
    od = density(np.asarray(cv2.resize(rgb, mask.shape[::-1], interpolation=cv2.INTER_AREA)))
    red = od[..., 1] - od[..., 0]
    around = (cv2.dilate(mask, np.ones((3, 3), np.uint8)) == 0) & seen.skin[box.slices]
    if not around.any():
        return 0.0
    return seen.rendering.gain * float(np.percentile(red[mask > 0], 90) - np.median(red[around]))
