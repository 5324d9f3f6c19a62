"""Turned heads: how far, how large all the same, and the far eye and brow that the network does not see."""

from __future__ import annotations

import math

import numpy as np
import pytest

from retouch_engine.survey.gauge import height_of, scale_of
from retouch_engine.survey.parts import Part
from retouch_engine.survey.turned import completed, frame, single, turn

SHAPE = (200, 200)
MM = 1.0


def ellipse(x: float, y: float, a: float, b: float) -> np.ndarray:
    ys, xs = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    return np.asarray(((xs - x) / a) ** 2 + ((ys - y) / b) ** 2 <= 1)


FACE = ellipse(100, 100, 60, 85)


@pytest.mark.parametrize("side", [1, -1])
def test_more_of_a_turned_face_lies_on_the_near_side_of_its_nose(side: int) -> None:
    eyes = [(100 + side * 0.0, 85.0), (100 + side * 40.0, 85.0)]
    nose, mouth = [(100 + side * 30.0, 115.0)], [(100 + side * 30.0, 140.0)]
    told = turn(FACE, sorted(eyes), nose, mouth, hint=side * 0.25)
    assert math.copysign(1, told) == side
    assert abs(told) > 35


def test_a_frontal_face_is_not_turned_however_it_looks_aside() -> None:
    eyes = [(70.0, 85.0), (130.0, 85.0)]
    assert turn(FACE, eyes, [(104.0, 115.0)], [(101.0, 150.0)], hint=0.06) == 0


def test_hair_over_one_cheek_turns_no_head() -> None:
    covered = FACE.copy()
    covered[:, :75] = False
    eyes = [(75.0, 85.0), (131.0, 85.0)]
    assert turn(covered, eyes, [(100.0, 115.0)], [(100.0, 150.0)], hint=0.0) == 0


def test_eyes_nearer_than_any_frontal_ones_are_turned_wherever_the_nose_seems_to_be() -> None:
    eyes = [(95.0, 85.0), (132.0, 85.0)]
    assert turn(FACE, eyes, [(112.0, 115.0)], [(112.0, 150.0)], hint=0.0) >= 45


def test_one_eye_in_the_middle_of_a_face_is_a_covered_one_and_no_turn() -> None:
    assert turn(FACE, [(70.0, 85.0)], [(100.0, 115.0)], [(100.0, 145.0)], hint=1.0) == 0


def test_an_eye_that_a_lash_parts_in_two_is_one() -> None:
    mouth = [(120.0, 150.0)]
    assert single([(90.0, 85.0), (102.0, 84.0)], mouth) == [(90.0, 85.0)]
    assert len(single([(70.0, 85.0), (130.0, 85.0)], mouth)) == 2


def test_a_lock_of_hair_above_an_eye_is_no_eye() -> None:
    assert single([(97.5, 99.2), (85.8, 26.1)], [(92.4, 149.8)]) == [(97.5, 99.2)]


@pytest.mark.parametrize("degrees", [40.0, 50.0, 60.0])
def test_a_turn_changes_no_scale(degrees: float) -> None:
    apart = 1.02 * 63 * math.cos(math.radians(degrees))
    eyes = [(100 - apart / 2, 80.0), (100 + apart / 2, 80.0)]
    mouth = [(110.0, 150.6)]
    scale = scale_of(1, eyes, mouth, (0.2, degrees), (1.0, 100.0))
    assert scale.px_per_mm == pytest.approx(1.0, rel=0.02)
    assert "turned by about" in scale.source


def test_an_area_pulls_the_scale_of_a_profile_only_so_far() -> None:
    eyes, mouth = [(60.0, 80.0)], [(95.0, 144.5)]
    fair, small = (scale_of(1, eyes, mouth, (1.0, 75.0), (1.0, area)) for area in (89.3, 20.0))
    assert fair.px_per_mm == pytest.approx(1.0, rel=0.02)
    assert small.px_per_mm == pytest.approx(1.0 / math.sqrt(1.25), rel=0.02)
    assert "area" in fair.source
    assert "profile" in fair.source


def maps_of(parts: dict[Part, np.ndarray]) -> np.ndarray:
    maps = np.zeros((len(Part), *SHAPE), dtype=np.float32)
    maps[Part.BACKGROUND] = ~FACE
    maps[Part.FACE_SKIN] = FACE
    for part, where in parts.items():
        maps[:, where] = 0
        maps[part][where] = 1
    return maps


@pytest.mark.parametrize("side", [1, -1])
def test_the_far_eye_and_brow_are_protected_where_they_have_to_be(side: int) -> None:
    near = 100 + side * 10
    maps = maps_of({Part.EYES: ellipse(near, 85, 14, 6), Part.BROWS: ellipse(near, 68, 18, 4)})
    own = frame([(near, 85.0)], (near + side * 33, 150.0), side * 60.0)
    told = completed(maps, FACE, own, [(near, 85.0)], MM)
    rim = 100 + side * 55
    assert told[Part.EYES][86, rim] > 0.3
    assert told[Part.BROWS][69, rim] > 0.3
    # No further than it has to: not the cheek below, the near side or the forehead.
    for y, x in ((115, rim - side * 5), (86, 100 - side * 50), (40, 100 + side * 30)):
        assert told[Part.FACE_SKIN][y, x] == 1
    np.testing.assert_allclose(told.sum(axis=0), 1, atol=1e-5)


def test_a_brow_above_a_far_eye_that_is_seen_is_protected_too() -> None:
    eyes = [(80.0, 85.0), (135.0, 85.0)]
    seen = ellipse(80, 85, 14, 6) | ellipse(135, 85, 7, 5)
    maps = maps_of({Part.EYES: seen, Part.BROWS: ellipse(80, 68, 18, 4)})
    own = frame(eyes, (112.0, 150.0), 42.0)
    told = completed(maps, FACE, own, eyes, MM)
    assert told[Part.BROWS][69, 140] > 0.3
    assert told[Part.BROWS][69, 110] == 0


def test_height_is_measured_across_the_line_of_the_eyes() -> None:
    assert height_of([(0.0, 0.0), (10.0, 0.0)], (30.0, 7.0)) == pytest.approx(7)
