"""The odds of a blemish by logistic regression, as a second opinion beside the trees.

Trees (``trees``) fitted on some three hundred blemishes cut figures into steps, and err where two figures
near a step add up; a sum of all figures errs elsewhere. The mean of both in log odds parts blemishes from
nothing better than either: at equal recall a quarter fewer places are healed where nothing is (``spots.md``).
Only what could be a blemish to the first network is weighed. The weights are data in ``spots.json``;
``benchmarks.spots.fit`` fits them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from retouch_engine.detect.logistic import LEAST_ODDS, Logistic, log_odds, odds_of

_MOST_LOG_ODDS = 6.0


class Term(NamedTuple):
    """How one figure is weighed: bounded, as it is or by its logarithm; and its value where it is missing."""

    name: str
    least: float
    most: float
    missing: float
    how: str = "plain"
    """``plain``, ``odds`` (log odds), ``log`` or ``count`` (logarithm of one more)."""

    def of(self, figures: Mapping[str, float]) -> float:
        """The figure as it is weighed."""
        x = min(self.most, max(self.least, figures.get(self.name, self.missing)))
        if self.how == "odds":
            return log_odds(x)
        if self.how == "log":
            return math.log(x)
        return math.log1p(x) if self.how == "count" else x


def _odds(name: str, missing: float = LEAST_ODDS) -> Term:
    return Term(name, LEAST_ODDS, 1 - LEAST_ODDS, missing, "odds")


TERMS = (
    _odds("blemish_most"),
    _odds("blemish_mean"),
    _odds("mark_most"),
    _odds("permanent_most"),
    _odds("judged_blemish", 0.005),
    _odds("judged_permanent", 0.3),
    Term("coherence", 0, 1, 0.3),
    Term("on_face", 0, 1, 1),
    Term("red_z", -2, 15, 2),
    Term("dark_z", -2, 15, 2),
    Term("rise_red", -0.1, 0.8, 0.1),
    Term("rise_g", -0.2, 1.2, 0.1),
    Term("melanin", -0.5, 1.2, 0.4),
    Term("mm", 0.3, 10, 2, "log"),
    Term("ring_spread", 0, 0.3, 0.1),
    Term("slope", 0, 1, 0.2),
    Term("elongation", 1, 4, 1.4),
    Term("inside_spread", 0, 1, 0.3),
    Term("crispness", 0, 3, 1),
    Term("blemishes_near", 0, 15, 0, "count"),
    Term("permanents_near", 0, 15, 0, "count"),
    Term("z", 0, 25, 5),
    Term("own", 1, 2, 1),
    Term("edge", 0, 4, 4),
)
"""In the order of the weights. What has no outline is taken for a mark of middling colour."""


class Regression(Logistic):
    """How much speaks for a blemish."""

    __slots__ = ()
    figures = tuple(term.name for term in TERMS)

    def with_trees(self, figures: Mapping[str, float], odds: float) -> float:
        """The mean in log odds of what the trees say of a find, 0 to 1, and of what these weights say."""
        bounded = min(_MOST_LOG_ODDS, max(-_MOST_LOG_ODDS, self.said(weighed(figures))))
        return odds_of((log_odds(odds) + bounded) / 2)


def weighed(figures: Mapping[str, float]) -> list[float]:
    """The figures as they are weighed, in the order of :data:`TERMS`."""
    return [term.of(figures) for term in TERMS]
