"""Brow hairs beyond the known outline: followed; skin and spots beside them: left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from retouch_engine.imaging.density import density
from retouch_engine.survey.hairs import hairs, lashes
from retouch_engine.types import Bool

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
