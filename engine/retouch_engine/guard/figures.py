"""What is measured of a patch of skin: texture in three bands, its rim, and what is left of a blotch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.bands import BAND_SIGMAS, blur, fine_bands, steepness
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import at_most, bounding_box, distance_inside, distance_to
from retouch_engine.types import Bool, Float

_MOST_PX = 300
"""Sampled positions of core and ring: their contrast is then known to 4 %, half of what skin varies by."""
_MOST_RIM_PX = 160
_EVERY = 2
NOTHING = np.array([[1e-5], [1e-5], [1e-5], [1e-4], [1e-3]], dtype=np.float32)
"""Contrast that nobody sees: of the bands, from pixel to pixel, of the colour noise. Rounding to 16 bits
makes some of the last two."""
_QUANTILES = np.linspace(0.02, 0.98, 33, dtype=np.float64)
_BANDS = len(BAND_SIGMAS)
_CONTRASTS, _SMOOTH, _EDGE = _BANDS + 2, _BANDS + 2, _BANDS + 3
"""What is looked up at each place: so many whose contrast counts, then the blur, then the gradient."""
FINEST, _CHROMA, _STEEP = 0, 1, 2
"""Planes that are measured beside the bands."""
_BLUE_OVER_RED = np.array([[-1, 0, 1]], dtype=np.float32)
_FEATHER_PX = 1.6
_NEAR_PX, _OUTER_PX = 2.6, 3.2
_MOST_ZONE_PX = 1500
_BESIDE_PX, _NEXT_PX = 1.2, 2.3
"""Nearer than that are the four pixels beside one, and those next to them."""
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

    The core, its rim, the ring around it, and four zones of the hole: the feather that every heal has, just
    inside it, the outer half, and the depth.
    """

    core: NDArray[np.intp]
    rim: NDArray[np.intp]
    ring: NDArray[np.intp]
    zones: tuple[NDArray[np.intp], ...]

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

    def near(self, shifts: NDArray[np.intp], h: int, w: int) -> bool:
        """Whether no shift moves any place out of an array of ``(h, w)``."""
        (y0, x0), (y1, x1) = self._extent
        (dy0, dx0), (dy1, dx1) = shifts.min(axis=0).tolist(), shifts.max(axis=0).tolist()
        return bool(y0 + dy0 >= 0 and x0 + dx0 >= 0 and y1 + dy1 < h and x1 + dx1 < w)

    @cached_property
    def _extent(self) -> tuple[list[int], list[int]]:
        both = np.concatenate([self.rim, self.ring])
        return both.min(axis=0).tolist(), both.max(axis=0).tolist()

    def _plane(self, places: NDArray[np.intp]) -> Float:
        """About the core's centre, in units of the ring's reach."""
        centre = self.core.mean(axis=0)
        y, x = (places - centre).T / max(1.0, float(np.abs(self.ring - centre).max()))
        return np.column_stack([np.ones_like(y), y, x]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Bands:
    """One crop, filtered once.

    ``fine`` are the three bands, ``(3, h, w)``, ``smooth`` is the blur of 1 px, ``(h, w)``. ``more`` are
    three, ``(3, h, w)``: the difference from pixel to pixel, the finest band of blue over red, the gradient.
    ``low`` is the crop at half size, channels first: ``(3, h/2, w/2)``.
    """

    fine: Float
    smooth: Float
    more: Float
    low: Float

    def at(self, places: NDArray[np.intp], *, steep: bool) -> Float:
        """All that is measured at flat positions ``(n, p)``: ``(6, n, p)``, or with the gradient seven."""
        found = np.empty((_EDGE + steep, *places.shape), dtype=np.float32)
        more = self.more.reshape(len(self.more), -1)
        # Into a part of the whole without a copy: "clip" is what take needs for that.
        self.fine.reshape(_BANDS, -1).take(places, axis=1, out=found[:_BANDS], mode="clip")
        more[:_STEEP].take(places, axis=1, out=found[_BANDS:_CONTRASTS], mode="clip")
        self.smooth.reshape(-1).take(places, out=found[_SMOOTH], mode="clip")
        if steep:
            more[_STEEP].take(places, out=found[_EDGE], mode="clip")
        return found


@dataclass(frozen=True, slots=True)
class Trace:
    """A blemish's own form, to look for what is left of it: weights of the sampled core.

    The weighted sum of how far a core stands off its ring's plane is 1 on the blemish itself: a matched
    filter. Float32, ``(3, places)``.
    """

    core: Float


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one or many places, one row of ``table`` for each.

    ``table`` is float64 ``(n, 12)``; :data:`NAMES` are its columns. ``texture_0`` to ``texture_2``,
    ``finest`` (from pixel to pixel) and ``chroma`` (the finest colour band): logarithms of core / ring
    contrast. ``spread``: Wasserstein-1 distance
    of the finest band's values, in ring spreads. ``seam``: gradient on the rim over the ring's. ``residual``:
    how far the core's level lies from a plane through the ring, in OD, worst channel. ``redder``: that of
    redness, signed. ``halo``: how far the core's smooth density leaves the range of the ring's, in OD.
    ``left``: how much of the blemish's form is there, 1 for all of it. ``form``: how far the core strays from
    the ring's plane, a logarithm.
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
    more = np.empty((3, *grey.shape), dtype=np.float32)
    cv2.Laplacian(grey, cv2.CV_32F, dst=more[FINEST])
    # The finest band of blue over red is what models and chroma subsampling lose first.
    blue = np.asarray(cv2.transform(np.ascontiguousarray(od), _BLUE_OVER_RED))
    np.subtract(blue, blur(blue, 1.2), out=more[_CHROMA])
    steepness(grey, more[_STEEP])
    return Bands(fine[0], fine[1], more, halved(od))


def halved(od: Float) -> Float:
    """Every 2 x 2 px averaged, ``(3, h/2, w/2)``: levels and forms need no more, and noise is half gone."""
    h, w = od.shape[:2]
    small = cv2.resize(od, (-(-w // 2), -(-h // 2)), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))


def ring_width(hole: Bool) -> int:
    """How far around a hole its skin is looked at, px."""
    return 2 + max(4, round(0.35 * float(np.sqrt(np.count_nonzero(hole)))))


def shape_of(hole: Bool, forbid: Bool) -> Shape:
    """Core, rim and ring of a hole; the ring leaves out what is forbidden. Sampled when large."""
    width = ring_width(hole)
    box = bounding_box(hole).grown(width + 1, *hole.shape)
    near = np.ascontiguousarray(hole[box.slices])
    outside, depth = distance_to(near), distance_inside(near)
    core = depth > _BESIDE_PX
    core = core if np.count_nonzero(core) >= 9 else near
    ring = (outside > _NEXT_PX) & (outside <= width) & ~forbid[box.slices]
    rim = (outside <= _BESIDE_PX) & (depth <= _BESIDE_PX)
    deepest, inside = float(depth.max()), depth > _FEATHER_PX
    zones = (
        (depth > 0) & ~inside,
        inside & (depth < max(_NEAR_PX, deepest / 3)),
        inside & (depth < max(_OUTER_PX, deepest / 2)),
        depth > max(_OUTER_PX, deepest * 2 / 3),
    )
    corner = np.array([box.y0, box.x0], dtype=np.intp)
    found, edge, around = (
        _positions(mask, most) + corner
        for mask, most in ((core, _MOST_PX), (rim, _MOST_RIM_PX), (ring, _MOST_PX))
    )
    return Shape(found, edge, around, tuple(_positions(z, _MOST_ZONE_PX) + corner for z in zones))


def _positions(mask: Bool, most: int) -> NDArray[np.intp]:
    """``(n, 2)`` positions, at most about ``most`` of them, spread evenly."""
    flat = np.flatnonzero(mask)
    if len(flat) > most:
        flat = flat[np.arange(most) * (len(flat) - 1) // (most - 1)]
    places = np.empty((len(flat), 2), dtype=np.intp)
    np.divmod(flat, mask.shape[1], out=(places[:, 0], places[:, 1]))
    return places


def trace_of(before: Bands, shape: Shape) -> Trace:
    """The form of what lies in the core of a crop."""
    h, w = before.low.shape[1:]
    core, ring = (np.minimum(p[::_EVERY] // 2, [h - 1, w - 1]) for p in (shape.core, shape.ring))
    (y0, x0), (y1, x1) = np.minimum(core.min(0), ring.min(0)), np.maximum(core.max(0), ring.max(0)) + 1
    near = np.ascontiguousarray(before.low[:, y0:y1, x0:x1])
    tall = float(shape.core[-1, 0] - shape.core[0, 0])
    smooth = np.stack([blur(plane, max(_TRACE_PX, _TRACE_SHARE * tall) / 2) for plane in near])
    flat = np.concatenate([smooth, near]).reshape(6, -1)
    at_core, at_ring = ((p[:, 0] - y0) * (x1 - x0) + p[:, 1] - x0 for p in (core, ring))
    both = flat.take(at_core, axis=1) - (flat.take(at_ring, axis=1) @ shape.fit.T) @ shape.under.T
    height, own = both[:3], both[3:]
    return Trace(height / max(float(np.einsum("cp,cp->", height, own)), _LEAST_TRACE))


def measure(seen: Bands, shape: Shape, shifts: NDArray[np.intp], trace: Trace) -> Figures:
    """Figures of the shape laid at each shift; ``shifts`` is ``(n, 2)`` rows ``(dy, dx)``, 0 for itself."""
    if len(shape.ring) == 0 or len(shifts) == 0:
        return Figures(np.zeros((0, len(NAMES))))
    h, w = seen.smooth.shape
    near = shape.near(shifts, h, w)
    at_core, at_rim, at_ring = (_at(p, shifts, h, w, near) for p in (shape.core, shape.rim, shape.ring))
    core, ring = seen.at(at_core, steep=False), seen.at(at_ring, steep=True)
    # A grey photo has no colour noise on either side, and a clipped one no texture.
    outer = _spread(ring[:_CONTRASTS]) + NOTHING
    table = np.empty((len(NAMES), len(shifts)), dtype=np.float64)
    np.log((_spread(core[:_CONTRASTS]) + NOTHING) / outer, out=table[:_CONTRASTS])
    inside, around = (_sorted(part) for part in (core, ring))
    gap = _quantiles(inside[0])
    gap -= _quantiles(around[0])
    unlike, seam, residual, redder, halo, left, form = table[_CONTRASTS:]
    np.divide(_mean(np.abs(gap, out=gap)), outer[0], out=unlike)
    steep = seen.more[_STEEP].take(at_rim)
    np.divide(_mean(steep), _mean(ring[_EDGE]) + np.float32(1e-5), out=seam)
    level, left[:], form[:] = _levels(seen.low, shape, shifts, trace)
    residual[:], redder[:] = np.abs(level).max(axis=0), level[1] - level[0]
    halo[:] = _overshoot(inside[1], around[1])
    return Figures(table.T)


def _sorted(part: Float) -> Float:
    """The finest band's values and the blur's, ``(2, n, places)``, in order."""
    both = part[::_SMOOTH][:2].copy()
    both.sort(axis=2)
    return both


def _spread(values: Float) -> Float:
    """Standard deviation along the last axis; for bands, whose mean is near 0, one pass is exact enough."""
    share = np.float32(1 / values.shape[-1])
    mean = np.add.reduce(values, axis=-1) * share
    square = np.einsum("knp,knp->kn", values, values) * share
    square -= mean * mean
    return np.asarray(np.sqrt(np.maximum(square, 0)))


def _mean(values: Float) -> Float:
    """Over the second axis; half the cost of ``ndarray.mean``."""
    return np.asarray(np.add.reduce(values, axis=1) * np.float32(1 / values.shape[1]))


def _overshoot(core: Float, ring: Float) -> Float:
    """``(n,)``: how far the core leaves the ring's range, above or below; negative inside it. Both sorted."""
    edge = core.shape[1] // 50
    return np.asarray(np.maximum(core[:, -1 - edge] - ring[:, -1], ring[:, 0] - core[:, edge]))


def _at(places: NDArray[np.intp], shifts: NDArray[np.intp], h: int, w: int, near: bool) -> NDArray[np.intp]:
    """``(n, places)``: flat indices of each place under each shift; what sticks out is put to the edge."""
    if near:
        return np.asarray((places[:, 0] * w + places[:, 1]) + (shifts[:, :1] * w + shifts[:, 1:]))
    return at_most(places[:, 0] + shifts[:, :1], h) * w + at_most(places[:, 1] + shifts[:, 1:], w)


def _quantiles(ordered: Float) -> Float:
    """``(n, 33)`` of sorted ``(n, places)``: looked up, several times faster than ``np.quantile``."""
    return np.asarray(ordered[:, np.rint(_QUANTILES * (ordered.shape[1] - 1)).astype(np.intp)])


def _levels(low: Float, shape: Shape, shifts: NDArray[np.intp], trace: Trace) -> tuple[Float, Float, Float]:
    """Of each place: the core's mean ``(3, n)`` over a plane through the ring, the trace, the form."""
    h, w = low.shape[1:]
    flat = low.reshape(3, -1)
    near = shape.near(shifts, 2 * h - 1, 2 * w - 1)
    gap, ring = (
        flat.take(_halved_at(p[::_EVERY], shifts, h, w, near), axis=1, mode="clip")
        for p in (shape.core, shape.ring)
    )
    gap -= np.matmul(np.matmul(ring, shape.fit.T), shape.under.T)
    left = np.einsum("cnp,cp->n", gap, trace.core)
    form = np.log(np.sqrt(np.einsum("cnp,cnp->n", gap, gap) / gap.shape[2]) + np.float32(1e-5))
    return np.add.reduce(gap, axis=2) * np.float32(1 / gap.shape[2]), left, np.asarray(form)


def _halved_at(
    places: NDArray[np.intp], shifts: NDArray[np.intp], h: int, w: int, near: bool
) -> NDArray[np.intp]:
    """The same as :func:`_at` in a crop of half the size."""
    rows, columns = (places[:, k] + shifts[:, k, None] >> 1 for k in (0, 1))
    return rows * w + columns if near else at_most(rows, h) * w + at_most(columns, w)
