"""A second look at every outline: how likely would a retoucher heal it?

Rules over single figures either miss or flood. Boosted trees over the same figures (Friedman 2001), fitted
on hand-labelled portraits and cross-validated by person, find four times as many blemishes at the same number
of false ones. They are data beside this file, read without any learning library;
``python -m benchmarks.spots.fit_verifier`` makes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.kernels.trees import leaves

FEATURES = (
    "z",
    "rise_r",
    "rise_g",
    "rise_b",
    "rise_red",
    "red_z",
    "dark_z",
    "melanin",
    "blue_share",
    "ring_spread",
    "ring_dark",
    "ring_red",
    "ring_skin",
    "ring_level",
    "ring_redness",
    "slope",
    "elongation",
    "solidity",
    "crispness",
    "inside_spread",
    "nearby",
    "channel_red",
    "share",
    "edge",
)
MODEL_PATH = Path(__file__).with_name("verifier.json")


def vector(features: Mapping[str, float]) -> list[float]:
    """The figures in the model's order, with ratios of small numbers kept within reason."""
    return [min(40.0, max(-40.0, features[name])) for name in FEATURES]


@dataclass(frozen=True, slots=True)
class Verifier:
    """Trees as one table: ``nodes`` is ``(n, 5)``: feature (-1 in a leaf), threshold, left, right, value."""

    nodes: NDArray[np.float64]
    roots: NDArray[np.intp]
    base: float

    def probability(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each row of figures ``(n, features)``, the probability, 0 to 1, that it is a blemish."""
        raw = self.base + leaves(self.nodes, self.roots, np.ascontiguousarray(rows))
        return np.asarray(1 / (1 + np.exp(-raw)))


@cache
def verifier() -> Verifier:
    """The fitted trees, read once.

    Raises:
        ValueError: the file was made for other features than this version computes.
    """
    content = json.loads(MODEL_PATH.read_text())
    if tuple(content["features"]) != FEATURES:
        raise ValueError(f"{MODEL_PATH.name} was fitted on other features: run benchmarks.spots.fit_verifier")
    return parsed(content)


def parsed(content: Mapping[str, Any]) -> Verifier:
    """Trees as their fitting program wrote them: ``trees`` of rows, and ``base``."""
    tables, roots, start = [], [], 0
    for tree in content["trees"]:
        table = np.array(tree, dtype=np.float64)
        table[:, 2:4] += start
        roots.append(start)
        start += len(table)
        tables.append(table)
    return Verifier(np.concatenate(tables), np.array(roots, dtype=np.intp), content["base"])
