"""What is painted on skin, worn or in the air before it is never healed unasked; blood is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from benchmarks import skin
from numpy.typing import NDArray

from retouch_engine.detect import spotnet
from retouch_engine.detect.finds import Find, figured
from retouch_engine.detect.learned import Learned
from retouch_engine.detect.lines import Bars, named_find
from retouch_engine.detect.rendering import Rendering
from retouch_engine.detect.risk import RISK
from retouch_engine.detect.spotnet import View
from retouch_engine.detect.worn import SEEN_RED, WORN, among_worn, no_skin, seen_red, worn
from retouch_engine.recipe import Recipe
from retouch_engine.survey import survey
from retouch_engine.types import Box, Photo, PixelScale, Spot

PX_PER_MM = 6.0
HEIGHT, WIDTH = 480, 720
PAINT = (200, 30, 45)
MARK: Mapping[str, float] = {
    "melanin": 0.15,
    "mm": 2.0,
    "rise_r": 0.05,
    "rise_g": 0.35,
    "rise_b": 0.3,
    "rise_red": 0.3,
    "ring_spread": 0.08,
    "inside_spread": 0.3,
}
MANY: list[Mapping[str, float]] = [{**MARK, "mm": 3.0 * 1.3**n} for n in range(54)]
Float = NDArray[np.float32]


def bare(tone: str) -> tuple[Float, Float]:
    """Optical density of some skin, and the noise that it is seen with."""
    rng, shape = np.random.default_rng(3), (HEIGHT, WIDTH)
    relief = 0.05 * skin.relief(shape, PX_PER_MM, rng)[..., None] * skin.RELIEF
    blotches = 0.05 * skin.cloud(shape, 4 * PX_PER_MM, rng)[..., None] * skin.HAEMOGLOBIN
    return np.asarray(skin.density(skin.TONES[tone]) + relief + blotches, np.float32), skin.sensor(shape, rng)


def discs(places: Sequence[tuple[int, int]], mm: float) -> Float:
    """How much of each pixel discs of this radius cover."""
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    for x, y in places:
        cv2.circle(drawn, (16 * x, 16 * y), round(16 * mm * PX_PER_MM), 255, -1, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(drawn / np.float32(255), (0, 0), 0.8))[..., None]


def painted(od: Float, places: Sequence[tuple[int, int]], mm: float) -> Float:
    share = discs(places, mm)
    light = np.exp(-od) * (1 - share) + np.exp(-skin.density(PAINT)) * share
    return np.asarray(-np.log(light), np.float32)


def bled(od: Float, places: Sequence[tuple[int, int]], mm: float, blood: float) -> Float:
    return np.asarray(od + blood * discs(places, mm) * skin.HAEMOGLOBIN, np.float32)


def found(od: Float, noise: Float) -> tuple[Spot, ...]:
    if not spotnet.knows_spots():
        pytest.skip("onnxruntime is not installed, so the network cannot be run")
    photo = Photo(np.ascontiguousarray(skin.develop(od, noise)))
    scale = PixelScale(PX_PER_MM, "as drawn")
    scene = replace(survey(photo), scale=scale, skin=np.ones((60, 90), np.float32))
    return Learned().detect(photo, scene, Recipe())


@pytest.mark.parametrize("tone", ["light", "tan", "dark"])
@pytest.mark.parametrize("mm", [1.2, 1.5])
def test_a_painted_disc_is_left_and_blood_as_large_is_healed(tone: str, mm: float) -> None:
    od, noise = bare(tone)
    middle = [(WIDTH // 2, HEIGHT // 2)]
    (disc,) = found(painted(od, middle, mm), noise)
    (spot,) = found(bled(od, middle, mm, 0.6), noise)
    assert (disc.sure, spot.sure) == (False, True)
    assert "redder than blood" in disc.reason


def test_a_pattern_of_dots_is_left_and_two_of_them_are_healed() -> None:
    od, noise = bare("light")
    pattern = [(120 + 150 * i, 150 + 180 * j) for j in range(2) for i in range(4)]
    two = found(bled(od, pattern[:2], 1.2, 0.5), noise)
    all_ = found(bled(od, pattern, 1.2, 0.5), noise)
    assert (len(two), len(all_)) == (2, 8)
    assert all(spot.sure for spot in two)
    assert not any(spot.sure for spot in all_)
    assert all("too much alike" in spot.reason for spot in all_)


def test_beside_paint_blood_is_left_and_beside_the_reddest_acne_it_is_healed() -> None:
    od, noise = bare("dark")
    three, aside = [(150, 150), (330, 200), (520, 140)], [(200, 360)]
    od = bled(od, aside, 1.0, 0.6)
    among_paint = found(painted(od, three, 1.5), noise)
    for place, mm in zip(three, (1.2, 1.5, 1.8), strict=True):
        od = bled(od, [place], mm, 3.2)
    among_acne = found(od, noise)
    assert [spot.reason.split(":")[0] for spot in among_acne].count("redder than blood makes skin") == 3
    assert [[spot.sure for spot in among] for among in (among_paint, among_acne)] == [
        [False, False, False, False],
        [False, False, False, True],
    ]


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({}, False),
        ({"rise_red": 0.49, "rise_g": 0.6}, False),
        ({"rise_red": 0.51, "rise_g": 0.6}, True),
        ({"rise_red": 0.3, "rise_g": 0.21}, False),
        ({"rise_red": 0.3, "rise_g": 0.19}, True),
        ({"rise_red": 0.02, "rise_g": -0.3}, False),
    ],
    ids=["red", "as red as blood", "redder", "hardly lighter", "lighter in red", "white"],
)
def test_blood_is_only_so_red_and_never_lighter(change: dict[str, float], answer: bool) -> None:
    assert ("redder than blood" in no_skin({**MARK, **change})) is answer


def test_of_what_has_no_outline_the_maps_redness_tells() -> None:
    assert [bool(no_skin({SEEN_RED: red})) for red in (0.39, 0.41)] == [False, True]
    assert not no_skin({})


def test_a_stone_is_bright_and_dark_inside_and_a_faint_blotch_only_uneven() -> None:
    assert "stone" in no_skin({**MARK, "inside_spread": 1.21})
    assert not no_skin({**MARK, "inside_spread": 1.19})
    assert not no_skin({**MARK, "inside_spread": 4.0, "rise_g": 0.24, "rise_red": 0.2})


@pytest.mark.parametrize(
    ("finds", "odds", "count"),
    [
        ([MARK] * 6, 0.5, 6),
        ([MARK] * 5, 0.5, 0),
        ([MARK] * 6, 0.2, 0),
        ([{**MARK, "ring_spread": 0.2}] * 6, 0.5, 0),
        ([{**MARK, "mm": 1.3**n} for n in range(6)], 0.5, 0),
        ([{**MARK, "rise_b": 0.1 + 0.05 * n} for n in range(6)], 0.5, 0),
        ([{**MARK, "rise_g": 0.8, "rise_red": 0.76}, MARK, {SEEN_RED: 0.61}], 0.5, 2),
        ([{**MARK, "rise_g": 0.8, "rise_red": 0.74}, MARK, {SEEN_RED: 0.59}], 0.5, 0),
        ([], 0.5, 0),
        ([MARK] * 6 + MANY[:34], 0.5, 6),
        ([MARK] * 6 + MANY, 0.5, 0),
    ],
    ids=[
        "six",
        "five",
        "freckles",
        "ear",
        "sizes",
        "colours",
        "too red",
        "acne",
        "none",
        "of forty",
        "of sixty",
    ],
)
def test_marks_are_worn_that_are_too_red_or_too_much_alike(
    finds: list[Mapping[str, float]], odds: float, count: int
) -> None:
    assert worn(finds, [odds] * len(finds)) == count


def test_on_a_person_with_several_worn_marks_nothing_is_healed_unasked() -> None:
    assert [among_worn({WORN: n}) for n in (2.0, 3.0)] == [False, True]
    faint = {"own": 2.0, "company": 0.0, RISK: 0.005, "permanent_most": 0.0, "judged_permanent": 0.0}
    faint |= {"coherence": 0.1, "coherence_near": 0.1, "on_face": 1.0, "px_per_mm": 5.0, "halved_colour": 0.0}
    faint |= {"blue_unevenness": 1.1, "skin_redness": 0.5}
    changes: tuple[dict[str, float], ...] = ({WORN: 2.0}, {WORN: 3.0}, {SEEN_RED: 0.41})
    findings = [named_find({**faint, **change}, 0.99, 0.0, Bars.at(50)) for change in changes]
    assert [finding is not None and finding.sure for finding in findings] == [True, False, False]


def test_redness_is_seen_beside_the_skin_around_in_the_usual_rendering() -> None:
    skin_od = np.array([0.4, 0.9, 1.2], np.float32)
    od = np.tile(skin_od, (40, 40, 1))
    od[16:24, 16:24] += np.array([0.1, 0.5, 0.4], np.float32)
    light = np.exp(-od)
    rgb = np.rint(255 * (1.055 * light ** (1 / 2.4) - 0.055)).astype(np.uint8)
    seen = View(rgb, np.zeros((3, 20, 20), np.float32), np.ones((20, 20), np.bool_), 1.0, 0, 0, 5.0)
    cells, inside = Box(8, 8, 12, 12), np.ones((4, 4), np.bool_)
    assert seen_red(seen, cells, inside) == pytest.approx(0.4, abs=0.02)
    colourful = replace(seen, rendering=Rendering(gain=0.6))
    assert seen_red(colourful, cells, inside) == pytest.approx(0.24, abs=0.02)
    nothing = replace(seen, skin=np.zeros((20, 20), np.bool_))
    assert seen_red(nothing, cells, inside) == 0
    wider = Box(7, 7, 13, 13)
    assert seen_red(seen, wider, np.ones((6, 6), np.bool_)) == pytest.approx(0.4, abs=0.02), (
        "its reddest part"
    )


def test_of_what_may_be_a_blemish_and_has_no_outline_the_redness_is_measured() -> None:
    rgb = np.full((80, 80, 3), (200, 150, 130), np.uint8)
    rgb[36:44, 36:44] = PAINT
    odds = np.full((3, 40, 40), 0.5, np.float32)
    seen = View(rgb, odds, np.ones((40, 40), np.bool_), 1.0, 0, 0, 5.0)
    inside, box = np.ones((8, 8), np.bool_), Box(36, 36, 44, 44)
    faint = Find(box, inside, 9.0, {"own": 2.0})
    scene = survey(Photo(rgb))
    unlikely = replace(seen, odds=np.zeros_like(odds))
    ((one,), (hopeless,)) = (figured(scene, how, [faint]) for how in (seen, unlikely))
    assert one.figures[SEEN_RED] > 0.4
    assert no_skin(one.figures)
    assert SEEN_RED not in hopeless.figures, "nothing is asked of it"
