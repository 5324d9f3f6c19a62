"""What is measured of a patch of skin: texture in three bands, its rim, and what is left of a blotch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.bands import BAND_SIGMAS, blur, fine_bands, steepness
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import bounding_box, dilated, distance_inside, eroded
from retouch_engine.types import Bool, Float

_MOST_PX = 300
"""Sampled positions of core and ring: their contrast is then known to 4 %, half of what skin varies by."""
_MOST_RIM_PX = 160
_EVERY = 2
_NOTHING = np.array([[1e-5], [1e-5], [1e-5], [1e-4], [1e-3]], dtype=np.float32)
"""Contrast that nobody sees: of the bands, from pixel to pixel, of the colour noise. Rounding to 16 bits
makes some of the last two."""
_QUANTILES = np.linspace(0.02, 0.98, 33)
_BANDS = len(BAND_SIGMAS)
_CONTRASTS, _SMOOTH, _EDGE = _BANDS + 2, _BANDS + 2, _BANDS + 3
"""Planes: so many whose contrast counts, then the blur, then the gradient."""
_BLUE_OVER_RED = np.array([[-1, 0, 1]], dtype=np.float32)
_FEATHER_PX = 1.6
_TRACE_PX, _TRACE_SHARE = 1.2, 0.08
_LEAST_TRACE = 1e-6
NAMES = (
    "texture_0",
    "texture_1",
    "texture_2",
    "finest",
    "chroma",
    "spread",
    "seam",
    "residual",
    "redder",
    "halo",
    "left",
    "form",
)


@dataclass(frozen=True)
class Shape:
    """Where to measure, as pixel positions relative to the crop.

    The core, its rim, the ring around it, and the zone inside the rim where a wide feather would mix.
    """

    core: NDArray[np.intp]
    rim: NDArray[np.intp]
    ring: NDArray[np.intp]
    zone: NDArray[np.intp]

    @cached_property
    def under(self) -> Float:
        """``(places, 3)``: a plane's three terms over every second pixel of the core."""
        return self._plane(self.core[::_EVERY])

    @cached_property
    def fit(self) -> Float:
        """``(3, places)``: makes a plane of the values at every second pixel of the ring."""
        design = self._plane(self.ring[::_EVERY]).astype(np.float64)
        # The normal equations: three unknowns.
        return np.asarray(np.linalg.solve(design.T @ design + 1e-9 * np.eye(3), design.T), dtype=np.float32)

    def _plane(self, places: NDArray[np.intp]) -> Float:
        """About the core's centre, in units of the ring's reach."""
        centre = self.core.mean(axis=0)
        y, x = (places - centre).T / max(1.0, float(np.abs(self.ring - centre).max()))
        return np.column_stack([np.ones_like(y), y, x]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Bands:
    """One crop, filtered once.

    ``planes`` are seven of ``(h, w)``: three bands, the difference from pixel to pixel, the finest band of
    blue over red, the blur of 1 px and the gradient. ``low`` is the crop at half size, ``(h/2, w/2, 3)``.
    """

    planes: tuple[Float, ...]
    low: Float


@dataclass(frozen=True, slots=True)
class Trace:
    """A blemish's own form, to look for what is left of it: weights of sampled core and ring.

    The weighted sum of a crop's density is 1 on the blemish itself and 0 on a plane: a matched filter.
    Float32, ``(places, 3)``.
    """

    core: Float
    ring: Float


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one or many places, one row of ``table`` for each.

    ``table`` is float64 ``(n, 12)``; :data:`NAMES` are its columns. ``texture_0`` to ``texture_2``,
    ``finest`` (from pixel to pixel) and ``chroma`` (the finest colour band): logarithms of core / ring
    contrast. ``spread``: Wasserstein-1 distance of the finest band's values, in ring spreads. ``seam``:
    gradient on the rim over the ring's. ``residual``: how far the core's level lies from a plane through the
    ring, in OD, worst channel. ``redder``: that of redness, signed. ``halo``: how far the core's smooth
    density leaves the range of the ring's, in OD. ``left``: how much of the blemish's form is there, 1 for
    all of it. ``form``: how far the core strays from the ring's plane, a logarithm.
    """

    table: NDArray[np.float64]

    def part(self, places: slice) -> Figures:
        """The figures of some of the places."""
        return Figures(self.table[places])

    def named(self, name: str) -> NDArray[np.float64]:
        """One figure of every place, ``(n,)``."""
        return np.asarray(self.table[:, NAMES.index(name)])

    def one(self) -> dict[str, float]:
        """The figures of a single place, rounded, for the record; contrasts as ratios."""
        values = self.table[0].copy()
        values[:_CONTRASTS] = np.exp(values[:_CONTRASTS])
        values[-1] = np.exp(values[-1])
        return {name: round(value, 4) for name, value in zip(NAMES, values.tolist(), strict=True)}


def bands(od: Float) -> Bands:
    """Filter a crop, OD, float32 ``(h, w, 3)``."""
    grey = tone(od)
    return filtered(od, grey, fine_bands(grey))


def filtered(od: Float, grey: Float, fine: tuple[Float, Float]) -> Bands:
    """The same, for a crop whose mean density and fine bands are known already."""
    pixels = np.asarray(cv2.Laplacian(grey, cv2.CV_32F))
    planes = (*fine[0], pixels, _chroma(od), fine[1], steepness(grey))
    return Bands(planes, halved(od))


def halved(od: Float) -> Float:
    """Every 2 x 2 px averaged: levels and forms need no more, and single pixels' noise is half gone."""
    h, w = od.shape[:2]
    return np.asarray(cv2.resize(od, (-(-w // 2), -(-h // 2)), interpolation=cv2.INTER_AREA))


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
        _positions(_zone(near), _MOST_PX) + corner,
    )


def _zone(hole: Bool) -> Bool:
    """The outer half of the hole, less the narrow feather that every heal has."""
    depth = distance_inside(np.pad(hole, 1))[1:-1, 1:-1]
    return np.asarray((depth > _FEATHER_PX) & (depth < max(2 + _FEATHER_PX, float(depth.max()) / 2)))


def _positions(mask: Bool, most: int) -> NDArray[np.intp]:
    """``(n, 2)`` positions, at most about ``most`` of them, spread evenly."""
    flat = np.flatnonzero(mask)
    if len(flat) > most:
        flat = flat[np.linspace(0, len(flat) - 1, most).astype(np.intp)]
    return np.column_stack(np.divmod(flat, mask.shape[1]))


def trace_of(before: Bands, shape: Shape) -> Trace:
    """The form of what lies in the core of a crop."""
    h, w = before.low.shape[:2]
    both = np.concatenate([shape.core, shape.ring]) // 2
    corner, end = both.min(axis=0), both.max(axis=0) + 1
    near = np.ascontiguousarray(before.low[corner[0] : end[0], corner[1] : end[1]])
    smooth = blur(near, max(_TRACE_PX, _TRACE_SHARE * float(np.ptp(shape.core[:, 0]))) / 2)
    core, ring = (np.minimum(p[::_EVERY] // 2, [h - 1, w - 1]) - corner for p in (shape.core, shape.ring))
    under, fit = shape.under, shape.fit
    height, own = (v[tuple(core.T)] - under @ (fit @ v[tuple(ring.T)]) for v in (smooth, near))
    weights = height / max(float((height * own).sum()), _LEAST_TRACE)
    # What the plane under the core would weigh, carried to the ring that it is fitted through.
    return Trace(weights, np.ascontiguousarray(((weights.T @ under) @ fit).T))


def measure(seen: Bands, shape: Shape, shifts: NDArray[np.intp], trace: Trace) -> Figures:
    """Figures of the shape laid at each shift; ``shifts`` is ``(n, 2)`` rows ``(dy, dx)``, 0 for itself."""
    if len(shape.ring) == 0 or len(shifts) == 0:
        return Figures(np.zeros((0, len(NAMES))))
    h, w = seen.planes[0].shape
    at_core, at_rim, at_ring = (_at(p, shifts, h, w) for p in (shape.core, shape.rim, shape.ring))
    core, ring = _taken(seen.planes[:_EDGE], at_core), _taken(seen.planes, at_ring)
    # A grey photo has no colour noise on either side, and a clipped one no texture.
    outer = _spread(ring[:_CONTRASTS]) + _NOTHING
    contrast = np.log((_spread(core[:_CONTRASTS]) + _NOTHING) / outer)
    inside, around = (np.sort(part[[0, _SMOOTH]], axis=2) for part in (core, ring))
    spread = np.abs(_quantiles(inside[0]) - _quantiles(around[0])).mean(axis=1) / outer[0]
    seam = seen.planes[_EDGE].take(at_rim).mean(axis=1) / (ring[_EDGE].mean(axis=1) + np.float32(1e-5))
    gap, left, form = _levels(seen.low, shape, shifts, trace)
    level = (np.abs(gap).max(axis=1), gap[:, 1] - gap[:, 0], _overshoot(inside[1], around[1]), left, form)
    return Figures(np.column_stack([contrast.T, spread, seam, *level]).astype(np.float64))


def _taken(planes: tuple[Float, ...], at: NDArray[np.intp]) -> Float:
    """``(planes, n, places)``: plane by plane, because laying the planes into one array costs more."""
    out = np.empty((len(planes), *at.shape), dtype=np.float32)
    for plane, into in zip(planes, out, strict=True):
        plane.take(at, out=into, mode="clip")
    return out


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
    return _at_most(places[:, 0] + shifts[:, :1], h) * w + _at_most(places[:, 1] + shifts[:, 1:], w)


def _at_most(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Within ``0 .. count - 1``; twice as fast as ``np.clip``."""
    return np.asarray(np.minimum(np.maximum(rows, 0), count - 1))


def _quantiles(ordered: Float) -> Float:
    """``(n, 33)`` of sorted ``(n, places)``: looked up, several times faster than ``np.quantile``."""
    return np.asarray(ordered[:, np.rint(_QUANTILES * (ordered.shape[1] - 1)).astype(np.intp)])


def _levels(low: Float, shape: Shape, shifts: NDArray[np.intp], trace: Trace) -> tuple[Float, Float, Float]:
    """Of each place: the core's mean ``(n, 3)`` over a plane through the ring, the trace, the form."""
    h, w = low.shape[:2]
    flat = low.reshape(-1, 3)
    core, ring = (flat.take(_halved_at(p[::_EVERY], shifts, h, w), axis=0) for p in (shape.core, shape.ring))
    planes = np.matmul(shape.fit, ring)
    left = np.tensordot(core, trace.core, 2) - np.tensordot(ring, trace.ring, 2)
    gap = core - np.matmul(shape.under, planes)
    form = np.log(np.sqrt(np.einsum("npc,npc->n", gap, gap) / gap.shape[1]) + np.float32(1e-5))
    return gap.mean(axis=1), np.asarray(left), np.asarray(form)


def _halved_at(places: NDArray[np.intp], shifts: NDArray[np.intp], h: int, w: int) -> NDArray[np.intp]:
    """The same as :func:`_at` in a crop of half the size."""
    rows, columns = (places[:, k] + shifts[:, k, None] >> 1 for k in (0, 1))
    return _at_most(rows, h) * w + _at_most(columns, w)


def own_texture(before: Bands, after: Bands, shape: Shape, shift: NDArray[np.intp]) -> float:
    """How much of its own texture a place has: 0 for other skin, 1 for the same, between for a mixture.

    The regression of the differences from pixel to pixel, after on before, over the shape's zone: two pieces
    of skin have nothing in common there, so that a blend at half opacity shows as 0.43 to 0.53 at any size.

    Args:
        before: the crop as it was.
        after: a part of it, healed.
        shape: in pixels of ``before``.
        shift: ``(1, 2)``, ``(dy, dx)`` from ``before`` to ``after``.
    """
    if len(shape.zone) == 0:
        return 0.0
    was = before.planes[_BANDS][tuple(shape.zone.T)]
    now = after.planes[_BANDS][tuple((shape.zone + shift).T)]
    return float(was @ now) / max(float(was @ was), 1e-9)
