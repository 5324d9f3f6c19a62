"""The learned detector: where it looks, what becomes of the answers, what it never heals unasked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from benchmarks.chart import Chart
from numpy.typing import NDArray

from retouch_engine.calibration import Calibration
from retouch_engine.detect import DETECTORS, chosen, noted, spotnet, trees
from retouch_engine.detect.learned import Learned
from retouch_engine.detect.lines import Bars, freckles, named_again, named_find
from retouch_engine.detect.rendering import told
from retouch_engine.detect.risk import Risk
from retouch_engine.detect.spotnet import Network, Says
from retouch_engine.heal import HEALERS
from retouch_engine.pipeline import routed
from retouch_engine.recipe import PERMANENT, Kind, Recipe
from retouch_engine.survey import Scene, survey
from retouch_engine.types import Box, DetectorId, Photo, PixelScale, Spot

SCALE = 12.0
RED: Mapping[str, float] = {
    "melanin": 0.1,
    "elongation": 1.2,
    "rise_g": 0.4,
    "rise_red": 0.3,
    "inside_spread": 0.3,
    "ring_skin": 1.0,
    "edge": 4.0,
    "own": 0.0,
    "blemish_most": 0.9,
    "permanent_most": 0.0,
    "judged_permanent": 0.0,
    "judged_blemish": 0.99,
    "ring_redness": 0.5,
    "ring_level": 1.0,
    "ring_spread": 0.05,
    "mm": 2.0,
    "px_per_mm": 5.0,
    "halved_colour": 0.0,
    "blue_unevenness": 1.1,
    "skin_redness": 0.5,
    "gain": 1.0,
    "on_face": 1.0,
    "coherence": 0.1,
    "coherence_near": 0.1,
    "prominence": 6.0,
    "company": 0.0,
    "blemishes_near": 1.0,
    "permanents_near": 0.0,
    "risk": 0.01,
}
BARS = Bars.at(50)


def scene_of(photo: Photo, px_per_mm: float | None = SCALE) -> Scene:
    """What the survey says, with a scale as if a face had given it."""
    return replace(survey(photo), scale=PixelScale(px_per_mm, "as drawn"))


def all_skin(pixels: NDArray[np.uint8], px_per_mm: float) -> tuple[Photo, Scene]:
    """A photo that is nothing but skin."""
    photo = Photo(pixels)
    return photo, replace(scene_of(photo, px_per_mm), skin=np.ones((60, 90), np.float32))


def by_redness(_names: Any, feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """A network that calls pure red a blemish and pure blue a permanent mark."""
    small = feeds["rgb"][:, :, ::2, ::2]
    said = np.zeros((len(small), len(Says), *small.shape[2:]), np.float32)
    said[:, Says.BLEMISH] = (small[:, 0] > 0.8) & (small[:, 1] < 0.3)
    said[:, Says.PERMANENT] = (small[:, 2] > 0.8) & (small[:, 1] < 0.3)
    return [said]


NETWORK = Network(SimpleNamespace(run=by_redness))


@pytest.mark.parametrize("zoom", [0.5, 1.0, 2.4])
def test_a_maps_cell_lies_where_the_photos_pixel_is(zoom: float) -> None:
    pixels = np.full((700, 1500, 3), (200, 150, 120), np.uint8)
    x, y = 1207, 381
    pixels[y - 8 : y + 9, x - 8 : x + 9] = (255, 0, 0)
    seen = spotnet.view(*all_skin(pixels, spotnet.PX_PER_MM / zoom), NETWORK)
    assert seen is not None
    ys, xs = np.nonzero(seen.odds[Says.BLEMISH])
    px, py = seen.to_photo(float(xs.mean()), float(ys.mean()))
    assert abs(px - (x + 0.5)) < 2 / seen.zoom
    assert abs(py - (y + 0.5)) < 2 / seen.zoom
    assert np.allclose(seen.to_cell(px, py), (xs.mean(), ys.mean()), atol=0.01)


@pytest.mark.parametrize("size", [(300, 641), (640, 640), (700, 1500), (1181, 1999)])
def test_all_skin_is_looked_at_in_pieces_that_the_network_takes(size: tuple[int, int]) -> None:
    shown = np.full((*size, 3), (200, 150, 120), np.uint8)
    given: list[tuple[int, ...]] = []

    def run(_names: Any, feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        given.append(feeds["rgb"].shape)
        n, _, h, w = feeds["rgb"].shape
        return [np.ones((n, len(Says), h // 2, w // 2), np.float32)]

    seen = spotnet.view(*all_skin(shown, spotnet.PX_PER_MM), Network(SimpleNamespace(run=run)))
    assert seen is not None
    assert (seen.odds == 1).all()
    assert all(side <= 640 and side % 16 == 0 for _, _, *sides in given for side in sides)
    assert sum(h * w for _, _, h, w in given) < 1.45 * size[0] * size[1]


def test_without_a_scale_nothing_is_looked_at() -> None:
    photo = Photo(np.full((300, 400, 3), (200, 150, 120), np.uint8))
    assert spotnet.view(photo, scene_of(photo, None), NETWORK) is None


def test_a_square_around_a_cell_has_it_in_its_middle() -> None:
    pixels = np.full((600, 800, 3), (200, 150, 120), np.uint8)
    pixels[296:305, 396:405] = (255, 0, 0)
    seen = spotnet.view(*all_skin(pixels, spotnet.PX_PER_MM), NETWORK)
    assert seen is not None
    x, y = seen.to_cell(400.5, 300.5)
    for side in (spotnet.CLOSE, 96):
        ys, xs = np.nonzero(spotnet.cut(seen.rgb, x, y, side)[..., 1] < 40)
        assert (float(xs.mean()), float(ys.mean())) == pytest.approx(
            (side / 2 - 0.5, side / 2 - 0.5), abs=0.6
        )


def test_red_and_sure_is_healed_unasked() -> None:
    finding = named_find(RED, 0.97, 0.01, BARS)
    assert finding is not None
    assert finding.sure
    assert finding.kind is Kind.PIMPLE


@pytest.mark.parametrize(
    "doubt",
    [
        {"melanin": 0.8, "rise_g": 0.5},
        {"risk": 0.26},
        {"permanent_most": 0.98},
        {"judged_permanent": 0.61},
        {"rise_red": 0.02},
        {"ring_skin": 0.8},
        {"ring_spread": 0.25},
        {"edge": 0.2},
        {"elongation": 3.1},
        {"on_face": 0.0, "mm": 4.0, "inside_spread": 0.2},
        {"px_per_mm": 2.9, "halved_colour": 1.0, "melanin": 0.45},
        {"px_per_mm": 2.5, "melanin": 0.45},
        {"px_per_mm": 2.0, "permanents_near": 8.0},
        {"px_per_mm": 2.3, "mm": 1.2},
        {"blue_unevenness": 0.9},
        {"skin_redness": -0.1},
        {"graded": 1.1, "melanin": 0.45, "risk": 0.07},
    ],
)
def test_a_doubt_about_colour_place_or_shape_asks_a_person(doubt: dict[str, float]) -> None:
    finding = named_find({**RED, **doubt}, 0.97, 0.01, BARS)
    assert finding is not None
    assert not finding.sure


def test_colours_that_tell_no_mole_are_noted_of_the_photo_once() -> None:
    box, mask = Box(0, 0, 4, 4), np.ones((4, 4), np.bool_)

    def spot(number: int, **shown: float) -> Spot:
        figures = {**RED, **shown}
        return Spot(number, box, mask, 4.0, Kind.RED_SPOT, 0.9, sure=False, reason="drawn", features=figures)

    photo = Photo(np.full((60, 90, 3), 180, np.uint8))
    scene = scene_of(photo)
    flat = [spot(1, blue_unevenness=0.5), spot(2, blue_unevenness=0.5)]
    for spots, what in (
        (flat, "look has too little blue"),
        ([spot(1, skin_redness=-0.2, graded=1.2)], "light leaves too little red"),
    ):
        _, notes = routed(photo, scene, spots, Recipe(), HEALERS)
        assert notes == (f"this photo's {what} to tell a mole by: what was found is only offered",)
    (graded,) = noted([spot(1, graded=1.2), spot(2, graded=1.2)])
    assert "grade was taken back" in graded
    assert noted([spot(1)]) == noted([replace(flat[0], features={})]) == ()


def test_where_a_grade_was_taken_back_only_brown_marks_are_doubted_more() -> None:
    for graded, melanin, sure in ((1.0, 0.45, True), (1.2, 0.3, True), (1.2, 0.45, False)):
        finding = named_find({**RED, "graded": graded, "melanin": melanin, "risk": 0.07}, 0.97, 0.01, BARS)
        assert finding is not None
        assert finding.sure is sure
    browns_too = replace(BARS, brown=1.0)
    finding = named_find({**RED, "graded": 1.2, "melanin": 0.45, "risk": 0.07}, 0.97, 0.01, browns_too)
    assert finding is not None
    assert not finding.sure


def test_on_a_body_less_risk_is_taken_than_on_a_face() -> None:
    for risk, on_face, sure in ((0.2, 1.0, True), (0.2, 0.0, False), (0.09, 0.0, True)):
        finding = named_find({**RED, "risk": risk, "on_face": on_face, "mm": 2.0}, 0.97, 0.01, BARS)
        assert finding is not None
        assert finding.sure is sure


@pytest.mark.parametrize(
    "change",
    [
        {"px_per_mm": 3.1, "halved_colour": 1.0, "melanin": 0.45},
        {"px_per_mm": 2.7, "melanin": 0.45},
        {"px_per_mm": 2.0, "halved_colour": 1.0},
        {"px_per_mm": 2.7, "permanents_near": 8.0},
        {"px_per_mm": 2.0, "permanents_near": 7.0},
        {"px_per_mm": 2.3, "mm": 1.4},
    ],
)
def test_on_a_small_face_red_spots_are_healed_and_on_a_large_one_brown_ones_too(
    change: dict[str, float],
) -> None:
    finding = named_find({**RED, **change}, 0.97, 0.01, BARS)
    assert finding is not None
    assert finding.sure


@pytest.mark.parametrize("change", [{"on_face": 1.0}, {"mm": 2.5}, {"inside_spread": 0.4}])
def test_only_a_wide_even_patch_on_a_body_may_be_a_birthmark(change: dict[str, float]) -> None:
    patch = {"on_face": 0.0, "mm": 4.0, "inside_spread": 0.2}
    finding = named_find({**RED, **patch, **change}, 0.97, 0.01, BARS)
    assert finding is not None
    assert finding.sure


@pytest.mark.parametrize(
    ("coherence", "heal", "judged", "sure"),
    [
        (0.6, 0.3, 0.99, False),
        (0.6, 0.9, 0.6, False),
        (0.6, 0.9, 0.99, True),
        (0.2, 0.3, 0.6, True),
        (None, 0.9, 0.6, False),
    ],
)
def test_a_piece_of_a_fold_asks_a_person_unless_both_are_sure_of_it(
    coherence: float | None, heal: float, judged: float, sure: bool
) -> None:
    figures = {**RED, "judged_blemish": judged, "coherence": coherence}
    told = {name: x for name, x in figures.items() if x is not None}
    for shape in (told, {name: x for name, x in told.items() if name not in {"melanin", "rise_g"}}):
        finding = named_find({**shape, "risk": 0.001}, heal, 0.01, BARS)
        assert finding is not None
        assert finding.sure is sure
        assert finding.close is False or sure


@pytest.mark.parametrize(
    ("near", "prominence", "heal", "sure"),
    [
        (0.5, 3.0, 0.8, False),
        (0.5, 3.0, 0.95, True),
        (0.5, 4.5, 0.8, True),
        (0.4, 3.0, 0.8, True),
        (None, 3.0, 0.8, False),
        (0.5, None, 0.8, False),
    ],
)
def test_the_shade_of_a_hollow_asks_a_person_unless_it_rises_or_is_sure(
    near: float | None, prominence: float | None, heal: float, sure: bool
) -> None:
    figures = {**RED, "mm": 3.0, "coherence_near": near, "prominence": prominence}
    finding = named_find({name: x for name, x in figures.items() if x is not None}, heal, 0.01, BARS)
    assert finding is not None
    assert finding.sure is sure
    assert ("shade of a hollow" in finding.reason) is not sure


def test_what_is_small_is_no_hollow() -> None:
    finding = named_find({**RED, "mm": 2.4, "coherence_near": 0.6, "prominence": 2.0}, 0.8, 0.01, BARS)
    assert finding is not None
    assert finding.sure


def test_a_record_from_before_shades_were_known_is_named_as_it_was() -> None:
    judged = {**RED, "mm": 3.0, "odds_blemish": 0.8, "odds_permanent": 0.01}
    old = {name: x for name, x in judged.items() if name not in {"coherence_near", "prominence"}}
    finding = named_again(old, 50, Calibration())
    assert finding is not None
    assert finding.sure


def test_what_the_second_network_was_not_shown_is_not_healed_unasked() -> None:
    finding = named_find({k: v for k, v in RED.items() if k != "judged_permanent"}, 0.97, 0.01, BARS)
    assert finding is not None
    assert not finding.sure


def test_what_is_brown_depends_on_how_colourful_the_skin_is_shown() -> None:
    mark = {**RED, "melanin": 0.6, "rise_g": 0.5, "rise_r": 0.3, "rise_b": 0.45, "blue_share": 0.9}
    vivid, pale = (named_find(told(mark, gain), 0.9, 0.01, BARS) for gain in (0.7, 1.6))
    assert vivid is not None
    assert pale is not None
    assert (vivid.sure, pale.sure) == (False, True)


def test_what_may_be_permanent_is_never_healed_unasked() -> None:
    finding = named_find(RED, 0.97, 0.9, BARS)
    assert finding is not None
    assert not finding.sure


def test_among_freckles_more_is_asked() -> None:
    heal = BARS.sure + 0.01
    alone = named_find(RED, heal, 0.0, BARS)
    among = named_find({**RED, "company": 30.0}, heal, 0.0, BARS)
    assert alone is not None
    assert among is not None
    assert (alone.sure, among.sure) == (True, False)


def test_a_face_is_not_freckled_where_twice_as_many_marks_are_blemishes() -> None:
    permanent, blemish, neither = (0.01, 0.4), (0.25, 0.3), (0.24, 0.39)

    def company(permanents: int, blemishes: int, near: tuple[int, int] = (0, 0)) -> set[float]:
        odds = [permanent] * permanents + [blemish] * blemishes + [neither] * 30
        finds = [{"permanents_near": near[0], "blemishes_near": near[1]}] * len(odds)
        return set(freckles(finds, [heal for heal, _ in odds], [keep for _, keep in odds]))

    assert [company(20, n) for n in (0, 39, 40)] == [{20}, {20}, {0}]
    assert company(0, 0) == {0}
    # Beside a flare on the chin the freckles on the brow are freckles.
    assert [company(20, 40, near) for near in ((8, 15), (8, 16))] == [{20}, {0}]
    assert company(20, 39, (0, 9)) == {20}


@pytest.mark.parametrize(
    ("change", "heal", "sure"),
    [
        ({}, 0.99, True),
        ({}, 0.2, False),
        ({"risk": 0.06}, 0.99, False),
        ({"judged_permanent": 0.61}, 0.99, False),
        ({"company": 30.0}, 0.99, False),
        ({"px_per_mm": 2.0}, 0.99, False),
        ({"blue_unevenness": 0.9}, 0.99, False),
        ({"skin_redness": -0.1}, 0.99, False),
        ({"coherence_near": 0.5}, 0.99, False),
        ({"coherence_near": 0.5, "prominence": 5.0}, 0.99, False),
        ({"coherence_near": 0.5, "prominence": 7.0}, 0.99, True),
    ],
)
def test_what_has_no_outline_is_healed_when_nothing_else_speaks_against_it(
    change: dict[str, float], heal: float, sure: bool
) -> None:
    faint = {"own": 2.0, "company": 0.0, "risk": 0.005, "permanent_most": 0.0, "judged_permanent": 0.0}
    faint |= {
        "coherence": 0.1,
        "coherence_near": 0.1,
        "on_face": 1.0,
        "px_per_mm": 5.0,
        "halved_colour": 0.0,
        "blue_unevenness": 1.1,
        "skin_redness": 0.5,
    }
    finding = named_find({**faint, **change}, heal, 0.0, BARS)
    assert finding is not None
    assert finding.sure is sure
    assert finding.kind is (Kind.RED_SPOT if sure else Kind.UNKNOWN)


@pytest.mark.parametrize(
    ("change", "heal", "keep", "kind"),
    [
        ({"rise_g": 0.4}, 0.0, 0.9, Kind.MOLE),
        ({"rise_g": 0.2}, 0.0, 0.9, Kind.FRECKLE),
        ({"rise_g": 0.4, "mm": 1.9, "company": 16.0}, 0.0, 0.9, Kind.FRECKLE),
        ({"rise_g": 0.4, "mm": 1.9, "company": 15.0}, 0.0, 0.9, Kind.MOLE),
        ({"rise_g": 0.4, "mm": 2.1, "company": 16.0}, 0.0, 0.9, Kind.MOLE),
        ({"blemish_most": 0.7}, 0.0, 0.7, Kind.BROWN_SPOT),
        ({"melanin": 0.4}, 0.4, 0.5, Kind.BROWN_SPOT),
        ({"elongation": 3.1}, 0.02, 0.01, Kind.LINE),
        ({"elongation": 3.1}, 0.04, 0.01, Kind.UNKNOWN),
        ({}, 0.97, 0.01, Kind.PIMPLE),
        ({"rise_g": 0.34}, 0.97, 0.01, Kind.RED_SPOT),
        ({"rise_red": 0.21}, 0.97, 0.01, Kind.RED_SPOT),
        ({"melanin": 0.31, "rise_g": 0.6}, 0.97, 0.01, Kind.SCAB),
        ({"melanin": 0.29, "rise_g": 0.6}, 0.97, 0.01, Kind.PIMPLE),
        ({"rise_g": -0.1}, 0.97, 0.01, Kind.FLAKE),
        ({"rise_red": 0.02, "mm": 1.5}, 0.97, 0.01, Kind.COMEDO),
        ({"rise_red": 0.02, "mm": 1.5, "elongation": 1.9}, 0.97, 0.01, Kind.UNKNOWN),
        ({"rise_red": 0.02, "mm": 1.7}, 0.97, 0.01, Kind.UNKNOWN),
    ],
)
def test_a_find_is_named_by_its_odds_its_colour_and_its_shape(
    change: dict[str, float], heal: float, keep: float, kind: Kind
) -> None:
    finding = named_find({**RED, "blemish_most": 0.1, **change}, heal, keep, BARS)
    assert finding is not None
    assert finding.kind is kind
    # Whatever is not named for its odds of being healed no other photo decides.
    assert heal == 0.97 or (finding.sure, finding.close) == (False, False)


def test_what_is_neither_a_blemish_nor_likely_permanent_is_nothing() -> None:
    for keep, there in ((0.51, True), (0.49, False), (0.1, False)):
        assert (named_find({**RED, "blemish_most": 0.1}, 0.0, keep, BARS) is not None) is there


def closeness(change: Mapping[str, float], heal: float) -> tuple[bool, bool]:
    """Whether it is healed unasked, and whether another photo may decide otherwise."""
    finding = named_find({**RED, **change}, heal, 0.01, BARS)
    assert finding is not None
    return finding.sure, finding.close


BROWN = {"melanin": 0.7, "rise_g": 0.2}


def test_another_photo_heals_only_near_the_line_and_never_what_is_brown_or_among_freckles() -> None:
    below = BARS.sure - 0.01
    assert closeness({}, 0.1) == (False, False)
    assert closeness({}, below) == (False, True)
    assert closeness(BROWN, below) == (False, False)
    assert closeness({"company": 30.0}, below) == (False, False)
    assert closeness({"risk": 1.1 * BARS.risk}, 0.5) == (False, False)


def test_another_photo_may_leave_what_is_healed_near_the_line_of_odds_or_risk() -> None:
    assert closeness({}, 0.95) == (True, False)
    assert closeness({}, BARS.sure) == closeness({}, 0.6) == (True, True)
    assert closeness(BROWN, BARS.sure) == (True, True)
    assert closeness({"risk": 0.8 * BARS.risk}, 0.95) == (True, True)
    assert closeness({"risk": 0.4 * BARS.risk}, 0.95) == (True, False)


def test_where_brown_spots_are_to_be_removed_they_are_no_riskier_than_others() -> None:
    beauty = Bars.of(Recipe(remove=(Kind.RED_SPOT, Kind.BROWN_SPOT), review=()))
    brown = {**RED, **BROWN, "risk": 0.9 * BARS.risk}
    for bars, sure in ((Bars.of(Recipe()), False), (beauty, True)):
        finding = named_find(brown, 0.9, 0.01, bars)
        assert finding is not None
        assert finding.sure is sure
    likelier_permanent = named_find(brown, 0.5, 0.55, beauty)
    assert likelier_permanent is not None
    assert not likelier_permanent.sure


def test_bars_move_one_way() -> None:
    bars = [Bars.at(level) for level in range(0, 101, 10)]
    assert [b.sure for b in bars] == sorted((b.sure for b in bars), reverse=True)
    assert [b.review for b in bars] == sorted((b.review for b in bars), reverse=True)
    assert [b.risk for b in bars] == sorted(b.risk for b in bars)
    # From 0.3 on nearly one permanent mark in a hundred would be healed: no sensitivity goes there.
    assert bars[-1].risk < 0.3
    assert all(0 < b.review < b.sure < 1 for b in bars)


def test_trees_for_other_figures_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"features": ["z"]}))
    with pytest.raises(ValueError, match="other figures"):
        trees.read(file)
    for missing in ("risk", "regression"):
        older = tmp_path / f"without-{missing}.json"
        names = {"blemish", "permanent", "risk", "regression"} - {missing}
        older.write_text(json.dumps({"features": trees.FIGURES, **{name: {} for name in names}}))
        with pytest.raises(ValueError, match=f"no {missing}"):
            trees.read(older)
    with pytest.raises(ValueError, match="other figures"):
        Risk.parsed({"figures": ["z"], "weights": [1.0], "bias": 0.0})


def detect(pixels: NDArray[np.uint16], level: int = 50) -> tuple[Spot, ...]:
    if not spotnet.knows_spots():
        pytest.skip("onnxruntime is not installed, so the network cannot be run")
    photo = Photo(np.ascontiguousarray(pixels))
    return Learned().detect(photo, scene_of(photo), Recipe(sensitivity=level))


def _on(spots: tuple[Spot, ...], cx: float, cy: float, r: float) -> list[Spot]:
    return [s for s in spots if s.box.x0 - r < cx < s.box.x1 + r and s.box.y0 - r < cy < s.box.y1 + r]


def test_rendered_blemishes_are_found_and_moles_are_not_healed(chart: Chart) -> None:
    spots = detect(chart.pixels)
    assert all(_on(spots, s.cx, s.cy, 0.3 * s.r) for s in chart.blemishes)
    for mole in (s for s in chart.permanent if s.kind is Kind.MOLE):
        assert not any(s.sure and s.kind not in PERMANENT for s in _on(spots, mole.cx, mole.cy, 0))


def test_spots_of_both_sources_stay_apart_and_inside(chart: Chart) -> None:
    spots = detect(chart.pixels, 100)
    h, w = chart.pixels.shape[:2]
    for i, a in enumerate(spots):
        assert 0 <= a.box.y0 < a.box.y1 <= h
        assert 0 <= a.box.x0 < a.box.x1 <= w
        assert not any(a.box.meets(b.box) for b in spots[i + 1 :])


def test_each_find_says_why(chart: Chart) -> None:
    for spot in detect(chart.pixels):
        assert "odds of a blemish" in spot.reason
        assert {"blemish_most", "permanent_most"} <= set(spot.features)


def test_without_a_face_the_rules_decide(chart: Chart) -> None:
    photo = Photo(np.ascontiguousarray(chart.pixels))
    scene = survey(photo)
    assert scene.scale.px_per_mm is None
    assert chosen(scene).spec.id == DetectorId("classic")
    one, two = (DETECTORS[DetectorId(n)].detect(photo, scene, Recipe()) for n in ("learned", "classic"))
    assert [(s.box, s.kind, s.sure) for s in one] == [(s.box, s.kind, s.sure) for s in two]


def test_of_a_faded_photo_it_is_known_that_a_grade_was_taken_back(chart: Chart) -> None:
    faded = chart.pixels.copy()
    faded[..., 2] = (0.65 * faded[..., 2].astype(np.float64) + 0.2 * 65535).astype(np.uint16)
    plain, graded = detect(chart.pixels), detect(faded)
    assert max(s.features["graded"] for s in plain) < 1.03
    assert min(s.features["graded"] for s in graded) > 1.1
    for mole in (s for s in chart.permanent if s.kind is Kind.MOLE):
        assert not any(s.sure and s.kind not in PERMANENT for s in _on(graded, mole.cx, mole.cy, 0))
    found = [len([m for m in chart.blemishes if _on(s, m.cx, m.cy, 0.3 * m.r)]) for s in (graded, plain)]
    assert found[0] >= found[1] - 1
