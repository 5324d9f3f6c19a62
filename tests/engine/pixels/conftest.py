"""Rendered skin for the pixel stages: even light, pores, and holes in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from retouch_engine.heal import Wound
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.masks import bounding_box
from retouch_engine.types import Box

Skin = Callable[..., NDArray[np.float32]]


@pytest.fixture
def skin() -> Skin:
    """Optical density of textured skin: ``skin(size, seed, light)``; light varies across when a tuple."""

    def make(size: int = 200, seed: int = 0, light: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(size, size)).astype(np.float32)
        pores = 0.03 * (blur(noise, 1.0) / 0.28) + 0.02 * (blur(noise[::-1], 3.0) / 0.1)
        shade = np.linspace(*light, size, dtype=np.float32)[None, :]
        tone = np.array([0.9, 1.35, 1.7], np.float32)
        return np.asarray(tone + (pores + shade)[..., None], np.float32)

    return make


@pytest.fixture
def mottled(skin: Skin) -> Skin:
    """The same under small blotches of blood, which hide a speck in grey and not in red light."""

    def make(size: int = 200, seed: int = 0) -> NDArray[np.float32]:
        noise = np.random.default_rng(100 + seed).normal(size=(size, size)).astype(np.float32)
        blood = blur(noise, 3.0)
        red = np.array([0.0, 0.1, 0.08], np.float32) / blood.std()
        return np.asarray(skin(size, seed) + blood[..., None] * red, np.float32)

    return make


def disc_at(shape: tuple[int, int], cy: float, cx: float, r: float) -> NDArray[np.bool_]:
    """A bool disc."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((y - cy) ** 2 + (x - cx) ** 2 <= r * r)


def wound_in(
    od: NDArray[np.float32], hole: NDArray[np.bool_], forbid: NDArray[np.bool_] | None = None, seed: int = 0
) -> Wound:
    """A wound over a whole array."""
    h, w = hole.shape
    none = np.zeros_like(hole) if forbid is None else forbid
    inner = bounding_box(hole).grown(40, h, w)
    size = 2 * float(np.sqrt(hole.sum() / np.pi))
    return Wound(od, hole, none, Box(0, 0, h, w), size, seed, inner)


def speck_at(shape: tuple[int, int], cy: int, cx: int) -> NDArray[np.float32]:
    """A soft brown speck, OD, ``(h, w, 3)``."""
    form = blur(disc_at(shape, cy, cx, 2).astype(np.float32), 2.0)
    return np.asarray(form[..., None] / form.max() * np.array([0.2, 0.22, 0.24], np.float32), np.float32)
