"""Fitting skin into a hole: a membrane through the rim, and texture that lies on it.

Only readable rim counts: clean skin here, and clean where the filling comes from. The boundary is averaged
along itself a little only: the donor's own rim is spanned in the same way and taken away, so that the
streaks of single pores cancel, and on skin whose truth is known every pixel of wider averaging costs colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retouch_engine.heal.base import Wound
from retouch_engine.heal.sources import seen_from
from retouch_engine.imaging.bands import blur, masked_blur
from retouch_engine.imaging.density import tone
from retouch_engine.imaging.masks import dilated
from retouch_engine.imaging.membrane import membrane
from retouch_engine.types import Bool, Box, Float

LEAST_RIM = 0.4
"""Share of the rim that must be readable: a membrane hung on less than that invents the light."""
_RIM_PX = 8
_MARGIN_PX = 12
_RIM_SIGMA_PX = 0.8
_FURROWS_PX = 3.0
_WAVE_GAIN = np.float32(1.1)
"""What the split below takes from the unevenness, given back: measured on portraits."""
_WAVE_COLOUR = np.float32(0.3)
"""Of a donor's unevenness in colour: the rest is an error that is seen sooner than it would be missed."""


@dataclass(frozen=True, slots=True)
class Bed:
    """A hole's close surroundings, ready to take a filling.

    ``near`` is the part of the crop that it covers; ``hole``, ``rim`` and ``known`` are bool and ``surface``
    (the membrane through the rim's own density) float32 ``(h, w, 3)``, all of that size.
    """

    wound: Wound
    near: Box
    hole: Bool
    rim: Bool
    known: Bool
    surface: Float

    @classmethod
    def of(cls, wound: Wound) -> Bed | None:
        """None where too little of the rim is readable."""
        near = wound.hole_box.grown(_MARGIN_PX, *wound.hole.shape)
        hole = wound.hole[near.slices]
        rim = dilated(hole, _RIM_PX) & ~hole
        known = rim & ~wound.dirty[near.slices]
        if not _enough(known, rim):
            return None
        return cls(wound, near, hole, rim, known, _spanned(wound.od[near.slices], known, hole))

    def grafted(self, offset: tuple[int, int]) -> Float | None:
        """Skin from ``offset`` on the surface: float32 ``(h, w, 3)``, the inner box; None where unreadable.

        The donor's own slow waves are left behind: what the rim does not tell about them, a donor does not
        know either, and on skin whose truth is known they made a quarter of all colour error.
        """
        known = self.known & ~seen_from(self.wound.dirty, self.near, offset)
        if not _enough(known, self.rim):
            return None
        donor = seen_from(self.wound.od, self.near, offset)
        texture = donor - _spanned(donor, known, self.hole)
        furrows = blur(texture, _FURROWS_PX)
        waves = furrows - blur(texture, float(np.clip(5 + 0.06 * self.wound.diameter_px, 5.4, 9.6)))
        grey = tone(waves)[..., None]
        return self._laid(
            self.surface + (texture - furrows) + _WAVE_GAIN * grey + _WAVE_COLOUR * (waves - grey)
        )

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
        known = self.known & clean[cut]
        if not _enough(known, self.rim):
            return None
        gap = self.wound.od[self.near.slices] - filling[cut]
        return self._laid(filling[cut] + _spanned(gap, known, self.hole))

    def _laid(self, near: Float) -> Float:
        """The inner box of the photo with ``near`` in its hole."""
        whole = self.wound.od[self.wound.inner.slices].copy()
        cut = self.near.within(self.wound.inner).slices
        whole[cut] = np.where(self.hole[..., None], near, whole[cut])
        return whole


def readable(wound: Wound) -> float:
    """How much of the hole's rim is clean skin, 0 to 1."""
    near = wound.hole_box.grown(_RIM_PX + 1, *wound.hole.shape).slices
    rim = dilated(wound.hole[near], _RIM_PX) & ~wound.hole[near]
    return float(np.count_nonzero(rim & ~wound.dirty[near])) / max(1.0, float(np.count_nonzero(rim)))


def _enough(known: Bool, rim: Bool) -> bool:
    return bool(np.count_nonzero(known) >= max(1.0, LEAST_RIM * float(np.count_nonzero(rim))))


def _spanned(values: Float, known: Bool, hole: Bool) -> Float:
    """The membrane through the known rim's values, averaged along it."""
    smooth = masked_blur(values, known.astype(np.float32), _RIM_SIGMA_PX)
    return membrane(smooth, dilated(known, 2) & ~hole, hole)
