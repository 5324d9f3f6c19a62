"""What is measured of a patch of skin: texture in three bands, its rim, and what is left of a blotch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.bands import BAND_SIGMAS, blur, fine_bands, steepness
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import bounding_box, dilated, eroded
from retouch_engine.types import Bool, Float

_MOST_PX = 300
"""Sampled positions of core and ring: their contrast is then known to 4 %, half of what skin varies by."""
_MOST_RIM_PX = 160
_EVERY = 2
_NOTHING = np.array([[1e-5], [1e-5], [1e-5], [1e-3]], dtype=np.float32)
"""Contrast that nobody sees: of the bands, of the colour noise (rounding to 16 bits makes some of that)."""
_QUANTILES = np.linspace(0.02, 0.98, 33)
_BANDS = len(BAND_SIGMAS)
_CONTRASTS, _SMOOTH, _EDGE = _BANDS + 1, _BANDS + 1, _BANDS + 2
"""Planes: so many whose contrast counts, then the blur, then the gradient."""
_BLUE_OVER_RED = np.array([[-1, 0, 1]], dtype=np.float32)
NAMES = ("texture_0", "texture_1", "texture_2", "spread", "seam", "residual", "redder", "halo", "chroma")


@dataclass(frozen=True, slots=True)
class Shape:
    """Where to measure, as pixel positions relative to the crop: the core, its rim and the ring around it."""

    core: NDArray[np.intp]
    rim: NDArray[np.intp]
    ring: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Bands:
    """One crop, filtered once.

    ``planes`` is ``(6, h, w)``: the three bands, the finest band of blue over red, the blur of 1 px and the
    gradient. ``od`` is the crop itself.
    """

    planes: Float
    od: Float


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one or many places, each an array ``(n,)``.

    ``texture`` ``(n, 3)``: core / ring contrast per band. ``spread`` ``(n,)``: Wasserstein-1 distance of the
    finest band's values, in ring spreads. ``seam``: gradient on the rim over the ring's. ``residual``: how
    far the core's level lies from a plane through the ring, in OD, worst channel. ``redder``: that of
    redness, signed. ``halo``: how far the core's smooth density leaves the range of the ring's, in OD.
    ``chroma``: core / ring contrast of the finest colour band.
    """

    texture: NDArray[np.float64]
    spread: NDArray[np.float64]
    seam: NDArray[np.float64]
    residual: NDArray[np.float64]
    redder: NDArray[np.float64]
    halo: NDArray[np.float64]
    chroma: NDArray[np.float64]

    @property
    def table(self) -> NDArray[np.float64]:
        """``(n, 9)``: one row for each place, contrasts as logarithms; :data:`NAMES` are the columns."""
        chroma = np.log(np.maximum(self.chroma, 1e-6))
        rest = (self.spread, self.seam, self.residual, self.redder, self.halo, chroma)
        return np.column_stack([np.log(np.maximum(self.texture, 1e-6)), *rest])

    def part(self, places: slice) -> Figures:
        """The figures of some of the places."""
        return Figures(
            self.texture[places],
            self.spread[places],
            self.seam[places],
            self.residual[places],
            self.redder[places],
            self.halo[places],
            self.chroma[places],
        )

    def one(self) -> dict[str, float]:
        """The figures of a single place, rounded, for the record."""
        return {
            **{f"texture_{k}": round(float(self.texture[0, k]), 3) for k in range(_BANDS)},
            "spread": round(float(self.spread[0]), 3),
            "seam": round(float(self.seam[0]), 3),
            "residual": round(float(self.residual[0]), 4),
            "redder": round(float(self.redder[0]), 4),
            "halo": round(float(self.halo[0]), 4),
            "chroma": round(float(self.chroma[0]), 3),
        }


def bands(od: Float) -> Bands:
    """Filter a crop, OD, float32 ``(h, w, 3)``."""
    grey = tone(od)
    return filtered(od, grey, fine_bands(grey))


def filtered(od: Float, grey: Float, fine: tuple[Float, Float]) -> Bands:
    """The same, for a crop whose mean density and fine bands are known already."""
    return Bands(np.concatenate([fine[0], np.stack([_chroma(od), fine[1], steepness(grey)])]), od)


def _chroma(od: Float) -> Float:
    """The finest band of blue over red: what models and chroma subsampling lose first."""
    blue = np.asarray(cv2.transform(np.ascontiguousarray(od), _BLUE_OVER_RED))
    return np.asarray(blue - blur(blue, 1.2))


def ring_width(hole: Bool) -> int:
    """How far around a hole its skin is looked at, px."""
    return 2 + max(4, round(0.35 * float(np.sqrt(np.count_nonzero(hole)))))


def shape_of(hole: Bool, forbid: Bool) -> Shape:
    """Core, rim and ring of a hole; the ring leaves out what is forbidden. Sampled when large."""
    width = ring_width(hole)
    box = bounding_box(hole).grown(width + 1, *hole.shape)
    near = np.ascontiguousarray(hole[box.slices])
    core = eroded(near, 1)
    core = core if np.count_nonzero(core) >= 9 else near
    rim = dilated(near, 1) & ~eroded(near, 1)
    ring = dilated(near, width) & ~dilated(near, 2) & ~forbid[box.slices]
    corner = np.array([box.y0, box.x0], dtype=np.intp)
    return Shape(
        _positions(core, _MOST_PX) + corner,
        _positions(rim, _MOST_RIM_PX) + corner,
        _positions(ring, _MOST_PX) + corner,
    )


def _positions(mask: Bool, most: int) -> NDArray[np.intp]:
    """``(n, 2)`` positions, at most about ``most`` of them, spread evenly."""
    flat = np.flatnonzero(mask)
    if len(flat) > most:
        flat = flat[np.linspace(0, len(flat) - 1, most).astype(np.intp)]
    return np.column_stack(np.divmod(flat, mask.shape[1]))


def measure(seen: Bands, shape: Shape, shifts: NDArray[np.intp]) -> Figures:
    """Figures of the shape laid at each shift; ``shifts`` is ``(n, 2)`` rows ``(dy, dx)``, 0 for itself."""
    if len(shape.ring) == 0 or len(shifts) == 0:
        return Figures(np.zeros((0, _BANDS)), *(np.zeros(0) for _ in range(6)))
    h, w = seen.od.shape[:2]
    at_core, at_rim, at_ring = (_at(p, shifts, h, w) for p in (shape.core, shape.rim, shape.ring))
    flat = seen.planes.reshape(len(seen.planes), -1)
    core, ring = flat[:-1].take(at_core, axis=1), flat.take(at_ring, axis=1)
    # A grey photo has no colour noise on either side, and a clipped one no texture.
    outer = _spread(ring[:_CONTRASTS]) + _NOTHING
    contrast = ((_spread(core[:_CONTRASTS]) + _NOTHING) / outer).astype(np.float64)
    inside, around = (np.sort(part[[0, _SMOOTH]], axis=2) for part in (core, ring))
    spread = np.abs(_quantiles(inside[0]) - _quantiles(around[0])).mean(axis=1) / outer[0]
    seam = flat[_EDGE].take(at_rim).mean(axis=1) / (ring[_EDGE].mean(axis=1) + np.float32(1e-5))
    low = _level_gap(seen.od, shape, at_core, at_ring)
    return Figures(
        texture=contrast[:_BANDS].T,
        spread=spread.astype(np.float64),
        seam=seam.astype(np.float64),
        residual=np.abs(low).max(axis=1),
        redder=low[:, 1] - low[:, 0],
        halo=_overshoot(inside[1], around[1]),
        chroma=contrast[_BANDS],
    )


def _spread(values: Float) -> Float:
    """Standard deviation along the last axis; for bands, whose mean is near 0, one pass is exact enough."""
    mean = values.mean(axis=-1)
    square = np.einsum("knp,knp->kn", values, values) / np.float32(values.shape[-1])
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)))


def _overshoot(core: Float, ring: Float) -> NDArray[np.float64]:
    """``(n,)``: how far the core leaves the ring's range, above or below; negative inside it. Both sorted."""
    edge = core.shape[1] // 50
    above, below = core[:, -1 - edge] - ring[:, -1], ring[:, 0] - core[:, edge]
    return np.asarray(np.maximum(above, below), dtype=np.float64)


def _at(places: NDArray[np.intp], shifts: NDArray[np.intp], h: int, w: int) -> NDArray[np.intp]:
    """``(n, places)``: flat indices of each place under each shift."""
    rows = np.clip(places[:, 0] + shifts[:, :1], 0, h - 1)
    columns = np.clip(places[:, 1] + shifts[:, 1:], 0, w - 1)
    return np.asarray(rows * w + columns)


def _quantiles(ordered: Float) -> Float:
    """``(n, 33)`` of sorted ``(n, places)``: looked up, several times faster than ``np.quantile``."""
    return np.asarray(ordered[:, np.rint(_QUANTILES * (ordered.shape[1] - 1)).astype(np.intp)])


def _level_gap(
    od: Float, shape: Shape, at_core: NDArray[np.intp], at_ring: NDArray[np.intp]
) -> NDArray[np.float64]:
    """``(n, 3)``: the core's mean density less what a plane through the ring predicts there."""
    # A mean and a plane need fewer pixels than a contrast.
    flat, at_core, places = od.reshape(-1, 3), at_core[:, ::_EVERY], shape.ring[::_EVERY]
    centre = shape.core.mean(axis=0)
    y, x = (places - centre).T / max(1.0, float(np.abs(places - centre).max()))
    design = np.column_stack([np.ones_like(y), y, x])
    # The plane's value at the centre: the first row of the pseudo-inverse, by the normal equations.
    normal = design.T @ design + 1e-9 * np.eye(3)
    prediction = np.linalg.solve(normal, design.T)[0].astype(np.float32)
    core = flat.take(at_core, axis=0).mean(axis=1)
    ring = np.matmul(prediction, flat.take(at_ring[:, ::_EVERY], axis=0))
    return np.asarray(core - ring, dtype=np.float64)
