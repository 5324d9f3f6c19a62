"""The rules that decide without a face: brown is kept, red is healed when nothing else speaks against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from retouch_engine.detect.contour import Outline
from retouch_engine.detect.kinds import Bars, Finding, named, rejected
from retouch_engine.recipe import PERMANENT, Kind

RED = {
    "melanin": 0.2,
    "rise_red": 0.3,
    "rise_g": 0.4,
    "inside_spread": 0.3,
    "elongation": 1.2,
    "ring_skin": 1.0,
    "ring_dark": 0.0,
    "ring_red": 0.0,
    "slope": 0.0,
    "edge": 4.0,
    "dark_z": 8.0,
    "nearby": 0.0,
}
BROWN = {"melanin": 0.6, "rise_red": 0.1}
BARS = Bars.at(50)


def look(change: dict[str, float], diameter_px: float = 12.0) -> Outline:
    seed: Any = None
    return Outline(seed, np.ones((3, 3), np.bool_), 0, 0, diameter_px, RED | change)


def named_as(change: dict[str, float], chance: float = 0.97, bars: Bars = BARS) -> Finding | None:
    outline = look(change)
    return named(outline, outline.features, chance, bars)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, Kind.PIMPLE),
        ({"rise_g": 0.3}, Kind.RED_SPOT),
        ({"rise_red": 0.2}, Kind.RED_SPOT),
        ({"elongation": 2.5}, Kind.LINE),
        ({"melanin": 0.49, "dark_z": 4.0}, Kind.UNKNOWN),
        ({"rise_red": 0.07}, Kind.UNKNOWN),
        (BROWN, Kind.MOLE),
        (BROWN | {"rise_g": 0.29}, Kind.FRECKLE),
        (BROWN | {"nearby": 5.0}, Kind.FRECKLE),
        (BROWN | {"nearby": 4.0, "elongation": 3.0}, Kind.MOLE),
    ],
)
def test_a_spot_is_named_by_its_colour_and_shape(change: dict[str, float], kind: Kind) -> None:
    finding = named_as(change)
    assert finding is not None
    assert finding.kind is kind
    assert finding.sure is (kind in {Kind.PIMPLE, Kind.RED_SPOT})


@pytest.mark.parametrize(
    "doubt",
    [
        {"melanin": 0.37},
        {"elongation": 2.1},
        {"ring_skin": 0.96},
        {"ring_dark": 0.15},
        {"ring_red": 0.15},
        {"edge": 0.9},
        {"rise_red": 0.51, "rise_g": 0.6},
        {"rise_g": 0.19},
        {"inside_spread": 1.21},
    ],
)
def test_a_red_spot_with_a_doubt_is_offered_however_likely_it_is(doubt: dict[str, float]) -> None:
    finding = named_as(doubt, 1.0)
    assert finding is not None
    assert finding.kind not in PERMANENT
    assert not finding.sure


def test_what_is_brown_is_kept_whatever_its_chance_and_the_rest_goes_by_it() -> None:
    for chance in (0.0, 1.0):
        mole = named_as(BROWN, chance)
        assert mole is not None
        assert (mole.kind, mole.sure) == (Kind.MOLE, False)
    assert named_as({}, BARS.review - 0.01) is None
    below, above = (named_as({}, BARS.sure + step) for step in (-0.01, 0.01))
    assert below is not None
    assert above is not None
    assert (below.sure, above.sure) == (False, True)


def test_among_brown_marks_only_the_reddest_and_likeliest_is_healed() -> None:
    few, many = BARS.among(4), BARS.among(5)
    for change, chance, sure in (({}, 0.95, True), ({}, 0.85, False), ({"melanin": 0.3}, 0.95, False)):
        alone, freckled = (named_as(change, chance, bars) for bars in (few, many))
        assert alone is not None
        assert freckled is not None
        assert (alone.sure, freckled.sure) == (True, sure)


def test_bars_of_the_rules_move_one_way() -> None:
    bars = [Bars.at(level) for level in range(0, 101, 10)]
    assert [b.sure for b in bars] == sorted({b.sure for b in bars}, reverse=True)
    assert [b.review for b in bars] == sorted({b.review for b in bars}, reverse=True)
    assert all(0 < b.review < b.sure < 1 for b in bars)


@pytest.mark.parametrize(
    "flaw",
    [{"ring_skin": 0.89}, {"rise_g": 0.04}, {"ring_dark": 0.17}, {"ring_red": 0.17}, {"slope": 0.5}],
)
def test_what_is_no_spot_of_its_own_is_rejected(flaw: dict[str, float]) -> None:
    assert rejected(look({}), 4.0) == ""
    assert rejected(look(flaw), 4.0)


def test_what_is_smaller_than_a_pore_is_rejected() -> None:
    assert rejected(look({}, 3.9), 4.0)
    assert not rejected(look({}, 4.1), 4.0)
