"""What lies on skin and is none of it, on drawn skin; and spots, which are none of that."""

from __future__ import annotations

from dataclasses import fields

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from retouch_engine.imaging.density import density
from retouch_engine.survey.foreign import Foreign, enclosed, foreign

MM = 3.0
"""Cells for a millimetre."""
TONES = {"light": (214, 170, 150), "medium": (170, 120, 95), "dark": (92, 62, 50)}
Picture = NDArray[np.uint8]


@pytest.fixture(params=sorted(TONES))
def skin(request: pytest.FixtureRequest) -> Picture:
    """100 x 100 mm of skin with a slope of light and a little grain."""
    rng = np.random.default_rng(7)
    light = np.linspace(0.85, 1.1, 300)[None, :, None] + rng.normal(0, 0.015, (300, 300, 1))
    drawn = np.array(TONES[request.param]) * light
    return np.asarray(np.clip(drawn, 0, 255), dtype=np.uint8)


def looked_at(picture: Picture) -> Foreign:
    soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8))
    return foreign(density(soft), np.ones(picture.shape[:2], dtype=np.bool_), MM)


def found(foreign: Foreign) -> dict[str, int]:
    """Cells by cause."""
    return {f.name: int(np.count_nonzero(getattr(foreign, f.name))) for f in fields(foreign)}


def mixed(skin: Picture, mask: NDArray[np.uint8], colour: tuple[int, int, int], share: float) -> Picture:
    weight = (mask[..., None] / 255.0) * share
    return np.asarray(skin * (1 - weight) + np.array(colour) * weight, dtype=np.uint8)


def test_bare_skin_has_nothing_on_it(skin: Picture) -> None:
    assert not any(found(looked_at(skin)).values())


@pytest.mark.parametrize(
    ("colour", "radius_mm"),
    [((165, 40, 40), 2.5), ((110, 25, 25), 2.0), ((60, 35, 25), 2.0), ((245, 225, 200), 1.0)],
    ids=["pimple", "scab", "mole", "whitehead"],
)
def test_a_spot_is_nothing_foreign(skin: Picture, colour: tuple[int, int, int], radius_mm: float) -> None:
    mask = np.zeros(skin.shape[:2], dtype=np.uint8)
    for at in ((80, 90), (200, 120), (150, 230)):
        cv2.circle(mask, at, round(radius_mm * MM), 255, -1, cv2.LINE_AA)
    assert not any(found(looked_at(mixed(skin, mask, colour, 0.7))).values())


def test_a_soft_shadow_is_nothing_foreign(skin: Picture) -> None:
    xs = np.arange(300)[None, :, None]
    shade = 1 - 0.45 / (1 + np.exp((150 - xs) / 12.0))
    assert not any(found(looked_at(np.asarray(skin * shade, dtype=np.uint8))).values())


@pytest.mark.parametrize(
    "colour", [(28, 34, 44), (30, 80, 60), (35, 50, 110)], ids=["black", "green", "blue"]
)
def test_a_tattoo_is_ink_and_so_is_the_skin_between_its_lines(
    skin: Picture, colour: tuple[int, int, int]
) -> None:
    mask = np.zeros(skin.shape[:2], dtype=np.uint8)
    for k in range(5):
        cv2.ellipse(mask, (150, 150), (15 + 7 * k, 10 + 6 * k), 30 * k, 0, 300, 255, 4, cv2.LINE_AA)
    seen = looked_at(mixed(skin, mask, colour, 0.85))
    covered = (seen.ink | seen.text)[mask > 128]
    assert covered.mean() > 0.9
    assert not (seen.ink | seen.text)[:60].any()


def test_a_watermark_is_lettering(skin: Picture) -> None:
    mask = np.zeros(skin.shape[:2], dtype=np.uint8)
    cv2.putText(mask, "Studio 12", (40, 160), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 255, 2, cv2.LINE_AA)
    seen = looked_at(mixed(skin, mask, (250, 250, 250), 0.8))
    assert seen.text[mask > 128].mean() > 0.8


def test_an_earring_is_jewellery(skin: Picture) -> None:
    drawn = skin.copy()
    cv2.circle(drawn, (150, 150), 6, (40, 36, 30), -1, cv2.LINE_AA)
    cv2.circle(drawn, (152, 148), 3, (255, 252, 240), -1, cv2.LINE_AA)
    seen = looked_at(drawn)
    assert seen.jewellery[150, 150]
    assert np.count_nonzero(seen.jewellery) < 500


def test_a_cord_is_a_strong_edge(skin: Picture) -> None:
    drawn = skin.copy()
    cv2.line(drawn, (40, 60), (260, 130), (20, 20, 20), 3, cv2.LINE_AA)
    seen = looked_at(drawn)
    line = np.zeros(skin.shape[:2], dtype=np.uint8)
    cv2.line(line, (60, 66), (240, 124), 1, 1)
    assert seen.edge[line > 0].mean() > 0.8


def test_where_a_millimetre_is_less_than_a_cell_nothing_is_claimed(skin: Picture) -> None:
    drawn = skin.copy()
    cv2.line(drawn, (40, 60), (260, 130), (20, 20, 20), 3, cv2.LINE_AA)
    body = np.ones(skin.shape[:2], dtype=np.bool_)
    assert not any(found(foreign(density(drawn), body, 0.5)).values())


def test_only_what_lies_in_the_middle_of_skin_is_enclosed() -> None:
    bare = np.zeros((200, 200), dtype=np.bool_)
    bare[80:120, 80:120] = True
    bare[:30, :60] = True
    pieces = enclosed(bare, ~bare, MM)
    assert pieces[100, 100]
    assert not pieces[10, 10]
