"""Learning a studio's taste: what a pair says, what is fitted, and what no taste may touch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from benchmarks.chart import Chart
from benchmarks.files import write_photo
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.detect.test_learned import RED

from retouch_engine import taste
from retouch_engine.calibration import KINDS, Calibration, checked_calibration
from retouch_engine.detect.lines import Bars, named_find
from retouch_engine.errors import NotEnoughToLearn, PairMismatch, RecipeMistake
from retouch_engine.recipe import PERMANENT, Kind, Limits, Recipe
from retouch_engine.taste import Lesson
from retouch_engine.types import Box, Spot

BARS = Bars.at(50)
EAGER = Calibration(slope=5.0, bias=4.0, kinds=dict.fromkeys(KINDS, 4.0))


def lessons(healed_from: float, photos: int = 12, seed: int = 0) -> list[Lesson]:
    """A studio that heals whatever has odds above a line, and sometimes does not look closely."""
    rng = np.random.default_rng(seed)
    told = []
    for photo in range(photos):
        for odds in rng.uniform(0.05, 0.95, 12):
            healed = bool(odds > healed_from) ^ bool(rng.uniform() < 0.05)
            figures = {**RED, "odds_blemish": float(odds), "odds_permanent": 0.02}
            told.append(Lesson(f"IMG_{photo}", figures, healed))
    return told


def test_an_eager_studio_heals_more_unasked_and_a_careful_one_less() -> None:
    for line, more in ((0.2, True), (0.75, False)):
        before, after = taste.judged(lessons(line))
        assert after["log_loss"] < before["log_loss"]
        assert (after["recall"] > before["recall"]) is more
        assert (after["precision"] > before["precision"]) is not more


def test_little_evidence_changes_little() -> None:
    few, many = (taste.fitted(lessons(0.7, photos)) for photos in (1, 40))
    assert abs(few.odds(0.5, Kind.PIMPLE) - 0.5) < abs(many.odds(0.5, Kind.PIMPLE) - 0.5)
    assert not Calibration()
    assert Calibration().odds(0.3, Kind.PIMPLE) == 0.3


@pytest.mark.parametrize(
    "veto",
    [
        {"odds_permanent": 0.61},
        {"risk": 0.26},
        {"permanent_most": 0.98},
        {"judged_permanent": 0.61},
        {"melanin": 0.8, "rise_g": 0.5},
        {"melanin": 0.6, "odds_permanent": 0.97},
        {"ring_skin": 0.8},
        {"ring_spread": 0.25},
        {"edge": 0.2},
        {"elongation": 3.1},
        {"company": 30.0},
        {"rise_red": 0.01},
    ],
)
def test_no_taste_heals_what_is_guarded(veto: dict[str, float]) -> None:
    figures = {**RED, "odds_permanent": 0.02, **veto}
    shipped = named_find(figures, 0.9, figures["odds_permanent"], BARS)
    eager = named_find(figures, 0.9, figures["odds_permanent"], BARS, EAGER)
    assert shipped is not None
    assert eager is not None
    assert not shipped.sure
    assert not eager.sure


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.fixed_dictionaries(
        {"melanin": st.floats(-1, 2), "rise_g": st.floats(0, 1), "company": st.floats(0, 40)}
    ),
    st.floats(0.2, 5),
    st.floats(-4, 4),
)
def test_a_taste_never_loosens_what_guards_permanent_marks(
    heal: float, keep: float, figures: dict[str, float], slope: float, bias: float
) -> None:
    found = {**RED, **figures}
    certain = named_find(found, 1.0, keep, BARS)
    eager = named_find(found, heal, keep, BARS, Calibration(slope, bias))
    if eager is not None and eager.sure:
        # Only odds can have stood in the way, and not from far.
        assert heal >= BARS.sure / 2
        assert certain is not None
        assert certain.sure
        assert figures["company"] < 18 or heal >= 0.92


def test_what_is_offered_does_not_depend_on_taste() -> None:
    careful = Calibration(slope=1.0, bias=-4.0)
    for heal in (0.02, 0.2, 0.5, 0.95):
        shipped, asked = (named_find(RED, heal, 0.02, BARS, t) for t in (Calibration(), careful))
        assert (shipped is None) == (asked is None)


def test_too_little_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        NotEnoughToLearn, match=r"0 photos with 0 healed spots .* at least 8 photos and 20 of each"
    ):
        taste.learn([], [], Limits())


@pytest.mark.parametrize(
    "told",
    [
        3,
        {"slope": "steep"},
        {"slope": 9.0},
        {"bias": float("nan")},
        {"bias": True},
        {"unheard": 1.0},
        {"pimple": -5.0},
    ],
)
def test_what_anybody_could_have_written_is_refused(told: Any) -> None:
    with pytest.raises(RecipeMistake):
        checked_calibration(told)


def test_a_recipe_carries_it_and_is_another_recipe() -> None:
    made = Calibration(1.2, -0.3, {Kind.PIMPLE: 0.5})
    recipe = Recipe(calibration=made.as_pairs())
    assert Calibration.of(recipe) == made
    assert Recipe.from_json(recipe.as_json()) == recipe
    assert recipe.digest != Recipe().digest
    assert "calibration" not in Recipe().as_json()
    assert not set(KINDS) & PERMANENT


@pytest.fixture
def drawn(chart: Chart, monkeypatch: pytest.MonkeyPatch) -> tuple[Chart, list[Spot]]:
    """The chart's own blemishes as finds with odds: the chart has no face that could give a scale."""
    spots = []
    for number, mark in enumerate(chart.blemishes, start=1):
        r = max(3, round(mark.r))
        box = Box(round(mark.cy) - r, round(mark.cx) - r, round(mark.cy) + r + 1, round(mark.cx) + r + 1)
        disc = np.hypot(*np.mgrid[-r : r + 1, -r : r + 1]) <= r
        figures = {**RED, "odds_blemish": 0.5, "odds_permanent": 0.02}
        spots.append(Spot(number, box, disc, 2.0 * r, Kind.PIMPLE, 0.5, False, "drawn", figures))
    kept = replace(spots[0], kind=Kind.MOLE)
    finder = SimpleNamespace(detect=lambda *_: (kept, *spots[1:]))
    monkeypatch.setattr(taste, "chosen", lambda _: finder)
    return chart, spots


def written(folder: Path, name: str, pixels: np.ndarray) -> Path:
    path = folder / name
    write_photo(path, np.ascontiguousarray(pixels))
    return path


def test_a_pair_says_what_was_healed_under_any_grade(drawn: tuple[Chart, list[Spot]], tmp_path: Path) -> None:
    chart, spots = drawn
    after = chart.pixels.copy()
    gone = {s.id for s in spots[1::2]}
    for spot in spots:
        if spot.id in gone:
            around = spot.box.grown(6, *after.shape[:2])
            cut = after[around.slices]
            edge = np.concatenate([cut[0], cut[-1], cut[:, 0], cut[:, -1]])
            cut[...] = np.median(edge, axis=0).astype(after.dtype)
    graded = (after / 65535.0) ** 0.8 * np.array([0.97, 0.93, 0.9])
    pair = (
        written(tmp_path, "a.tif", chart.pixels),
        written(tmp_path, "b.tif", (graded * 65535).astype(np.uint16)),
    )
    told = taste.lessons_of(*pair, Limits())
    by_id = {id(s.features): s.id for s in spots}
    says = {by_id[id(lesson.figures)]: lesson.healed for lesson in told}
    assert spots[0].id not in says, "what is permanent teaches nothing"
    assert len(says) >= 0.6 * (len(spots) - 1)
    assert sum(healed == (number in gone) for number, healed in says.items()) >= 0.9 * len(says)


def test_pairs_that_are_not_the_same_picture_are_refused(
    drawn: tuple[Chart, list[Spot]], tmp_path: Path
) -> None:
    pixels = drawn[0].pixels
    one = written(tmp_path, "a.tif", pixels)
    shifted = np.roll(pixels, (9, 14), axis=(0, 1))
    noise = np.random.default_rng(0).integers(0, 65535, pixels.shape).astype(np.uint16)
    for name, other, why in (
        ("small.tif", np.asarray(cv2.resize(pixels, None, fx=0.5, fy=0.5)), "same size"),
        ("shifted.tif", shifted, "shifted by about 17 px|shifted by about 16 px"),
        ("noise.tif", noise, "another picture|shifted"),
    ):
        with pytest.raises(PairMismatch, match=why):
            taste.lessons_of(one, written(tmp_path, name, other), Limits())


@pytest.mark.parametrize(
    ("change", "healed"),
    [
        ({"wish": "heal"}, True),
        ({"wish": "keep"}, False),
        ({"wish": "reject"}, False),
        ({"wish": "review"}, None),
        ({"kind": "mole", "wish": "heal"}, None),
        ({"features": None}, None),
        ({"features": {"odds_blemish": 0.5, "odds_permanent": 0.1, "melanin": 0.2}}, None),
        ({"features": {**RED, "odds_blemish": "high", "odds_permanent": 0.1}}, None),
    ],
)
def test_corrections_teach_too(change: dict[str, Any], healed: bool | None) -> None:
    told = {
        "kind": "pimple",
        "features": {**RED, "odds_blemish": 0.5, "odds_permanent": 0.02},
        "wish": "heal",
    }
    lesson = taste.lesson_by_hand("IMG", {**told, **change})
    assert (lesson.healed if lesson else None) is healed
