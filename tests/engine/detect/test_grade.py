"""A grade is taken back where marks are told apart, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from benchmarks.skin import HAEMOGLOBIN, MELANIN, TONES, Float, cloud
from benchmarks.skin import density as density_of
from imagecodecs import cms_profile, cms_transform
from numpy.typing import NDArray

from retouch_engine.detect.grade import NONE, Grade, grade_of
from retouch_engine.imaging.colour import to_srgb
from retouch_engine.imaging.density import density, encode
from retouch_engine.survey import Face, Scene, survey
from retouch_engine.types import Photo, PixelScale, Samples

SIDE, PX_PER_MM = 500, 5.0
ADOBE_RGB = [0.64, 0.33, 1, 0.21, 0.71, 1, 0.15, 0.06, 1]
PROPHOTO = [0.7347, 0.2653, 1, 0.1596, 0.8404, 1, 0.0366, 0.0001, 1]
LIGHT = np.array([0.87, 1.0, 1.14], np.float32)
"""What light under the skin makes of shading."""
Image = NDArray[np.uint8]
Curve = Callable[[Float], Float]


def skin(tone: str, blood: float = 1.0) -> Image:
    """Ten centimetres of skin: texture and shading, blotches of blood and of pigment."""
    rng = np.random.default_rng(5)
    texture, red, brown, shade = (cloud((SIDE, SIDE), sigma, rng)[..., None] for sigma in (2, 14, 16, 70))
    od = density_of(TONES[tone]) + (0.04 * texture + 0.12 * shade) * LIGHT
    od = od + blood * 0.03 * red * HAEMOGLOBIN + 0.05 * brown * MELANIN
    return np.asarray(np.clip(encode(np.maximum(od, 0)) * 255 + 0.5, 0, 255), np.uint8)


def curved(rgb: Image, curve: Curve, channels: tuple[int, ...]) -> Image:
    table = (np.clip(curve(np.linspace(0, 1, 256, dtype=np.float32)), 0, 1) * 255).round().astype(np.uint8)
    graded = rgb.copy()
    for channel in channels:
        graded[..., channel] = table[rgb[..., channel]]
    return graded


def faded(value: Float) -> Float:
    return 0.7 * value + np.float32(0.18)


def contrasty(value: Float) -> Float:
    curve = 1 / (1 + np.exp(-7 * (value - np.float32(0.5))))
    return np.asarray((curve - curve[0]) / (curve[-1] - curve[0]), np.float32)


def scene_of(photo: Photo, px_per_mm: float | None = PX_PER_MM) -> Scene:
    """All of it is skin, with a scale as if a face had given it."""
    known = replace(survey(photo), scale=PixelScale(px_per_mm, "as drawn"))
    return replace(known, skin=np.ones_like(known.skin))


def grade(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Grade:
    photo = Photo(pixels.copy())
    return grade_of(photo, scene_of(photo))


def slope_of_blue(shown: Image, plain: Image) -> float:
    """By how much blue is steeper beside green than in the plain picture."""
    spreads = [density(rgb)[..., 2].std() / density(rgb)[..., 1].std() for rgb in (shown, plain)]
    return float(spreads[0] / spreads[1])


def uneven_in_red(shown: Samples) -> float:
    od = density(shown)
    return float(od[..., 0].std() / od[..., 1].std())


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("blood", [1.0, 1.5])
def test_skin_without_a_grade_is_looked_at_as_it_is(tone: str, blood: float) -> None:
    plain = skin(tone, blood)
    cast = np.clip(plain * np.array([1.0, 0.93, 0.8]), 0, 255).astype(np.uint8)
    for shown in (plain, cast, plain // 2):
        photo = Photo(shown.copy())
        assert grade_of(photo, scene_of(photo)).taken_back(photo) is photo


@pytest.mark.parametrize("tone", TONES)
def test_blue_that_a_curve_has_flattened_is_steep_again(tone: str) -> None:
    plain = skin(tone)
    flat = curved(plain, faded, (2,))
    assert slope_of_blue(flat, plain) < 0.85
    back = grade(flat).taken_back(Photo(flat.copy())).pixels
    assert slope_of_blue(np.asarray(back, np.uint8), plain) == pytest.approx(1, abs=0.12)
    assert np.array_equal(back[..., :2], flat[..., :2])


@pytest.mark.parametrize("tone", ["fair", "light"])
def test_contrast_that_leaves_bright_red_behind_is_made_softer_in_green_and_blue(tone: str) -> None:
    hard = curved(skin(tone), contrasty, (0, 1, 2))
    red, green, blue = grade(hard).slopes
    assert red == 1
    assert green < 0.9
    assert blue <= green * 1.3


def test_a_little_of_it_is_taken_back_by_a_little() -> None:
    plain = skin("light")
    strengths = [
        grade(curved(plain, lambda v, c=share: v * (1 - c) + c * faded(v), (2,))).strength  # type: ignore[misc]
        for share in (0.0, 0.4, 0.5, 0.6, 0.8, 1.0)
    ]
    assert strengths[0] == 1
    assert strengths == sorted(strengths)
    assert max(after / before for before, after in pairwise(strengths)) < 1.35


def test_sixteen_bits_are_taken_back_as_eight_are_and_only_where_skin_is() -> None:
    flat = curved(skin("light"), faded, (2,))
    deep = Photo(np.asarray(flat, np.uint16) * np.uint16(257))
    scene = scene_of(deep)
    half = scene.skin.copy()
    half[:, : half.shape[1] // 2] = 0
    known = grade_of(deep, replace(scene, skin=half))
    assert known.slopes == pytest.approx(grade(flat[:, SIDE // 2 :]).slopes, rel=0.05)
    back = known.taken_back(deep).pixels
    assert np.array_equal(back[:, : SIDE // 2 - 24], deep.pixels[:, : SIDE // 2 - 24])
    assert not np.array_equal(back[:, SIDE // 2 :], deep.pixels[:, SIDE // 2 :])


@pytest.mark.parametrize("primaries", [ADOBE_RGB, PROPHOTO])
def test_in_a_wide_gamut_the_same_is_taken_back_as_in_srgb(primaries: list[float]) -> None:
    """Slopes that were told in sRGB and bent the channels of ProPhoto left skin uneven in red twice over."""
    profile = bytes(cms_profile("rgb", whitepoint=(0.3127, 0.329, 1), primaries=primaries, gamma=2.2))
    plain = Photo(np.asarray(curved(skin("light"), contrasty, (0, 1, 2)), np.uint16) * np.uint16(257))
    converted = cms_transform(
        plain.pixels, cms_profile("srgb"), profile, colorspace="rgb", outcolorspace="rgb"
    )
    wide = Photo(np.ascontiguousarray(converted), profile=profile)
    scene = scene_of(wide)
    known = grade_of(wide, scene)
    assert known.slopes == pytest.approx(grade(plain.pixels).slopes, rel=0.05)
    shown, wanted = known.taken_back(wide), known.taken_back(plain)
    seen = to_srgb(shown.pixels, shown.colour_profile)
    assert uneven_in_red(seen) == pytest.approx(uneven_in_red(wanted.pixels), rel=0.03)
    assert np.median(np.abs(seen.astype(int) - wanted.pixels)) < 0.005 * 65535


def test_without_a_face_or_with_little_skin_nothing_is_known() -> None:
    flat = Photo(curved(skin("light"), faded, (2,)))
    assert grade_of(flat, scene_of(flat, None)) == NONE
    small = Photo(flat.pixels[:60, :60].copy())
    assert grade_of(small, scene_of(small)) == NONE


def test_black_and_white_has_no_grade() -> None:
    grey = np.repeat(skin("light")[..., 1:2], 3, axis=2)
    assert grade(grey) == grade(np.asarray(grey * np.array([1.0, 0.92, 0.8]), np.uint8)) == NONE


def test_a_face_that_shows_little_skin_leaves_it_to_the_next() -> None:
    flat = Photo(curved(skin("light"), faded, (2,)))
    alone = scene_of(flat)
    owner = np.full(alone.skin.shape, 2, np.uint8)
    owner[:, :2] = 1
    faces = tuple(
        Face(number, flat.frame, (250.0, 250.0), 300.0, (), 0.0, PixelScale(PX_PER_MM, "as drawn"))
        for number in (1, 2)
    )
    assert grade_of(flat, replace(alone, faces=faces, owner=owner)).strength > 1.1
    owner[:, 2:] = 0
    assert grade_of(flat, replace(alone, faces=faces, owner=owner)) == NONE
