"""Fitting skin into a hole: a membrane through the rim, and texture that lies on it.

Only readable rim counts: clean skin here, and clean where the filling comes from. The boundary is averaged
along itself a little only: the donor's own rim is spanned in the same way and taken away, so that the
streaks of single pores cancel, and on skin whose truth is known every pixel of wider averaging costs colour.

A better predictor than the membrane was looked for in holes of 60 px and not found: kriging with the skin's
own variogram (powers of the distance from 0.5 to 1.8, 12 to 48 px of rim, with and without a trend) came 4 %
nearer to the truth in grey and 3 % in blue over red, and was 7 % further off in green over both; a rim that
is averaged wider the deeper the place lies cost 1 to 5 %. Two fifths of the error are a curved surface that
no rim tells of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from retouch_engine.heal.base import Wound
from retouch_engine.heal.sources import seen_from
from retouch_engine.imaging.bands import blur, low_band
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import dilated
from retouch_engine.imaging.membrane import Span
from retouch_engine.kernels.surfaces import above, contrasts, divided_at, laid, textured
from retouch_engine.types import Bool, Box, Float

LEAST_RIM = 0.4
"""Share of the rim that must be readable: a membrane hung on less than that invents the light."""
_RIM_PX = 8
_MARGIN_PX = 12
_RIM_SIGMA_PX = 0.5
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
_LEAST_WAVES, _MOST_WAVES = 0.6, 1.2
_WAVE_COLOUR = 0.3
"""Of a donor's unevenness in colour: the rest is an error that is seen sooner than it would be missed."""
_LEAST_WEIGHT = np.float32(1e-4)
_LEAST_ENERGY = 1e-6


@dataclass(frozen=True, slots=True)
class Rim:
    """The readable rim of a hole, bool ``(h, w)``, and the membrane that hangs on it."""

    known: Bool
    span: Span
    weight: Float
    """How much of what the rim's average looks at is known, ``(h, w)``."""

    @classmethod
    def of(cls, known: Bool, rim: Bool, hole: Bool) -> Rim | None:
        """None where too little of the rim is known."""
        if np.count_nonzero(known) < max(1.0, LEAST_RIM * float(np.count_nonzero(rim))):
            return None
        span = Span.of(known, hole)
        if span is None:
            return None
        weight = blur(known.astype(np.float32), _RIM_SIGMA_PX)
        return cls(known, span, np.maximum(weight, _LEAST_WEIGHT))

    def spanned(self, values: Float) -> Float:
        """The membrane through the rim's values, averaged along it, at each place of the hole: ``(n, 3)``."""
        return self._through(self._averaged(values))

    def above(self, values: Float) -> Float:
        """What of the values stands above their membrane; 0 where neither hole nor known rim is."""
        sums = self._averaged(values)
        return above(values, sums, self.weight, self.known, self.span.hole, self._through(sums))

    def _averaged(self, values: Float) -> Float:
        """The known values' average along the rim, times the weight: float32 ``(h, w, 3)``."""
        return blur(np.asarray(cv2.copyTo(values, self.known.view(np.uint8))), _RIM_SIGMA_PX)

    def _through(self, sums: Float) -> Float:
        return self.span.over(divided_at(sums, self.weight, self.span.rim))


@dataclass(frozen=True, slots=True)
class Bed:
    """A hole's close surroundings, ready to take a filling.

    ``near`` is the part of the crop that it covers; ``hole`` and ``around`` (the rim, readable or not) are
    bool of that size, and ``surface`` is the membrane through the rim's own density, float32, ``(n, 3)``.
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
        surface = rim.spanned(wound.od[near.slices])
        return cls(wound, near, hole, around, rim, surface)

    def grafted(self, offset: tuple[int, int]) -> Float | None:
        """Skin from ``offset`` on the surface: float32 ``(h, w, 3)``, the inner box; None where unreadable.

        The donor's own slow waves are left behind: what the rim does not tell about them, a donor does not
        know either, and on skin whose truth is known they made a quarter of all colour error.
        """
        rim = self._seen_through(~seen_from(self.wound.dirty, self.near, offset))
        if rim is None:
            return None
        donor = seen_from(self.wound.od, self.near, offset)
        texture = rim.above(donor)
        coarse, furrows = blur(texture, _GRAIN_PX), blur(texture, _FURROWS_PX)
        wide = self._widest(texture)
        bump = blur(self.hole.astype(np.float32), _BUMP_PX)
        grey = tone(donor)
        there = blur(grey, _FURROWS_PX) - self._widest(grey)
        waves = self._waved(there, tone(np.asarray(furrows - wide)))
        shares = (*self._matched(texture, coarse, offset), waves, _WAVE_COLOUR, self._levelled())
        return self._laid(textured(texture, coarse, furrows, wide, bump, rim.span.hole, self.surface, shares))

    def _levelled(self) -> float:
        """How much of a donor's mean over a small hole goes: that is chance, and the rim knows better.

        On portraits whose truth is known, that mean was a fifth of all colour error at 6 px; at 14 px and
        more there is little of it.
        """
        share = min(1.0, _LEVEL * _SMALL_PX / (_SMALL_PX + len(self.rim.span.hole)))
        return 0.0 if share < _LEAST_LEVEL else share

    def _widest(self, values: Float) -> Float:
        """What of values, ``(h, w)`` or ``(h, w, 3)``, is coarser than a donor is believed."""
        sigma = min(max(8 + 0.03 * self.wound.diameter_px, 8.2), 9.8)
        return low_band(values, np.ones(values.shape[:2], np.float32), sigma)

    def _waved(self, donor: Float, waves: Float) -> float:
        """What takes a donor's waves on a surface to the unevenness of skin.

        A surface has waves of its own, from its rim. Where pores have nothing to do with what is coarser, as
        on rendered skin, these are mere noise, and a donor's waves hold their opposite: both together were a
        third too much. How much of that there is shows at the donor, whose own waves are known: with b of
        these in what stands above its surface, a sum is as uneven as they are at the root of 2 b - 1.
        """
        there, above = donor[self.hole], waves[self.hole]
        both, all_of_it = float(np.einsum("i,i->", there, above)), float(np.einsum("i,i->", above, above))
        share = math.sqrt(max(2 * both / max(all_of_it, _LEAST_ENERGY) - 1, 0.0))
        return _WAVE_GAIN * min(max(share, _LEAST_WAVES), _MOST_WAVES)

    def _matched(self, texture: Float, coarse: Float, offset: tuple[int, int]) -> tuple[float, float, float]:
        """What takes a donor's grain, its colour and pores to the rim's contrast: other light, other noise.

        Grain has colour of its own, that of the sensor or of a JPEG's blocks, and is matched apart from it.
        """
        # Next to the hole the spot's own edge is in the bands yet.
        clear = self.rim.known & ~dilated(self.hole, _SPILL_PX)
        own, band = self.wound.od[self.near.slices], self.wound.fine[0][0]
        soft, there = blur(own, _GRAIN_PX), seen_from(band, self.near, offset)
        hole = self.rim.span.hole
        known, *found = contrasts(
            own, soft, texture, coarse, band[self.near.slices], there, clear, hole
        ).tolist()
        if known < _TRUSTED_PX / 2:
            return 1.0, 1.0, 1.0
        trust = len(hole) / (len(hole) + _TRUSTED_PX)
        grain, colour, pores = (_gain(found[k], found[k + 3]) ** trust for k in range(3))
        return grain, colour, pores

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
        return self._laid(filling[cut][self.hole] + rim.spanned(gap))

    def _laid(self, rows: Float) -> Float:
        """The inner box of the photo with ``rows``, ``(n, 3)``, in its hole."""
        at = self.near.within(self.wound.inner)
        return laid(self.rim.span.hole, rows, self.wound.od[self.wound.inner.slices], at.y0, at.x0)


def _gain(here: float, there: float) -> float:
    """What takes the contrast there to that of here, within what still is the same skin."""
    return min(max(here / max(there, 1e-5), _LEAST_GAIN), 1 / _LEAST_GAIN)


def readable(wound: Wound) -> float:
    """How much of the hole's rim is clean skin, 0 to 1."""
    near = wound.hole_box.grown(_RIM_PX + 1, *wound.hole.shape).slices
    rim = dilated(wound.hole[near], _RIM_PX) & ~wound.hole[near]
    return float(np.count_nonzero(rim & ~wound.dirty[near])) / max(1.0, float(np.count_nonzero(rim)))
