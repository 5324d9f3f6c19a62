"""A studio's own taste, as a few numbers: how much likelier its retoucher heals a kind than the odds say.

Platt's scaling (1999) of the shipped odds, with an offset for each kind. It moves the odds of being *healed*
alone. What guards moles, freckles and scars (the odds of being permanent, colour, freckled skin, place, form)
reads the shipped figures and never this; and no spot is healed unasked because of it whose shipped odds are
below half of what is asked for.

Nothing here loads an array library. What is read from disk may have been written by anybody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retouch_engine.errors import RecipeMistake
from retouch_engine.recipe import PERMANENT, Kind, Recipe

SLOPE, BIAS = "slope", "bias"
_LEAST = 1e-4
KINDS: tuple[Kind, ...] = tuple(kind for kind in Kind if kind not in PERMANENT and kind is not Kind.PAINTED)


@dataclass(frozen=True, slots=True)
class Calibration:
    """``log odds`` become ``slope * log odds + bias + kinds[kind]``. The default changes nothing."""

    slope: float = 1.0
    bias: float = 0.0
    kinds: Mapping[Kind, float] = field(default_factory=dict)

    def odds(self, shipped: float, kind: Kind) -> float:
        """The odds, 0 to 1, that this studio heals what the shipped trees give these odds."""
        if not self:
            return shipped
        return 1 / (1 + math.exp(-self.slope * log_odds(shipped) - self.bias - self.kinds.get(kind, 0.0)))

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return (self.slope, self.bias) != (1.0, 0.0) or any(self.kinds.values())

    @classmethod
    def of(cls, recipe: Recipe) -> Calibration:
        """The one that a recipe carries."""
        told = dict(recipe.calibration)
        kinds = {kind: told[kind] for kind in KINDS if kind in told}
        return cls(told.get(SLOPE, 1.0), told.get(BIAS, 0.0), kinds)

    def as_pairs(self) -> tuple[tuple[str, float], ...]:
        """As a recipe carries it, rounded; empty when it changes nothing."""
        told = {SLOPE: self.slope, BIAS: self.bias, **{str(k): v for k, v in self.kinds.items()}}
        return tuple(sorted((name, round(value, 4)) for name, value in told.items())) if self else ()


def checked_calibration(told: object) -> tuple[tuple[str, float], ...]:
    """A calibration that anybody could have written, as a recipe carries it.

    Raises:
        RecipeMistake: it is none.
    """
    if not isinstance(told, Mapping):
        raise RecipeMistake("calibration", told, "an object of numbers")
    pairs: dict[str, Any] = dict(told)
    return Recipe(calibration=tuple(sorted(pairs.items()))).calibration


def log_odds(odds: float) -> float:
    """The natural logarithm of the odds, of a probability kept off 0 and 1."""
    kept = min(1 - _LEAST, max(_LEAST, odds))
    return math.log(kept / (1 - kept))
