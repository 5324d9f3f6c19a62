"""All that heals of one hole are measured against, learnt once from the crop as it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retouch_engine.guard.figures import NAMES, Bands, Figures, Shape, Trace, measure, shape_of, trace_of
from retouch_engine.guard.judge import enough, judge
from retouch_engine.guard.null import Null, null_distribution
from retouch_engine.guard.own import own_texture
from retouch_engine.types import Bool, Verdict

_LEAST_RING = 20


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A hole's shape, the blemish's form, the crop's bands, and what clean skin of that shape looks like."""

    shape: Shape
    trace: Trace
    before: Bands
    null: Null

    @classmethod
    def of(cls, before: Bands, hole: Bool, dirty: Bool, seed: int) -> Yardstick:
        """Learn from a crop.

        Args:
            before: the crop as it was; what would spoil figures near by, such as hairs, filled.
            hole: bool ``(h, w)``.
            dirty: bool ``(h, w)``: the hole and all that is no clean skin.
            seed: seeds the places of the null distribution.
        """
        shape = shape_of(hole, dirty)
        # All around is burnt out, or no part of the crop.
        if len(shape.ring) < _LEAST_RING or len(shape.rim) == 0:
            nothing = Figures(np.zeros((0, len(NAMES))))
            return cls(
                shape, Trace(np.zeros((3, 0), np.float32)), before, Null(nothing, 0, nothing, 0.0, 0.0)
            )
        trace = trace_of(before, shape)
        return cls(shape, trace, before, null_distribution(before, shape, trace, dirty, seed))

    @property
    def usable(self) -> bool:
        """Whether there is clean skin enough to judge any heal by."""
        return enough(self.null)

    def verdict(self, after: Bands, shift: NDArray[np.intp]) -> Verdict:
        """Judge a healed part of the crop; ``shift`` is ``(1, 2)``, ``(dy, dx)`` from the crop to it."""
        own = own_texture(self.before, after, self.shape, shift)
        return judge(measure(after, self.shape, shift, self.trace), self.null, own)
