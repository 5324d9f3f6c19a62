"""Brow hairs beyond the known outline: followed; skin and spots beside them: left alone."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from retouch_engine.imaging.density import density
from retouch_engine.survey.faces import Face
from retouch_engine.survey.hairs import hairs, lashes, shaved
from retouch_engine.survey.parts import Part
from retouch_engine.types import Bool, Box, PixelScale

MM = 3.0
Picture = NDArray[np.uint8]
BROW = (150, 60)
"""Middle of the brow; it is 100 x 20 cells."""


@pytest.fixture(params=[(214, 170, 150), (92, 62, 50)], ids=["light", "dark"])
def face(request: pytest.FixtureRequest) -> tuple[Picture, Bool]:
    """Skin with a dark brow, and the brow's outline."""
    drawn = np.empty((160, 300, 3), dtype=np.uint8)
    drawn[:] = request.param
    brow = np.zeros(drawn.shape[:2], dtype=np.uint8)
    cv2.ellipse(brow, BROW, (50, 10), 0, 0, 360, 1, -1)
    drawn[brow > 0] = (30, 22, 18)
    return drawn, brow > 0


def followed(drawn: Picture, brow: Bool) -> Bool:
    skin = ~np.asarray(cv2.dilate(brow.view(np.uint8), np.ones((5, 5), np.uint8)), dtype=bool)
    mm = np.full(brow.shape, MM, dtype=np.float32)
    return hairs(brow, brow, skin, density(drawn), mm)


def test_a_hair_that_leaves_the_brow_is_followed(face: tuple[Picture, Bool]) -> None:
    drawn, brow = face
    cv2.line(drawn, (195, 58), (208, 50), (30, 22, 18), 2, cv2.LINE_AA)
    found = followed(drawn, brow)
    assert found[51, 206]
    assert not found[78:, :].any()


def test_skin_beside_a_brow_is_none_of_it(face: tuple[Picture, Bool]) -> None:
    drawn, brow = face
    beyond = np.asarray(cv2.distanceTransform((~brow).view(np.uint8), cv2.DIST_L2, 5)) > MM
    assert not (followed(drawn, brow) & beyond).any()


def test_a_mole_near_a_brow_is_none_of_it(face: tuple[Picture, Bool]) -> None:
    drawn, brow = face
    cv2.circle(drawn, (150, 78), 3, (40, 28, 22), -1, cv2.LINE_AA)
    assert not followed(drawn, brow)[77:80, 149:152].any()


def test_without_a_brow_there_is_nothing_to_follow(face: tuple[Picture, Bool]) -> None:
    drawn, brow = face
    assert not followed(drawn, np.zeros_like(brow)).any()


def test_a_lash_is_followed_and_a_shadow_under_the_eye_is_not(face: tuple[Picture, Bool]) -> None:
    drawn, eye = face
    shade = np.clip(1 - 0.3 * np.exp(-((np.arange(160) - 82) ** 2) / 200.0), 0, 1)[:, None, None]
    drawn = np.asarray(drawn * shade, dtype=np.uint8)
    cv2.line(drawn, (150, 68), (156, 79), (25, 18, 15), 1, cv2.LINE_AA)
    found = lashes(eye, density(drawn), np.full(eye.shape, MM, dtype=np.float32))
    assert found[77, 155]
    assert not found[72:, 170:].any()
    assert not found[72:, :140].any()


def head_with(od_of_hair: tuple[float, float, float], skin: tuple[float, float, float], rough: float) -> Any:
    """A forehead whose upper half the network calls hair, as optical density; its maps, and its face."""
    rng = np.random.default_rng(3)
    od = np.zeros((240, 240, 3), np.float32) + np.array(skin, np.float32)
    od[:60] = np.array(od_of_hair, np.float32)
    od += rng.normal(0, 0.02, (240, 240, 1)).astype(np.float32)
    od[:60] += rng.normal(0, rough, (60, 240, 1)).astype(np.float32)
    maps = np.zeros((len(Part), 240, 240), np.float32)
    maps[Part.HAIR, :60] = 1
    maps[Part.FACE_SKIN, 60:] = 1
    eyes = ((88.5, 120.0), (151.5, 120.0))
    face = Face(1, Box(0, 0, 240, 240), (120.0, 120.0), 160.0, eyes, 0.0, PixelScale(1.0, "drawn"))
    return maps, od, [face], 1.0


VERY_DARK, HAIR_ON_IT = (2.4, 2.95, 3.3), (2.75, 2.85, 2.95)


def test_a_shaved_forehead_of_very_dark_skin_is_skin() -> None:
    found = shaved(*head_with((2.44, 2.99, 3.34), VERY_DARK, 0.0))
    assert found[45:55, 80:160].all()
    assert not found[60:].any(), "what is skin already needs nothing"


@pytest.mark.parametrize(
    ("hair", "skin", "rough"),
    [
        (HAIR_ON_IT, VERY_DARK, 0.0),
        ((2.44, 2.99, 3.34), VERY_DARK, 0.3),
        ((0.9, 1.3, 1.6), (0.8, 1.2, 1.5), 0.0),
        ((2.95, 2.95, 2.95), (2.9, 2.9, 2.9), 0.0),
    ],
    ids=["less red", "strands", "skin that is not very dark", "a grey photo"],
)
def test_hair_stays_hair(hair: Any, skin: Any, rough: float) -> None:
    assert not shaved(*head_with(hair, skin, rough)).any()
