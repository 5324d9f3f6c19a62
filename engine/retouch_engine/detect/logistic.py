"""Logistic regression over named figures, fitted by ``benchmarks.spots.fit`` and kept in ``spots.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

LEAST_ODDS = 1e-3
"""What is surer than this, either way, counts as this sure."""


@dataclass(frozen=True, slots=True)
class Logistic:
    """Weights in the order of :attr:`figures`, and the log odds where all of these are zero."""

    figures: ClassVar[tuple[str, ...]] = ()

    weights: tuple[float, ...]
    bias: float

    @classmethod
    def parsed(cls, content: Mapping[str, Any]) -> Self:
        """As the fitting program wrote it.

        Raises:
            ValueError: it weighs other figures than this version computes.
        """
        if tuple(content["figures"]) != cls.figures:
            raise ValueError("these weights were fitted on other figures: run benchmarks.spots.fit")
        return cls(tuple(content["weights"]), content["bias"])

    def content(self) -> dict[str, Any]:
        """What :meth:`parsed` reads."""
        return {"figures": list(self.figures), "weights": list(self.weights), "bias": self.bias}

    def said(self, values: Sequence[float]) -> float:
        """The log odds of figures as they are weighed, in the order of :attr:`figures`."""
        return self.bias + sum(w * x for w, x in zip(self.weights, values, strict=True))


def log_odds(odds: float) -> float:
    """Of odds from 0 to 1, bounded."""
    kept = min(1 - LEAST_ODDS, max(LEAST_ODDS, odds))
    return math.log(kept / (1 - kept))


def odds_of(said: float) -> float:
    """Odds from 0 to 1 of log odds."""
    return 1 / (1 + math.exp(-said))
