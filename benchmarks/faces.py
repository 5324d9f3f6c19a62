"""How well the face is known: what is protected, what skin that costs, false faces, scale, time.

    python -m benchmarks.faces DIR [--network FILE] [--fold 0] [--all] [--without] [--json]

``DIR`` holds ``faces/*/NAME.jpg`` with landmarks and ``portraits/manifest.json``. By default only the people
whom ``benchmarks.parts.train`` held out are measured; that is honest only with the network that held them
out (``--network``), since the one that ships has seen everybody. ``--without`` measures what is left without
onnxruntime.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import cv2
import numpy as np
from benchmarks.parts.labels import (
    FACE_PX,
    FEATURES,
    IGNORE,
    Sheet,
    drawn,
    held_out,
    hull,
    labelled,
    person,
    points_of,
    read,
    sheet,
)
from benchmarks.parts.scenes import TURNED_PX, half, turned
from numpy.typing import NDArray

from retouch_engine.survey import parts as parts_module
from retouch_engine.survey import survey
from retouch_engine.survey.parts import PARTS, Network, Part, load
from retouch_engine.types import Box, Photo

WITHOUT_PEOPLE = (
    "brick", "cat", "cell", "checkerboard", "clock", "coffee", "coins", "colorwheel", "grass",
    "gravel", "horse", "hubble_deep_field", "immunohistochemistry", "moon", "page", "retina",
    "rocket", "text",
)  # fmt: skip
BANDS = ((0.0, 1.15, "light"), (1.15, 1.6, "medium"), (1.6, 9.0, "dark"))
"""Mean optical density of the face's skin."""
TURNS = (0, 20, 40, 50, 60, 75)
_DETAIL = {Part.EYES: "eyes", Part.BROWS: "brows", Part.LIPS: "lips", Part.NOSTRILS: "nostrils"}


@dataclass(frozen=True, slots=True)
class Row:
    """One portrait."""

    name: str
    band: str
    faces: int
    cover: float
    """Share of the protected outlines' pixels that are protected."""
    parts: dict[str, float]
    lost: float
    """Share of the face's skin that is protected."""
    false_skin: float
    """Share of hair and backdrop that is called skin."""
    beard: float | None
    """Share of the hand-drawn beard that is protected; None without one."""
    scale_error: float | None
    iou: dict[str, float]
    """Of each part's map, before any margin; a part that the label does not have is left out."""


def band_of(skin: NDArray[np.float32]) -> str:
    """Name of a skin tone."""
    return next(name for low, high, name in BANDS if low <= float(skin.mean()) < high)


def measure(path: Path, network: Network | None) -> Row:
    """One portrait with landmarks."""
    rgb, points, taught = read(path), points_of(path.with_suffix(".tem")), sheet(path)
    scene = survey(Photo(rgb, lossy=True), network)
    protected = scene.protected_in(Box(0, 0, *rgb.shape[:2]))
    outlines = [(part, hull(protected.shape, points, names)) for part, names in FEATURES]
    every = np.logical_or.reduce([outline for _, outline in outlines])
    parts = {
        name: float(protected[np.logical_or.reduce([o for p, o in outlines if p is part])].mean())
        for part, name in _DETAIL.items()
    }
    # The labels lie on a shrunken part of the photo.
    h, w = taught.label.shape
    cut = (np.array([taught.corner, (taught.corner[0] + w, taught.corner[1] + h)]) / taught.scale).astype(int)
    ys = np.clip(np.linspace(cut[0, 1], cut[1, 1], h, endpoint=False).astype(int), 0, rgb.shape[0] - 1)
    xs = np.clip(np.linspace(cut[0, 0], cut[1, 0], w, endpoint=False).astype(int), 0, rgb.shape[1] - 1)
    seen = protected[np.ix_(ys, xs)]
    skin = taught.label == Part.FACE_SKIN
    other = (taught.label == Part.HAIR) | (taught.label == Part.BACKGROUND)
    apart = float(np.linalg.norm(points[0] - points[1])) / 63
    known = scene.scale.px_per_mm
    beard = drawn(path, "beard", protected.shape) & ~every
    return Row(
        name=f"{path.parent.name}/{path.stem}",
        band=band_of(taught.skin),
        faces=len(scene.faces),
        cover=float(protected[every].mean()),
        parts=parts,
        lost=float(seen[skin].mean()),
        false_skin=float((~seen)[other].mean()),
        beard=float(protected[beard].mean()) if beard.any() else None,
        scale_error=None if known is None else abs(known / apart - 1),
        iou=overlap(taught, network or parts_module.shipped()),
    )


def overlap(taught: Sheet, network: Network | None) -> dict[str, float]:
    """Intersection over union of the most likely part with its label, on the upright face at 200 px."""
    if network is None:
        return {}
    label = half(taught.label)
    rgb = taught.rgb[: 2 * label.shape[0], : 2 * label.shape[1]].astype(np.float32) / 255
    best = network.steady_maps(np.asarray(rgb, dtype=np.float32)).argmax(axis=0)
    told = {}
    for part in Part:
        own, said = (label == part), (best == part) & (label != IGNORE)
        if own.any():
            told[part.name.lower()] = float((own & said).sum() / (own | said).sum())
    return told


def spots_protected(data: Path, people: set[str], network: Network | None) -> dict[str, Any]:
    """Labelled blemishes that protection would keep from being healed: those more than a quarter covered."""
    spots, lost = 0, []
    for file in sorted((data / "labels").glob("*.json")):
        told = json.loads(file.read_text())
        photo = next(
            (p for p in labelled(data) if file.stem == f"{p.parent.name.split('-')[0]}_{p.stem}"), None
        )
        if photo is None or person(photo) not in people or not told["blemish"]:
            continue
        rgb = read(photo)
        scene = survey(Photo(rgb, lossy=True), network)
        protected = scene.protected_in(Box(0, 0, *rgb.shape[:2]))
        for spot in told["blemish"]:
            canvas = np.zeros(rgb.shape[:2], dtype=np.uint8)
            cv2.circle(canvas, (round(spot["cx"]), round(spot["cy"])), max(1, round(spot["r"])), 1, -1)
            spots += 1
            if protected[canvas > 0].mean() > 0.25:
                lost.append(f"{file.stem} {spot['cx']:.0f},{spot['cy']:.0f}")
    return {"spots": spots, "protected": lost}


def annotated(data: Path, network: Network | None) -> Iterator[tuple[str, float, int]]:
    """The hand-drawn outlines of ``portraits``: name, cover, faces."""
    for entry in json.loads((data / "portraits" / "manifest.json").read_text())["images"]:
        file = data / "portraits" / str(entry.get("annotation", "-"))
        polygons = json.loads(file.read_text()).get("protect", []) if file.is_file() else []
        if not polygons:
            continue
        rgb = read(data / "portraits" / entry["file"])
        scene = survey(Photo(rgb), network)
        canvas = np.zeros(rgb.shape[:2], dtype=np.uint8)
        for polygon in polygons:
            cv2.fillPoly(canvas, [np.array(polygon["polygon"], np.int32)], 1)
        protected = scene.protected_in(Box(0, 0, *rgb.shape[:2]))
        yield entry["id"], float(protected[canvas > 0].mean()), len(scene.faces)


def by_turn(sheets: list[Sheet], network: Network | None) -> dict[int, dict[str, float | None]]:
    """Heads that were turned by machine: what is found of their faces, parts, skin and scale."""
    told = {}
    for degrees in TURNS:
        seen: dict[str, list[float]] = {"found": [], "cover": [], "skin lost": [], "scale error": []}
        for one in sheets:
            rgb, label = turned(one, degrees)
            scene = survey(Photo(rgb), network)
            seen["found"].append(len(scene.faces) > 0)
            if not scene.faces:
                continue
            protected = scene.protected_in(Box(0, 0, *label.shape))
            seen["cover"].append(float(protected[np.isin(label, [int(p) for p in _DETAIL])].mean()))
            seen["skin lost"].append(float(protected[label == Part.FACE_SKIN].mean()))
            apart = float(np.linalg.norm(one.points[0] - one.points[1])) * TURNED_PX / FACE_PX / 63
            seen["scale error"].append(abs((scene.scale.px_per_mm or 0) / apart - 1))
        told[degrees] = {
            name: float((np.median if name == "scale error" else np.mean)(values)) if values else None
            for name, values in seen.items()
        }
    return told


def false_faces(network: Network | None) -> list[str]:
    """Faces in pictures that hold no person, at three sizes."""
    from skimage import data

    found = []
    for name in WITHOUT_PEOPLE:
        try:
            picture = np.asarray(getattr(data, name)())
        except (OSError, ModuleNotFoundError, AttributeError, ValueError, ConnectionError):
            continue
        picture = picture.astype(np.uint8) * 255 if picture.dtype == np.bool_ else picture
        picture = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture[..., :3]
        for scale in (1.0, 0.5, 2.0):
            size = cv2.resize(np.ascontiguousarray(picture), None, fx=scale, fy=scale)
            scene = survey(Photo(np.ascontiguousarray(size)), network)
            found += [f"{name} x{scale:g}"] * len(scene.faces)
    return found


def timed(path: Path, network: Network | None) -> dict[str, float]:
    """Milliseconds of the whole survey by megapixels, median of five."""
    rgb = read(path)
    told: dict[str, float] = {}
    for megapixels in (2, 24, 45):
        scale = float(np.sqrt(megapixels * 1e6 / rgb[..., 0].size))
        photo = Photo(np.ascontiguousarray(cv2.resize(rgb, None, fx=scale, fy=scale)))
        runs = []
        for _ in range(5):
            start = time.perf_counter()
            survey(photo, network)
            runs.append(1000 * (time.perf_counter() - start))
        told[f"{megapixels} MP"] = round(median(runs))
    return told


def summary(rows: list[Row]) -> dict[str, Any]:
    """The figures that the bars ask for."""
    errors = [r.scale_error for r in rows if r.scale_error is not None]
    worst = min(rows, key=lambda r: r.cover)
    return {
        "portraits": len(rows),
        "face found": float(np.mean([r.faces > 0 for r in rows])),
        "cover": float(np.mean([r.cover for r in rows])),
        "worst cover": (worst.name, worst.cover),
        "cover by part": {p: float(np.mean([r.parts[p] for r in rows])) for p in _DETAIL.values()},
        "skin lost": float(np.mean([r.lost for r in rows])),
        "most skin lost": max((r.lost, r.name) for r in rows),
        "iou": {
            p: round(float(np.mean(values)), 3)
            for p in PARTS
            if (values := [r.iou[p] for r in rows if p in r.iou])
        },
        "beards": {r.name: round(r.beard, 3) for r in rows if r.beard is not None},
        "false skin": float(np.mean([r.false_skin for r in rows])),
        "scale error, median": median(errors) if errors else None,
        "by band": {
            name: {
                "n": len(chosen),
                "cover": float(np.mean([r.cover for r in chosen])),
                "lost": float(np.mean([r.lost for r in chosen])),
            }
            for _, _, name in BANDS
            if (chosen := [r for r in rows if r.band == name])
        },
    }


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--network", type=Path, help="another network than the one that ships")
    parser.add_argument("--all", action="store_true", help="everybody, also those who were trained on")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--without", action="store_true", help="as if onnxruntime were not installed")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.without:
        with mock.patch.object(parts_module, "shipped", return_value=None):
            report(given, None)
    else:
        report(given, load(given.network) if given.network else None)


def report(given: argparse.Namespace, network: Network | None) -> None:
    """Measure everything with one network, or without, and print it."""
    out = held_out(given.data, given.fold)
    photos = [p for p in labelled(given.data) if given.all or person(p) in out]
    rows = [measure(p, network) for p in photos]
    told = summary(rows) | {
        "hand-drawn outlines (cover, faces)": {n: (c, f) for n, c, f in annotated(given.data, network)},
        "by turn": by_turn([sheet(p) for p in photos[::3]], network),
        "blemishes under protection": spots_protected(given.data, out, network),
        "false faces": false_faces(network),
        "ms": timed(photos[0], network),
    }
    if given.json:
        print(json.dumps({"rows": [asdict(r) for r in rows], **told}))
        return
    for row in sorted(rows, key=lambda r: r.cover)[:8]:
        print(f"{row.name}: cover {row.cover:.4f}, lost {row.lost:.3f}, {row.band}, faces {row.faces}")
    for name, value in told.items():
        print(f"{name}: {_rounded(value)}")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return tuple(_rounded(v) for v in value) if isinstance(value, tuple) else value


if __name__ == "__main__":
    main()
