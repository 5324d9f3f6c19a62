"""Fitting skin into a hole: a membrane through the rim, and texture that lies on it.

Only readable rim counts: clean skin here, and clean where the filling comes from. The boundary is averaged
along itself a little only: the donor's own rim is spanned in the same way and taken away, so that the
streaks of single pores cancel, and on skin whose truth is known every pixel of wider averaging costs colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.heal.base import Wound
from retouch_engine.heal.sources import seen_from
from retouch_engine.imaging.bands import blur, low_band, spread
from retouch_engine.imaging.masks import dilated
from retouch_engine.imaging.membrane import Span
from retouch_engine.types import Bool, Box, Float

LEAST_RIM = 0.4
"""Share of the rim that must be readable: a membrane hung on less than that invents the light."""
_RIM_PX = 8
_MARGIN_PX = 12
_RIM_SIGMA_PX = 0.8
_FURROWS_PX = 3.0
_GRAIN_PX = 0.8
_LEAST_GAIN = 0.8
_BUMP_PX = 2.0
_LEVEL, _SMALL_PX, _LEAST_LEVEL = 1.3, 300, 0.15
"""How much of that mean goes: all of it below 90 pixels, half at 480."""
_SPILL_PX = 3
_TRUSTED_PX = 120
"""Of few pixels the contrast is not known well enough to go by it all the way."""
_WAVE_GAIN = 1.1
"""What the split below takes from the unevenness, given back: measured on portraits."""
_WAVE_COLOUR = 0.3
"""Of a donor's unevenness in colour: the rest is an error that is seen sooner than it would be missed."""
_LEAST_WEIGHT = np.float32(1e-4)


@dataclass(frozen=True, slots=True)
class Rim:
    """The readable rim of a hole and the membrane that hangs on it; masks are bool ``(h, w)``."""

    hole: Bool
    known: Bool
    span: Span
    weight: Float
    """How much of what the rim's average looks at is known, ``(h, w, 1)``."""

    @classmethod
    def of(cls, known: Bool, rim: Bool, hole: Bool) -> Rim | None:
        """None where too little of the rim is known."""
        if np.count_nonzero(known) < max(1.0, LEAST_RIM * float(np.count_nonzero(rim))):
            return None
        span = Span.of(known, hole)
        if span is None:
            return None
        weight = blur(known.astype(np.float32), _RIM_SIGMA_PX)
        return cls(hole, known, span, np.maximum(weight, _LEAST_WEIGHT)[..., None])

    def spanned(self, values: Float) -> Float:
        """The membrane through the rim's values, averaged along it: float32 ``(h, w, 3)``.

        Around the hole the averaged values themselves.
        """
        kept = cv2.copyTo(values, self.known.view(np.uint8))
        smooth = blur(np.asarray(kept), _RIM_SIGMA_PX) / self.weight
        return self.span.through(smooth.reshape(-1, 3)[self.span.rim], smooth)

    def above(self, values: Float) -> Float:
        """What of the values stands above their membrane; 0 where neither hole nor known rim is."""
        stands = cv2.copyTo(values - self.spanned(values), (self.known | self.hole).view(np.uint8))
        return np.asarray(stands)


@dataclass(frozen=True, slots=True)
class Bed:
    """A hole's close surroundings, ready to take a filling.

    ``near`` is the part of the crop that it covers; ``hole`` and ``around`` (the rim, readable or not) are
    bool and ``surface`` (the membrane through the rim's own density) float32 ``(h, w, 3)``, of that size.
    """

    wound: Wound
    near: Box
    hole: Bool
    around: Bool
    rim: Rim
    surface: Float

    @classmethod
    def of(cls, wound: Wound) -> Bed | None:
        """None where too little of the rim is readable."""
        near = wound.hole_box.grown(_MARGIN_PX, *wound.hole.shape)
        hole = np.ascontiguousarray(wound.hole[near.slices])
        around = dilated(hole, _RIM_PX) & ~hole
        rim = Rim.of(around & ~wound.dirty[near.slices], around, hole)
        if rim is None:
            return None
        surface = rim.spanned(np.ascontiguousarray(wound.od[near.slices]))
        return cls(wound, near, hole, around, rim, surface)

    def grafted(self, offset: tuple[int, int]) -> Float | None:
        """Skin from ``offset`` on the surface: float32 ``(h, w, 3)``, the inner box; None where unreadable.

        The donor's own slow waves are left behind: what the rim does not tell about them, a donor does not
        know either, and on skin whose truth is known they made a quarter of all colour error.
        """
        rim = self._seen_through(~seen_from(self.wound.dirty, self.near, offset))
        if rim is None:
            return None
        texture = rim.above(np.ascontiguousarray(seen_from(self.wound.od, self.near, offset)))
        furrows = blur(texture, _FURROWS_PX)
        pores = self._matched(texture, furrows, offset)
        widest = min(max(5 + 0.06 * self.wound.diameter_px, 5.4), 9.6)
        waves = furrows - low_band(texture, np.ones(texture.shape[:2], np.float32), widest)
        kept = cv2.transform(waves, _scaled(_WAVE_GAIN, _WAVE_COLOUR))
        return self._laid(self.surface + self._levelled(pores + np.asarray(kept)))

    def _levelled(self, texture: Float) -> Float:
        """A donor's texture without its mean over a small hole: that is chance, and the rim knows better.

        On portraits whose truth is known, that mean was a fifth of all colour error at 6 px; at 14 px and
        more there is little of it.
        """
        hole = np.flatnonzero(self.hole)
        share = min(1.0, _LEVEL * _SMALL_PX / (_SMALL_PX + len(hole)))
        if share < _LEAST_LEVEL:
            return texture
        mean = np.add.reduce(texture.reshape(-1, 3).take(hole, axis=0), axis=0) / len(hole)
        bump = blur(self.hole.astype(np.float32), _BUMP_PX)
        bump *= np.float32(share / float(bump.take(hole).mean()))
        return np.asarray(texture - bump[..., None] * mean)

    def _matched(self, texture: Float, furrows: Float, offset: tuple[int, int]) -> Float:
        """The donor's grain and pores at the contrast of the rim's: other light has other noise.

        Grain has colour of its own, that of the sensor or of a JPEG's blocks, and is matched apart from it.
        """
        # Next to the hole the spot's own edge is in the bands yet.
        clear = self.rim.known & ~dilated(self.hole, _SPILL_PX)
        known, hole = np.flatnonzero(clear), np.flatnonzero(self.hole)
        if len(known) < _TRUSTED_PX / 2:
            return np.asarray(texture - furrows)
        trust = len(hole) / (len(hole) + _TRUSTED_PX)
        cut = self.near.slices
        own = np.ascontiguousarray(self.wound.od[cut])
        coarse = blur(texture, _GRAIN_PX)
        here, there = own - blur(own, _GRAIN_PX), texture - coarse
        here, around = here.reshape(-1, 3).take(known, axis=0), there.reshape(-1, 3).take(hole, axis=0)
        # No product of matrices: of long ones the library's last bits go by how many threads it has.
        grey = _gain(np.einsum("nc->n", here), np.einsum("nc->n", around)) ** trust
        colour = _gain(here[:, 2] - here[:, 0], around[:, 2] - around[:, 0]) ** trust
        band = self.wound.fine[0][0]
        pores = _gain(band[cut].take(known), seen_from(band, self.near, offset).take(hole)) ** trust
        grain = cv2.transform(there, _scaled(grey, colour))
        return np.asarray(grain + cv2.transform(coarse - furrows, _scaled(pores, 1.0)))

    def _seen_through(self, clean: Bool) -> Rim | None:
        """The rim where both sides of it are clean."""
        known = self.rim.known & clean
        if np.array_equal(known, self.rim.known):
            return self.rim
        return Rim.of(known, self.around, self.hole)

    def flat(self) -> Float:
        """The surface alone, without a pore: the inner box."""
        return self._laid(self.surface)

    def hung(self, filling: Float, clean: Bool) -> Float | None:
        """A filling as it is, with a membrane under it that takes it to the rim; None where unreadable.

        Args:
            filling: float32 ``(h, w, 3)``, OD, the inner box; also around the hole.
            clean: bool ``(h, w)``, the inner box: where the filling may be compared with the photo.
        """
        cut = self.near.within(self.wound.inner).slices
        rim = self._seen_through(clean[cut])
        if rim is None:
            return None
        gap = self.wound.od[self.near.slices] - filling[cut]
        return self._laid(filling[cut] + rim.spanned(gap))

    def _laid(self, near: Float) -> Float:
        """The inner box of the photo with ``near`` in its hole."""
        whole = self.wound.od[self.wound.inner.slices].copy()
        cut = self.near.within(self.wound.inner).slices
        whole[cut][self.hole] = near[self.hole]
        return whole


def _scaled(grey: float, colour: float) -> Float:
    """``(3, 3)``: what scales the mean of three channels, and apart from it how they differ."""
    return ((grey - colour) / 3 + colour * np.eye(3)).astype(np.float32)


def _gain(here: NDArray[Any], there: NDArray[Any]) -> float:
    """What takes the contrast there to that of here, within what still is the same skin."""
    return min(max(spread(here) / max(spread(there), 1e-5), _LEAST_GAIN), 1 / _LEAST_GAIN)


def readable(wound: Wound) -> float:
    """How much of the hole's rim is clean skin, 0 to 1."""
    near = wound.hole_box.grown(_RIM_PX + 1, *wound.hole.shape).slices
    rim = dilated(wound.hole[near], _RIM_PX) & ~wound.hole[near]
    return float(np.count_nonzero(rim & ~wound.dirty[near])) / max(1.0, float(np.count_nonzero(rim)))
