"""The last word on every find: the odds that a retoucher would heal it, and that it belongs to the person.

Two sets of boosted trees over the figures of the rules and of the networks, fitted and calibrated on people
that the networks had not seen; each set is the mean of several, fitted on the same people weighed by chance
(Rubin 1981), because few are labelled. With them the risk of healing something permanent (``risk``). Data
beside this file; ``python -m benchmarks.fit_spots`` makes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retouch_engine.detect.finds import SAID
from retouch_engine.detect.judge import JUDGED
from retouch_engine.detect.risk import Risk
from retouch_engine.detect.verifier import FEATURES, Verifier, parsed

FIGURES = (*FEATURES, *SAID, *JUDGED, "own", "mm", "blemishes_near", "permanents_near")
MODEL_PATH = Path(__file__).with_name("spots.json")
_NONE = -50.0
"""A figure that a find does not have: it has no outline of its own."""


def row(figures: Mapping[str, float]) -> list[float]:
    """The figures in the model's order."""
    return [min(40.0, max(-40.0, figures[name])) if name in figures else _NONE for name in FIGURES]


@dataclass(frozen=True, slots=True)
class Trees:
    """``blemish``: would be healed; ``permanent``: belongs to the person. The rest to one is neither.

    ``risk``: of healing what belongs to the person, for what one would think of healing.
    """

    blemish: Verifier
    permanent: Verifier
    risk: Risk


@cache
def read(path: Path) -> Trees:
    """The trees in a file, read once.

    Raises:
        ValueError: the file was made for other figures than this version computes, or by a version that
            knew no risk.
    """
    content = json.loads(path.read_text())
    if tuple(content["features"]) != FIGURES:
        raise ValueError(f"{path.name} was fitted on other figures: run benchmarks.fit_spots")
    if "risk" not in content:
        raise ValueError(f"{path.name} holds no risk: run benchmarks.fit_spots")
    return Trees(parsed(content["blemish"]), parsed(content["permanent"]), Risk.parsed(content["risk"]))


def shipped() -> Trees:
    """The trees that come with this version."""
    return read(MODEL_PATH)


def odds(trees: Trees, rows: list[list[float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each row of figures: would it be healed, does it belong to the person; each 0 to 1."""
    table = np.array(rows).reshape(-1, len(FIGURES))
    return trees.blemish.probability(table), trees.permanent.probability(table)
