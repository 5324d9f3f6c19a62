"""The detector that needs no weights: pigment planes, seeds, outlines, a verifier, rules.

On real portraits rules alone find 50 to 190 false spots a photo (lashes, nostrils, pores, stubble). Here they
propose and explain, boosted trees over their figures give the odds, and both must agree before a spot is
marked ``sure``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from retouch_engine.detect.base import DetectorSpec
from retouch_engine.detect.contour import Outline, outline
from retouch_engine.detect.grade import grade_of
from retouch_engine.detect.kinds import Bars, Finding, brown, named, rejected
from retouch_engine.detect.planes import Planes, base_planes
from retouch_engine.detect.seeds import Seed, seeds
from retouch_engine.detect.verifier import FEATURES, vector, verifier
from retouch_engine.imaging.masks import bounding_box, distance_inside
from retouch_engine.recipe import Recipe
from retouch_engine.survey import Scene
from retouch_engine.types import Bool, Box, DetectorId, Photo, Spot

_LEAST_Z = 4.4
_APART_PX = 1
"""Margin around an outlined spot in which no other begins."""
_LEAST_PX = 3.5
_LEAST_LOSSY_PX = 4.5
"""A JPEG's own blocks make spots of 3 to 8 px: the smallest are not believed."""


Looked = tuple[Outline, Box, Bool, dict[str, float]]
"""An outline, its box and mask in the photo, and its figures."""


class Classic:
    """Multi-scale pigment blobs with rules."""

    spec = DetectorSpec(
        id=DetectorId("classic"),
        summary="pigment blobs in optical density, outlined each at its own size, named by rules",
        weights=False,
        licence="Apache-2.0",
    )

    def detect(self, photo: Photo, scene: Scene, recipe: Recipe) -> tuple[Spot, ...]:
        """See :class:`retouch_engine.detect.base.Detector`."""
        looked_at = survey_outlines(grade_of(photo, scene).taken_back(photo), scene, recipe)
        rows = np.array([vector(figures) for _, _, _, figures in looked_at]).reshape(-1, len(FEATURES))
        chances = verifier().probability(rows)
        bars = Bars.at(recipe.sensitivity)
        browns = _browns_around(looked_at, scene)
        found = [
            (box, mask, figures, finding, o.diameter_px)
            for (o, box, mask, figures), chance, near in zip(looked_at, chances, browns, strict=True)
            if (finding := named(o, figures, float(chance), bars.among(near))) is not None
        ]
        found.sort(key=lambda item: item[0])
        return tuple(_spot(number, *item) for number, item in enumerate(found, start=1))


def survey_outlines(photo: Photo, scene: Scene, recipe: Recipe) -> list[Looked]:
    """Every outline worth a second look, with its box, mask and figures. What the verifier is fitted on."""
    base = base_planes(photo, scene)
    if base is None:
        return []
    outlines = _outlines(photo, base, recipe)
    crowd = _crowd(outlines)
    return [
        (o, box, mask, o.features | place(o, box, scene) | {"nearby": float(near)})
        for (o, box, mask), near in zip(outlines, crowd, strict=True)
    ]


def _outlines(photo: Photo, base: Planes, recipe: Recipe) -> list[tuple[Outline, Box, Bool]]:
    least_px = max(_LEAST_LOSSY_PX if photo.lossy else _LEAST_PX, 2.0 * base.step)
    covered = np.zeros((photo.height, photo.width), dtype=np.bool_)
    found: list[tuple[Outline, Box, Bool]] = []
    for seed in seeds(base, _LEAST_Z):
        # The strongest of each heap: a spot answers at several sizes and in both planes.
        if covered[_centre(seed, photo)]:
            continue
        o = outline(seed)
        if o is None or rejected(o, least_px) or o.diameter_px > 2 * recipe.largest_px:
            continue
        placed = _at_full_size(o, photo)
        if placed is None or covered[placed[0].grown(_APART_PX, photo.height, photo.width).slices].any():
            continue
        found.append((o, *placed))
        covered[placed[0].grown(_APART_PX, photo.height, photo.width).slices] = True
    return found


def _centre(seed: Seed, photo: Photo) -> tuple[int, int]:
    """A seed's pixel in the photo."""
    planes = seed.planes
    half = planes.step // 2
    y, x = planes.y0 + seed.y * planes.step + half, planes.x0 + seed.x * planes.step + half
    return min(y, photo.height - 1), min(x, photo.width - 1)


def _at_full_size(o: Outline, photo: Photo) -> tuple[Box, Bool] | None:
    """The outline's box and mask in pixels of the photo, its staircase smoothed."""
    step, planes = o.seed.planes.step, o.seed.planes
    small = bounding_box(o.mask).grown(1, *o.mask.shape)
    cut = o.mask[small.slices].astype(np.float32)
    size = (small.width * step, small.height * step)
    large = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_LINEAR)) > 0.5
    y0 = planes.y0 + (o.top + small.y0) * step
    x0 = planes.x0 + (o.left + small.x0) * step
    large = large[: photo.height - y0, : photo.width - x0]
    if not large.any():
        return None
    tight = bounding_box(large)
    box = Box(y0 + tight.y0, x0 + tight.x0, y0 + tight.y1, x0 + tight.x1)
    return box, np.ascontiguousarray(large[tight.slices])


def _crowd(outlines: Sequence[tuple[Outline, Box, Bool]]) -> list[int]:
    """For each outline, how many others of about its size lie within six of its diameters."""
    centres = np.array([((b.y0 + b.y1) / 2, (b.x0 + b.x1) / 2) for _, b, _ in outlines]).reshape(-1, 2)
    sizes = np.array([o.diameter_px for o, _, _ in outlines])
    counts = []
    for centre, size in zip(centres, sizes, strict=True):
        near = np.hypot(*(centres - centre).T) < 6 * size
        alike = (sizes > 0.4 * size) & (sizes < 2.5 * size)
        counts.append(int(np.count_nonzero(near & alike)) - 1)
    return counts


def _browns_around(looked_at: Sequence[Looked], scene: Scene) -> list[int]:
    """For each outline, how many brown marks lie around it, within a sixth of the skin's own size."""
    reach = _skin_side(scene) / 6
    centres = np.array([((b.y0 + b.y1) / 2, (b.x0 + b.x1) / 2) for _, b, _, _ in looked_at]).reshape(-1, 2)
    marks = centres[np.array([brown(figures) for _, _, _, figures in looked_at], dtype=np.bool_)]
    return [int(np.count_nonzero(np.hypot(*(marks - centre).T) < reach)) for centre in centres]


def _skin_side(scene: Scene) -> float:
    """The side in px of a square as large as all skin."""
    return math.sqrt(max(1.0, scene.skin_share * scene.height * scene.width))


def place(o: Outline, box: Box, scene: Scene) -> dict[str, float]:
    """Where the spot lies: its size beside the skin's, and how near the skin ends (in its diameters)."""
    margin = math.ceil(4 * o.diameter_px) + 4
    around = box.grown(margin, scene.height, scene.width)
    step = max(1, round(o.diameter_px / 6))
    skin = scene.skin_at(around, step)
    cy = min(skin.shape[0] - 1, ((box.y0 + box.y1) // 2 - around.y0) // step)
    cx = min(skin.shape[1] - 1, ((box.x0 + box.x1) // 2 - around.x0) // step)
    edge = float(distance_inside(skin)[cy, cx]) * step / o.diameter_px if not skin.all() else 4.0
    return {"share": o.diameter_px / _skin_side(scene), "edge": min(4.0, edge)}


def _spot(
    number: int, box: Box, mask: Bool, figures: dict[str, float], finding: Finding, diameter_px: float
) -> Spot:
    return Spot(
        id=number,
        box=box,
        mask=mask,
        diameter_px=diameter_px,
        kind=finding.kind,
        score=round(finding.score, 4),
        sure=finding.sure,
        reason=finding.reason,
        features={name: round(value, 4) for name, value in figures.items()},
    )
