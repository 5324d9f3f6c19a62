"""What is measured of a patch of skin: texture in three bands, its rim, and what is left of a blotch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.bands import BAND_SIGMAS, blur, edge_planes, fine_bands, speck_band
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import bounding_box, distance_inside, distance_to
from retouch_engine.kernels.offsets import greatest
from retouch_engine.kernels.patches import figured, looked_up, over_plane, standing_out
from retouch_engine.kernels.places import planes_through, spanning, zones
from retouch_engine.kernels.planes import halved
from retouch_engine.types import Bool, Float

_MOST_PX = 300
"""Sampled positions of core and ring: their contrast is then known to 4 %, half of what skin varies by."""
_MOST_RIM_PX = 160
_EVERY = 2
NOTHING = np.array([1e-5, 1e-5, 1e-5, 1e-4, 1e-3])
"""Contrast that nobody sees: of the bands, from pixel to pixel, of the colour noise. Rounding to 16 bits
makes some of the last two."""
_SHARES = np.linspace(0.02, 0.98, 33, dtype=np.float64)
"""Of the sorted values that are compared."""
_LEAST_CORE, _EASE = 9, 1e-9
_NOWHERE = (0, 0, 0, 0)
_BANDS = len(BAND_SIGMAS)
_CONTRASTS = _BANDS + 2
"""Of what is looked up at each place: so many whose contrast counts."""
FINEST = 0
"""Of the edge planes: the difference from pixel to pixel."""
_FEATHER_PX = 1.6
_NEAR_PX, _OUTER_PX = 2.6, 3.2
_MOST_ZONE_PX = 1500
_BESIDE_PX, _NEXT_PX = 1.2, 2.3
"""Nearer than that are the four pixels beside one, and those next to them."""
_TRACE_PX, _TRACE_SHARE = 1.2, 0.08
_LEAST_TRACE = 1e-6
_LEAST_SPECK = 2e-3
"""OD that nobody sees."""
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
    "speck",
)
_FORM = NAMES.index("form")
"""From here on figures are logarithms again."""


@dataclass(frozen=True)
class Shape:
    """Where to measure, as pixel positions relative to the crop.

    The core, its rim, the ring around it, and four zones of the hole: the feather that every heal has, just
    inside it, the outer half, and the depth.
    """

    core: NDArray[np.intp]
    rim: NDArray[np.intp]
    ring: NDArray[np.intp]
    zones: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]

    rim_extent: tuple[int, int, int, int]
    """Its least row and column, its most."""
    extent: tuple[int, int, int, int]
    """That of core, rim and ring."""
    reach: float
    """How far the rim lies from its middle, px."""

    @cached_property
    def planes(self) -> tuple[Float, Float]:
        """What makes a plane of the ring's values, and its terms at the core; every second pixel of both.

        ``(3, places)`` and ``(places, 3)``.
        """
        return planes_through(self.core, self.ring, _EVERY, _EASE)

    @cached_property
    def thin(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Every second pixel of core and ring."""
        return np.ascontiguousarray(self.core[::_EVERY]), np.ascontiguousarray(self.ring[::_EVERY])


@dataclass(frozen=True, slots=True)
class Bands:
    """One crop, filtered once.

    ``fine`` are the three bands, ``(3, h, w)``, ``smooth`` is the blur of 1 px, ``(h, w)``. ``more`` are
    three, ``(3, h, w)``: the difference from pixel to pixel, the finest band of blue over red, the gradient.
    ``low`` is the crop at half size: ``(h/2, w/2, 3)``. ``specks`` is its band of small marks that are dark
    in red light, ``(h/2, w/2)``.
    """

    fine: Float
    smooth: Float
    more: Float
    low: Float
    specks: Float


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

    ``table`` is float64 ``(n, 13)``; :data:`NAMES` are its columns. ``texture_0`` to ``texture_2``,
    ``finest`` (from pixel to pixel) and ``chroma`` (the finest colour band): logarithms of core / ring
    contrast. ``spread``: Wasserstein-1 distance
    of the finest band's values, in ring spreads. ``seam``: gradient on the rim over the ring's. ``residual``:
    how far the core's level lies from a plane through the ring, in OD, worst channel. ``redder``: that of
    redness, signed. ``halo``: how far the core's smooth density leaves the range of the ring's, in OD.
    ``left``: how much of the blemish's form is there, 1 for all of it. ``form``: how far the core strays from
    the ring's plane, a logarithm. ``speck``: how far the core's darkest small mark stands out in red
    light, the logarithm of an OD.
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
        values[_FORM:] = np.exp(values[_FORM:])
        return dict(zip(NAMES, values.round(4).tolist(), strict=True))


def bands(od: Float) -> Bands:
    """Filter a crop, OD, float32 ``(h, w, 3)``."""
    grey = tone(od)
    return filtered(od, fine_bands(grey), edge_planes(od, grey))


def filtered(od: Float, fine: tuple[Float, Float], edges: Float) -> Bands:
    """The same, for a crop whose fine bands and edges are known already."""
    # At half size: levels and forms need no more, and noise is half gone.
    low = halved(np.ascontiguousarray(od))
    return Bands(fine[0], fine[1], edges, low, speck_band(low))


def ring_width(hole: Bool) -> int:
    """How far around a hole its skin is looked at, px."""
    return 2 + max(4, round(0.35 * float(np.sqrt(np.count_nonzero(hole)))))


def shape_of(hole: Bool, forbid: Bool) -> Shape:
    """Core, rim and ring of a hole; the ring leaves out what is forbidden. Sampled when large."""
    width = ring_width(hole)
    box = bounding_box(hole).grown(width + 1, *hole.shape)
    near = np.ascontiguousarray(hole[box.slices])
    outside, depth = distance_to(near), distance_inside(near)
    deepest = float(depth.max())
    lines = (_BESIDE_PX, _BESIDE_PX, _NEXT_PX, width, _FEATHER_PX)
    depths = (max(_NEAR_PX, deepest / 3), max(_OUTER_PX, deepest / 2), max(_OUTER_PX, deepest * 2 / 3))
    found = zones(
        near,
        outside,
        depth,
        forbid[box.slices],
        np.array([*lines, *depths], dtype=np.float32),
        (_MOST_PX, _MOST_RIM_PX, _MOST_ZONE_PX, _LEAST_CORE),
        (box.y0, box.x0),
    )
    core, rim, ring = found[:3]
    if len(rim) == 0:
        return Shape(core, rim, ring, found[3:], _NOWHERE, _NOWHERE, 0.0)
    edges = spanning(rim, ring, core)
    return Shape(core, rim, ring, found[3:], edges[:4], edges[4:8], edges[8])


def trace_of(before: Bands, shape: Shape) -> Trace:
    """The form of what lies in the core of a crop."""
    h, w = before.low.shape[:2]
    y0, x0, y1, x1 = (edge // 2 for edge in shape.extent)
    part = np.ascontiguousarray(before.low[y0 : min(y1 + 1, h), x0 : min(x1 + 1, w)])
    tall = float(shape.core[-1, 0] - shape.core[0, 0])
    smooth = blur(part, max(_TRACE_PX, _TRACE_SHARE * tall) / 2)
    height, all_of_it = standing_out(smooth, part, *shape.thin, *shape.planes, y0, x0)
    return Trace(height / np.float32(max(all_of_it, _LEAST_TRACE)))


def measure(seen: Bands, shape: Shape, shifts: NDArray[np.intp], trace: Trace) -> Figures:
    """Figures of the shape laid at each shift; ``shifts`` is ``(n, 2)`` rows ``(dy, dx)``, 0 for itself."""
    if 0 in (len(shape.ring), len(shifts), trace.core.shape[1]):  # a ring too short for a plane has no trace
        return Figures(np.zeros((0, len(NAMES))))
    looks, inside, around = looked_up(
        seen.fine, seen.smooth, seen.more, shape.core, shape.rim, shape.ring, shifts
    )
    for values in (inside, around):
        values.sort(axis=1)
    levels = over_plane(seen.low, *shape.thin, shifts, *shape.planes, trace.core)
    table = figured(looks, inside, around, levels, _SHARES, NOTHING)
    specks = np.log(np.maximum(greatest(seen.specks, shape.core, shifts), _LEAST_SPECK))
    return Figures(np.column_stack((table, specks)))
