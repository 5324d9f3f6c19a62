"""The parts of a face that look like blemishes to a careless eye: hairs, an eye with its brow, lips.

Drawn into optical density, simply but with the tones and edges that mislead a detector.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from benchmarks.skin import HAEMOGLOBIN, Float, Rng, band, density
from numpy.typing import NDArray

Curve = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture that must stay as it is: rows ``y0`` to ``y1``, columns ``x0`` to ``x1``."""

    name: str
    y0: int
    x0: int
    y1: int
    x1: int

    def holds(self, x: float, y: float, margin: float) -> bool:
        """Whether a point lies in the region or nearer than ``margin``."""
        return self.x0 - margin < x < self.x1 + margin and self.y0 - margin < y < self.y1 + margin


def curve(x: float, y: float, angle: float, length: float, bend: float) -> Curve:
    """A hair's middle line: a quadratic arc of 48 points ``(x, y)`` that begins at a root."""
    s = np.linspace(0, 1, 48, dtype=np.float32)
    along, across = s * length, bend * length * s * s
    c, n = np.cos(angle), np.sin(angle)
    return np.stack([x + along * c - across * n, y + along * n + across * c], 1).astype(np.float32)


def draw_hairs(od: Float, curves: list[Curve], width_px: float, dark: float) -> None:
    """Lay hairs over the picture: thin, antialiased, darker at the root than at the tip."""
    layer = np.zeros(od.shape[:2], np.uint8)
    thickness = max(1, round(width_px))
    strength = min(1.0, max(0.45, width_px / thickness))
    for points in curves:
        fixed = np.rint(points * 16).astype(np.int32)
        cv2.polylines(layer, [fixed[:36]], False, int(255 * strength), thickness, cv2.LINE_AA, 4)
        cv2.polylines(layer, [fixed[35:]], False, int(190 * strength), max(1, thickness - 1), cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(layer.astype(np.float32) / 255, (0, 0), 0.6)
    od += (soft * dark)[..., None] * np.array([0.85, 1.0, 1.1], np.float32)


def _grid(region: Region) -> tuple[Float, Float]:
    """Coordinates over a region: x from -1 to 1 across, y in the same unit down."""
    half = (region.x1 - region.x0) / 2
    yy, xx = np.mgrid[region.y0 : region.y1, region.x0 : region.x1].astype(np.float32)
    x = (xx - (region.x0 + region.x1) / 2) / half
    y = (yy - (region.y0 + region.y1) / 2) / half
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def _step(distance: Float, soft: float) -> Float:
    """1 where the distance is negative, 0 where it is positive, ``soft`` wide."""
    return np.asarray(np.clip(0.5 - distance / soft, 0, 1), np.float32)


def _blend(patch: Float, colour: Float, alpha: Float) -> None:
    patch += alpha[..., None] * (colour - patch)


def draw_eye(od: Float, region: Region, rng: Rng, px_per_mm: float) -> None:
    """An open eye under a brow; the region is about 36 mm wide and 26 mm high."""
    patch = od[region.y0 : region.y1, region.x0 : region.x1]
    x, y = _grid(region)
    y = y - 0.2
    upper, lower = -0.36 * (1 - (x / 0.72) ** 2), 0.22 * (1 - (x / 0.72) ** 2)
    slit = np.maximum(upper - y, y - lower)
    r = np.hypot(x, y + 0.07)
    angle = np.arctan2(y + 0.07, x)
    lid = (
        np.exp(-((slit / 0.09) ** 2))
        * np.clip(0.5 - y / 0.16, 0, 1)
        * np.clip((0.86 - np.abs(x)) / 0.3, 0, 1)
    )
    patch += (0.4 * lid)[..., None]
    white = density((214, 204, 198)) + (0.5 * np.abs(x) ** 3)[..., None] * HAEMOGLOBIN
    eye = np.asarray(white, np.float32)
    spokes = 0.25 * np.sin(angle * 37 + 3 * np.sin(angle * 5)) + 0.8 * _step(0.26 - r, 0.06)
    iris = density((96, 84, 62)) + spokes[..., None]
    for colour, distance in ((iris, r - 0.3), (density((14, 12, 12)), r - 0.12)):
        _blend(eye, np.asarray(colour, np.float32), _step(np.asarray(distance, np.float32), 0.03))
    _blend(eye, density((246, 248, 250)), _step(np.hypot(x + 0.1, y + 0.16) - 0.045, 0.02))
    eye += (0.6 * np.exp(-(np.clip(y - upper, 0, 1) / 0.06)))[..., None]
    _blend(patch, np.asarray(eye, np.float32), _step(np.asarray(slit, np.float32), 0.02))
    half, cx, cy = (region.x1 - region.x0) / 2, (region.x0 + region.x1) / 2, (region.y0 + region.y1) / 2
    lashes = []
    for px in rng.uniform(-0.68, 0.7, 55):
        py = 0.2 - 0.36 * (1 - (px / 0.72) ** 2)
        lean = -1.57 + 0.7 * px + rng.normal(0, 0.1)
        lashes.append(curve(cx + px * half, cy + py * half, lean, rng.uniform(0.1, 0.2) * half, 0.3 * px))
    brow = []
    for px in rng.uniform(-0.8, 0.7, 170):
        py = -0.48 - 0.14 * (1 - px * px) + rng.normal(0, 0.035)
        brow.append(
            curve(cx + px * half, cy + py * half, -0.35 + 0.5 * px, rng.uniform(0.1, 0.2) * half, 0.2)
        )
    draw_hairs(od, lashes + brow, 0.09 * px_per_mm, 1.3)


def draw_lips(od: Float, region: Region, rng: Rng) -> None:
    """A closed mouth; the region is about 40 mm wide and 17 mm high."""
    patch = od[region.y0 : region.y1, region.x0 : region.x1]
    x, y = _grid(region)
    w = np.clip(1 - (x / 0.92) ** 2, 0, 1)
    line = 0.03 * np.cos(x * 6) * w
    top = line - 0.2 * w**0.8 * (1 - 0.25 * np.exp(-((x / 0.12) ** 2)))
    bottom = line + 0.28 * w**0.7
    inside = _step(np.asarray(np.maximum(top - y, y - bottom), np.float32), 0.03) * (np.abs(x) < 0.92)
    wide = (region.x1 - region.x0) * 0.014
    creases = cv2.GaussianBlur(band((x.shape[0], x.shape[1]), wide, 0.7, rng), (0, 0), 0.5, sigmaY=wide * 3)
    creases /= max(float(creases.std()), 1e-6)
    patch += (0.42 * inside)[..., None] * HAEMOGLOBIN
    patch += (inside * (0.1 + 0.05 * creases))[..., None]
    patch -= (inside * 0.22 * np.exp(-((y - line - 0.14) ** 2 / 0.004) - (x / 0.4) ** 2))[..., None]
    mouth = np.exp(-(((y - line) / 0.014) ** 2)) * (np.abs(x) < 0.9)
    patch += (1.1 * mouth * np.sqrt(w))[..., None]
