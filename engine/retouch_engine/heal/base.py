"""What goes into a healer and what comes out; ``tests/contract/test_healers.py`` holds each of them to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar, cast

import cv2
import numpy as np

from retouch_engine.imaging.bands import edge_planes, filled, fine_bands, levelled, low_band
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import bounding_box, dilated, distance_inside, distance_to, framed
from retouch_engine.kernels.planes import beyond, sizes
from retouch_engine.types import Bool, Box, Float, HealerId, Takes, frozen

Thing = TypeVar("Thing")

_FEATHER_PX = 1.5
_STRAND = 11.0
"""In medians of the band's size. Skin reaches 10, a hair has 16 on dark skin and 60 on fair."""
_LEAST_BAND = 0.002
_EVERY, _MOST_SEEN = 3, 1200
_SPILL_PX = 4
"""So far out a spot's own edge stands in the bands yet."""
_TOUCHING_PX, _LEAST_HAIR_PX, _HAIR_SHARE = 1.5, 8, 0.35
"""A hair runs into a hole that begins beside it and goes on for so many px, and so much of the hole's
diameter: a pore or a whisker is shorter. In frames of a face with fair hair across a pimple 15 of 132 heals
had one, and showed its ends or a piece of another at 200 %; of 527 on labelled portraits none has."""
_FEW = 0.02
"""Of the pixels around a hole: less dirt than that, a dark pore or two, changes no figure."""
_SPARE_PX = 14
"""What lies this near the inner box's edge is too far from the ring to blur into its bands."""


@dataclass(frozen=True)
class Wound:
    """One crop with one hole: everything a healer may know.

    ``od`` is optical density, float32 ``(h, w, 3)``, in the photo's own colour space. ``hole`` is what to
    fill, ``forbid`` what may never be a source (not skin, another spot, a clipped highlight); both bool
    ``(h, w)``. ``box`` is where the crop lies in the photo.
    """

    od: Float
    hole: Bool
    forbid: Bool
    box: Box
    diameter_px: float
    seed: int
    inner: Box
    """Where the work is done, in pixels of the crop: the hole with room for its bands and its ring. The rest
    of the crop is only there to find donors in."""

    def __post_init__(self) -> None:
        """Check the shapes and lock the arrays."""
        shape = self.od.shape[:2]
        if self.hole.shape != shape or self.forbid.shape != shape or self.od.shape[2:] != (3,):
            raise ValueError(f"od {self.od.shape}, hole {self.hole.shape}, forbid {self.forbid.shape}")
        for array in (self.od, self.hole, self.forbid):
            frozen(array)

    def once(self, make: Callable[[Wound], Thing]) -> Thing:
        """What ``make`` makes of this wound, made once: healers that take turns share it."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast("Thing", self._made[make])

    def forget(self) -> None:
        """Let go of what :meth:`once` made.

        Much of it holds this wound in turn. In such circles the arrays of every heal stayed until Python's
        collector came by, and the next heal was given fresh memory, page by page.
        """
        self._made.clear()

    @cached_property
    def _made(self) -> dict[object, object]:
        return {}

    @cached_property
    def dirty(self) -> Bool:
        """What may not be a source: forbidden, to be filled, or a hair that crosses the crop."""
        return frozen(self.forbid | self.hole | self._strands())

    def _strands(self) -> Bool:
        """Hairs, lashes, jewellery, with what lies close beside them."""
        if not self.sharp.any():
            return self.sharp
        found = self.sharp.copy()
        # A dark spot's own edge is no hair, and the rim beside it is what the heal hangs on. A hair goes on.
        near = self.hole_box.grown(2 * _SPILL_PX, *found.shape).slices
        farther = found[near] & ~dilated(self.hole[near], _SPILL_PX)
        found[near] &= dilated(farther, _SPILL_PX)
        return dilated(found, 2)

    @cached_property
    def sharp(self) -> Bool:
        """What stands out from the crop's two finest bands as no pore does."""
        every = max(_EVERY, math.isqrt(self.hole.size // _MOST_SEEN))
        bands = self.fine[0][:2]
        limits = (_STRAND * max(float(_middle(sizes(band, every))), _LEAST_BAND) for band in bands)
        found, _ = beyond(*bands, *limits)
        return frozen(found)

    @cached_property
    def crossed(self) -> bool:
        """Whether a hair runs into the hole: a heal would cut it, or lay a piece of another across it."""
        near = self.hole_box.grown(2 * _LEAST_HAIR_PX + math.ceil(self.diameter_px), *self.hole.shape).slices
        hairs = self.sharp[near] & ~self.hole[near]
        if not hairs.any():
            return False
        away = distance_to(self.hole[near])
        least = max(_LEAST_HAIR_PX, _HAIR_SHARE * self.diameter_px)
        _, parts = cv2.connectedComponents(dilated(hairs, 1).view(np.uint8))
        touching = np.unique(parts[hairs & (away <= _TOUCHING_PX)])
        return any(float(away[hairs & (parts == part)].max()) >= least for part in touching)

    @cached_property
    def calm(self) -> Float:
        """The crop, with its dirt filled from around where some lies near the hole: hairs spoil figures."""
        i = self.inner
        near = Box(i.y0 + _SPARE_PX, i.x0 + _SPARE_PX, i.y1 - _SPARE_PX, i.x1 - _SPARE_PX).slices
        if np.count_nonzero(self.dirty[near] & ~self.hole[near]) < _FEW * self.hole[near].size:
            return self.od
        near = i.slices
        known = ~self.dirty | self.hole
        calm = levelled(self.od, known)
        calm[near] = filled(np.ascontiguousarray(self.od[near]), known[near])
        return frozen(calm)

    @cached_property
    def hole_box(self) -> Box:
        """The smallest box around the hole."""
        return bounding_box(self.hole)

    @cached_property
    def grey(self) -> Float:
        """Mean density, ``(h, w)``."""
        return frozen(tone(self.od))

    @cached_property
    def fine(self) -> tuple[Float, Float]:
        """The crop's three bands, and its blur of 1 px: what ``imaging.bands.fine_bands`` makes of it."""
        bands, smooth = fine_bands(self.grey)
        return frozen(bands), frozen(smooth)

    @cached_property
    def edges(self) -> Float:
        """What differs from pixel to pixel in the crop: what ``imaging.bands.edge_planes`` makes of it."""
        return frozen(edge_planes(self.od, self.grey))

    @cached_property
    def sigma_px(self) -> float:
        """Where low and high band meet: pores end near 1.5 mm; without a scale, a part of the spot's size."""
        return float(np.clip(0.22 * self.diameter_px, 1.5, 12.0))

    @cached_property
    def weight(self) -> Float:
        """1 on skin and in the hole, 0 on what must not leak into either band; float32, the inner box."""
        cut = self.inner.slices
        return frozen((~self.dirty[cut] | self.hole[cut]).astype(np.float32))

    @cached_property
    def low(self) -> Float:
        """The photo's own low band, ``(h, w, 3)``, the inner box; only where the heal may mix, else 0."""
        return frozen(self.lowered(self.od[self.inner.slices]))

    def lowered(self, values: Float) -> Float:
        """The low band of values, ``(h, w, 3)``, the inner box: over the hole and 1 px more, 0 elsewhere."""
        size = values.shape[:2]
        seat = self.hole_box.within(self.inner).grown(1, *size)
        wide = seat.grown(math.ceil(3 * self.sigma_px) + 1, *size)
        low = low_band(np.ascontiguousarray(values[wide.slices]), self.weight[wide.slices], self.sigma_px, 4)
        whole = np.zeros_like(values)
        whole[seat.slices] = low[seat.within(wide).slices]
        return whole

    @cached_property
    def support(self) -> Float:
        """Rises from the hole's rim inwards; exactly 0 outside; float32 ``(h, w)``, the inner box.

        Narrow on purpose: a wide cross-fade of two textures is a visible dull ring.
        """
        hole = self.hole[self.inner.slices]
        seat = self.hole_box.within(self.inner).grown(1, *hole.shape).slices
        support = np.zeros(hole.shape, dtype=np.float32)
        depth = distance_inside(framed(hole[seat], repeated=True))[1:-1, 1:-1]
        np.minimum(depth / np.float32(_FEATHER_PX), 1, out=support[seat])
        return frozen(support)


def _middle(values: Float) -> np.float32:
    """The median of ``(n,)``, the upper of two; what ``np.median`` takes several times as long for."""
    half = len(values) // 2
    return np.float32(np.partition(values, half)[half])


@dataclass(frozen=True, slots=True)
class Made:
    """Which model had a hand in a heal, for the record."""

    model: str
    digest: str
    """SHA-256 over the model's files, hex."""
    licence: str
    commercial: bool
    precision: str
    seed: int
    steps: int


@dataclass(frozen=True, slots=True)
class Heal:
    """The layers of one heal, each the size of the wound's ``inner`` box.

    ``low_delta`` (float32 ``(h, w, 3)``, OD) is what the heal adds to the photo's low band, ``high`` the high
    band to put in its place; ``sigma_px`` is where the two meet. ``support`` is float32 ``(h, w)``: 1 where
    the heal is whole, falling over a narrow feather to exactly 0 outside the hole. ``donors`` are offsets
    ``(dy, dx)`` of the skin that was used; ``made`` names the model, where there was one.
    """

    healer: HealerId
    low_delta: Float
    high: Float
    support: Float
    sigma_px: float
    donors: tuple[tuple[int, int], ...]
    made: Made | None = None

    def __post_init__(self) -> None:
        """Check dtypes and lock the arrays."""
        for array in (self.low_delta, self.high, self.support):
            if array.dtype != np.float32:
                raise ValueError(f"{self.healer} returned {array.dtype}, expected float32")
            frozen(array)


@dataclass(frozen=True, slots=True)
class HealerSpec:
    """What a healer can take, readable without loading it."""

    id: HealerId
    summary: str
    takes: Takes
    generative: bool
    """Whether a trained model invents pixels; decides what the metadata must say."""
    weights: bool
    licence: str


class Healer(Protocol):
    """Fills holes with skin.

    The wound is not written to; the same wound and seed give the same layers; ``support`` is 0 outside the
    hole; no source pixel is forbidden or in the hole.
    """

    spec: HealerSpec

    def attempts(self, wound: Wound) -> Iterator[Heal]:
        """Heals to try, best first, computed one by one as they are asked for. May be none."""
