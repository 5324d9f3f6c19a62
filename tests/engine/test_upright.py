"""Photos that lie turned in their files: seen upright, and all that is found lies as the file does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from benchmarks.chart import Chart
from numpy.typing import NDArray
from skimage import data

from retouch_engine import explain
from retouch_engine.codec.metadata import SourceMetadata
from retouch_engine.detect import DETECTORS, chosen
from retouch_engine.imaging.turning import back, turned_box, turned_place, upright
from retouch_engine.recall import place_of
from retouch_engine.recipe import Recipe
from retouch_engine.survey import Scene, survey
from retouch_engine.survey.parts import Part
from retouch_engine.survey.suspects import Suspect
from retouch_engine.survey.upright import turned_scene
from retouch_engine.types import Box, DetectorId, Photo, Samples, Spot

TURNED = range(2, 9)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int) -> None:
    # Row 0 and column 0 of the stored picture, as the EXIF standard names their place in the upright one.
    row0, column0 = {
        1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
        5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
    }[orientation]  # fmt: skip
    edge: dict[str, Any] = {"top": np.s_[0], "bottom": np.s_[-1], "left": np.s_[:, 0], "right": np.s_[:, -1]}
    stored = np.zeros((4, 4), np.uint8)
    stored[0] = 1
    assert upright(stored, orientation)[edge[row0]].all()
    stored = np.zeros((4, 4), np.uint8)
    stored[:, 0] = 1
    assert upright(stored, orientation)[edge[column0]].all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_and_points_turn_with_the_picture_and_back(orientation: int) -> None:
    picture, box = np.zeros((7, 4), np.uint8), Box(1, 0, 3, 3)
    picture[box.slices] = 1
    picture[1, 2] = 2
    seen = upright(picture, orientation)

    there = turned_box(box, (7, 4), orientation)
    assert seen[there.slices].all()
    assert np.count_nonzero(seen) == there.width * there.height
    x, y = turned_place((2, 1), (7, 4), orientation)
    assert seen[int(y), int(x)] == 2
    np.testing.assert_array_equal(upright(seen, back(orientation)), picture)
    assert turned_box(there, seen.shape, back(orientation)) == box
    assert turned_place((x, y), seen.shape, back(orientation)) == (2, 1)


def portrait() -> NDArray[np.uint8]:
    """A public-domain portrait, higher than wide and large enough for marks on it to be measured."""
    picture = cv2.resize(data.astronaut()[:420, 60:400], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    for x, y in ((290, 130), (400, 160), (330, 290)):
        cv2.circle(picture, (x, y), 4, (190, 90, 80), -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.uint8)


def stored(orientation: int, picture: Samples | None = None) -> Photo:
    """The portrait, or another picture, as a file of that orientation holds it."""
    pixels = upright(portrait() if picture is None else picture, back(orientation))
    return Photo(pixels, metadata=SourceMetadata(orientation=orientation))


@pytest.fixture(scope="module")
def standing() -> Scene:
    return survey(stored(1))


@pytest.mark.parametrize("orientation", TURNED)
def test_a_photo_is_surveyed_upright_however_it_is_stored(orientation: int, standing: Scene) -> None:
    photo = stored(orientation)
    scene = survey(photo)

    assert (scene.height, scene.width) == photo.pixels.shape[:2]
    for name in ("skin", "level", "causes", "owner", "facial", "ears"):
        np.testing.assert_array_equal(upright(getattr(scene, name), orientation), getattr(standing, name))
    (face,), (wanted,) = scene.faces, standing.faces
    size = scene.height, scene.width
    assert turned_box(face.box, size, orientation) == wanted.box
    eyes = [turned_place(eye, size, orientation) for eye in face.eyes]
    assert sorted(eyes) == [pytest.approx(eye) for eye in wanted.eyes]
    assert face.scale == wanted.scale


@pytest.mark.parametrize("orientation", TURNED)
def test_what_may_be_a_face_turns_with_the_photo(orientation: int, standing: Scene) -> None:
    maps = np.zeros((4, 42, 34), np.float32)
    maps[1, 8:11, 20:26] = 1
    there = replace(standing, suspects=(Suspect(450.0, 200.0, 90.0, maps, whole=True),))
    lying = turned_scene(there, back(orientation))
    (one,), size = lying.suspects, (there.height, there.width)

    assert (one.x, one.y) == turned_place((450.0, 200.0), size, back(orientation))
    inside, shape = one.where(Part.BROWS, 0.5, lying.skin.shape), there.skin.shape
    np.testing.assert_array_equal(
        upright(inside, orientation), there.suspects[0].where(Part.BROWS, 0.5, shape)
    )
    again = turned_scene(lying, orientation)
    assert [(f.box, f.yaw_hint, f.turn) for f in again.faces] == [
        (f.box, f.yaw_hint, f.turn) for f in there.faces
    ]
    np.testing.assert_array_equal(again.suspects[0].maps, maps)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_spots_lie_as_the_photo_is_stored(name: DetectorId, orientation: int, chart: Chart) -> None:
    # Without a face the learned detector leaves it to the classic one, which finds little on a face.
    picture = portrait() if name == "learned" else chart.pixels
    one, other = stored(1, picture), stored(orientation, picture)
    wanted, spots = (DETECTORS[name].detect(p, survey(p), Recipe(sensitivity=100)) for p in (one, other))

    assert wanted
    size = other.height, other.width
    laid = [
        replace(s, box=turned_box(s.box, size, orientation), mask=upright(s.mask, orientation)) for s in spots
    ]
    assert [_told(s) for s in laid] == [_told(s) for s in wanted]


def _told(spot: Spot) -> tuple[Any, ...]:
    return spot.id, spot.box, spot.mask.tobytes(), spot.kind, spot.score, spot.sure, spot.reason


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_mark_has_the_same_place_on_the_face_in_photos_that_lie_otherwise(
    orientation: int, standing: Scene
) -> None:
    recipe, photo = Recipe(sensitivity=100), stored(orientation)
    scene = survey(photo)
    wanted = [place_of(s, standing) for s in chosen(standing).detect(stored(1), standing, recipe)]
    places = [place_of(s, scene) for s in chosen(scene).detect(photo, scene, recipe)]

    assert any(wanted)
    # A box of whole pixels has its middle half a pixel beside that of a point, on whichever side.
    px = 1 / (scene.scale.px_per_mm or 1)
    for place, other in zip(places, wanted, strict=True):
        assert (place is None) == (other is None)
        if place and other:
            assert place[1] == pytest.approx(other[1], abs=2 * px)


@pytest.mark.parametrize("orientation", [5, 6])
def test_what_explain_draws_is_upright_with_its_letters(tmp_path: Path, orientation: int) -> None:
    drawn = []
    for how in (1, orientation):
        path = tmp_path / f"{how}.tif"
        tifffile.imwrite(path, stored(how).pixels, photometric="rgb", extratags=[(274, 3, 1, how, True)])
        told = explain(path, tmp_path, recipe=Recipe())
        drawn.append(np.asarray(imagecodecs.png_decode(Path(told["files"][0]).read_bytes())))
    np.testing.assert_array_equal(drawn[0], drawn[1])
