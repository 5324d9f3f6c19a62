"""From a filled crop to the layers of a heal."""

from __future__ import annotations

import numpy as np

from retouch_engine.heal.base import Heal, Wound
from retouch_engine.imaging.bands import masked_blur
from retouch_engine.imaging.masks import distance_inside
from retouch_engine.types import Bool, Float, HealerId

_FEATHER_PX = 1.5
"""Narrow on purpose: a wide cross-fade of two textures is a visible dull ring."""


def split_sigma(wound: Wound) -> float:
    """Where low and high band meet, px. Pores end near 1.5 mm; without a scale, a part of the spot's size."""
    return float(np.clip(0.22 * wound.diameter_px, 1.5, 12.0))


def skin_weight(wound: Wound) -> Float:
    """1 on skin and in the hole, 0 on what must not leak into either band; float32, the inner box."""
    cut = wound.inner.slices
    return (~wound.forbid[cut] | wound.hole[cut]).astype(np.float32)


def feather(hole: Bool) -> Float:
    """Rises from the hole's rim inwards; exactly 0 outside; float32 ``(h, w)``."""
    depth = distance_inside(np.pad(hole, 1, mode="edge"))[1:-1, 1:-1]
    return np.asarray(np.clip(depth / _FEATHER_PX, 0, 1), dtype=np.float32)


def layered(wound: Wound, whole: Float, healer: HealerId, donors: tuple[tuple[int, int], ...]) -> Heal:
    """Split a filled crop into what it adds to the low band and its high band.

    Args:
        wound: the wound.
        whole: float32 ``(h, w, 3)``, OD, the size of the inner box; only what lies in the hole is read.
        healer: who filled it.
        donors: the offsets that were used.
    """
    sigma = split_sigma(wound)
    weight = skin_weight(wound)
    cut = wound.inner.slices
    od, hole = wound.od[cut], wound.hole[cut]
    whole = np.where(hole[..., None], whole, od)
    return Heal(
        healer=healer,
        low_delta=masked_blur(whole - od, weight, sigma),
        high=np.asarray(whole - masked_blur(whole, weight, sigma), dtype=np.float32),
        support=feather(hole),
        sigma_px=sigma,
        donors=donors,
    )
