"""Light and camera: hard light, shadows, casts, exposure, grey, blur, noise, JPEG."""

from __future__ import annotations

import cv2
import imagecodecs
import numpy as np
from benchmarks.parts.labels import Image
from numpy.typing import NDArray

Float = NDArray[np.float32]
Generator = np.random.Generator


def develop(image: Image, rng: Generator) -> Image:
    """One scene as some camera under some light would have taken it."""
    light = (image.astype(np.float32) / 255) ** np.float32(2.2)
    side = image.shape[0]
    if rng.random() < 0.5:
        light *= _lamp(rng, side)[..., None]
    if rng.random() < 0.6:
        cast = np.exp(rng.normal(0, 0.16 if rng.random() < 0.75 else 0.4, 3))
        light *= (cast / cast.mean()).astype(np.float32)
    light *= np.float32(np.exp(rng.normal(0, 0.45)))
    shown = np.clip(light, 0, 1) ** np.float32(rng.uniform(0.34, 0.6))
    if rng.random() < 0.13:
        shown = np.repeat(shown @ np.array([[0.3], [0.59], [0.11]], dtype=np.float32), 3, axis=2)
    elif rng.random() < 0.3:
        grey = shown.mean(axis=2, keepdims=True)
        shown = grey + (shown - grey) * np.float32(rng.uniform(0.3, 1.5))
    return _recorded(np.asarray(shown, dtype=np.float32), rng)


def _lamp(rng: Generator, side: int) -> Float:
    """A slope of light, or a shadow's edge across the picture."""
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    across = xs * np.cos(angle) + ys * np.sin(angle)
    if rng.random() < 0.6:
        return np.asarray(np.exp(across * rng.uniform(0.3, 2.6)), dtype=np.float32)
    hard = rng.uniform(5, 120)
    at = rng.uniform(-0.3, 0.3)
    curve = across + 0.08 * np.sin((xs * np.sin(angle) - ys * np.cos(angle)) * rng.uniform(2, 14))
    edge = 1 / (1 + np.exp(np.clip(-(curve - at) * hard, -30, 30)))
    dark = rng.uniform(0.12, 0.7)
    return np.asarray(dark + (1 - dark) * edge, dtype=np.float32)


def _recorded(shown: Float, rng: Generator) -> Image:
    side = shown.shape[0]
    draw = rng.random(4)
    if draw[0] < 0.3:
        shown = np.asarray(cv2.GaussianBlur(shown, (0, 0), float(rng.uniform(0.4, 2.2))))
    elif draw[0] < 0.42:
        small = int(side * rng.uniform(0.35, 0.9))
        shown = np.asarray(cv2.resize(shown, (small, small), interpolation=cv2.INTER_AREA))
        shown = np.asarray(cv2.resize(shown, (side, side), interpolation=cv2.INTER_LINEAR))
    elif draw[0] < 0.55:
        soft = cv2.GaussianBlur(shown, (0, 0), 1.2)
        shown = shown + (shown - soft) * np.float32(rng.uniform(0.3, 1.5))
    if draw[1] < 0.4:
        shown = shown + rng.normal(0, rng.uniform(0.004, 0.05), (side, side, 1)).astype(np.float32)
    image: Image = np.asarray(np.clip(shown * 255 + 0.5, 0, 255), dtype=np.uint8)
    if draw[2] < 0.35:
        level = int(rng.integers(25, 95))
        image = np.asarray(imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(image, level=level)))
    return image
