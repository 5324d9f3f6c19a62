"""Accept a heal, or name what is wrong with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retouch_engine.guard.figures import Figures
from retouch_engine.guard.null import Null
from retouch_engine.types import Verdict

_LEAST_PLACES = 8
"""With fewer patches of clean skin to compare with, nobody can say that a heal is good."""
_FAR = 3.2
"""Robust standard deviations from the photo's own skin at which a heal is found out."""
_DULL = 2.6
"""The same for lost texture: dull is what people see first."""
_FLOOR = {"texture": 0.07, "spread": 0.05, "seam": 0.07, "residual": 0.012, "redder": 0.012}
"""The least spread of each figure: skin that happens to be even must not make the guard petty."""


def judge(figures: Figures, null: Null, before: Figures) -> Verdict:
    """Judge one heal.

    Args:
        figures: of the healed crop, one place.
        null: of clean skin, many places.
        before: of the crop as it was: what the heal was to take away.
    """
    shown = {**figures.one(), "null_places": float(null.places)}
    if null.places < _LEAST_PLACES:
        return Verdict(accepted=False, failed="unjudged", figures=shown)
    scores = _scores(figures, null.figures)
    shown |= {f"z_{name}": round(value, 2) for name, value in scores.items()}
    return Verdict(accepted=not (failed := _failed(scores, figures, before)), failed=failed, figures=shown)


def _scores(figures: Figures, null: Figures) -> dict[str, float]:
    """Signed robust distances from clean skin."""
    texture = [
        _distance(float(np.log(figures.texture[0, k])), np.log(null.texture[:, k]), _FLOOR["texture"])
        for k in range(3)
    ]
    return {
        "texture_0": texture[0],
        "texture_1": texture[1],
        "texture_2": texture[2],
        "spread": _distance(figures.spread[0], null.spread, _FLOOR["spread"]),
        "seam": _distance(figures.seam[0], null.seam, _FLOOR["seam"]),
        "residual": _distance(figures.residual[0], null.residual, _FLOOR["residual"]),
        "redder": _distance(figures.redder[0], null.redder, _FLOOR["redder"]),
    }


def _distance(value: float, usual: NDArray[np.float64], floor: float) -> float:
    centre = float(np.median(usual))
    spread = max(1.48 * float(np.median(np.abs(usual - centre))), floor)
    return (float(value) - centre) / spread


def _failed(scores: dict[str, float], figures: Figures, before: Figures) -> str:
    """The first thing that is wrong, worst kind first; empty when nothing is."""
    if min(scores["texture_0"], scores["texture_1"]) < -_DULL:
        return "plastic"
    if max(scores["residual"], abs(scores["redder"])) > _FAR and not _mostly_gone(figures, before):
        return "residual"
    if scores["seam"] > _FAR:
        return "seam"
    if max(scores["texture_0"], scores["texture_1"], scores["texture_2"], scores["spread"]) > _FAR:
        return "overload"
    return ""


def _mostly_gone(figures: Figures, before: Figures) -> bool:
    """Whether the heal took away four fifths of what stood out: on mottled skin the best there is."""
    return bool(
        figures.residual[0] < 0.2 * before.residual[0]
        and abs(figures.redder[0]) < 0.25 * abs(before.redder[0])
    )
