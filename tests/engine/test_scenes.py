"""Bodies, groups, profiles and closed eyes: what becomes of scenes that are no single frontal portrait."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.engine.test_faces import COLOURS, NETWORK, OUTLINES, PORTRAIT, photo_of

from retouch_engine.survey import Cause, survey
from retouch_engine.survey.parts import Part
from retouch_engine.types import Box, Photo


def box_at(x: float, y: float, size: int = 8) -> Box:
    return Box(int(y) - size // 2, int(x) - size // 2, int(y) + size // 2, int(x) + size // 2)


def scene_of(pixels: NDArray[np.uint8]) -> Any:
    return survey(Photo(np.ascontiguousarray(pixels)), NETWORK)


def pixels_of(face: dict[str, Any], size: tuple[int, int] = (900, 1200)) -> NDArray[np.uint8]:
    return np.array(photo_of(face, size=size).pixels, dtype=np.uint8)


@pytest.fixture
def portrait() -> NDArray[np.uint8]:
    """A face of 260 px high in a frame of 1,200 x 1,200, with room for a body."""
    return pixels_of({"x": 600, "y": 260, "width": 260}, size=(1200, 1200))


def test_an_arm_is_skin_and_its_sleeve_is_clothing(portrait: NDArray[np.uint8]) -> None:
    cv2.rectangle(portrait, (540, 420), (660, 700), COLOURS[Part.OTHER_SKIN], -1)
    cv2.line(portrait, (600, 680), (330, 1050), COLOURS[Part.OTHER_SKIN], 90)
    scene = scene_of(portrait)
    assert scene.skin_in(box_at(420, 930)).all()
    sleeve = box_at(700, 900)
    assert (scene.causes_at(sleeve, 1) & Cause.CLOTHING).all()
    assert not scene.skin_in(sleeve).any()


def test_a_hand_before_the_mouth_protects_and_does_not_hide_the_face(portrait: NDArray[np.uint8]) -> None:
    cv2.circle(portrait, (690, 385), 60, COLOURS[Part.OTHER_SKIN], -1)
    for finger in range(3):
        cv2.line(portrait, (690, 380), (640 + 30 * finger, 330), COLOURS[Part.OTHER_SKIN], 16)
    scene = scene_of(portrait)
    (face,) = scene.faces
    for x in (543, 657):
        assert (scene.causes_at(box_at(x, 229), 1) & Cause.EYE).all()
    assert (scene.causes_at(box_at(580, 353), 1) & Cause.LIPS).all()
    assert face.scale.px_per_mm


def test_a_back_without_any_face_has_no_scale_and_heals_by_colour_alone() -> None:
    canvas = np.full((900, 1200, 3), COLOURS[Part.BACKGROUND], dtype=np.uint8)
    cv2.ellipse(canvas, (600, 560), (420, 460), 0, 0, 360, COLOURS[Part.OTHER_SKIN], -1)
    scene = scene_of(canvas)
    assert scene.faces == ()
    assert scene.scale.px_per_mm is None
    assert scene.skin_in(box_at(600, 560)).all()
    assert not scene.skin_in(box_at(60, 60)).any()


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_each_face_of_a_group_is_found_and_protected_in_its_own_millimetres(rows: int) -> None:
    faces = [
        {"x": 170 + 280 * column, "y": 180 + 330 * row, "width": 90 + 20 * column}
        for row in range(rows)
        for column in range(4)
    ]
    scene = survey(photo_of(*faces, size=(180 + 330 * rows, 1200)), NETWORK)
    assert len(scene.faces) == len(faces)
    widths = [face.width for face in scene.faces]
    assert all(a >= b * 0.97 for a, b in pairwise(widths))
    for drawn in faces:
        lips = box_at(drawn["x"], drawn["y"] + 0.36 * drawn["width"], 2)
        assert (scene.causes_at(lips, 1) & Cause.LIPS).all()
        cheek = box_at(drawn["x"] - 0.3 * drawn["width"], drawn["y"] + 0.15 * drawn["width"], 2)
        assert scene.skin_in(cheek).all()


def test_a_profile_takes_its_scale_from_the_face_and_says_so() -> None:
    """One eye, one brow, half a mouth, the nose at the rim."""
    canvas = np.full((900, 1200, 3), COLOURS[Part.BACKGROUND], dtype=np.uint8)
    x, y, w = 600, 450, 460
    cv2.ellipse(canvas, (x, y), (int(0.4 * w), int(0.66 * w)), 0, 0, 360, COLOURS[Part.FACE_SKIN], -1)
    for part, (dx, dy, ax, ay) in {
        Part.EYES: (0.2, -0.12, 0.1, 0.055),
        Part.BROWS: (0.18, -0.26, 0.13, 0.03),
        Part.LIPS: (0.22, 0.34, 0.1, 0.05),
        Part.NOSTRILS: (0.27, 0.16, 0.08, 0.035),
    }.items():
        middle, axes = (int(x + dx * w), int(y + dy * w)), (int(ax * w), int(ay * w))
        cv2.ellipse(canvas, middle, axes, 0, 0, 360, COLOURS[part], -1)
    scene = scene_of(canvas)
    (face,) = scene.faces
    assert len(face.eyes) == 1
    assert scene.scale.source == "area and eye to mouth of face 1, in profile"
    assert (scene.causes_at(box_at(x + 0.22 * w, y + 0.34 * w), 1) & Cause.LIPS).all()


def test_closed_eyes_are_eyes_and_keep_the_scale() -> None:
    open_scene = survey(photo_of(PORTRAIT), NETWORK)
    pixels = pixels_of(PORTRAIT | {"without": (Part.EYES,)})
    for dx, dy, ax, _ in OUTLINES[Part.EYES]:
        middle = (int(600 + dx * 480), int(450 + dy * 480))
        cv2.ellipse(pixels, middle, (int(1.2 * ax * 480), 12), 0, 0, 360, COLOURS[Part.EYES], -1)
    scene = scene_of(pixels)
    (face,) = scene.faces
    assert len(face.eyes) == 2
    assert scene.scale.px_per_mm == pytest.approx(float(open_scene.scale.px_per_mm or 0), rel=0.03)
    assert all((scene.causes_at(box_at(x, y, 2), 1) & Cause.EYE).all() for x, y in face.eyes)


def test_a_face_whose_eyes_are_not_seen_at_all_may_be_one() -> None:
    scene = survey(photo_of(PORTRAIT | {"without": (Part.EYES,)}), NETWORK)
    assert scene.faces == ()
    assert scene.scale.px_per_mm is None
    assert scene.suspect_at(box_at(600, 450))
    assert (scene.causes_at(box_at(494, 325, 2), 1) & Cause.BROW).all()


def test_small_faces_are_looked_for_from_nearer() -> None:
    places = [(400 + 700 * i, 500 + 900 * j) for i in range(4) for j in range(2)]
    crowd = [{"x": x, "y": y, "width": 64} for x, y in places]
    scene = survey(photo_of(*crowd, size=(2000, 3000)), NETWORK)
    centres = sorted((round(f.centre[0]), round(f.centre[1])) for f in scene.faces)
    assert len(centres) == len(places)
    assert all(np.hypot(a[0] - b[0], a[1] - b[1]) < 20 for a, b in zip(centres, sorted(places), strict=True))
