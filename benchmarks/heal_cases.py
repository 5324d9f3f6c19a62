"""What the healing benchmark heals: measured blemishes laid on clean skin, so that the truth is known.

Clean places are chosen by the engine's own survey and detector, at its most watchful, and only where the skin
around them is even. A case is a crop of the photo, cut as the engine would cut it; every healer and every
peer gets the same crop and the same hole. The same seed gives the same cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from benchmarks import marks
from benchmarks.marks import TrueSpot
from numpy.typing import NDArray

from retouch_engine import Kind, Recipe
from retouch_engine.detect import DETECTORS
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density, encode, tone
from retouch_engine.imaging.masks import bounding_box, dilated
from retouch_engine.survey import Scene, survey
from retouch_engine.types import Box, DetectorId, Photo, Samples, Spot

KINDS = (Kind.PIMPLE, Kind.SCAB, Kind.RED_SPOT, Kind.MOLE, Kind.WHITEHEAD)
"""Flat redness is the red spot, a dark spot is painted as a mole."""
VARIANTS = ("plain", "light", "hair", "gradient")
SIZES = (4, 8, 14, 24, 40, 80)
LIGHT = 0.92
"""-ln 0.4: the donors' skin gets 0.4 of the light."""

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """One blemish on one crop. ``hole`` is what every method is given to fill, and where it is scored."""

    photo: str
    kind: Kind
    size_px: int
    variant: str
    truth: Samples
    spoilt: Samples
    spot: Spot
    hole: Bool
    clean: Bool
    """Skin of the crop with nothing on it: what a heal may be compared with."""
    scene: Scene

    @cached_property
    def dark(self) -> bool:
        """Dark skin: more than half of the light is swallowed by the truth's mean, in the green channel."""
        return bool(density(self.truth[self.hole])[:, 1].mean() > 1.9)


@dataclass(frozen=True)
class Ground:
    """A photo with its clean skin: distance of each pixel to the next one that is not."""

    name: str
    pixels: Samples
    scene: Scene
    clear: Float
    even: Float


def ground(name: str, pixels: Samples) -> Ground:
    """Look for clean skin in a photo."""
    photo = Photo(pixels.copy())
    scene = survey(photo)
    skin = scene.skin_in(photo.frame)
    for spot in DETECTORS[DetectorId("classic")].detect(photo, scene, Recipe(sensitivity=100)):
        skin[spot.box.slices] &= ~spot.mask
    grey = tone(density(photo.pixels))
    # Lips, lashes and nostrils are skin to the survey: their edges are not.
    edge = np.hypot(*np.gradient(blur(grey, 2.0)))
    skin &= ~dilated(edge > 4 * max(float(np.median(edge[skin])) if skin.any() else 0, 1e-3), 2)
    clear = np.asarray(cv2.distanceTransform(np.pad(skin, 1).view(np.uint8), cv2.DIST_L2, 5))[1:-1, 1:-1]
    return Ground(name, photo.pixels, scene, clear, edge.astype(np.float32))


def cases(
    where: Ground, sizes: tuple[int, ...], places: int, seed: int, variants: tuple[str, ...] = VARIANTS[1:]
) -> Iterator[Case]:
    """Every kind on ``places`` places for each size, and each variant on a third of them from 8 px."""
    for size in sizes:
        rng = np.random.default_rng((seed, size))
        spots = _places(where, size, places * len(KINDS), rng)
        for i, (cy, cx) in enumerate(spots):
            yield _case(where, KINDS[i % len(KINDS)], size, "plain", (cy, cx), rng)
        for i, variant in enumerate(variants):
            for cy, cx in spots[i :: len(variants)] if size >= 8 else []:
                yield _case(where, KINDS[i % len(KINDS)], size, variant, (cy, cx), rng)


def _places(where: Ground, size: int, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Centres on clean skin that lies in even skin, apart from each other where there is room.

    How even the place itself is, is not asked: the truth would be evener than any skin that a heal can know
    of (untouched skin from elsewhere in the crop had 1.03 to 1.11 of its second band).
    """
    need = 0.9 * size + 6
    ys, xs = np.nonzero(where.clear > need)
    if len(ys) == 0:
        return []
    pick = rng.permutation(len(ys))[:2000]
    even = cv2.filter2D(where.even, -1, _around(size))[ys[pick], xs[pick]]
    pick = pick[even <= np.quantile(even, 0.6)]
    chosen: list[tuple[int, int]] = []
    for i in pick:
        y, x = int(ys[i]), int(xs[i])
        if all(np.hypot(y - a, x - b) > 0.5 * size for a, b in chosen):
            chosen.append((y, x))
        if len(chosen) == count:
            break
    return chosen


def _around(size: int) -> Float:
    """Weights of the skin around a hole of this size, an odd square whose middle it is."""
    inner = 0.62 * size + 3
    outer = inner + max(6.0, 0.5 * size)
    reach = int(outer) + 1
    away = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    ring = ((away > inner) & (away <= outer)).astype(np.float32)
    return np.asarray(ring / ring.sum())


def _case(
    where: Ground, kind: Kind, size: int, variant: str, centre: tuple[int, int], rng: np.random.Generator
) -> Case:
    cy, cx = centre
    margin = 2 + round(0.12 * size)
    reach = int(np.ceil(size / 2)) + margin + 1
    inner = Box(cy - reach, cx - reach, cy + reach, cx + reach)
    box = inner.grown(int(np.clip(4.5 * size + 24, 64, 900)), *where.pixels.shape[:2])
    od = density(where.pixels[box.slices])
    at = TrueSpot(kind, cx - box.x0, cy - box.y0, size / 2 + 0.5)
    clean = where.clear[box.slices] > 2
    od, clean = _set(variant, od, clean, at)
    truth = _samples(od, where.pixels)
    before = od.copy()
    marks.paint(od, at, rng)
    mask = np.abs(od - before).max(axis=-1) > 0.015
    tight = bounding_box(mask)
    return Case(
        photo=where.name,
        kind=kind,
        size_px=size,
        variant=variant,
        truth=truth,
        spoilt=np.where(mask[..., None], _samples(od, where.pixels), truth),
        spot=Spot(1, tight, mask[tight.slices], float(size), Kind.PAINTED, 1.0, sure=True, reason="painted"),
        hole=dilated(mask, margin),
        clean=clean,
        scene=replace(
            where.scene,
            skin=where.scene.skin_in(box).astype(np.float32),
            height=box.height,
            width=box.width,
        ),
    )


def _set(variant: str, od: Float, clean: Bool, at: TrueSpot) -> tuple[Float, Bool]:
    """The crop under another light, beside hair or on a slope; and what of it is still clean."""
    y, x = np.mgrid[: od.shape[0], : od.shape[1]].astype(np.float32)
    y, x = y - np.float32(at.cy), x - np.float32(at.cx)
    rim = 1.24 * at.r + 3
    if variant == "light":
        ramp = np.clip((np.hypot(y, x) - 1.5 * rim - 4) / rim, 0, 1)
        od = od + (LIGHT * ramp * ramp * (3 - 2 * ramp))[..., None]
    if variant == "gradient":
        od = od + (0.12 / at.r * np.clip(x + 0.4 * y, -6 * at.r, 6 * at.r))[..., None]
    if variant == "hair":
        strands = np.zeros(od.shape[:2], np.float32)
        for k, tilt in enumerate((0.05, -0.08, 0.15)):
            off = np.abs(x + tilt * y - (rim + 4 + k * max(3.0, 0.2 * at.r)))
            strands = np.maximum(strands, np.clip(max(0.8, at.r / 12) + 0.5 - off, 0, 1))
        od = od + (1.2 * strands)[..., None]
        clean = np.zeros_like(clean)  # no patch of clean skin lies beside hair as this one does
    return np.asarray(od, np.float32), clean


def _samples(od: Float, like: Samples) -> Samples:
    most = np.iinfo(like.dtype).max
    return np.asarray(np.rint(np.clip(encode(od), 0, 1) * most).astype(like.dtype))
