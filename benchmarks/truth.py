"""A chart's truth against what the engine did to it, measured in pixels, not taken from its record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from benchmarks.chart import Chart
from benchmarks.files import read_photo
from benchmarks.hotfolder import Outcome
from benchmarks.marks import TrueSpot, patch_of, reach
from numpy.typing import NDArray

from retouch_engine import Kind

GONE = 0.4
"""A blemish counts as healed when at most this share of its mean colour difference is left."""


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over one chart."""

    blemishes: int
    healed: int
    moles: int
    moles_kept: int
    freckles: int
    freckles_kept: int
    false_heals: int


def _inside(chart: Chart, spot: TrueSpot) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    shape = (chart.pixels.shape[0], chart.pixels.shape[1])
    return patch_of(spot, shape), reach(spot, shape)[0] < 1


def _left(chart: Chart, after: NDArray[np.uint16], spot: TrueSpot) -> float:
    """Mean difference from clean skin after the heal over that before it."""
    (rows, cols), inside = _inside(chart, spot)
    clean = chart.clean[rows, cols][inside].mean(0)
    before = np.abs(chart.pixels[rows, cols][inside].mean(0) - clean).sum()
    return float(np.abs(after[rows, cols][inside].mean(0) - clean).sum() / max(float(before), 1.0))


def _untouched(chart: Chart, after: NDArray[np.uint16], spot: TrueSpot) -> bool:
    (rows, cols), inside = _inside(chart, spot)
    return bool(np.array_equal(after[rows, cols][inside], chart.pixels[rows, cols][inside]))


def score(chart: Chart, outcome: Outcome) -> Score:
    """Judge one retouched chart."""
    after = np.asarray(read_photo(outcome.result), np.uint16)
    moles = [s for s in chart.permanent if s.kind is Kind.MOLE]
    freckles = [s for s in chart.permanent if s.kind is Kind.FRECKLE]
    boxes = [s["box"] for s in outcome.spots if s["decision"] == "healed"]
    return Score(
        blemishes=len(chart.blemishes),
        healed=sum(_left(chart, after, s) <= GONE for s in chart.blemishes),
        moles=len(moles),
        moles_kept=sum(_untouched(chart, after, s) for s in moles),
        freckles=len(freckles),
        freckles_kept=sum(_untouched(chart, after, s) for s in freckles),
        false_heals=sum(not _meets(box, chart.blemishes) for box in boxes),
    )


def _meets(box: list[int], spots: tuple[TrueSpot, ...]) -> bool:
    """Whether a box ``[x, y, width, height]`` reaches into the circle of any spot."""
    x, y, w, h = box
    return any(
        np.hypot(s.cx - min(max(s.cx, x), x + w), s.cy - min(max(s.cy, y), y + h)) < s.r for s in spots
    )
