"""Skin as a camera sees it, rendered: pigments in optical density, relief, light and sensor noise.

Everything here works in optical density (the natural logarithm of reflectance, negated), where pigments
add: melanin and haemoglobin each shift the three channels along one direction (Tsumura's model). Sizes
are in pixels; the caller multiplies millimetres by its pixel scale.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Rng = np.random.Generator

MELANIN = np.array([0.45, 0.72, 0.95], np.float32)
HAEMOGLOBIN = np.array([0.12, 0.80, 0.62], np.float32)
RELIEF = np.array([0.72, 1.0, 1.08], np.float32)
"""Red light scatters farthest under the skin, so that its relief is the flattest."""

TONES: dict[str, tuple[int, int, int]] = {
    "fair": (226, 184, 165),
    "light": (204, 155, 130),
    "tan": (166, 117, 90),
    "dark": (104, 70, 54),
}
"""Mean colours, as sRGB values of an evenly lit cheek."""

SHOT = 0.0055
READ = 0.0012


def density(colour: tuple[int, int, int]) -> Float:
    """Optical density of an sRGB colour given in 8-bit values."""
    v = np.array(colour, np.float64) / 255
    linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return np.asarray(-np.log(linear), np.float32)


def cloud(shape: tuple[int, int], sigma: float, rng: Rng) -> Float:
    """Smooth noise with unit deviation; coarse ones are made small and enlarged."""
    step = max(1, int(sigma / 3))
    small = (shape[0] // step + 8, shape[1] // step + 8)
    n = cv2.GaussianBlur(rng.standard_normal(small, np.float32), (0, 0), max(sigma / step, 0.3))
    n = (n - n.mean()) / max(float(n.std()), 1e-6)
    if step > 1:
        n = cv2.resize(n, (small[1] * step, small[0] * step), interpolation=cv2.INTER_CUBIC)
    return np.asarray(n[: shape[0], : shape[1]], np.float32)


def band(shape: tuple[int, int], sigma: float, stretch: float, rng: Rng) -> Float:
    """Noise around one wavelength (about 5 sigma), longer across than along."""
    white = rng.standard_normal(shape, np.float32)
    n = cv2.GaussianBlur(white, (0, 0), sigmaX=sigma * stretch, sigmaY=sigma)
    n -= cv2.GaussianBlur(n, (0, 0), sigmaX=sigma * stretch * 1.6, sigmaY=sigma * 1.6)
    n /= max(float(n.std()), 1e-9)
    return np.asarray(n, np.float32)


def _furrows(shape: tuple[int, int], px_per_mm: float, rng: Rng) -> Float:
    """A net of fine lines: the zero crossings of two bands, one finer than the other."""
    coarse = band(shape, max(0.17 * px_per_mm, 0.8), 1.5, rng)
    fine = band(shape, max(0.085 * px_per_mm, 0.7), 1.25, rng)
    net = 0.4 * cv2.exp(-(cv2.multiply(coarse, coarse) * 2.5))
    net += 0.4 * cv2.exp(-(cv2.multiply(fine, fine) * 2.0))
    grain = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), max(0.06 * px_per_mm, 0.6))
    net += (0.13 / max(float(grain.std()), 1e-9)) * grain - 0.1 * coarse - 0.06 * fine
    return np.asarray(net, np.float32)


def _pores(shape: tuple[int, int], px_per_mm: float, rng: Rng) -> Float:
    """Small dark pits on a jittered grid, each of its own depth, with a faint bright rim."""
    pitch = max(1.15 * px_per_mm, 3.0)
    rows, cols = int(shape[0] / pitch) + 1, int(shape[1] / pitch) + 1
    yy, xx = np.mgrid[0:rows, 0:cols].astype(np.float32)
    y = ((yy + rng.uniform(0, 1, yy.shape)) * pitch).astype(np.int32).clip(0, shape[0] - 1)
    x = ((xx + rng.uniform(0, 1, xx.shape)) * pitch).astype(np.int32).clip(0, shape[1] - 1)
    pits = np.zeros(shape, np.float32)
    pits[y, x] = rng.gamma(2.0, 0.5, y.shape)
    sigma = max(0.085 * px_per_mm, 0.6)
    narrow = cv2.GaussianBlur(pits, (0, 0), sigma) * (sigma * sigma * 6.28)
    wide = cv2.GaussianBlur(pits, (0, 0), sigma * 2.2) * (sigma * sigma * 6.28)
    return np.asarray(narrow - 0.8 * wide, np.float32)


def relief(shape: tuple[int, int], px_per_mm: float, rng: Rng) -> Float:
    """Furrows and pores lit from the upper left, as optical density with unit deviation.

    The directions wander slowly over the picture, as they do over a cheek.
    """
    depth = _furrows(shape, px_per_mm, rng) + 0.85 * _pores(shape, px_per_mm, rng)
    yy, xx = np.indices(shape, np.float32)
    bend = cloud(shape, 9 * px_per_mm, rng), cloud(shape, 9 * px_per_mm, rng)
    turn = np.float32(0.6)
    x = xx * np.cos(turn) - yy * np.sin(turn) + 3.0 * px_per_mm * bend[0]
    y = xx * np.sin(turn) + yy * np.cos(turn) + 3.0 * px_per_mm * bend[1]
    depth = cv2.remap(depth, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    slope = cv2.Scharr(depth, cv2.CV_32F, 1, 0) + cv2.Scharr(depth, cv2.CV_32F, 0, 1)
    shade = depth - depth.mean()
    shade /= max(float(shade.std()), 1e-9)
    slope /= max(float(slope.std()), 1e-9)
    depth_of_light = np.clip(cloud(shape, 6 * px_per_mm, rng) * 0.2 + 1, 0.5, 1.5)
    return np.asarray((0.62 * shade + 0.62 * slope) * depth_of_light, np.float32)


def sensor(shape: tuple[int, int], rng: Rng) -> Float:
    """Unit noise of three channels, a little smeared by demosaicing."""
    n = rng.standard_normal((*shape, 3), np.float32)
    n = cv2.GaussianBlur(n, (0, 0), 0.55)
    return np.asarray(n / np.float32(0.512), np.float32)


def develop(od: Float, noise: Float) -> NDArray[np.uint16]:
    """Optical density to 16-bit sRGB samples: light, shot and read noise, the sRGB curve."""
    light = cv2.exp(-od)
    light += noise * (SHOT * cv2.sqrt(light) + np.float32(READ))
    light = np.clip(light, 0.0, 1.0, out=light)
    curve = cv2.pow(light, 1 / 2.4)
    curve *= np.float32(1.055 * 65535)
    curve -= np.float32(0.055 * 65535 - 0.5)
    dark = light <= np.float32(0.0031308)
    if dark.any():
        curve[dark] = light[dark] * np.float32(12.92 * 65535) + np.float32(0.5)
    return np.asarray(np.clip(curve, 0, 65535).astype(np.uint16))
