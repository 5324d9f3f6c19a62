"""Hand labels of portraits: marks a retoucher would heal, marks that belong to the person, doubtful ones.

``DATA_DIR`` holds ``labels/*.json`` and ``portraits/manifest.json`` with its annotations: circles
``blemish``, ``keep``, ``ignore`` (``fine`` counts as neither wrong nor missed), boxes ``ignore_boxes``;
``image`` names the photo. ``benchmarks/labels/smiling`` has the same for a second photo of some people: to
learn from, never to measure on, so that figures compare. ``benchmarks/spots/forms.json`` names folds,
hollows, edges of ears and hair that were taken for blemishes: nothing is there, even where the rest is
ignored. No photo is part of this project; the labels of the public sets are, in ``benchmarks/labels``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.read import read_photo
from retouch_engine.recipe import Limits
from retouch_engine.types import Photo

FOLDS = 3
LABELS = Path(__file__).parents[1] / "labels"
FORM = "form"
"""Circles with a class (fold, hollow, ear, hair): healing there is wrong, and there is nothing to keep."""


@dataclass(frozen=True)
class Portrait:
    """One labelled photo."""

    path: Path
    labels: dict[str, Any]
    samples: NDArray[np.uint8] | None = None
    """Other pixels than the file's: of a rendered one, whose path is only a name, or of another look."""
    halved: bool | None = None
    """Whether these keep colour halved and rounded; None: as the file."""
    free: bool = True
    """Its licence allows to ship what was learned from it."""

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def person(self) -> str:
        """The smiling and the neutral one, and one with a drawn tattoo, are the same."""
        name = re.sub(r"^syntattoo_", "london_", self.path.stem)
        if "faces" in self.path.parts:
            name = self.path.parent.name.split("-")[0] + "_" + name
        return re.sub(r"^(canada|london)_\1_", r"\1_", re.sub(r"(_\d\d)$", "", name))

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8 RGB."""
        if self.samples is not None:
            return self.samples
        decode = imagecodecs.png_decode if self.path.suffix == ".png" else imagecodecs.jpeg8_decode
        return np.ascontiguousarray(decode(self.path.read_bytes())[..., :3])

    @cached_property
    def halved_colour(self) -> bool:
        """As the engine reads it."""
        if self.halved is not None or not self.path.exists():
            return bool(self.halved)
        return read_photo(self.path, Limits()).halved_colour

    def photo(self, pixels: NDArray[np.uint8] | None = None) -> Photo:
        """What the engine is shown; ``pixels`` are the same at another size."""
        shown = np.ascontiguousarray(self.pixels if pixels is None else pixels)
        lossy = self.path.suffix in {".jpg", ".jpeg"}
        return Photo(shown, lossy=lossy, halved_colour=self.halved_colour)

    def marks(self, name: str) -> list[dict[str, Any]]:
        """Circles of one sort: ``cx``, ``cy``, ``r`` in pixels, often ``cls``."""
        return list(self.labels.get(name, []))

    def label(self, cx: float, cy: float, size: float) -> str:
        """What a find of diameter ``size`` around a point is: a sort of circle, or ``nothing``."""
        for name in ("blemish", "fine", "keep", FORM, "ignore"):
            for mark in self.marks(name):
                if np.hypot(mark["cx"] - cx, mark["cy"] - cy) <= mark["r"] + 3 + size / 4:
                    return "nothing" if name == FORM else name
        boxes = self.labels.get("ignore_boxes", [])
        return "ignore" if any(x0 <= cx < x1 and y0 <= cy < y1 for x0, y0, x1, y1 in boxes) else "nothing"


@cache
def _forms() -> dict[str, list[dict[str, Any]]]:
    forms: dict[str, list[dict[str, Any]]] = json.loads(Path(__file__).with_name("forms.json").read_text())
    return forms


def _with_forms(labels: dict[str, Any], image: str) -> dict[str, Any]:
    return labels | {FORM: _forms().get(image, [])}


def portraits(data: Path) -> Iterator[Portrait]:
    """Every labelled photo below ``data``: the public sets, and photos with a JSON file beside them."""
    for file in sorted((data / "labels").glob("*.json")):
        labels = json.loads(file.read_text())
        yield Portrait(data / labels["image"], _with_forms(labels, labels["image"]))
    for file in sorted(data.glob("*.json")):
        beside = [p for p in data.glob(file.stem + ".*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"}]
        if beside:
            yield Portrait(beside[0], json.loads(file.read_text()))
    manifest = data / "portraits" / "manifest.json"
    if manifest.exists():
        for entry in json.loads(manifest.read_text())["images"]:
            if entry["kind"] != "pair":
                annotation = json.loads((data / "portraits" / entry["annotation"]).read_text())
                annotation = _with_forms(annotation, f"portraits/{entry['file']}")
                free = entry["redistributable"].startswith("yes")
                yield Portrait(data / "portraits" / entry["file"], annotation, free=free)


def second_photos(data: Path) -> Iterator[Portrait]:
    """The same people once more, smiling: most of their labels were carried over from the first photo."""
    for file in sorted((LABELS / "smiling").glob("*.json")):
        labels = json.loads(file.read_text())
        yield Portrait(data / labels["image"], _with_forms(labels, labels["image"]))


def folds(photos: list[Portrait]) -> dict[str, int]:
    """Each person's fold, 0 to ``FOLDS - 1``: people in order of their blemishes, dealt out like cards."""
    count: dict[str, tuple[int, int]] = {}
    for photo in photos:
        b, k = count.get(photo.person, (0, 0))
        count[photo.person] = (b + len(photo.marks("blemish")), k + len(photo.marks("keep")))
    order = sorted(count, key=lambda p: (count[p], p))
    return {person: i % FOLDS for i, person in enumerate(order)}
