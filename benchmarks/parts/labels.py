"""Labels of face parts from landmarks: what the network is taught, and what the benchmark measures.

``PARTS`` is the order of the network's maps. A polygon is only as good as its points, so everything that the
points do not decide (hair inside the outline, a shadowed jaw, the scalp) is ``IGNORE`` and teaches nothing.
The outlines of eyes, brows, lips and nostrils are those that a careful annotator drew on other portraits:
the eye with its upper fold, the nose with the whole of its underside. Beards have no landmarks and no colour
of their own (on dark skin they are as dark as it), so they were drawn by hand: ``beards.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density, tone
from retouch_engine.survey.parts import Part

IGNORE = 255
FACE_PX = 200
"""Width of the face, ear to ear, in a sheet."""
_JAW = (187, 113, 188, 114, 133, 132, 131, 130, 129, 128, 127, 126, 125, 111, 186, 110, 185)
OUTLINE = (109, *range(134, 145), 112, *_JAW)
_EARS = ((109, 115, 116, 117, 118, 119, 111), (112, 120, 121, 122, 123, 124, 114))
_EYE_L = (18, 19, 20, 21, 22, 28, 29, 30, 34, 35, 36, 37, 38)
_EYE_R = (23, 24, 25, 26, 27, 31, 32, 33, 39, 40, 41, 42, 43)
_NOSE = (63, 64, 65, 179, 180, 55, 181, 182, 70, 69, 68)
FEATURES: tuple[tuple[Part, tuple[int, ...]], ...] = (
    (Part.EYES, _EYE_L),
    (Part.EYES, _EYE_R),
    (Part.BROWS, (*range(71, 77), 83, 84)),
    (Part.BROWS, (*range(77, 83), 85, 86)),
    (Part.LIPS, (*range(87, 94), *range(104, 109))),
    (Part.NOSTRILS, _NOSE),
)
"""Protected outlines: part, and the landmarks whose convex hull it is."""
_DARK = 1.5
"""Mean optical density of skin on which hair does not stand out."""
_HEAD = tuple(range(145, 158))
_BEARDS = Path(__file__).with_name("beards.json")
"""For each bearded man polygons ``(x, y)`` in px of his photo: grown ``beard``, and shaved ``stubble``."""

Image = NDArray[np.uint8]
Points = NDArray[np.float32]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One person, cut out of the backdrop, the face ``FACE_PX`` wide, with a label for every pixel."""

    rgb: Image
    label: Image
    alpha: NDArray[np.float32]
    points: Points
    skin: NDArray[np.float32]
    """Median optical density of the face's skin, RGB."""
    scale: float
    """Pixels of the sheet for each pixel of the photo."""
    corner: tuple[int, int]
    """Where the sheet begins, ``(x, y)``, in pixels of the shrunken photo."""


def person(path: Path) -> str:
    """Who is in the photo: the smiling and the neutral one are the same person."""
    return re.sub(r"^(canada_|london_)|(_\d\d)?\.(jpg|png)$", "", path.name)


def labelled(data: Path) -> list[Path]:
    """Every portrait with landmarks."""
    return sorted(p.with_suffix(".jpg") for p in (data / "faces").glob("*/*.tem"))


FOLDS = 3


def held_out(data: Path, fold: int = 0) -> set[str]:
    """People whom the network of a fold never sees. The folds together hold everybody out exactly once.

    Fold 0 is the first split that was ever measured: those of ``portraits`` and a quarter of the others.
    """
    manifest = json.loads((data / "portraits" / "manifest.json").read_text())
    shown = {person(Path(entry["file"])) for entry in manifest["images"]}
    others = [n for n in sorted({person(p) for p in labelled(data)}) if n not in shown]
    rest = [n for i, n in enumerate(others) if i % 4]
    return shown | set(others[::4]) if fold == 0 else set(rest[fold - 1 :: FOLDS - 1])


def read(path: Path) -> Image:
    """The photo as 8-bit RGB."""
    decode = imagecodecs.png_decode if path.suffix == ".png" else imagecodecs.jpeg8_decode
    pixels: Any = np.asarray(decode(path.read_bytes()))
    return np.ascontiguousarray(pixels[..., :3])


def points_of(path: Path) -> Points:
    """The 189 landmarks of a ``.tem`` file, ``(189, 2)``, x before y."""
    rows = path.read_text().split("\n")
    return np.array([[float(v) for v in row.split()] for row in rows[1 : int(rows[0]) + 1]], dtype=np.float32)


def filled(shape: tuple[int, int], polygon: NDArray[Any]) -> Bool:
    """The inside of a polygon."""
    canvas = np.zeros(shape, dtype=np.uint8)
    cv2.fillPoly(canvas, [np.round(polygon).astype(np.int32)], 1)
    return canvas > 0


def hull(shape: tuple[int, int], points: Points, names: Sequence[int]) -> Bool:
    """The convex hull of some landmarks."""
    return filled(shape, cv2.convexHull(points[list(names)])[:, 0])


def sheet(photo: Path) -> Sheet:
    """Cut one portrait out and label it."""
    rgb, points = read(photo), points_of(photo.with_suffix(".tem"))
    scale = FACE_PX / float(np.linalg.norm(points[110] - points[113]))
    rgb = np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    points = points * scale
    middle = (points[110] + points[113]) / 2
    x0 = max(0, int(middle[0] - 1.35 * FACE_PX))
    y0 = max(0, int(points[151, 1] - 0.35 * FACE_PX))
    x1, y1 = int(middle[0] + 1.35 * FACE_PX), int(points[129, 1] + 1.15 * FACE_PX)
    rgb = np.ascontiguousarray(rgb[y0:y1, x0:x1])
    points = points - np.array([x0, y0], dtype=np.float32)
    od = density(rgb)
    outline = filled(rgb.shape[:2], points[list(OUTLINE)])
    features = np.zeros_like(outline)
    for _, names in FEATURES:
        features |= hull(rgb.shape[:2], points, names)
    skin = np.median(od[_eroded(outline, 12) & ~_grown(features, 6)], axis=0).astype(np.float32)
    alpha = _cut_out(rgb, points, outline)
    label = _labels(od, points, outline, skin, alpha > 0.5)
    beard, stubble = (drawn(photo, kind, rgb.shape[:2], scale, (x0, y0)) for kind in ("beard", "stubble"))
    # Stubble is neither: a retoucher heals in it, and stops at the single hairs.
    label[stubble & outline & ~features] = IGNORE
    label[beard & (alpha > 0.5) & ~features] = Part.HAIR
    return Sheet(rgb, label, alpha, points, skin, scale, (x0, y0))


def drawn(
    photo: Path, kind: str, shape: tuple[int, ...], scale: float = 1.0, corner: tuple[int, int] = (0, 0)
) -> Bool:
    """The hand-drawn ``beard`` or ``stubble`` of a photo, shrunk by ``scale`` and cut at ``corner``."""
    known = json.loads(_BEARDS.read_text()).get(f"{photo.parent.name.split('-')[0]}_{photo.stem}", {})
    inside = np.zeros(shape[:2], dtype=np.bool_)
    for polygon in known.get(kind, ()):
        inside |= filled((shape[0], shape[1]), np.array(polygon) * scale - np.array(corner))
    return inside


def _eroded(mask: Bool, radius: int) -> Bool:
    return np.asarray(cv2.erode(mask.view(np.uint8), np.ones((2 * radius + 1,) * 2, np.uint8))) > 0


def _grown(mask: Bool, radius: int) -> Bool:
    return np.asarray(cv2.dilate(mask.view(np.uint8), np.ones((2 * radius + 1,) * 2, np.uint8))) > 0


def _cut_out(rgb: Image, points: Points, outline: Bool) -> NDArray[np.float32]:
    """How much of each pixel is the person: GrabCut, seeded by the head's outline and the empty corners."""
    h, w = outline.shape
    seed = np.full((h, w), cv2.GC_PR_BGD, dtype=np.uint8)
    seed[filled((h, w), points[list(_HEAD)])] = cv2.GC_PR_FGD
    chin = int(points[129, 1])
    seed[chin:][_shoulders(h, w, points)[chin:]] = cv2.GC_PR_FGD
    seed[: int(points[151, 1]) - 8] = cv2.GC_PR_BGD
    seed[: h // 6, : w // 6] = seed[: h // 6, -w // 6 :] = cv2.GC_BGD
    neck = filled((h, w), points[[126, 145, 183, 184, 157, 132]])
    seed[outline | _eroded(neck, 3)] = cv2.GC_FGD
    cv2.setRNGSeed(0)
    half = (w // 2, h // 2)
    small = np.ascontiguousarray(cv2.resize(seed, half, interpolation=cv2.INTER_NEAREST))
    bgr = np.ascontiguousarray(cv2.resize(rgb, half, interpolation=cv2.INTER_AREA)[..., ::-1])
    cv2.grabCut(bgr, small, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    front = ((small == cv2.GC_FGD) | (small == cv2.GC_PR_FGD)).astype(np.float32)
    return np.asarray(blur(np.asarray(cv2.resize(front, (w, h))), 1.0))


def _shoulders(h: int, w: int, points: Points) -> Bool:
    """Below a slope from the neck to the frame's sides."""
    left, right = points[145], points[157]
    drop = 0.55 * FACE_PX
    corners = [left, (0, left[1] + drop), (0, h), (w, h), (w, right[1] + drop), right]
    return filled((h, w), np.array(corners, dtype=np.float32))


def _labels(od: NDArray[np.float32], points: Points, outline: Bool, skin: Any, body: Bool) -> Image:
    h, w = outline.shape
    label = np.zeros((h, w), dtype=np.uint8)
    light = tone(blur(od, 1.2)) - float(skin.mean())
    like = _skin_like(od, skin)
    chin, jaw = float(points[129, 1]), np.arange(h)[:, None]
    outside = body & ~outline
    above = jaw < chin + 0.12 * FACE_PX
    label[outside & above] = Part.HAIR
    label[outside & above & like & (jaw < points[117, 1])] = IGNORE
    below = outside & ~above
    # Below the chin hair and cloth look alike: only what is clearly neither cloth nor skin would be hair.
    red = _redder(od, skin)
    label[below & ((light > 0.5) | (red > -0.25))] = IGNORE
    neck = outside & like & (light < 0.8) & (jaw > (points[111, 1] + points[119, 1]) / 2)
    label[neck] = Part.OTHER_SKIN
    for rim in _EARS:
        ear = filled((h, w), points[list(rim)]) & body
        label[ear] = np.where(like[ear], Part.EARS, IGNORE)
    throat = filled((h, w), points[[111, 125, 126, 145, 183, 184, 157, 132, 133, 114]]) & body & ~outline
    label[throat] = np.where((red > -0.12) & (light < 1.3), Part.OTHER_SKIN, IGNORE)[throat]
    label[outline] = _inside(outline, like, light, red, points)[outline]
    if float(skin.mean()) > _DARK:
        # Black skin hides black stubble, and its shadows are as dark as hair: below the nose all is skin.
        low = outline & _eroded(outline, 4) & (jaw > points[55, 1]) & (light < 1.0)
        label[low] = Part.FACE_SKIN
    for part, names in FEATURES:
        label[hull((h, w), points, names)] = part
    return label


def _redder(od: NDArray[np.float32], skin: Any) -> NDArray[np.float32]:
    """How much redder than the face's skin. Shadow on skin is no less red; hair on skin is."""
    soft = blur(od, 3.0)
    return np.asarray(soft[..., 1] - soft[..., 0] - (skin[1] - skin[0]))


def _inside(
    outline: Bool, like: Bool, light: NDArray[np.float32], red: NDArray[np.float32], points: Points
) -> Image:
    """Face skin, beard and fringe inside the face's outline."""
    h = outline.shape[0]
    rows = np.arange(h)[:, None]
    broad = np.asarray(blur(light, 3.0))
    low = rows > points[55, 1]
    label = np.full(outline.shape, Part.FACE_SKIN, dtype=np.uint8)
    unlike = ~_closed(like, 4)
    rim = outline & ~_eroded(outline, 9)
    brows = float(points[71:83, 1].min())
    label[unlike & (rim | (rows < brows))] = IGNORE
    label[rim & (light > 0.4)] = IGNORE
    label[(broad > 0.2) & low & (red < -0.02)] = IGNORE
    label[(broad > 0.4) & low & ~rim & (red < -0.05)] = Part.HAIR
    label[unlike & (light > 0.35) & (rows < brows)] = Part.HAIR
    return label


def _closed(mask: Bool, radius: int) -> Bool:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, kernel)) > 0


def _skin_like(od: NDArray[np.float32], skin: Any) -> Bool:
    """Near the face's own colour in (log R/G, log G/B), not much darker and not much lighter."""
    soft = blur(od, 1.2)
    red = soft[..., 1] - soft[..., 0] - (skin[1] - skin[0])
    yellow = soft[..., 2] - soft[..., 1] - (skin[2] - skin[1])
    light = tone(soft) - float(skin.mean())
    near = (red / 0.22) ** 2 + (yellow / 0.2) ** 2 < 1
    return np.asarray(near & (light < 0.9) & (light > -0.9))
