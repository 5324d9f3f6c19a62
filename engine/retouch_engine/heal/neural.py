"""What every neural healer does around its model: a native crop in, layers out.

The model sees the photo at its own resolution, in the photo's own encoding, padded to what it can take; the
whole crop comes back changed in colour and detail (diffusers#10582), so only the low band inside the hole is
believed. A membrane takes its colour to the rim, the high band is real skin of the 16-bit source, nothing
outside the hole is touched, and the guard judges the result as any other. A photo in a wide colour space
looks a little pale to a model that thinks in sRGB; the way back is the way in, so no colour is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from retouch_engine.budget import Use
from retouch_engine.heal.base import Heal, HealerSpec, Made, Wound
from retouch_engine.heal.fit import Bed
from retouch_engine.heal.layers import layered
from retouch_engine.heal.reinject import reinjected
from retouch_engine.heal.sources import donors
from retouch_engine.imaging.density import density, encode
from retouch_engine.pool import Pool
from retouch_engine.runtime import FillOrder
from retouch_engine.types import Bool, Box, Float, HealerId, Takes

FIRST_FROM_PX = 60.0
"""Below, copying neighbouring skin is the better idea: there is nothing to invent."""
_TRIES = 2
_LEAST_CONTEXT_PX = 32
"""Skin that the model has to see on each side of the hole."""
_CONTEXT = 1.0
"""The same in hole sizes, where the crop has it."""
_SIGMA_PX = (2.0, 6.0)
"""Where the model's low band ends: wide enough to leave out its own pores, narrow enough to keep a fold."""
_HARD_PX = 150.0
_HARD_SHAPE = 3.5


def spec_of(healer: str, summary: str, largest_px: float, licence: str) -> HealerSpec:
    """The needs of a neural healer: from medium spots on, and at edges, it goes first."""
    takes = Takes(largest_px, 8.0, structure=True, at_edges=True, first_from_px=FIRST_FROM_PX)
    return HealerSpec(HealerId(healer), summary, takes, generative=True, weights=True, licence=licence)


@dataclass(frozen=True, slots=True)
class Window:
    """Where the model looks: ``box`` in pixels of the wound's crop, then the size that it is padded to."""

    box: Box
    height: int
    width: int


class Neural:
    """A model behind the healers' interface. The healers beside this file say which, and for what."""

    def __init__(self, spec: HealerSpec, use: Use, pool: Pool) -> None:
        self.spec = spec
        self._use, self._pool = use, pool

    def attempts(self, wound: Wound) -> Iterator[Heal]:
        """See :class:`retouch_engine.heal.base.Healer`.

        Raises:
            NoRoomForModel: the model does not fit on the device; the next healer takes over.
            ModelUnusable: it does not load, or does not do what it should.
        """
        bed = Bed.of(wound)
        offsets = donors(wound, _TRIES) if bed is not None else []
        window = window_of(wound, self._use)
        if bed is None or not offsets or window is None:
            return
        sigma = float(np.clip(wound.sigma_px, *_SIGMA_PX))
        for steps in steps_for(wound, self._use):
            seed = _seed(wound, steps)
            fill = self._filled(wound, window, seed, steps)
            made = self._made(seed, steps)
            for offset in offsets:
                whole = reinjected(bed, fill, offset, sigma)
                if whole is not None:
                    yield replace(layered(wound, whole, self.spec.id, (offset,)), made=made)

    def _filled(self, wound: Wound, window: Window, seed: int, steps: int) -> Float:
        """The wound's inner box, optical density: the model's answer where it looked, the photo elsewhere."""
        cut = window.box.slices
        image = np.clip(encode(wound.od[cut]), 0, 1)
        order = FillOrder(_padded(image, window), _padded_hole(wound.hole[cut], window), seed, steps)
        answer = self._pool.use(self._use, lambda model: model.fill(order))
        kept = answer[: window.box.height, : window.box.width]
        od = density(np.rint(kept * 65535).astype(np.uint16))
        whole = wound.od.copy()
        whole[cut] = od
        return np.ascontiguousarray(whole[wound.inner.slices])

    def _made(self, seed: int, steps: int) -> Made:
        model = self._use.model
        return Made(model.id, model.digest, model.licence, model.commercial, self._use.precision, seed, steps)


def window_of(wound: Wound, use: Use) -> Window | None:
    """What the model is shown; None where the hole is too large for it, or leaves it no skin to see.

    Args:
        wound: the wound.
        use: the model, whose contract says ``size``, or ``least``, ``most`` and ``multiple``.
    """
    contract = use.model.contract
    hole, (h, w) = wound.hole_box, wound.hole.shape
    fixed = contract.get("size")
    most = int(fixed or contract.get("most", 1024))
    needed = max(hole.height, hole.width) + 2 * _LEAST_CONTEXT_PX
    if needed > most:
        return None
    wanted = int(fixed or np.clip((1 + 2 * _CONTEXT) * max(hole.height, hole.width), needed, most))
    wanted = max(wanted, int(contract.get("least", 0)))
    rows, columns = _span(hole.y0, hole.y1, wanted, h), _span(hole.x0, hole.x1, wanted, w)
    box = Box(rows[0], columns[0], rows[1], columns[1])
    multiple = int(contract.get("multiple", 1))
    least = int(fixed or contract.get("least", 1))
    return Window(box, *(_up(max(n, least), multiple) for n in (box.height, box.width)))


def _span(start: int, end: int, wanted: int, limit: int) -> tuple[int, int]:
    """A stretch of the wanted length around another, moved inside the limit or cut to it."""
    first = max(0, min((start + end - wanted) // 2, limit - wanted))
    return first, min(limit, first + wanted)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _padded(image: Float, window: Window) -> Float:
    """The crop, continued to the size that the model takes: mirrored, as often as that takes."""
    return np.pad(image, (*_margins(image.shape, window), (0, 0)), mode="symmetric")


def _padded_hole(hole: Bool, window: Window) -> Bool:
    """Mirrored as the image: a mirrored blemish is to be filled as well, or the model would copy it."""
    return np.pad(hole, _margins(hole.shape, window), mode="symmetric")


def _margins(shape: tuple[int, ...], window: Window) -> tuple[tuple[int, int], tuple[int, int]]:
    return (0, window.height - shape[0]), (0, window.width - shape[1])


def steps_for(wound: Wound, use: Use) -> tuple[int, ...]:
    """Which numbers of steps are tried, in this order; 1 for a network that answers at once.

    Few steps are for everyday wounds, and only where the model was distilled for them or has a LoRA that was;
    large and long ones begin with the many, and so does what failed with the few.
    """
    steps = tuple(int(n) for n in use.model.contract.get("steps", (1,)))
    quick = "turbo_guidance" not in use.model.contract or any(p.healer == "lora" for p in use.parts)
    box = wound.hole_box
    long = max(box.height, box.width) / max(1, min(box.height, box.width)) > _HARD_SHAPE
    hard = wound.diameter_px > _HARD_PX or long
    return steps[-1:] if hard or not quick else steps


def _seed(wound: Wound, steps: int) -> int:
    """Another one for each wound and number of steps, the same each time."""
    where = (wound.seed, wound.box.y0, wound.box.x0, steps)
    return int(np.random.SeedSequence(where).generate_state(1, np.uint32)[0])
