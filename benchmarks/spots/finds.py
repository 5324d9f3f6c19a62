"""Every find in every labelled portrait, seen by a network that has not seen the person.

What the second network (``benchmarks.spots.train_judge``) and the trees (``benchmarks.spots.fit``) learn
from. Kept in files beside the networks, since looking at all photos takes minutes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from benchmarks.spots.labels import FOLDS, Portrait, folds
from numpy.typing import NDArray

from retouch_engine.detect import judge, spotnet
from retouch_engine.detect.classic import survey_outlines
from retouch_engine.detect.finds import by_rules, figured, peaks, worth_it
from retouch_engine.detect.grade import grade_of
from retouch_engine.recipe import Recipe
from retouch_engine.survey import survey

SCALES = (1.0, 0.6)
SIDE = 96
"""Of the square kept around a find: room to turn and shift what the second network learns from."""
TOLD = ("blemish", "keep")


@dataclass(frozen=True, slots=True)
class Row:
    """One find in one photo: whose, at which scale, on which label (and which of its sort), its figures."""

    person: str
    photo: str
    scale: float
    label: str
    mark: int
    figures: dict[str, float]
    around: NDArray[np.uint8] | None = None
    """``(SIDE, SIDE, 3)``, sRGB, at the network's scale, where the second network would look or may learn."""
    drawn: bool = False
    """Not a find but a labelled circle, to learn from."""


def _mark(portrait: Portrait, cx: float, cy: float, size: float) -> tuple[str, int]:
    label = portrait.label(cx, cy, size)
    far = [np.hypot(m["cx"] - cx, m["cy"] - cy) - m["r"] for m in portrait.marks(label)]
    return label, int(np.argmin(far)) if far else -1


def _square(seen: spotnet.View, cell: tuple[float, float]) -> NDArray[np.uint8]:
    return spotnet.cut(seen.rgb, *cell, SIDE)


def _rows(portrait: Portrait, network: spotnet.Network, scale: float) -> list[Row]:
    pixels = portrait.pixels
    if scale != 1:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    photo = portrait.photo(pixels)
    scene, whose = survey(photo), (portrait.person, portrait.path.name, scale)
    photo = grade_of(photo, scene).taken_back(photo)
    seen = spotnet.view(photo, scene, network)
    if seen is None:
        return []
    total, finds = [], by_rules(survey_outlines(photo, scene, Recipe()))
    finds += peaks(photo, scene, seen, finds)
    for find in figured(scene, seen, finds):
        cy, cx = (find.box.y0 + find.box.y1) / 2 / scale, (find.box.x0 + find.box.x1) / 2 / scale
        label, mark = _mark(portrait, cx, cy, find.diameter_px / scale)
        wanted = worth_it(find.figures) or label in TOLD
        around = _square(seen, find.cell) if wanted else None
        total.append(Row(*whose, label, mark, find.figures, around))
    drawn = [(sort, i, m) for sort in TOLD for i, m in enumerate(portrait.marks(sort)) if scale == 1]
    for sort, number, m in drawn:
        around = _square(seen, seen.to_cell(m["cx"], m["cy"]))
        total.append(Row(*whose, sort, number, {}, around, drawn=True))
    return total


def collect(
    photos: Sequence[Portrait],
    fold: dict[str, int],
    networks: Path,
    name: str,
    scales: Sequence[float],
    shown: Callable[[Portrait], Portrait] = lambda photo: photo,
) -> list[Row]:
    """All finds in these photos at these scales, and the labelled circles; kept as ``name.FOLD.pkl``.

    Args:
        photos: labelled.
        fold: of each person (:func:`benchmarks.spots.labels.folds` of the photos that are measured on).
        networks: holds ``spots.FOLD.onnx``.
        name: of the files.
        scales: at which each photo is looked at.
        shown: changes each photo before.
    """
    total = []
    for number in range(FOLDS):
        cache = networks / f"{name}.{number}.pkl"
        if not cache.exists():
            network = spotnet.load(networks / f"spots.{number}.onnx")
            mine = [p for p in photos if fold[p.person] == number]
            found = [r for p in mine for s in scales for r in _rows(shown(p), network, s)]
            cache.write_bytes(pickle.dumps(found))
            print(f"fold {number}: {len(mine)} photos looked at", flush=True)
        total += pickle.loads(cache.read_bytes())
    return total


def looked_at(photos: Sequence[Portrait], second: Sequence[Portrait], networks: Path) -> list[Row]:
    """The finds in the photos that are measured on, at both scales, and in the second photos at their own."""
    fold = folds(list(photos))
    return [
        *collect(photos, fold, networks, "rows", SCALES),
        *collect(second, fold, networks, "second", (1.0,)),
    ]


def with_verdicts(rows: Sequence[Row], fold: dict[str, int], networks: Path) -> list[Row]:
    """The finds without the circles, with the figures of the ``judge.FOLD.onnx`` that has not seen them."""
    total = [r for r in rows if not r.drawn]
    edge = (SIDE - spotnet.CLOSE) // 2
    for number in range(FOLDS):
        network = spotnet.load(networks / f"judge.{number}.onnx")
        some = [i for i, r in enumerate(total) if fold[r.person] == number and worth_it(r.figures)]
        shown = [square[edge:-edge, edge:-edge] for i in some if (square := total[i].around) is not None]
        for i, figures in zip(some, judge.verdicts(np.array(shown), network), strict=True):
            total[i] = replace(total[i], figures=total[i].figures | figures)
    return total
