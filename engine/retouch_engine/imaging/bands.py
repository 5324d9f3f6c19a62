"""Blurs that respect a mask, and the bands between them.

A plain Gaussian drags hair and lips into skin and rings at every edge. Normalised convolution (Knutsson
& Westin 1993), ``blur(x w) / blur(w)``, asks only the pixels that count; on skin beside hair it is what
takes the low-band error from 8.1 to 0.7 levels at the same pore contrast.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from retouch_engine.kernels import fills
from retouch_engine.kernels.planes import edged
from retouch_engine.types import Bool, Float, frozen

_LEAST_WEIGHT = np.float32(1e-4)
_WIDE_SIGMA = 3.0
BAND_SIGMAS = (1.0, 2.0, 4.0)
"""Pores, furrows, and the unevenness just above them, px."""
_AFTER_FIRST = math.sqrt(1.6**2 - 1)
_AT_HALF = tuple(math.sqrt(b**2 - a**2) / 2 for a, b in ((1.6, 2.0), (2.0, 3.2), (3.2, 4.0), (4.0, 6.4)))
_CELL = 8
_COLOUR_PX = 1.2


def blur(values: Float, sigma: float) -> Float:
    """Gaussian blur, float32 ``(h, w)`` or ``(h, w, c)``; mirrored at the border. Cut off at 3 sigma."""
    taps = _taps(sigma)
    soft = cv2.sepFilter2D(values, -1, taps, taps, borderType=cv2.BORDER_REFLECT_101)
    # OpenCV drops a channel axis of one.
    return np.asarray(soft).reshape(values.shape)


@lru_cache(maxsize=512)
def _taps(sigma: float) -> Float:
    """What ``cv2.GaussianBlur`` weighs by, and makes anew for each call."""
    return frozen(np.asarray(cv2.getGaussianKernel(2 * math.ceil(3 * sigma) + 1, sigma, cv2.CV_32F)))


def masked_blur(values: Float, weight: Float, sigma: float) -> Float:
    """Normalised convolution of ``(h, w)`` or ``(h, w, c)`` values with ``(h, w)`` weights, 0 to 1.

    Where no weight is within reach the result tends to 0; use :func:`filled` to reach further.
    """
    w = weight if values.ndim == 2 else weight[..., None]
    total = blur(weight, sigma)
    total = total if values.ndim == 2 else total[..., None]
    return np.asarray(blur(values * w, sigma) / np.maximum(total, _LEAST_WEIGHT))


def low_band(values: Float, weight: Float, sigma: float, coarsest: int = 2) -> Float:
    """:func:`masked_blur` for wide sigmas, at half size where that shows no difference.

    A blur of 4 px has nothing left that a grid of every second sample could miss, and costs an eighth there;
    one of 8 px nothing that every fourth could miss, for whom ``coarsest`` may be 4.
    """
    whole = bool(weight.all())
    if sigma < _WIDE_SIGMA or min(weight.shape) < 8:
        return blur(values, sigma) if whole else masked_blur(values, weight, sigma)
    step = min(coarsest, 4 if sigma >= 2 * _WIDE_SIGMA else 2)
    if whole:
        return _blurred_small(values, sigma, step)
    both = np.asarray(cv2.merge([*cv2.split(values * weight[..., None]), weight]))
    total = _blurred_small(both, sigma, step)
    return np.asarray(total[..., :-1] / np.maximum(total[..., -1:], _LEAST_WEIGHT))


def _blurred_small(values: Float, sigma: float, step: int) -> Float:
    """Blurred on every ``step``-th sample, and interpolated."""
    h, w = values.shape[:2]
    down, right = -h % step, -w % step
    even = cv2.copyMakeBorder(values, 0, down, 0, right, cv2.BORDER_REPLICATE) if down or right else values
    size = (w + right, h + down)
    small = cv2.resize(even, (size[0] // step, size[1] // step), interpolation=cv2.INTER_AREA)
    wide = cv2.resize(blur(np.asarray(small), sigma / step), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide).reshape(*reversed(size), *values.shape[2:])[:h, :w]


def filled(values: Float, known: Bool) -> Float:
    """Values everywhere: the known ones as they are, the others pulled from the nearest known ones.

    Pull-push (Gortler 1996): halve until everything is known, then fill on the way back up. Smooth, and
    linear in the number of pixels.

    Args:
        values: float32 ``(h, w)`` or ``(h, w, c)``.
        known: bool ``(h, w)``; where it is nowhere True the values stay as they are.
    """
    if known.all() or not known.any():
        return values
    among = np.ascontiguousarray(known)
    if values.ndim == 2:
        return np.asarray(fills.filled(np.ascontiguousarray(values), among))
    return np.dstack([fills.filled(np.asarray(plane), among) for plane in cv2.split(values)])


def levelled(values: Float, known: Bool) -> Float:
    """Values where known, elsewhere the mean of what is known around: coarser and faster than :func:`filled`.

    Args:
        values: float32 ``(h, w, c)``.
        known: bool ``(h, w)``.
    """
    h, w = known.shape
    mask = known.view(np.uint8)
    small = (max(1, w // _CELL), max(1, h // _CELL))
    sums, weight = (
        cv2.resize(part, small, interpolation=cv2.INTER_AREA)
        for part in (cv2.copyTo(values, mask), known.astype(np.float32))
    )
    near = blur(np.dstack([sums, weight]), 1.0)
    far = near.reshape(-1, near.shape[2]).mean(axis=0) * _LEAST_WEIGHT
    mean = (near[..., :-1] + far[:-1]) / np.maximum(near[..., -1:] + far[-1], _LEAST_WEIGHT**2)
    wide = cv2.resize(mean, (w, h), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.copyTo(values, mask, wide)).reshape(values.shape)


def fine_bands(grey: Float) -> tuple[Float, Float]:
    """Three bands at :data:`BAND_SIGMAS` and the blur of 1 px that they begin with.

    Each blur is made from the one before (their variances add up), the widest ones at half size.

    Args:
        grey: float32 ``(h, w)``.

    Returns:
        float32 ``(3, h, w)`` and ``(h, w)``.
    """
    h, w = grey.shape
    first = blur(grey, 1.0)
    second = blur(first, _AFTER_FIRST)
    small = [np.ascontiguousarray(second[::2, ::2])]
    for sigma in _AT_HALF:
        small.append(blur(small[-1], sigma))
    wide = (2 * small[0].shape[1], 2 * small[0].shape[0])
    found = np.empty((3, h, w), dtype=np.float32)
    np.subtract(first, second, out=found[0])
    for k in (1, 2):
        between = cv2.resize(small[2 * k - 1] - small[2 * k], wide, interpolation=cv2.INTER_LINEAR)
        found[k] = between[:h, :w]
    return found, first


def speck_band(low: Float) -> Float:
    """How much darker a small mark is than what lies around it, in red light: float32 ``(h, w)``.

    Blood is clear in that light. A pimple hardly shows there, and hair, dirt and pigment all the more.

    Args:
        low: OD at half size, float32 ``(h, w, 3)``.
    """
    fine = blur(np.ascontiguousarray(low[..., 0]), BAND_SIGMAS[1] / 2)
    return np.asarray(fine - blur(fine, _AT_HALF[1]))


def edge_planes(od: Float, grey: Float) -> Float:
    """What differs from pixel to pixel, float32 ``(3, h, w)``.

    That of ``grey``, ``(h, w)``, from its neighbours; the finest band of blue over red, which models and
    chroma subsampling lose first; the length of the gradient of ``grey``.
    """
    planes = edged(np.ascontiguousarray(od), grey)
    planes[1] -= blur(planes[1], _COLOUR_PX)
    return planes


def steepness(grey: Float) -> Float:
    """Length of the gradient, per px; float32 ``(h, w)``."""
    dx = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    dy = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
    # Not cv2.magnitude, whose last bit depends on where in memory its arrays lie.
    return np.asarray(np.sqrt(dx * dx + dy * dy))
