"""The renderer keeps its own promises: the same seed, the same picture, and truth where it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.chart import Chart, render
from benchmarks.files import read_photo, write_photo
from benchmarks.marks import TrueSpot, patch_of, reach

from retouch_engine import PERMANENT, Kind


def test_the_same_seed_gives_the_same_samples(chart: Chart) -> None:
    again = render(900, 600, seed=5, px_per_mm=12.0, tones=("fair",))
    assert np.array_equal(again.pixels, chart.pixels)
    assert again.spots == chart.spots


def test_another_seed_gives_another_picture(chart: Chart) -> None:
    other = render(900, 600, seed=6, px_per_mm=12.0, tones=("fair",))
    assert not np.array_equal(other.pixels, chart.pixels)
    assert other.spots != chart.spots


def test_outside_the_blemishes_nothing_differs_from_clean_skin(chart: Chart) -> None:
    outside = ~chart.blemished
    assert np.array_equal(chart.pixels[outside], chart.clean[outside])


@pytest.mark.parametrize("size", [(400, 300), (640, 1000), (1500, 500)])
def test_any_size_is_rendered(size: tuple[int, int]) -> None:
    made = render(*size, seed=2, px_per_mm=8.0, tones=("tan", "dark"))
    assert made.pixels.shape == (size[1], size[0], 3)
    assert made.pixels.dtype == np.uint16
    assert made.blemishes
    assert made.permanent


def test_every_kind_is_there(chart: Chart) -> None:
    kinds = {s.kind for s in chart.spots}
    assert kinds == {Kind.PIMPLE, Kind.RED_SPOT, Kind.SCAB, Kind.MOLE, Kind.FRECKLE}
    assert chart.hairs
    assert all(s.permanent == (s.kind in PERMANENT) for s in chart.spots)


def _redness(chart: Chart, spot: TrueSpot, inner: float, outer: float) -> float:
    """Mean density of green over red in a ring around a spot's centre."""
    shape = (chart.pixels.shape[0], chart.pixels.shape[1])
    wide = TrueSpot(spot.kind, spot.cx, spot.cy, spot.r * outer)
    rows, cols = patch_of(wide, shape)
    t = reach(wide, shape)[0] * outer
    ring = chart.pixels[rows, cols][(t >= inner) & (t < outer)].astype(np.float64) + 1
    return float(np.log(ring[:, 0] / ring[:, 1]).mean())


def test_blemishes_are_redder_than_the_skin_around_them(chart: Chart) -> None:
    for spot in chart.blemishes:
        assert _redness(chart, spot, 0, 0.6) > _redness(chart, spot, 1, 1.6) + 0.03, spot


def _luma(chart: Chart, spot: TrueSpot) -> tuple[float, float]:
    shape = (chart.pixels.shape[0], chart.pixels.shape[1])
    wide = TrueSpot(spot.kind, spot.cx, spot.cy, spot.r * 1.6)
    rows, cols = patch_of(wide, shape)
    t, patch = reach(wide, shape)[0] * 1.6, chart.clean[rows, cols].mean(-1)
    return float(patch[t < 0.5].mean()), float(patch[t > 1].mean())


def test_moles_stay_in_the_clean_picture_and_are_dark(chart: Chart) -> None:
    for spot in chart.permanent:
        if spot.kind is Kind.MOLE:
            inside, around = _luma(chart, spot)
            assert inside < 0.85 * around, spot


def test_marks_keep_clear_of_each_other_and_of_the_parts_of_a_face() -> None:
    made = render(1600, 1100, seed=3, px_per_mm=12.0, tones=("fair", "dark"))
    for i, a in enumerate(made.spots):
        assert not any(r.holds(a.cx, a.cy, a.r) for r in made.regions)
        for b in made.spots[:i]:
            assert np.hypot(a.cx - b.cx, a.cy - b.cy) > a.r + b.r


def test_relief_is_as_strong_as_asked() -> None:
    smooth, coarse = (render(500, 400, seed=4, tones=("light",), relief=r).clean for r in (0.02, 0.06))
    green = [np.log(p[150:250, 200:300, 1].astype(float) + 1) for p in (smooth, coarse)]
    strength = [float(np.diff(g).std()) for g in green]
    assert strength[1] > 1.5 * strength[0]


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_files_hold_the_samples_exactly(chart: Chart, tmp_path: Path, name: str) -> None:
    write_photo(tmp_path / name, chart.pixels)
    assert np.array_equal(read_photo(tmp_path / name), chart.pixels)


def test_a_jpeg_holds_eight_bits(chart: Chart, tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", chart.pixels)
    back = read_photo(tmp_path / "a.jpg")
    assert back.dtype == np.uint8
    assert np.abs(back.astype(int) - chart.eight_bit()).mean() < 4
