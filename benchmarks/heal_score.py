"""How far a heal is from the truth, and whether anybody could tell: the figures of the healing benchmark.

Everything is measured inside the hole. Texture is the contrast of a band over the truth's in the same
place; colour is CIEDE2000 after a blur of sigma 4, which no texture survives. A heal is *inside* when its
figures, taken together (Mahalanobis), lie no further from those of the same shape laid on clean skin than 95
of 100 such patches lie from the others: untouched skin passes 95 times of 100. The others are those whose
holes share no pixel with it: in a small crop patches overlap, and in the company of its own pixels none looks
odd (untouched skin passed 78 times of 100 at 60 px, 57 at 80). The guard is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from benchmarks.heal_cases import Bool, Case, Float
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density, tone
from retouch_engine.imaging.masks import bounding_box, dilated, eroded
from retouch_engine.types import Box, Samples

SIGMAS = (1.0, 2.0, 4.0)
PLACES = 60
_LEAST_PLACES = 12
_FLOOR = 0.02


@dataclass(frozen=True, slots=True)
class Score:
    """One heal. ``texture`` are the three bands' contrasts over the truth's."""

    texture: tuple[float, float, float]
    colour: float
    seam: float
    inside: bool | None
    """None where there is too little clean skin to say."""


class Judge:
    """Scores heals of one case against its truth and its clean skin."""

    def __init__(self, case: Case) -> None:
        self.case = case
        box = bounding_box(case.hole)
        reach = 2 + max(4, round(0.35 * float(np.sqrt(case.hole.sum()))))
        self.window = box.grown(reach + 1, *case.hole.shape)
        hole = case.hole[self.window.slices]
        self.core = hole
        self.rim = dilated(hole, 1) & ~eroded(hole, 1)
        self.ring = dilated(hole, reach) & ~dilated(hole, 2)
        planes = _planes(case.truth)
        here = case.clean[self.window.slices] & self.ring
        self.ring_here = here if here.sum() >= 20 else self.ring
        self.true_bands = planes[self.window.slices][..., :3][self.core].std(axis=0)
        self.true_low = _low_lab(case.truth)[case.hole]
        places = self._places()
        usual = [_figures(planes[b.slices], self.core, self.rim, self.ring) for b in places]
        apart = 2 * float(np.sqrt(self.core.sum() / np.pi))
        self.null = _Null.of(np.array(usual), _corners([self.window, *places]), apart)

    def _places(self) -> list[Box]:
        """Where else in the crop the same shape lies on clean skin."""
        case, w = self.case, self.window
        need = (self.core | self.rim | self.ring).astype(np.uint8)
        dirty = (~case.clean | case.hole).astype(np.float32)
        hits = cv2.filter2D(dirty, -1, need.astype(np.float32), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        h, width = dirty.shape
        ys, xs = np.nonzero(np.asarray(hits)[: h - w.height + 1, : width - w.width + 1] < 0.5)
        rng = np.random.default_rng((w.height, len(ys)))
        pick = rng.permutation(len(ys))[:PLACES]
        return [
            Box(int(y), int(x), int(y) + w.height, int(x) + w.width)
            for y, x in zip(ys[pick], xs[pick], strict=True)
        ]

    def score(self, result: Samples) -> Score:
        """The figures of one result."""
        planes = _planes(result)[self.window.slices]
        bands = planes[..., :3][self.core].std(axis=0) / np.maximum(self.true_bands, 1e-6)
        figures = _figures(planes, self.core, self.rim, self.ring_here)
        delta = deltaE_ciede2000(_low_lab(result)[self.case.hole], self.true_low)
        return Score(
            texture=(float(bands[0]), float(bands[1]), float(bands[2])),
            colour=float(delta.mean()),
            seam=float(np.exp(figures[5])),
            inside=None if self.null is None else self.null.holds(figures),
        )


@dataclass(frozen=True, slots=True)
class _Null:
    """Clean skin's figures taken together: what is odd is often no figure alone, but two that do not fit."""

    centre: NDArray[np.float64]
    inverse: NDArray[np.float64]
    worst: float

    @classmethod
    def of(cls, usual: NDArray[np.float64], corners: NDArray[np.float64], apart: float) -> _Null | None:
        """None where too few patches lie apart; ``corners``: the heal's, then the patches'."""
        far = np.hypot(*(corners[:, None] - corners[None]).transpose(2, 0, 1)) > apart
        # Each patch against the others, as a heal will be.
        distances = [
            _distance(patch, *_fitted(usual[others]))
            for patch, others in zip(usual, far[1:, 1:], strict=True)
            if others.sum() >= _LEAST_PLACES
        ]
        if len(distances) < _LEAST_PLACES or far[0, 1:].sum() < _LEAST_PLACES:
            return None
        return cls(*_fitted(usual[far[0, 1:]]), float(np.quantile(distances, 0.95)))

    def holds(self, figures: NDArray[np.float64]) -> bool:
        return _distance(figures, self.centre, self.inverse) <= self.worst


def _corners(boxes: list[Box]) -> NDArray[np.float64]:
    return np.array([(b.y0, b.x0) for b in boxes], np.float64)


def _fitted(usual: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and inverse covariance; a tenth of it made independent, for there are few patches."""
    spread = np.cov(usual.T)
    spread = 0.9 * spread + np.diag(0.1 * np.diag(spread) + _FLOOR**2)
    return usual.mean(axis=0), np.asarray(np.linalg.inv(spread), np.float64)


def _distance(
    figures: NDArray[np.float64], centre: NDArray[np.float64], inverse: NDArray[np.float64]
) -> float:
    """Mahalanobis's, squared."""
    gap = figures - centre
    return float(gap @ inverse @ gap)


def _planes(samples: Samples) -> Float:
    """``(h, w, 9)``: three bands, differences of pixels (grey, blue over red), gradient, low colours."""
    od = density(samples)
    grey = tone(od)
    fine = [blur(grey, s) - blur(grey, 1.6 * s) for s in SIGMAS]
    gy, gx = np.gradient(grey)
    pixels = [cv2.Laplacian(v, cv2.CV_32F) for v in (grey, np.ascontiguousarray(od[..., 2] - od[..., 0]))]
    return np.dstack([*fine, *pixels, np.hypot(gy, gx), blur(od, 3.0)]).astype(np.float32)


def _figures(planes: Float, core: Bool, rim: Bool, ring: Bool) -> NDArray[np.float64]:
    """Log contrast of three bands and of pixels, log seam, how far low colours lie off the ring's plane."""
    inner, outer = planes[core], planes[ring]
    spread = (np.maximum(part[:, :5].std(axis=0), 1e-6) for part in (inner, outer))
    contrast = np.log(np.divide(*spread))
    seam = np.log(max(float(planes[rim][:, 5].mean()), 1e-6) / max(float(outer[:, 5].mean()), 1e-6))
    y, x = np.nonzero(ring)
    cy, cx = (float(v.mean()) for v in np.nonzero(core))
    design = np.column_stack([np.ones(len(y)), y - cy, x - cx])
    gap = inner[:, 6:].mean(axis=0) - np.linalg.lstsq(design, outer[:, 6:].astype(float), rcond=None)[0][0]
    return np.concatenate([contrast, [seam], gap])


def _low_lab(samples: Samples) -> NDArray[np.float64]:
    most = np.float32(np.iinfo(samples.dtype).max)
    shown = blur(np.asarray(samples.astype(np.float32) / most), 4.0)
    return np.asarray(rgb2lab(shown), np.float64)
