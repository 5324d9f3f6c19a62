"""The odds that healing a find would be a mistake: that what looks like a blemish belongs to the person.

The trees' odds of a permanent mark are fitted on all finds, most of which nobody would heal. Here only those
count that one would think of healing, and all that speaks for or against a mole is weighed at once by
logistic regression: both networks, the trees, how brown and dark the mark is, its size and its company. Six
lines over single figures, one after the other, left more unhealed and guarded no better (``spots.md``). The
weights are data in ``spots.json``; ``benchmarks.spots.fit`` fits them on people whom neither networks nor
trees had seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from retouch_engine.detect.logistic import Logistic, log_odds, odds_of

WEIGHED = (
    "log_odds_blemish",
    "log_odds_permanent",
    "log_judged_permanent",
    "log_permanent_most",
    "rise_g",
    "brown_and_dark",
    "log_mm",
    "log_blemishes_near",
    "log_permanents_near",
)
RISK = "risk"
"""The figure's name beside the others."""
_LEAST_MM = 0.3
_BROWN = 0.47
_MOST_COMPANY = 4.0
_FAINT = {"melanin": 0.37, "rise_g": 0.1}
"""Taken of what has no outline of its own, and so no colour."""


class Risk(Logistic):
    """How much speaks for a permanent mark."""

    __slots__ = ()
    figures = WEIGHED

    def odds(self, figures: Mapping[str, float], heal: float, keep: float) -> float:
        """Of a find with these figures and the trees' odds: 0 to 1 that it belongs to the person."""
        return odds_of(self.said(weighed(figures, heal, keep)))


def weighed(figures: Mapping[str, float], heal: float, keep: float) -> list[float]:
    """The figures in the order of :data:`WEIGHED`."""
    outlined = "melanin" in figures
    melanin = figures["melanin"] if outlined else _FAINT["melanin"]
    rise = figures["rise_g"] if outlined else _FAINT["rise_g"]
    return [
        log_odds(heal),
        log_odds(keep),
        # What the second network was not shown is no blemish to the first one either.
        log_odds(figures.get("judged_permanent", 1.0)),
        log_odds(figures["permanent_most"]),
        rise,
        max(0.0, melanin - _BROWN) * rise,
        math.log(max(_LEAST_MM, figures["mm"])),
        # Acne speaks for one more pimple, but a mole may lie among any number of them.
        math.log1p(min(_MOST_COMPANY, figures["blemishes_near"])),
        math.log1p(figures["permanents_near"]),
    ]
