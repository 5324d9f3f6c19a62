"""Everything worth a second look in a photo: what stands out to the rules, and what to the network.

The rules' outlines are exact but miss what is faint; the network sees faint marks but draws them in half
millimetres. Here both are brought together, and each find gets the figures of both. Nothing is decided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from retouch_engine.detect import grain, rendering
from retouch_engine.detect.classic import Looked, place
from retouch_engine.detect.contour import Outline, outline
from retouch_engine.detect.planes import Planes, darkness, redness
from retouch_engine.detect.seeds import Seed
from retouch_engine.detect.spotnet import Says, View
from retouch_engine.detect.worn import SEEN_RED, seen_red
from retouch_engine.imaging.density import density
from retouch_engine.imaging.masks import bounding_box, diameter
from retouch_engine.survey import Scene
from retouch_engine.types import Bool, Box, Float, Photo

_LEAST_ODDS = 0.12
"""Of being a blemish, from which the network's own peaks are looked at. Of 73 blemishes that the rules and an
unseeing network were shown, all were outlined by the rules or lay above."""
_ALIGNED = 8
_APART = 7
"""Cells: of two peaks nearer than this the higher one stands."""
_MOST = 150
_AROUND_MM = 25.0
_LIKELY = 0.35
_DENSE = {"red": redness, "dark": darkness}
_COMPANY = {Says.BLEMISH: "blemishes", Says.PERMANENT: "permanents"}
WORTH_A_LOOK = 0.05
"""Odds of being a blemish, by the first network, below which a closer look would change nothing; most are."""
_LEAST_RADIUS_PX = 3.0
"""At the networks' scale; what is smaller lies on too few pixels to be told from the skin around."""
SAID = tuple(f"{map_.name.lower()}_{how}" for map_ in Says for how in ("most", "mean"))


@dataclass(frozen=True, slots=True)
class Find:
    """One thing worth a second look: where, how large, and its figures by name."""

    box: Box
    mask: Bool
    diameter_px: float
    figures: dict[str, float]
    cell: tuple[float, float] = (0.0, 0.0)
    """Its middle in the network's maps."""


def by_rules(looked_at: Sequence[Looked]) -> list[Find]:
    """The rules' outlines."""
    return [Find(box, mask, o.diameter_px, figures | {"own": 0.0}) for o, box, mask, figures in looked_at]


def figured(scene: Scene, seen: View, finds: Sequence[Find]) -> list[Find]:
    """The same finds with the first network's figures beside their own."""
    cells = [_cells(seen, f.box, f.mask) for f in finds]
    centres = [_middle(box, inside) for box, inside in cells]
    said = [seen.odds[(slice(None), *box.slices)][:, inside] for box, inside in cells]
    most = np.array([cut.max(axis=1) for cut in said], dtype=np.float32).reshape(-1, len(Says))
    crowd = _crowds(seen, centres)
    px_per_mm = seen.px_per_mm / seen.zoom
    whole = {"gain": seen.rendering.gain, "px_per_mm": px_per_mm, "halved_colour": float(seen.halved_colour)}
    whole |= {"blue_unevenness": seen.rendering.blue_unevenness, "skin_redness": seen.rendering.redness}
    total = []
    for number, found in enumerate(finds):
        means = said[number].mean(axis=1)
        figures = dict(zip(SAID, np.stack([most[number], means], 1).ravel().tolist(), strict=True))
        figures |= crowd[number] | whole | {"mm": found.diameter_px / px_per_mm}
        # Where no face is known, nothing is known to be a body either.
        figures["on_face"] = float(scene.facial is None or scene.face_at(found.box) is not None)
        if worth_it(figures):
            figures |= _grain(seen, found)
            if "melanin" not in found.figures:
                figures[SEEN_RED] = seen_red(seen, *cells[number])
        outlined = rendering.told(found.figures, seen.rendering.gain)
        total.append(replace(found, figures=outlined | figures, cell=centres[number]))
    return total


def worth_it(figures: Mapping[str, float]) -> bool:
    """Whether a find could be a blemish to the first network; what could not is not looked at closer."""
    return figures["blemish_most"] >= WORTH_A_LOOK


def _grain(seen: View, found: Find) -> dict[str, float]:
    """Of the skin around a find: see :mod:`retouch_engine.detect.grain`."""
    box = found.box
    x, y = ((box.x0 + box.x1) / 2 - seen.x0) * seen.zoom, ((box.y0 + box.y1) / 2 - seen.y0) * seen.zoom
    at = (seen.rgb, seen.skin, x - 0.5, y - 0.5)
    longest = max(box.width, box.height) * seen.zoom / 2
    radius = max(_LEAST_RADIUS_PX, found.diameter_px * seen.zoom / 2)
    return {
        "coherence": grain.coherence(*at, longest, seen.px_per_mm),
        "coherence_near": grain.coherence(*at, radius, seen.px_per_mm),
        "prominence": grain.prominence(*at, radius),
    }


def peaks(photo: Photo, scene: Scene, seen: View, taken: Sequence[Find]) -> list[Find]:
    """The network's own peaks, where none of the finds lies that are ``taken``."""
    strongest = np.where(seen.skin, seen.odds[Says.BLEMISH], 0)
    kernel = np.ones((_APART, _APART), dtype=np.uint8)
    places = np.argwhere(
        (strongest >= _LEAST_ODDS) & (strongest >= np.asarray(cv2.dilate(strongest, kernel)))
    )
    order = np.argsort(-strongest[places[:, 0], places[:, 1]])[:_MOST]
    covered, found = np.zeros((photo.height, photo.width), np.bool_), []
    for find in taken:
        covered[find.box.slices] = True
    for y, x in places[order].tolist():
        px, py = (int(at) for at in seen.to_photo(x, y))
        if covered[py : py + 1, px : px + 1].any():
            continue
        rough = _as_seen(photo, seen, strongest, (y, x))
        if rough is None:
            continue
        one = _outlined(photo, scene, seen, (y, x), rough) or rough
        if not covered[one.box.slices].any():
            covered[one.box.slices] = True
            found.append(one)
    return found


class _Around:
    """The view around one cell as pigment planes, halved as often as asked; each made once."""

    def __init__(self, seen: View, at: tuple[int, int], reach: int) -> None:
        # Aligned, so that halving falls on the same pixels wherever a window begins.
        self.y0, self.x0 = (max(0, 2 * c - reach) // _ALIGNED * _ALIGNED for c in at)
        cut = seen.rgb[self.y0 : 2 * at[0] + reach, self.x0 : 2 * at[1] + reach]
        h, w = cut.shape[:2]
        cells = seen.skin[self.y0 // 2 : (self.y0 + h + 1) // 2, self.x0 // 2 : (self.x0 + w + 1) // 2]
        skin = np.repeat(np.repeat(cells, 2, axis=0), 2, axis=1)[:h, :w]
        self._levels = [Planes(density(cut), skin, 1, 0, 0)]
        self._planes: dict[tuple[int, str], Float] = {}

    def at(self, number: int, channel: str) -> tuple[Planes, Float]:
        while len(self._levels) <= number:
            self._levels.append(self._levels[-1].halved())
        planes = self._levels[number]
        if (number, channel) not in self._planes:
            self._planes[number, channel] = _DENSE[channel](planes)
        return planes, self._planes[number, channel]


def _outlined(photo: Photo, scene: Scene, seen: View, at: tuple[int, int], rough: Find) -> Find | None:
    """The place with an outline of its own in one of the pigment planes, the clearest of several sizes."""
    best: tuple[float, Outline, int] | None = None
    likely = rough.diameter_px * seen.zoom / 2.6
    sigmas = np.clip((0.75 * likely, 1.3 * likely), 1.6, 14).tolist()
    around = _Around(seen, at, math.ceil(8 * sigmas[-1]) + 3 * _ALIGNED)
    here = (2 * at[0] + 1 - around.y0, 2 * at[1] + 1 - around.x0)
    for channel in _DENSE:
        for sigma in sigmas:
            number = max(0, math.floor(math.log2(sigma / 1.6)))
            planes, plane = around.at(number, channel)
            seed = _seed(planes, plane, channel, here, sigma / 2**number)
            o = outline(seed) if seed is not None else None
            if o is None:
                continue
            clear = max(o.features["red_z"], o.features["dark_z"]) * min(1.0, o.features["solidity"])
            if best is None or clear > best[0]:
                best = clear, o, 2**number
    if best is None:
        return None
    _, o, step = best
    box, mask = _in_photo(photo, seen, o.mask, (around.x0 + o.left * step, around.y0 + o.top * step), step)
    if not mask.any():
        return None
    o = replace(o, diameter_px=diameter(mask))
    return Find(box, mask, o.diameter_px, o.features | place(o, box, scene) | {"nearby": 0.0, "own": 1.0})


def _seed(planes: Planes, plane: Float, channel: str, at: tuple[int, int], sigma: float) -> Seed | None:
    """The plane's highest point near a place."""
    y, x = at[0] // planes.step, at[1] // planes.step
    reach = max(1, round(sigma))
    y0, x0 = max(0, y - reach), max(0, x - reach)
    near = plane[y0 : y + reach + 1, x0 : x + reach + 1]
    if near.size == 0:
        return None
    dy, dx = divmod(int(near.argmax()), near.shape[1])
    # Rounded, because rings around spots are kept for each size.
    return Seed(planes, plane, channel, y0 + dy, x0 + dx, round(5 * sigma) / 5, 0.0)


def _as_seen(photo: Photo, seen: View, strongest: Float, at: tuple[int, int]) -> Find | None:
    """The place as the network draws it; it has no figures of its own and is never healed unasked."""
    y, x = at
    reach = round(4 * seen.px_per_mm / 2)
    y0, x0 = max(0, y - reach), max(0, x - reach)
    window = strongest[y0 : y + reach + 1, x0 : x + reach + 1]
    _, labels = cv2.connectedComponents((window > strongest[y, x] / 2).view(np.uint8), connectivity=4)
    box, mask = _in_photo(photo, seen, labels == labels[y - y0, x - x0], (2 * x0, 2 * y0), 2)
    return Find(box, mask, diameter(mask), {"own": 2.0}) if mask.any() else None


def _in_photo(photo: Photo, seen: View, mask: Bool, corner: tuple[int, int], step: int) -> tuple[Box, Bool]:
    """A mask of the view, one cell ``step`` px of it, in pixels of the photo."""
    small = bounding_box(mask).grown(1, *mask.shape)
    per = step / seen.zoom
    x0, y0 = (
        seen.x0 + (corner[0] + small.x0 * step) / seen.zoom,
        seen.y0 + (corner[1] + small.y0 * step) / seen.zoom,
    )
    box = Box(
        math.floor(y0), math.floor(x0), math.ceil(y0 + small.height * per), math.ceil(x0 + small.width * per)
    )
    box = box.grown(0, photo.height, photo.width)
    xs = ((np.arange(box.x0, box.x1) + 0.5 - x0) / per - 0.5).astype(np.float32)
    ys = ((np.arange(box.y0, box.y1) + 0.5 - y0) / per - 0.5).astype(np.float32)
    cut = mask[small.slices].astype(np.float32)
    size = (box.height, box.width)
    # Not np.meshgrid, which takes as long as all else here.
    columns, rows = (np.ascontiguousarray(np.broadcast_to(at, size)) for at in (xs, ys[:, None]))
    large = cv2.remap(cut, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    inside = np.asarray(large) > 0.5
    if not inside.any():
        return box, inside
    tight = bounding_box(inside)
    found = Box(box.y0 + tight.y0, box.x0 + tight.x0, box.y0 + tight.y1, box.x0 + tight.x1)
    return found, np.ascontiguousarray(inside[tight.slices])


def _cells(seen: View, box: Box, mask: Bool) -> tuple[Box, Bool]:
    """The maps' cells that a find covers, at least the one under its middle."""
    h, w = seen.skin.shape
    x0, y0 = seen.to_cell(box.x0 + 0.5, box.y0 + 0.5)
    x1, y1 = seen.to_cell(box.x1 - 0.5, box.y1 - 0.5)
    cells = Box(
        min(h - 1, max(0, round(y0))),
        min(w - 1, max(0, round(x0))),
        max(1, min(h, round(y1) + 1)),
        max(1, min(w, round(x1) + 1)),
    )
    size = (cells.width, cells.height)
    inside = np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)) > 0.4
    if not inside.any():
        inside[size[1] // 2, size[0] // 2] = True
    return cells, inside


def _middle(box: Box, inside: Bool) -> tuple[float, float]:
    ys, xs = np.nonzero(inside)
    return box.x0 + float(xs.mean()), box.y0 + float(ys.mean())


def _crowds(seen: View, centres: Sequence[tuple[float, float]]) -> list[dict[str, float]]:
    """How many likely blemishes and permanent marks lie around: acne and freckles come in company."""
    kernel = np.ones((5, 5), dtype=np.uint8)
    reach = _AROUND_MM * seen.px_per_mm / 2
    places = {}
    for map_, name in _COMPANY.items():
        odds = np.where(seen.skin, seen.odds[map_], 0)
        places[name] = np.argwhere((odds > _LIKELY) & (odds >= np.asarray(cv2.dilate(odds, kernel))))
    at = np.array(centres, dtype=np.float64).reshape(-1, 2, 1)
    counts = [
        np.count_nonzero(np.hypot(p[:, 0] - at[:, 1], p[:, 1] - at[:, 0]) < reach, axis=1).astype(np.float64)
        for p in places.values()
    ]
    names = [f"{name}_near" for name in places]
    return [dict(zip(names, near, strict=True)) for near in zip(*(c.tolist() for c in counts), strict=True)]
