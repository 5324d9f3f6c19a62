"""Accept a heal, or name what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from retouch_engine.guard.figures import NAMES, Figures
from retouch_engine.guard.null import Null
from retouch_engine.guard.own import Own
from retouch_engine.types import Verdict

_LEAST_PLACES = 8
"""With fewer patches of clean skin to compare with, nobody can say that a heal is good."""
_FAR = 3.3
"""Robust standard deviations from the photo's own skin at which a heal is found out."""
_DULL = 2.6
"""The same for lost texture: dull is what people see first."""
_COLOURLESS = 4.5
"""The same for lost colour noise: a JPEG's own blocks have none here and much there."""
_GRAINY = 4.5
"""The same for too much from pixel to pixel: a JPEG's own blocks have little here and much there."""
_UNLIKE = 6.0
"""The same for values spread otherwise than around: a distance has one tail only, and a long one."""
_DULL_TOGETHER, _DULL_FINEST = 1.9, 1.5
"""The same when the finest bands and the colour noise are all weak at once, and when the two finest are."""
_LEFT = 2.3
"""The same for the blemish's own form, still there."""
_STILL_THERE, _STILL_SEEN = 0.8, 1.5
"""With more than this of the blemish's form in place, it is found out at so many deviations."""
_ALL_THERE, _UNTOUCHED = (0.93, 1.02), 0.1
"""With just the blemish's form and the place's own texture nothing was healed, however faint it is. (Clean
skin under a faint blemish may have as much of its form by itself; then as often more.)"""
_SPECK = 1.3
"""Times as dark as any small mark on clean skin, and darker than what lay there: a mark that came with its
donor. Of 2,644 heals on faces with acne 42 had one, half of them seen at once as a brown speck, a smudge or
a piece of a hair; 38 of these are healed from elsewhere. Of 318 on labelled portraits none had one, and of
places of clean skin one in 270."""
_SAME = 0.005
_MIXED = (0.3, 0.7)
"""Whose share of its own texture lies between is neither the photo's own skin nor other skin: a blend."""
_ENOUGH, _MANY = 60, 120
"""Pixels that tell a blend from chance."""
_FEATHER, _LONG_FEATHER, _FEATHER_DULL = (0.47, 0.97), (0.6, 0.97), 0.2
"""The same of the feather's own pixels, where every heal has a third of its own and skin under a colour all:
a blend has more than a third, and less contrast than two skins that are kept at theirs."""
_OWN = 0.8
_TWIN = 1.2
"""A donor nearer than this many diameters is seen twice at one glance."""
_FLOOR = np.array([0.07, 0.07, 0.07, 0.07, 0.07, 0.05, 0.07, 0.012, 0.012, 0.015, 0.05, 0.07, 0.07])
"""The least spread of each figure: skin that happens to be even must not make the guard petty."""
_PORES = [NAMES.index(name) for name in ("texture_0", "texture_1", "finest")]
_MOST_SHARED = 0.5
_REGION, _SAMPLE = 0.07, 5.0
"""The most that contrast may spread: so much, and so much more over the shape's height in px."""
_AT = NAMES.index("left"), NAMES.index("form")


def judge(figures: Figures, null: Null, own: Own) -> Verdict:
    """Judge one heal.

    Args:
        figures: of the healed crop, one place.
        null: of clean skin, many places, and of the crop as it was: what the heal was to take away.
        own: how much of the place's own texture is still there, see :func:`own.own_texture`.
    """
    shown = {
        **figures.one(),
        "own": round(own.most, 3),
        "null_places": float(null.places),
    }
    if not enough(null):
        return Verdict(accepted=False, failed="unjudged", figures=shown)
    scores = _scores(figures, null)
    shown |= {f"z_{name}": round(value, 2) for name, value in scores.items()}
    failed = _failed(scores, figures, null, own)
    return Verdict(accepted=not failed, failed=failed, figures=shown)


def enough(null: Null) -> bool:
    """Whether there is clean skin enough to judge any heal by."""
    return null.places >= _LEAST_PLACES


def _scores(figures: Figures, null: Null) -> dict[str, float]:
    """Signed robust distances from clean skin."""
    usual = null.figures.table
    # Sorted and looked up: np.median takes ten times as long on so few.
    middle = len(usual) // 2
    ordered = np.sort(usual, axis=0)
    centre = ordered[middle].copy()
    spread = np.maximum(1.48 * np.sort(np.abs(usual - centre), axis=0)[middle], _FLOOR)
    # Patches that overlap are alike, and vary by less than skin does.
    spread /= np.sqrt(1 - min(null.shared, _MOST_SHARED))
    # A wide patch's own contrast is known well: what it varies by from one region to the next is seen.
    spread[_PORES] = np.minimum(spread[_PORES], _REGION + _SAMPLE / max(null.size_px, 1))
    # A faint blemish's form is mostly that of the skin under it, which a heal may well have again.
    left, form = _AT
    strong = ordered[(3 * len(usual)) // 4, form]
    own = float(np.exp(2 * min(0.0, strong - null.before.table[0, form])))
    centre[left] = max(centre[left], own)
    return dict(zip(NAMES, ((figures.table[0] - centre) / spread).tolist(), strict=True))


def _failed(scores: dict[str, float], figures: Figures, null: Null, own: Own) -> str:
    """The first thing that is wrong, worst kind first; empty when nothing is."""
    before = null.before
    if _dull(scores, own.most) or _blended(own):
        return "plastic"
    if _still_there(scores, figures, own.most):
        return "residual"
    if max(scores["residual"], abs(scores["redder"])) > _FAR and not _mostly_gone(figures, before):
        return "residual"
    if scores["seam"] > _FAR:
        return "seam"
    if scores["halo"] > _FAR and not _mostly_gone(figures, before):
        return "halo"
    # Colour noise is only ever lost: where a photo has none, the least of it would count as too much.
    loud = ("texture_0", "texture_1", "texture_2")
    if max(scores[name] for name in loud) > _FAR or scores["finest"] > _GRAINY or scores["spread"] > _UNLIKE:
        return "overload"
    return "speck" if _specked(figures, null) else ""


def _specked(figures: Figures, null: Null) -> bool:
    """Whether there is a small dark mark that was not there, such as no clean skin near by has."""
    here, before = (float(each.named("speck")[0]) for each in (figures, null.before))
    return here > max(before, float(null.figures.named("speck").max()) + math.log(_SPECK))


def _still_there(scores: dict[str, float], figures: Figures, own: float) -> bool:
    """Whether the blemish's own form is left, and skin hides it no more than skin would."""
    left = float(figures.named("left")[0])
    if max(abs(own - 1), abs(left - 1)) < _SAME:
        # Nothing was done: that is skin to be judged as skin, and no heal that left something.
        return False
    low, high = _ALL_THERE
    if scores["left"] > _LEFT or (abs(own - 1) < _UNTOUCHED and low < left < high):
        return True
    seen = max(scores[name] for name in ("residual", "redder", "halo", "form"))
    return left > _STILL_THERE and seen > _STILL_SEEN


def _dull(scores: dict[str, float], own: float) -> bool:
    """Whether pores or colour noise are weaker than around; the place's own pores are never called dull."""
    dull = [scores[name] for name in ("texture_0", "texture_1", "finest", "chroma")]
    if own > _OWN:
        return dull[3] < -_COLOURLESS
    finest = (dull[0] + dull[2]) / 2
    return (
        min(dull[:3]) < -_DULL
        or dull[3] < -_COLOURLESS
        or sum(dull) / len(dull) < -_DULL_TOGETHER
        or finest < -_DULL_FINEST
    )


def _blended(own: Own) -> bool:
    """Whether two textures lie over each other.

    A heal has other skin's texture, and skin under a colour its own. Whoever blends them, at half opacity or
    over a wide feather, leaves a part of the own texture; that is seen long before the loss of contrast.
    Neither leaves the rim as it was: clean skin, dimmed by a dark mark over it, looked like a blend.
    """
    if abs(own.feather - 1) < _SAME:
        return False
    low, high = _FEATHER if own.places < _ENOUGH else _LONG_FEATHER
    if low < own.feather < high and own.feather_contrast < _FEATHER_DULL:
        return True
    if own.most > _OWN:
        return False
    low, high = _MIXED
    mixed = low < own.near < high or (own.places > _MANY and low < own.outer < high)
    # A few pixels of two textures may be alike by chance: then their contrast has to be less as well.
    return mixed and (own.places > _ENOUGH or own.contrast < 0)


def repeats(donors: Sequence[tuple[int, int]], diameter_px: float) -> bool:
    """Whether a heal shows its donor beside itself."""
    return any(float(np.hypot(dy, dx)) < _TWIN * diameter_px for dy, dx in donors)


def _mostly_gone(figures: Figures, before: Figures) -> bool:
    """Whether the heal took away four fifths of what stood out: on mottled skin the best there is."""
    return bool(
        figures.named("residual")[0] < 0.2 * before.named("residual")[0]
        and abs(figures.named("redder")[0]) < 0.25 * abs(before.named("redder")[0])
    )
