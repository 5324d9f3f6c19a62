"""How well spots are found: recall, false finds, permanent marks, by size, kind and skin tone.

    python -m benchmarks.detect [DIR] [--held-out NETWORKS] [--json OUT.json]

``DIR`` is a folder of photos with a JSON file beside each (circles ``blemish``, ``keep``, ``ignore``; boxes
``ignore_boxes``; polygons ``protect``; ``px_per_mm`` where no face tells), or the public sets as
``benchmarks/labels/README.md`` lays them out. Without it a rendered set with exact truth is measured.
``--held-out`` asks, for each person, the network and the trees that have not seen that person
(``benchmarks.spots.train``, ``benchmarks.spots.fit``).
A plain detector of single-scale blobs in CIE a* is measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks.chart import render
from benchmarks.detect_score import (
    CALLED,
    SIZES_MM,
    SIZES_PX,
    TONES,
    Mark,
    Tally,
    counted,
    kinds,
    tone_of,
    worth,
)
from benchmarks.detect_score import Find as Found
from benchmarks.spots.labels import Portrait, folds, portraits

from retouch_engine import Kind, Recipe
from retouch_engine.detect import DETECTORS, Detector, chosen
from retouch_engine.detect.learned import Learned
from retouch_engine.heal import HEALERS
from retouch_engine.remnant import whole
from retouch_engine.route import plan, spared
from retouch_engine.survey import Scene, survey
from retouch_engine.types import Box, DetectorId, Photo, PixelScale, Spot

SEEDS = (7, 8)
_SIGMA = 3.0
_HIGH = 3.5
Find = Callable[[Portrait, Photo, Scene], Sequence[Spot]]


def rendered() -> list[Portrait]:
    """Charts whose every mark is known."""
    charts = [render(1500, 1000, seed=s, px_per_mm=12.0) for s in SEEDS]
    total = []
    for number, chart in enumerate(charts):
        labels: dict[str, Any] = {
            sort: [{"cx": s.cx, "cy": s.cy, "r": s.r, "cls": s.kind.value} for s in spots]
            for sort, spots in (("blemish", chart.blemishes), ("keep", chart.permanent))
        }
        outlines = [[(r.x0, r.y0), (r.x1, r.y0), (r.x1, r.y1), (r.x0, r.y1)] for r in chart.regions]
        labels["px_per_mm"] = chart.px_per_mm
        labels["protect"] = [{"polygon": o} for o in outlines]
        total.append(Portrait(Path(f"chart-{number}"), labels, chart.eight_bit()))
    return total


def plain(_portrait: Portrait, photo: Photo, scene: Scene) -> list[Spot]:
    """The baseline: blobs of one size in CIE a*, on skin, healed wherever they stand out."""
    eight = photo.pixels if photo.pixels.dtype == np.uint8 else (photo.pixels // 257).astype(np.uint8)
    red = cv2.cvtColor(np.asarray(eight), cv2.COLOR_RGB2LAB)[..., 1].astype(np.float32)
    blob = cv2.GaussianBlur(red, (0, 0), _SIGMA) - cv2.GaussianBlur(red, (0, 0), 1.6 * _SIGMA)
    skin = scene.skin_in(photo.frame)
    if not skin.any():
        return []
    peak = (blob > _HIGH * blob[skin].std()) & (blob >= cv2.dilate(blob, np.ones((9, 9), np.uint8))) & skin
    r = round(_SIGMA * 2**0.5)
    disc = np.hypot(*np.mgrid[-r : r + 1, -r : r + 1]) <= r
    spots: list[Spot] = []
    for y, x in np.argwhere(peak).tolist():
        if r <= y < photo.height - r and r <= x < photo.width - r:
            box = Box(y - r, x - r, y + r + 1, x + r + 1)
            spots.append(
                Spot(len(spots) + 1, box, disc.copy(), 2.0 * r, Kind.RED_SPOT, 1.0, sure=True, reason="plain")
            )
    return spots


def measured(photos: Iterable[Portrait], ways: dict[str, Find]) -> dict[str, Tally]:
    """Every way's tally over all photos."""
    recipe = Recipe()
    takes = {healer_id: healer.spec.takes for healer_id, healer in HEALERS.items()}
    tallies = {name: Tally() for name in ways}
    for portrait in photos:
        photo = portrait.photo()
        scene = _scaled(survey(photo), portrait)
        tone = tone_of(portrait.pixels[::4, ::4], scene.skin_at(photo.frame, 4))
        for name, way in ways.items():
            tally, begun = tallies[name], time.process_time()
            steps = plan(way(portrait, photo, scene), recipe, takes, scene)
            if name != "a* blobs":
                steps = whole(photo, scene, spared(steps, scene))
            tally.seconds += time.process_time() - begun
            tally.megapixels += photo.height * photo.width / 1e6
            tally.faces += len(scene.faces)
            counted(tally, portrait, steps, tone, scene.scale.px_per_mm)
    return tallies


def _scaled(scene: Scene, portrait: Portrait) -> Scene:
    """With the scale that the labels state, where no face gives one."""
    stated = portrait.labels.get("px_per_mm")
    if scene.scale.px_per_mm is not None or stated is None:
        return scene
    return replace(scene, scale=PixelScale(stated, "stated with the labels"))


def _line(what: str, marks: Iterable[Mark], finds: Iterable[Found] = (), *, judged: bool = True) -> str:
    """One row of the table; empty without marks."""
    told = worth(marks, finds)
    if not told.marks:
        return ""
    row = f"  {what:18s}{told.marks:6d}{told.recall:9.1%}{told.seen:12.1%}"
    return row + (f"{told.precision:11.1%}{told.f1:7.2f}\n" if judged else "\n")


def _within(value: float | None, bounds: tuple[float, float]) -> bool:
    return value is not None and bounds[0] <= value < bounds[1]


def _table(tally: Tally) -> str:
    """Blemishes by diameter, kind and tone: recall by what they are, precision by what was found."""
    marks = [m for m in tally.marks if m.sort == "blemish"]
    finds = tally.finds
    text = f"  {'':18s}{'marks':>6s}{'healed':>9s}{'or offered':>12s}{'precision':>11s}{'F1':>7s}\n"
    text += _line("blemishes", marks, finds)
    for sizes, unit in ((SIZES_PX, "px"), (SIZES_MM, "mm")):
        for size in pairwise(sizes):
            what = f"{size[0]:g} to {size[1]:g} {unit}" if size[1] < 1e9 else f"over {size[0]:g} {unit}"
            text += _line(
                what,
                [m for m in marks if _within(getattr(m, unit), size)],
                [f for f in finds if _within(getattr(f, unit), size)],
            )
    for cls in sorted({m.cls for m in marks}):
        kind = CALLED.get(cls, cls)
        text += _line(cls, [m for m in marks if m.cls == cls], [f for f in finds if f.kind == kind])
    for tone in TONES:
        text += _line(
            f"{tone} skin", [m for m in marks if m.tone == tone], [f for f in finds if f.tone == tone]
        )
    permanent = [m for m in tally.marks if m.sort == "keep"]
    text += _line("permanent marks", permanent, judged=False)
    for cls in sorted({m.cls for m in permanent}):
        text += _line(cls, [m for m in permanent if m.cls == cls], judged=False)
    return text


def report(name: str, tally: Tally) -> str:
    """One way's figures as text."""
    n, faces, mp = max(1, tally.photos), max(1, tally.faces), max(1e-9, tally.megapixels)
    wrong, lost = tally.found("nothing", "healed"), tally.count("keep", "healed")
    asked = sum(f.fate == "offered" for f in tally.finds)
    text = f"{name}: {tally.photos} photos, {tally.faces} faces, {tally.megapixels:.0f} MP\n"
    text += _table(tally)
    text += f"  false heals: {wrong / n:.2f} a photo, {wrong / faces:.2f} a face, {wrong / mp:.2f} a MP;"
    text += f" doubtful spots healed: {tally.found('ignore', 'healed') / n:.2f} a photo\n"
    text += f"  offered: {asked / n:.1f} a photo, of them false {tally.found('nothing', 'offered') / n:.1f}\n"
    for cls, called in sorted(kinds(tally.marks).items()):
        text += f"  {cls} is called " + ", ".join(f"{kind} {n}" for kind, n in called.most_common()) + "\n"
    text += f"  keep violations (permanent marks that would be healed): {lost}"
    text += f" of {sum(m.sort == 'keep' for m in tally.marks)}\n"
    text += f"  protected violations (px of eyes, brows, lips, nostrils healed): {tally.protected_px}\n"
    text += f"  processor seconds a MP: {tally.seconds / mp:.3f}\n"
    return text


def shipped(_portrait: Portrait, photo: Photo, scene: Scene) -> Sequence[Spot]:
    """By the models that ship."""
    return chosen(scene).detect(photo, scene, Recipe())


def held_out(photos: list[Portrait], networks: Path) -> Find:
    """For each person the models that have not seen that person."""
    fold = folds(photos)
    judges: dict[int, Detector] = {
        n: Learned((networks / f"spots.{n}.onnx", networks / f"judge.{n}.onnx", networks / f"spots.{n}.json"))
        for n in set(fold.values())
    }

    def find(portrait: Portrait, photo: Photo, scene: Scene) -> Sequence[Spot]:
        return judges[fold[portrait.person]].detect(photo, scene, Recipe())

    return find


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect", description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--held-out", type=Path, help="folder of the folds' networks and trees")
    parser.add_argument("--json", type=Path, help="write every mark and find there")
    given = parser.parse_args()
    photos = list(portraits(given.data)) if given.data else rendered()
    first: dict[str, Find] = {"shipped": shipped}
    if given.held_out:
        first = {"held out": held_out(photos, given.held_out)}
    ways = first | {
        "rules and their verifier": lambda _p, photo, scene: DETECTORS[DetectorId("classic")].detect(
            photo, scene, Recipe()
        ),
        "a* blobs": plain,
    }
    tallies = measured(photos, ways)
    for name, tally in tallies.items():
        print(report(name, tally))
    if given.json:
        given.json.write_text(json.dumps({name: asdict(t) for name, t in tallies.items()}))


if __name__ == "__main__":
    main()
