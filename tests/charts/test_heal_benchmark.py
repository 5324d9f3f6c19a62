"""The healing benchmark measures what it says: the same cases by seed, a known truth, and a fair judge."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.chart import Chart
from benchmarks.heal import markdown, measured, summary, tables
from benchmarks.heal_cases import Case, Ground, cases, ground
from benchmarks.heal_methods import methods
from benchmarks.heal_score import Judge, _Null
from benchmarks.pages import filled

from retouch_engine.imaging.bands import blur


@pytest.fixture(scope="module")
def where(chart: Chart) -> Ground:
    return ground("chart", chart.clean)


@pytest.fixture(scope="module")
def some(where: Ground) -> list[Case]:
    return list(cases(where, (8, 24), 1, seed=3))


def test_the_same_seed_gives_the_same_cases(where: Ground, some: list[Case]) -> None:
    again = list(cases(where, (8, 24), 1, seed=3))
    assert len(again) == len(some) == 20
    assert all(np.array_equal(a.spoilt, b.spoilt) for a, b in zip(some, again, strict=True))


def test_a_blemish_lies_inside_its_hole_and_nowhere_else(some: list[Case]) -> None:
    for case in some:
        changed = (case.truth != case.spoilt).any(axis=-1)
        assert changed.any()
        assert not (changed & ~case.hole).any()
        assert case.hole.sum() < 4 * case.size_px**2


def test_the_truth_scores_as_the_truth_and_plastic_does_not(some: list[Case]) -> None:
    inside = []
    for case in [c for c in some if c.variant == "plain"]:
        judge = Judge(case)
        truth = judge.score(case.truth)
        smooth = blur(case.truth.astype(np.float32), 4.0).astype(np.uint16)
        flat = judge.score(np.where(case.hole[..., None], smooth, case.truth))
        assert truth.texture == pytest.approx((1, 1, 1))
        assert truth.colour == pytest.approx(0)
        assert flat.texture[0] < 0.6
        assert flat.inside is False
        inside.append(truth.inside)
    assert sum(value is True for value in inside) >= 0.8 * len(inside)


def test_the_tables_name_every_method_and_size(some: list[Case]) -> None:
    asked = {name: methods()[name] for name in ("retouchd", "Telea")}
    text = markdown(measured(some[:1] + some[10:11], asked, 1), "a machine")
    assert "**8 px**" in text
    assert "| retouchd |" in text
    assert "a machine" in text


def test_patches_are_compared_with_those_that_share_no_pixel_with_them() -> None:
    rng = np.random.default_rng(0)
    figures = np.repeat(rng.normal(size=(15, 7)), 4, axis=0) + 0.05 * rng.normal(size=(60, 7))
    # Four patches each share most of their pixels; the heal, first, lies apart from all.
    corners = np.column_stack([np.repeat(100.0 * np.arange(16), 4)[3:], np.arange(61) % 4])
    corners[0] = -1000.0
    held = _Null.of(figures, corners, 50.0)
    loose = _Null.of(figures, corners, 0.5)
    crowded = _Null.of(figures, corners, 1e6)
    assert held is not None
    assert loose is not None
    fresh = rng.normal(size=(200, 7))
    inside = [np.mean([null.holds(skin) for skin in fresh]) for null in (held, loose)]
    assert inside[0] > inside[1]
    assert crowded is None


def test_the_short_table_has_a_row_for_each_method_beside_which_ours_stands(some: list[Case]) -> None:
    asked = {name: methods()[name] for name in ("retouchd", "- donor", "Telea")}
    heads, _, *rows = summary(tables(measured(some[:2] + some[10:12], asked, 1))).splitlines()
    assert heads.startswith("| inside | 8 px | 24 px | ms at 24 px |")
    assert [row.split(" | ")[0].strip("| ") for row in rows] == ["untouched skin", "retouchd", "Telea"]


def test_a_pages_block_is_filled_alone_and_has_to_be_there() -> None:
    page = "a\n<!-- benchmark:x -->\nold\n<!-- /benchmark:x -->\nb\n"
    assert filled(page, "x", r"new \1" + "\n") == page.replace("old", r"new \1")
    for broken in (page + page, page.replace("/benchmark", "benchmark")):
        with pytest.raises(ValueError, match="benchmark:x"):
            filled(broken, "x", "new")
