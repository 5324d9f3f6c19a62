"""A photo with what is protected and every find drawn on it, for a person to check before any is healed.

Each cause has its tint, each find a ring by what would become of it; skin is left as it is, faces are
numbered and their eyes marked, and a bar says how long ten millimetres are. The maps beside it are as large
as the photo, for programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.drawn import drawn_png, is_drawn_png
from retouch_engine.codec.read import read_photo
from retouch_engine.detect import chosen
from retouch_engine.errors import NotOurDrawing
from retouch_engine.heal import HEALERS
from retouch_engine.imaging.colour import to_srgb
from retouch_engine.pipeline import routed
from retouch_engine.recall import recalled
from retouch_engine.recipe import Limits, Recipe
from retouch_engine.record import Decision
from retouch_engine.sitting import Sitting
from retouch_engine.stock import Stock
from retouch_engine.survey import Cause, Opinions, Scene, survey
from retouch_engine.survey.upright import orientation_of, turned_scene, turned_spot, upright_photo
from retouch_engine.types import Box, Photo, Step

_NAMES = ("explained", "protected", "skin")
_LONG_SIDE = 2000
_ROWS = 1024
"""Maps are made in bands of so many rows: memory stays small at any size."""
_TINTS = {
    Cause.NOT_SKIN: (60, 70, 90),
    Cause.CLOTHING: (40, 70, 150),
    Cause.HAIR: (150, 90, 20),
    Cause.STUBBLE: (200, 140, 70),
    Cause.CLIPPED: (255, 255, 255),
    Cause.DOUBT: (230, 60, 160),
    Cause.EDGE: (255, 110, 0),
    Cause.JEWELLERY: (240, 240, 120),
    Cause.INK: (20, 170, 40),
    Cause.TEXT: (0, 230, 230),
    Cause.EYEWEAR: (0, 220, 160),
    Cause.NOSTRIL: (255, 210, 0),
    Cause.LIPS: (255, 40, 60),
    Cause.BROW: (200, 60, 255),
    Cause.EYE: (40, 120, 255),
}
"""Later ones are drawn over earlier ones."""
_INK = (255, 255, 255)
_RINGS = {Decision.HEALED: (60, 230, 90), Decision.REVIEW: (255, 205, 0), Decision.KEPT: (80, 160, 255)}

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Looking:
    """How a photo is looked at; see :func:`retouch_engine.explain`."""

    limits: Limits
    stock: Stock
    recipe: Recipe
    sitting: Sitting
    maps: bool


def draw(source: Path, out: Path, how: Looking) -> dict[str, Any]:
    """See :func:`retouch_engine.explain`."""
    paths = {name: out / f"{source.stem}-{name}.png" for name in _NAMES[: 3 if how.maps else 1]}
    for path in paths.values():
        if path.is_symlink() or (path.exists() and not is_drawn_png(path.read_bytes())):
            raise NotOurDrawing(path)
    photo, recipe = read_photo(source, how.limits), how.recipe
    scene = survey(photo, opinions=Opinions.of(how.stock.models))
    found = chosen(scene).detect(photo, scene, recipe)
    spots, _ = recalled(found, scene, how.sitting, recipe.agree)
    steps, notes = routed(photo, scene, spots, recipe, HEALERS)
    out.mkdir(parents=True, exist_ok=True)
    pictures = {"explained": _overlay(photo, scene, steps)}
    if how.maps:
        # Not turned: these lie pixel for pixel on the photo's own samples.
        pictures["protected"] = _map(photo, scene, protected=True)
        pictures["skin"] = _map(photo, scene, protected=False)
    for name, path in paths.items():
        path.write_bytes(drawn_png(pictures[name]))
    return {
        "files": [str(path) for path in paths.values()],
        "faces": [asdict(face) for face in scene.faces],
        "scale": asdict(scene.scale),
        "skin_share": round(scene.skin_share, 4),
        "causes": _shares(scene),
        "spots": [_told(step) for step in steps],
        "notes": [*scene.notes, *notes],
    }


def _shares(scene: Scene) -> dict[str, float]:
    """How much of the photo each cause protects, 0 to 1; those that protect nothing are left out."""
    causes = scene.causes[scene.level > 0.5]
    counts = {c: int(np.count_nonzero(causes & c)) for c in Cause}
    return {(c.name or "").lower(): round(n / scene.causes.size, 5) for c, n in counts.items() if n}


def _map(photo: Photo, scene: Scene, *, protected: bool) -> Picture:
    whole = np.empty((photo.height, photo.width), dtype=np.uint8)
    for y in range(0, photo.height, _ROWS):
        band = Box(y, 0, min(y + _ROWS, photo.height), photo.width)
        yes = scene.protected_in(band) if protected else scene.skin_in(band)
        whole[band.slices] = np.where(yes, 255, 0)
    return whole


def _overlay(photo: Photo, scene: Scene, steps: Sequence[Step]) -> Picture:
    """Drawn upright: letters that were turned with the photo could not be read."""
    turn, size = orientation_of(photo), (photo.height, photo.width)
    spots = [turned_spot(step.spot, size, turn) for step in steps]
    steps = [replace(step, spot=spot) for step, spot in zip(steps, spots, strict=True)]
    photo, scene = upright_photo(photo), turned_scene(scene, turn)
    step = max(1, -(-max(photo.height, photo.width) // _LONG_SIDE))
    height, width = photo.height // step, photo.width // step
    cut = photo.pixels[: height * step, : width * step]
    small = np.asarray(cv2.resize(np.ascontiguousarray(cut), (width, height), interpolation=cv2.INTER_AREA))
    small = np.asarray(to_srgb(small, photo.colour_profile))
    picture = (small >> 8).astype(np.uint8) if small.dtype == np.uint16 else small.astype(np.uint8)
    causes = scene.causes_at(Box(0, 0, height * step, width * step), step)
    for cause, tint in _TINTS.items():
        here = (causes & cause) > 0
        mixed = picture[here] * 0.45 + np.array(tint) * 0.55
        picture[here] = mixed.astype(np.uint8)
    _draw_faces(picture, scene, step)
    _draw_finds(picture, steps, step)
    _draw_bar(picture, scene, step)
    return picture


def _draw_faces(picture: Picture, scene: Scene, step: int) -> None:
    size = max(picture.shape[:2]) / 1400
    for face in scene.faces:
        corner = (face.box.x0 // step, face.box.y0 // step)
        cv2.rectangle(picture, corner, (face.box.x1 // step, face.box.y1 // step), _INK, 1, cv2.LINE_AA)
        for x, y in face.eyes:
            cv2.drawMarker(
                picture, (round(x / step), round(y / step)), _INK, cv2.MARKER_CROSS, round(14 * size)
            )
        scale = f"{face.scale.px_per_mm:.1f} px/mm" if face.scale.px_per_mm else "no scale"
        _write(picture, f"{face.id}: {scale}", (corner[0] + 4, corner[1] + round(24 * size)), size)


def _decision(step: Step) -> Decision:
    """What is planned; a guard may still refuse a heal."""
    return Decision.HEALED if step.healers else Decision.REVIEW if step.review else Decision.KEPT


def _told(step: Step) -> dict[str, Any]:
    spot, box = step.spot, step.spot.box
    return {
        "id": spot.id,
        "box": [box.x0, box.y0, box.width, box.height],
        "kind": spot.kind.value,
        "score": spot.score,
        "decision": _decision(step).value,
        "reason": step.reason,
    }


def _draw_finds(picture: Picture, steps: Sequence[Step], step: int) -> None:
    """A ring around each find, with its kind and score unless it is kept."""
    size = max(picture.shape[:2]) / 1400
    for planned in steps:
        box, decision = planned.spot.box, _decision(planned)
        middle = ((box.x0 + box.x1) // (2 * step), (box.y0 + box.y1) // (2 * step))
        radius = round(max(box.width, box.height) / (2 * step) + 4 * size)
        cv2.circle(picture, middle, radius, _RINGS[decision], max(1, round(1.5 * size)), cv2.LINE_AA)
        if decision is not Decision.KEPT:
            words = f"{planned.spot.kind.value} {planned.spot.score:.2f}"
            _write(picture, words, (middle[0] + radius + 2, middle[1] + 4), 0.55 * size)


def _draw_bar(picture: Picture, scene: Scene, step: int) -> None:
    """Ten millimetres, or the words that nothing says how long they are."""
    height, width = picture.shape[:2]
    size = max(height, width) / 1400
    left, low = round(20 * size), height - round(24 * size)
    px_per_mm = scene.scale.px_per_mm
    if px_per_mm is None:
        _write(picture, "scale unknown", (left, low), size)
        return
    length = round(10 * px_per_mm / step)
    right, foot = min(width, left + length) - 1, low + max(1, round(3 * size)) - 1
    rim = max(1, round(2 * size))
    # Not a line: OpenCV rounds its ends, beyond them, and the bar was up to an eighth too long.
    cv2.rectangle(picture, (left - rim, low - rim), (right + rim, foot + rim), (0, 0, 0), cv2.FILLED)
    cv2.rectangle(picture, (left, low), (right, foot), _INK, cv2.FILLED)
    _write(picture, "10 mm", (left, low - round(10 * size)), size)


def _write(picture: Picture, text: str, at: tuple[int, int], size: float) -> None:
    """White letters with a dark rim: the same letters in black around them.

    Not thicker ones below: OpenCV 5 sets thicker letters wider, and 0.18 read as 0.183.
    """
    rim, thickness = max(1, round(size)), max(1, round(size))
    around = [(dx, dy) for dx in (-rim, 0, rim) for dy in (-rim, 0, rim) if dx or dy]
    for ink, shifts in (((0, 0, 0), around), (_INK, [(0, 0)])):
        for dx, dy in shifts:
            where = (at[0] + dx, at[1] + dy)
            cv2.putText(
                picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.7 * size, ink, thickness, cv2.LINE_AA
            )
