"""Accept a heal, or name what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retouch_engine.guard.figures import NAMES, Figures
from retouch_engine.guard.null import Null
from retouch_engine.types import Verdict

_LEAST_PLACES = 8
"""With fewer patches of clean skin to compare with, nobody can say that a heal is good."""
_FAR = 3.2
"""Robust standard deviations from the photo's own skin at which a heal is found out."""
_DULL = 2.6
"""The same for lost texture: dull is what people see first."""
_COLOURLESS = 4.5
"""The same for lost colour noise: a JPEG's own blocks have none here and much there."""
_DULL_TOGETHER = 1.9
"""The same when the two finest bands and the colour noise are all weak at once."""
_TWIN = 1.2
"""A donor nearer than this many diameters is seen twice at one glance."""
_FLOOR = np.array([0.07, 0.07, 0.07, 0.05, 0.07, 0.012, 0.012, 0.015, 0.07])
"""The least spread of each figure: skin that happens to be even must not make the guard petty."""


def judge(figures: Figures, null: Null) -> Verdict:
    """Judge one heal.

    Args:
        figures: of the healed crop, one place.
        null: of clean skin, many places, and of the crop as it was: what the heal was to take away.
    """
    shown = {**figures.one(), "null_places": float(null.places)}
    if null.places < _LEAST_PLACES:
        return Verdict(accepted=False, failed="unjudged", figures=shown)
    scores = _scores(figures, null.figures)
    shown |= {f"z_{name}": round(value, 2) for name, value in scores.items()}
    failed = _failed(scores, figures, null.before)
    return Verdict(accepted=not failed, failed=failed, figures=shown)


def _scores(figures: Figures, null: Figures) -> dict[str, float]:
    """Signed robust distances from clean skin."""
    usual = null.table
    # Sorted and looked up: np.median takes ten times as long on so few.
    middle = len(usual) // 2
    centre = np.sort(usual, axis=0)[middle]
    spread = np.maximum(1.48 * np.sort(np.abs(usual - centre), axis=0)[middle], _FLOOR)
    return dict(zip(NAMES, ((figures.table[0] - centre) / spread).tolist(), strict=True))


def _failed(scores: dict[str, float], figures: Figures, before: Figures) -> str:
    """The first thing that is wrong, worst kind first; empty when nothing is."""
    dull = (scores["texture_0"], scores["texture_1"], scores["chroma"])
    if min(dull[:2]) < -_DULL or dull[2] < -_COLOURLESS or sum(dull) / len(dull) < -_DULL_TOGETHER:
        return "plastic"
    if max(scores["residual"], abs(scores["redder"])) > _FAR and not _mostly_gone(figures, before):
        return "residual"
    if scores["seam"] > _FAR:
        return "seam"
    if scores["halo"] > _FAR and not _mostly_gone(figures, before):
        return "halo"
    # Colour noise is only ever lost: where a photo has none, the least of it would count as too much.
    loud = ("texture_0", "texture_1", "texture_2", "spread")
    if max(scores[name] for name in loud) > _FAR:
        return "overload"
    return ""


def repeats(donors: Sequence[tuple[int, int]], diameter_px: float) -> bool:
    """Whether a heal shows its donor beside itself."""
    return any(float(np.hypot(dy, dx)) < _TWIN * diameter_px for dy, dx in donors)


def _mostly_gone(figures: Figures, before: Figures) -> bool:
    """Whether the heal took away four fifths of what stood out: on mottled skin the best there is."""
    return bool(
        figures.residual[0] < 0.2 * before.residual[0]
        and abs(figures.redder[0]) < 0.25 * abs(before.redder[0])
    )
