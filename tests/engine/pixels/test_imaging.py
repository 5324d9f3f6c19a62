"""Density, blurs, masks and the membrane."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import cast

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouch_engine.imaging.bands import filled, masked_blur
from retouch_engine.imaging.colour import is_srgb, to_srgb
from retouch_engine.imaging.density import density, encode
from retouch_engine.imaging.masks import bounding_box, diameter, dilated, eroded, placed
from retouch_engine.imaging.membrane import membrane
from retouch_engine.types import Box, Samples


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_sample_survives_the_way_to_density_and_back(dtype: type) -> None:
    levels: Samples = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    back = np.rint(encode(density(levels)) * np.iinfo(dtype).max)
    assert np.abs(back - levels).max() <= (0 if dtype is np.uint8 else 1)


def test_half_the_light_is_the_same_step_in_density_everywhere() -> None:
    light = np.array([0.8, 0.4, 0.2, 0.1])
    encoded = np.rint((1.055 * light ** (1 / 2.4) - 0.055) * 65535).astype(np.uint16)
    steps = np.diff(density(encoded))
    assert np.allclose(steps, np.log(2), atol=1e-3)


def test_a_masked_blur_never_sees_what_the_mask_hides() -> None:
    values = np.ones((40, 40), np.float32)
    values[:, 20:] = 1000
    weight = np.ones((40, 40), np.float32)
    weight[:, 20:] = 0
    assert np.allclose(masked_blur(values, weight, 3.0)[:, :20], 1, atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 7), (2, 2), (33, 1)])
def test_filling_leaves_nothing_empty_in_the_narrowest_strip(shape: tuple[int, int]) -> None:
    known = np.zeros(shape, np.bool_)
    known[0, 0] = True
    assert np.allclose(filled(np.full(shape, 2.5, np.float32) * known, known), 2.5)


def test_filling_keeps_what_is_known_and_stays_within_it() -> None:
    rng = np.random.default_rng(1)
    values = rng.uniform(2, 3, (50, 70)).astype(np.float32)
    known = rng.random((50, 70)) > 0.97
    whole = filled(values, known)
    assert np.array_equal(whole[known], values[known])
    assert whole.min() >= 1.98
    assert whole.max() <= 3.02


@pytest.mark.parametrize("size", [(1, 5), (3, 2), (17, 64), (101, 40)])
def test_filling_is_linear_and_leaves_what_is_known(size: tuple[int, int]) -> None:
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    known = x < size[1] / 2
    whole = filled(y, known)
    assert np.array_equal(whole[known], y[known])
    assert 0 <= whole.min() <= whole.max() <= size[0] - 1
    assert np.allclose(filled(np.dstack([y, 2 * y]), known), np.dstack([whole, 2 * whole]), atol=1e-4)
    assert np.array_equal(filled(y, np.zeros_like(known)), y)


def test_the_membrane_through_a_plane_is_the_plane() -> None:
    y, x = np.mgrid[:80, :80].astype(np.float32)
    plane = np.stack([0.02 * x - 0.01 * y, 0.01 * x, 0.03 * y], axis=-1)
    hole = (y - 40) ** 2 + (x - 40) ** 2 < 25**2
    spoilt = np.where(hole[..., None], np.float32(50), plane)
    surface = membrane(spoilt, ~hole, hole)
    assert np.array_equal(surface[~hole], plane[~hole])
    assert np.abs(surface - plane).max() < 0.01 * np.ptp(plane[..., 0])


WIDE = """
import hashlib
import numpy as np
from retouch_engine.imaging.membrane import membrane
y, x = np.mgrid[:260, :260]
hole = (y - 130) ** 2 + (x - 130) ** 2 < 110**2
values = np.random.default_rng(0).normal(size=(260, 260, 3)).astype(np.float32)
print(hashlib.sha256(membrane(values, ~hole, hole).tobytes()).hexdigest())
"""


def test_a_wide_membrane_is_the_same_however_many_threads_there_are() -> None:
    found = set()
    for count in ("1", "4"):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        threads = {**os.environ, **dict.fromkeys(names, count)}
        done = subprocess.run(
            [sys.executable, "-c", WIDE], env=threads, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.parametrize("radius", [9, 60])
def test_the_membrane_never_leaves_the_rims_range(radius: int) -> None:
    y, x = np.ogrid[:160, :160]
    hole = np.asarray((y - 80) ** 2 + (x - 80) ** 2 < radius**2)
    values = np.random.default_rng(1).normal(size=(160, 160, 3)).astype(np.float32)
    rim = values[dilated(hole, 1) & ~hole]
    inside = membrane(values, ~hole, hole)[hole]
    assert (inside >= rim.min(axis=0) - 1e-5).all()
    assert (inside <= rim.max(axis=0) + 1e-5).all()
    # Deep inside, all of the rim has its say: what is left of its noise is little.
    middle = membrane(values, ~hole, hole)[80, 80]
    assert np.abs(middle - rim.mean(axis=0)).max() < 0.1 * rim.std()


@given(st.integers(1, 9), st.integers(0, 12))
def test_growing_then_shrinking_gives_the_disc_back(radius: int, growth: int) -> None:
    y, x = np.ogrid[:61, :61]
    mask = np.asarray((y - 30) ** 2 + (x - 30) ** 2 <= radius**2)
    grown = dilated(mask, growth)
    assert (grown & mask).sum() == mask.sum()
    assert diameter(grown) >= diameter(mask)
    if growth == 0:
        assert np.array_equal(grown, mask)
    assert not (eroded(mask, growth) & ~mask).any()


def test_a_mask_laid_half_outside_is_cut() -> None:
    mask = np.ones((4, 4), bool)
    laid = placed(mask, Box(8, 8, 12, 12), Box(0, 0, 10, 10))
    assert laid.sum() == 4
    assert bounding_box(laid) == Box(8, 8, 10, 10)
    with pytest.raises(ValueError, match="empty"):
        bounding_box(np.zeros((3, 3), bool))


def test_samples_without_a_profile_are_srgb_and_wide_ones_are_not() -> None:
    import imagecodecs

    wide = imagecodecs.cms_profile("adobergb")
    assert is_srgb(None)
    assert is_srgb(imagecodecs.cms_profile("srgb"))
    assert not is_srgb(wide)
    red = np.full((1, 1, 3), (50000, 20000, 20000), np.uint16)
    assert to_srgb(red, wide)[0, 0, 0] > 50000
    assert is_srgb(b"broken")
    assert np.array_equal(to_srgb(red, b"broken"), red)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("gamma", [1.4, 1.8, 2.6])
def test_a_grey_profile_is_read_by_its_curve(gamma: float, dtype: type) -> None:
    profile = bytes(imagecodecs.cms_profile("gray", whitepoint=(0.3457, 0.3585, 1.0), gamma=gamma))
    light = np.linspace(0.02, 0.95, 60)
    full = np.iinfo(dtype).max
    stored: Samples = np.rint(light ** (1 / gamma) * full).astype(dtype)
    grey = cast("Samples", np.repeat(stored[None, :, None], 3, axis=2))
    shown = to_srgb(grey, profile)
    wanted = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert shown.shape == (1, 60, 3)
    assert shown.dtype == dtype
    assert np.abs(shown / full - wanted[None, :, None]).max() < (0.02 if dtype == np.uint8 else 0.004)
    assert not is_srgb(profile)


@pytest.mark.parametrize("shape", [(61, 47), (64, 48), (37, 9), (2, 131)])
def test_what_is_filled_between_equal_values_is_equal_to_them(shape: tuple[int, int]) -> None:
    """Whatever the size: halves of odd sizes are means of three."""
    known = np.random.default_rng(shape[0]).random(shape) < 0.05
    known[0, 0] = True
    among = filled(np.where(known, np.float32(0.7), np.float32(9.0)), known)
    np.testing.assert_allclose(among, 0.7, rtol=1e-5)


@pytest.mark.parametrize("shape", [(61, 47), (64, 48)])
def test_filling_knows_no_left_and_right(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    values, known = rng.uniform(2, 3, shape).astype(np.float32), rng.random(shape) < 0.03
    turned = filled(values[::-1, ::-1].copy(), known[::-1, ::-1].copy())
    np.testing.assert_allclose(turned[::-1, ::-1], filled(values, known), atol=1e-4)
