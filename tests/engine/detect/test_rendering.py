"""One rendering for all skin: marks in pale and in colourful pictures of one skin are told alike."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.skin import HAEMOGLOBIN, MELANIN, TONES, Float, cloud
from benchmarks.skin import density as density_of
from numpy.typing import NDArray

from retouch_engine.detect.contour import outline
from retouch_engine.detect.planes import Planes, redness
from retouch_engine.detect.rendering import USUAL, rendering, told
from retouch_engine.detect.seeds import Seed
from retouch_engine.imaging.density import density, encode

SIDE = 480
"""Pixels at the networks' scale: ten centimetres of skin."""
SKIN = np.ones((SIDE // 2, SIDE // 2), np.bool_)
Image = NDArray[np.uint8]


def skin(tone: str, colour: float = 1.0, exposure: float = 0.0) -> Float:
    """Optical density of blotchy skin, by so much more colourful than usual."""
    rng = np.random.default_rng(3)
    blood, brown, light = (0.05 * cloud((SIDE, SIDE), sigma, rng) for sigma in (10.0, 12.0, 8.0))
    od = density_of(TONES[tone]) + blood[..., None] * HAEMOGLOBIN + brown[..., None] * MELANIN
    od = od + light[..., None]
    green = od[..., 1:2]
    return np.asarray(green + np.float32(colour) * (od - green) + np.float32(exposure), np.float32)


def picture(od: Float) -> Image:
    return np.asarray(np.clip(encode(np.maximum(od, 0)) * 255 + 0.5, 0, 255), np.uint8)


def red_beside_green(rgb: Image) -> float:
    od = density(rgb)
    return float(np.median(od[..., 1] - od[..., 0]))


@pytest.mark.parametrize("tone", TONES)
def test_a_pale_and_a_colourful_rendering_are_told_nearly_alike(tone: str) -> None:
    renderings = [picture(skin(tone, colour)) for colour in (0.75, 1.5)]
    gains = [rendering(rgb, SKIN).gain for rgb in renderings]
    assert gains[0] > gains[1]
    was = red_beside_green(renderings[1]) / red_beside_green(renderings[0])
    seen = [by * red_beside_green(rgb) for rgb, by in zip(renderings, gains, strict=True)]
    assert was > 1.8
    assert seen[1] / seen[0] < was**0.4


@pytest.mark.parametrize("tone", ["fair", "tan"])
def test_exposure_hardly_changes_the_gain(tone: str) -> None:
    usual, darker = (rendering(picture(skin(tone, exposure=e)), SKIN).gain for e in (0.0, 0.5))
    assert darker == pytest.approx(usual, rel=0.25)


@pytest.mark.parametrize("tone", TONES)
def test_skin_is_as_uneven_in_blue_as_in_green_but_under_a_curve_that_lifts_blue(tone: str) -> None:
    plain = picture(skin(tone))
    lifted, warmer, darker = plain.copy(), picture(skin(tone) + np.array([0, 0, 0.3], np.float32)), plain // 2
    lifted[..., 2] = plain[..., 2] * 0.6 + 60

    usual = rendering(plain, SKIN).blue_unevenness
    assert usual > 0.95
    assert rendering(warmer, SKIN).blue_unevenness == pytest.approx(usual, rel=0.12)
    assert rendering(darker, SKIN).blue_unevenness == pytest.approx(usual, rel=0.12)
    assert rendering(lifted, SKIN).blue_unevenness < 0.8 * usual
    assert rendering(lifted, np.zeros_like(SKIN)) == USUAL


@pytest.mark.parametrize("tone", TONES)
def test_skin_is_greener_than_red_in_green_light_alone(tone: str) -> None:
    plain = skin(tone)
    shown = [rendering(picture(plain + np.array([cast, 0, 0], np.float32)), SKIN) for cast in (0.0, 1.2)]
    assert shown[0].redness > 0 > shown[1].redness


def test_a_cast_is_believed_only_within_bounds() -> None:
    blue = skin("fair", exposure=0.3)
    blue[..., 0] = blue[..., 1] + 0.02
    assert rendering(picture(blue), SKIN).gain <= 1.5
    red = skin("fair", 1.5)
    red[..., 1:] += 1.0
    assert rendering(picture(red), SKIN).gain >= 0.55


def test_too_little_skin_changes_nothing() -> None:
    few = np.zeros_like(SKIN)
    few[:20, :20] = True
    assert rendering(picture(skin("light", 0.5)), few).gain == 1.0


def test_what_has_no_outline_has_no_colour_to_tell() -> None:
    assert told({"own": 2.0}, 1.6) == {"own": 2.0}


def test_an_outlines_figures_are_told_as_they_would_be_in_the_other_rendering() -> None:
    od = skin("light")
    yy, xx = np.mgrid[:SIDE, :SIDE]
    inside = np.clip(1.5 - np.hypot(yy - 240, xx - 240) / 12, 0, 1).astype(np.float32)
    od = np.asarray(
        od + 0.4 * inside[..., None] * HAEMOGLOBIN + 0.1 * inside[..., None] * MELANIN, np.float32
    )
    od = density(picture(od + inside[..., None] * (0.4 * HAEMOGLOBIN + 0.1 * MELANIN)))
    green = od[..., 1:2]
    figures = [of_the_middle(one) for one in (od, np.asarray(green + np.float32(1.5) * (od - green)))]
    said = told(figures[0], 1.5)
    for name in ("rise_r", "rise_g", "rise_b", "rise_red", "ring_redness", "melanin", "blue_share"):
        assert said[name] == pytest.approx(figures[1][name], abs=0.02), name
    assert said["rise_red"] > 1.3 * figures[0]["rise_red"]
    assert said["melanin"] < figures[0]["melanin"]


def of_the_middle(od: Float) -> dict[str, float]:
    planes = Planes(od, np.ones((SIDE, SIDE), np.bool_), 1, 0, 0)
    found = outline(Seed(planes, redness(planes), "red", 240, 240, 6.0, 0.0))
    assert found is not None
    return dict(found.features)
