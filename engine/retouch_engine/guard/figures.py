"""What is measured of a patch of skin: texture in three bands, its rim, and what is left of a blotch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.bands import blur, difference_of_gaussians
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import dilated, eroded
from retouch_engine.types import Bool, Float

_SIGMAS = (1.0, 2.0, 4.0)
_MOST_PX = 1500
_QUANTILES = np.linspace(0.02, 0.98, 33)


@dataclass(frozen=True, slots=True)
class Shape:
    """Where to measure, as pixel positions relative to the crop: the core, its rim and the ring around it."""

    core: NDArray[np.intp]
    rim: NDArray[np.intp]
    ring: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Bands:
    """One crop, filtered once: ``fine`` ``(h, w, 3)`` bands, ``edge`` the gradient, ``low`` colour."""

    fine: Float
    edge: Float
    low: Float


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one or many places, each an array ``(n,)``.

    ``texture`` ``(n, 3)``: core / ring contrast per band. ``spread`` ``(n,)``: Wasserstein-1 distance of the
    finest band's values, in ring spreads. ``seam``: gradient on the rim over the ring's. ``residual``: how
    far the core's low band lies from the ring's, in OD, worst channel. ``redder``: that of redness, signed.
    """

    texture: NDArray[np.float64]
    spread: NDArray[np.float64]
    seam: NDArray[np.float64]
    residual: NDArray[np.float64]
    redder: NDArray[np.float64]

    def one(self) -> dict[str, float]:
        """The figures of a single place, rounded, for the record."""
        return {
            **{f"texture_{k}": round(float(self.texture[0, k]), 3) for k in range(3)},
            "spread": round(float(self.spread[0]), 3),
            "seam": round(float(self.seam[0]), 3),
            "residual": round(float(self.residual[0]), 4),
            "redder": round(float(self.redder[0]), 4),
        }


def bands(od: Float) -> Bands:
    """Filter a crop, OD, float32 ``(h, w, 3)``."""
    grey = tone(od)
    fine = np.stack([difference_of_gaussians(grey, s) for s in _SIGMAS], axis=-1)
    gy, gx = np.gradient(grey)
    return Bands(fine, np.hypot(gy, gx).astype(np.float32), blur(od, 2.0))


def ring_width(hole: Bool) -> int:
    """How far around a hole its skin is looked at, px."""
    return 2 + max(4, round(0.35 * float(np.sqrt(np.count_nonzero(hole)))))


def shape_of(hole: Bool, forbid: Bool) -> Shape:
    """Core, rim and ring of a hole; the ring leaves out what is forbidden. Sampled when large."""
    core = eroded(hole, 1)
    core = core if np.count_nonzero(core) >= 9 else hole
    rim = dilated(hole, 1) & ~eroded(hole, 1)
    ring = dilated(hole, ring_width(hole)) & ~dilated(hole, 2) & ~forbid
    return Shape(_positions(core), _positions(rim), _positions(ring))


def _positions(mask: Bool) -> NDArray[np.intp]:
    places = np.argwhere(mask)
    return places[:: max(1, len(places) // _MOST_PX)]


def measure(filtered: Bands, shape: Shape, shifts: NDArray[np.intp]) -> Figures:
    """Figures of the shape laid at each shift; ``shifts`` is ``(n, 2)`` rows ``(dy, dx)``, 0 for itself."""
    if len(shape.ring) == 0 or len(shifts) == 0:
        return Figures(np.zeros((0, 3)), *(np.zeros(0) for _ in range(4)))
    core, ring = (_taken(filtered.fine, places, shifts) for places in (shape.core, shape.ring))
    ring_spread = np.maximum(ring.std(axis=1), 1e-5)
    texture = core.std(axis=1) / ring_spread
    inner = np.quantile(core[..., 0], _QUANTILES, axis=1)
    outer = np.quantile(ring[..., 0], _QUANTILES, axis=1)
    spread = np.abs(inner - outer).mean(axis=0) / ring_spread[:, 0]
    edge_rim = _taken(filtered.edge[..., None], shape.rim, shifts).mean(axis=(1, 2))
    edge_ring = _taken(filtered.edge[..., None], shape.ring, shifts).mean(axis=(1, 2))
    low = _level_gap(filtered.low, shape, shifts)
    return Figures(
        texture=texture,
        spread=spread,
        seam=edge_rim / np.maximum(edge_ring, 1e-5),
        residual=np.abs(low).max(axis=1),
        redder=low[:, 1] - low[:, 0],
    )


def _taken(values: Float, places: NDArray[np.intp], shifts: NDArray[np.intp]) -> NDArray[np.float64]:
    """``(n, places, channels)``: the values at each place under each shift."""
    rows = np.clip(places[:, 0] + shifts[:, :1], 0, values.shape[0] - 1)
    columns = np.clip(places[:, 1] + shifts[:, 1:], 0, values.shape[1] - 1)
    return np.asarray(values[rows, columns], dtype=np.float64)


def _level_gap(low: Float, shape: Shape, shifts: NDArray[np.intp]) -> NDArray[np.float64]:
    """``(n, 3)``: the core's mean low band less what a plane through the ring predicts there."""
    ring = _taken(low, shape.ring, shifts)
    core = _taken(low, shape.core, shifts).mean(axis=1)
    centre = shape.core.mean(axis=0)
    y, x = (shape.ring - centre).T / max(1.0, float(np.abs(shape.ring - centre).max()))
    design = np.column_stack([np.ones_like(y), y, x])
    prediction = np.linalg.pinv(design)[0]
    return np.asarray(core - np.einsum("p,npc->nc", prediction, ring))
