"""The same marks on skin of every tone: whether what is healed depends on the skin.

    python -m benchmarks.tones DATA_DIR [--held-out NETWORKS] [--each 300]

The blemishes of the two public sets lie on people of different tones, but they are different blemishes, by
different cameras: how many are healed on light skin and on dark says little about the skin. Here every tone
gets the same ones. What a labelled mark adds in optical density is laid on clean skin of others of the same
set (``benchmarks.spots.grafts``): on the middle of the face, away from all that is labelled and protected.
``--held-out`` asks networks and trees that have not seen the person; the mark on its own skin they may have.

Faint marks are harder to see on skin that is uneven or shines, for anybody: the figures are no bar by
themselves, but no other figure here tells tones apart from photos.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks.detect import Find, held_out, measured, shipped
from benchmarks.detect_score import LEAST_PX, Tally, typology_angle
from benchmarks.skin import Rng
from benchmarks.spots.grafts import Graft
from benchmarks.spots.labels import Portrait, portraits

from retouch_engine.imaging.density import density, encode
from retouch_engine.imaging.masks import distance_inside
from retouch_engine.survey import Scene, survey
from retouch_engine.types import Bool

SEED = 7
BANDS = {"over 41": (41.0, 91.0), "28 to 41": (28.0, 41.0), "below 28": (-91.0, 28.0)}
"""Degrees of the individual typology angle (Del Bino 2013): light, intermediate, tan to dark."""
SORTS = ("blemish", "keep")
_TOGETHER = {"blemish": 3, "keep": 2}
"""Marks laid on one photo."""
_ROOM_MM, _FROM_MARKS_MM, _APART_MM = 3.0, 3.0, 6.0
_ASIDE_MM, _ABOVE_MM, _BELOW_MM = 52.0, 50.0, 48.0
"""From between the eyes: cheeks, nose and brow, without ears, jaw and neck."""


@dataclass(frozen=True, slots=True)
class Person:
    """A portrait as skin to lay marks on, and the marks of its own."""

    portrait: Portrait
    clean: Bool
    """Skin of the face with nothing on it, ``(h, w)``."""
    angle: float
    px_per_mm: float
    own: dict[str, list[tuple[Graft, float, str]]]
    """Blemishes and permanent marks, each with its px/mm and its class."""

    @property
    def camera(self) -> str:
        """The set it is from."""
        return self.portrait.person.split("_")[0]


def person(portrait: Portrait) -> Person | None:
    """Look at one portrait; None without a face that has both eyes."""
    scene = survey(portrait.photo())
    if not scene.faces or len(scene.faces[0].eyes) < 2 or not scene.scale.px_per_mm:
        return None
    pixels, scale = portrait.pixels, scene.scale.px_per_mm
    clean = _clean(portrait, scene, scale)
    if not clean.any():
        return None
    od = density(pixels)
    own: dict[str, list[tuple[Graft, float, str]]] = {sort: [] for sort in SORTS}
    for sort in SORTS:
        for mark in portrait.marks(sort):
            graft = Graft.of(od, mark["cx"], mark["cy"], mark["r"])
            if graft is not None and 2 * graft.radius >= LEAST_PX:
                own[sort].append((graft, scale, mark.get("cls", "unnamed")))
    return Person(portrait, clean, typology_angle(pixels[::4, ::4], clean[::4, ::4]), scale, own)


def unmarked(portrait: Portrait, scene: Scene, scale: float) -> Bool:
    """Skin that nothing protects and nothing labelled lies on or near, ``(h, w)``."""
    frame = portrait.photo().frame
    free = (scene.skin_in(frame) & ~scene.protected_in(frame)).view(np.uint8)
    for sort in (*SORTS, "ignore", "fine"):
        for mark in portrait.marks(sort):
            reach = round(mark["r"] + _FROM_MARKS_MM * scale)
            cv2.circle(free, (round(mark["cx"]), round(mark["cy"])), reach, 0, -1)
    return free > 0


def _clean(portrait: Portrait, scene: Scene, scale: float) -> Bool:
    free = unmarked(portrait, scene, scale)
    height, width = free.shape
    if scene.facial is not None:
        facial = scene.facial.view(np.uint8)
        free &= cv2.resize(facial, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    (x, y), (x1, y1) = scene.faces[0].eyes
    down, across = np.ogrid[:height, :width]
    down, across = (down - (y + y1) / 2) / scale, (across - (x + x1) / 2) / scale
    free &= (np.abs(across) < _ASIDE_MM) & (down > -_ABOVE_MM) & (down < _BELOW_MM)
    return free


def marked(whose: Person, marks: Sequence[tuple[str, Graft, float, str]], rng: Rng) -> Portrait:
    """The portrait with these marks on it, the only ones in its labels."""
    od, free, scale = density(whose.portrait.pixels).copy(), whose.clean.copy(), whose.px_per_mm
    height, width = free.shape
    labels: dict[str, Any] = {sort: [] for sort in SORTS} | {"ignore_boxes": [[0, 0, width, height]]}
    for sort, graft, px_per_mm, cls in marks:
        here = graft.at_scale(scale / px_per_mm)
        ys, xs = np.nonzero(distance_inside(free) > here.radius + _ROOM_MM * scale)
        if not len(ys):
            continue
        at = int(rng.integers(len(ys)))
        y, x = int(ys[at]), int(xs[at])
        if here.lay(od, x, y):
            labels[sort].append({"cx": x, "cy": y, "r": here.radius, "cls": cls})
            away = round(here.radius + _APART_MM * scale)
            cv2.circle(free.view(np.uint8), (x, y), away, 0, -1)
    shown = np.clip(encode(np.maximum(od, 0)) * 255 + 0.5, 0, 255).astype(np.uint8)
    return Portrait(whose.portrait.path, labels, shown, whose.portrait.halved_colour)


def on_band(people: Sequence[Person], each: int, bounds: tuple[float, float]) -> Iterator[Portrait]:
    """Photos of people of one band with ``each`` blemishes on them.

    Every band gets the same ones in the same order. Whoever one is from may be among those it is laid on.
    """
    rng = np.random.default_rng(SEED)
    ready = {sort: cycle([mark for p in people for mark in p.own[sort]]) for sort in SORTS}
    mine = [p for p in people if bounds[0] <= p.angle < bounds[1]]
    for whose in islice(cycle(mine), each // _TOGETHER["blemish"]):
        marks = [(s, *mark) for s, count in _TOGETHER.items() for mark in islice(ready[s], count)]
        yield marked(whose, marks, rng)


def report(camera: str, bands: dict[str, tuple[int, Tally]]) -> str:
    """One set's bands as text."""
    text = f"{camera}: typology angle, people, blemishes laid, healed, or offered; permanent marks, healed\n"
    for name, (count, tally) in bands.items():
        laid = {sort: [m.fate for m in tally.marks if m.sort == sort] for sort in SORTS}
        blemishes, permanent = laid["blemish"], laid["keep"]
        healed, offered = (blemishes.count(fate) for fate in ("healed", "offered"))
        of = max(1, len(blemishes))
        text += f"  {name:10s}{count:5d}{len(blemishes):7d}{healed / of:8.1%}{(healed + offered) / of:8.1%}"
        text += f"{len(permanent):7d}{permanent.count('healed'):4d}\n"
    return text


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tones", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--held-out", type=Path, help="folder of the folds' networks and trees")
    parser.add_argument("--each", type=int, default=300, help="blemishes for each band")
    given = parser.parse_args()
    photos = list(portraits(given.data))
    way: Find = held_out(photos, given.held_out) if given.held_out else shipped
    people = [one for p in photos if "faces" in p.path.parts and (one := person(p)) is not None]
    for camera in sorted({p.camera for p in people}):
        here = [p for p in people if p.camera == camera]
        bands = {}
        for name, bounds in BANDS.items():
            count = sum(bounds[0] <= p.angle < bounds[1] for p in here)
            if count:
                laid = on_band(here, given.each, bounds)
                bands[name] = count, measured(laid, {"": way})[""]
        print(report(camera, bands), flush=True)


if __name__ == "__main__":
    main()
