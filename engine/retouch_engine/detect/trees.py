"""The last word on every find: the odds that a retoucher would heal it, and that it belongs to the person.

Two sets of boosted trees over the figures of the rules and of the networks, fitted and calibrated on people
that the networks had not seen; each set is the mean of several, fitted on the same people weighed by chance
(Rubin 1981), because few are labelled. With them a second opinion on blemishes (``regression``) and the risk
of healing something permanent (``risk``). Data beside this file; ``python -m benchmarks.spots.fit`` makes
them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from retouch_engine.detect.finds import SAID, worth_it
from retouch_engine.detect.judge import JUDGED
from retouch_engine.detect.regression import Regression
from retouch_engine.detect.risk import Risk
from retouch_engine.detect.verifier import FEATURES, Verifier, parsed

FIGURES = (
    *(*FEATURES, *SAID, *JUDGED),
    *("own", "mm", "blemishes_near", "permanents_near", "coherence", "on_face"),
)
MODEL_PATH = Path(__file__).with_name("spots.json")
_NONE = -50.0
"""A figure that a find does not have: it has no outline of its own."""


def row(figures: Mapping[str, float]) -> list[float]:
    """The figures in the model's order."""
    return [min(40.0, max(-40.0, figures[name])) if name in figures else _NONE for name in FIGURES]


@dataclass(frozen=True, slots=True)
class Trees:
    """``blemish``: would be healed; ``permanent``: belongs to the person. The rest to one is neither.

    ``regression``: a second opinion on what could be a blemish. ``risk``: of healing what belongs to the
    person, for what one would think of healing.
    """

    blemish: Verifier
    permanent: Verifier
    regression: Regression
    risk: Risk


@cache
def read(path: Path) -> Trees:
    """The trees in a file, read once.

    Raises:
        ValueError: the file was made for other figures than this version computes, or by a version that
            knew no risk or no regression.
    """
    content = json.loads(path.read_text())
    if tuple(content["features"]) != FIGURES:
        raise ValueError(f"{path.name} was fitted on other figures: run benchmarks.spots.fit")
    for name in ("regression", "risk"):
        if name not in content:
            raise ValueError(f"{path.name} holds no {name}: run benchmarks.spots.fit")
    verifiers = parsed(content["blemish"]), parsed(content["permanent"])
    return Trees(*verifiers, Regression.parsed(content["regression"]), Risk.parsed(content["risk"]))


def shipped() -> Trees:
    """The trees that come with this version."""
    return read(MODEL_PATH)


def odds(trees: Trees, figures: Sequence[Mapping[str, float]]) -> tuple[list[float], list[float]]:
    """For each find's figures: would it be healed, does it belong to the person; each 0 to 1."""
    table = np.array([row(f) for f in figures]).reshape(-1, len(FIGURES))
    heal = [
        trees.regression.with_trees(f, h) if worth_it(f) else h
        for f, h in zip(figures, trees.blemish.probability(table).tolist(), strict=True)
    ]
    return heal, trees.permanent.probability(table).tolist()
