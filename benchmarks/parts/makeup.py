"""What a face can do and wear: open mouths, closed eyes, beards, glasses, other hair, cloth and skin."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from benchmarks.parts.labels import FACE_PX, Image, Sheet, filled
from numpy.typing import NDArray

from retouch_engine.imaging.density import density, encode
from retouch_engine.survey.parts import Part

Float = NDArray[np.float32]
Generator = np.random.Generator

_LIDS = (
    (18, 22, (18, 28, 29, 30, 22), (18, 19, 20, 21, 22)),
    (23, 27, (23, 31, 32, 33, 27), (23, 24, 25, 26, 27)),
)
_UPPER_INNER = (87, 94, 95, 96, 97, 98, 93)
_MELANIN = np.array([0.45, 0.8, 1.15], dtype=np.float32)
"""Optical density of more melanin: blue goes first."""


def made_up(sheet: Sheet, rng: Generator) -> Sheet:
    """The person with another face on: the sheet's own arrays are left alone."""
    draws = rng.random(4)
    if (draws > np.array([0.3, 0.15, 0.14, 0.18])).all():
        return sheet
    made = replace(sheet, rgb=sheet.rgb.copy(), label=sheet.label.copy())
    if draws[1] < 0.15:
        _close_eyes(made, rng)
    if draws[2] < 0.14:
        _grow_beard(made, rng)
    if draws[0] < 0.3:
        made = _open_mouth(made, rng)
    if draws[3] < 0.18:
        _put_on_glasses(made, rng)
    return made


def _close_eyes(sheet: Sheet, rng: Generator) -> None:
    """Lids of the skin above them, a dark line of lashes; what was eye stays eye."""
    shape = sheet.label.shape
    for inner, outer, lower, upper in _LIDS:
        gap = np.concatenate([sheet.points[list(upper)], sheet.points[list(lower)][::-1]])
        (x0, y0), (x1, y1) = (gap.min(axis=0) - 6).astype(int), (gap.max(axis=0) + 6).astype(int)
        eye = np.s_[max(0, y0) : y1, max(0, x0) : x1]
        lid = cv2.GaussianBlur(filled(shape, gap)[eye].astype(np.float32), (0, 0), 1.2)[..., None]
        lid = np.minimum(1, lid * 2)
        y = int(sheet.points[[36, 41], 1].mean() - 0.01 * FACE_PX)
        x = int((sheet.points[inner, 0] + sheet.points[outer, 0]) / 2)
        tone = sheet.rgb[y - 4 : y, x - 8 : x + 8].reshape(-1, 3).mean(axis=0) * rng.uniform(0.85, 1.02)
        grain = rng.normal(0, 4, lid.shape).astype(np.float32)
        sheet.rgb[eye] = np.clip(sheet.rgb[eye] * (1 - lid) + (tone + grain) * lid, 0, 255).astype(np.uint8)
        dark = tuple(float(v) for v in tone * rng.uniform(0.15, 0.5))
        line = np.round(sheet.points[list(lower)]).astype(np.int32)
        cv2.polylines(sheet.rgb, [line], False, dark, int(rng.integers(1, 3)), cv2.LINE_AA)


def _open_mouth(sheet: Sheet, rng: Generator) -> Sheet:
    """The jaw drops: everything below the lips' line moves down, and teeth or the dark show."""
    points, h, w = sheet.points, *sheet.label.shape
    left, right = points[87], points[93]
    middle = (left + right) / 2
    reach = 0.5 * float(right[0] - left[0])
    opening = float(rng.uniform(0.02, 0.2)) * FACE_PX
    xs = np.arange(w, dtype=np.float32)
    gap = opening * np.sqrt(np.maximum(0, 1 - ((xs - middle[0]) / reach) ** 2))
    line = np.interp(xs, *points[list(_UPPER_INNER)].T).astype(np.float32)
    ys = np.arange(h, dtype=np.float32)[:, None]
    below = ys - line - gap
    fade = np.clip(1 - below / (0.55 * FACE_PX), 0, 1)
    map_y = np.where(below > 0, ys - gap * fade, ys).astype(np.float32)
    hollow = (ys > line) & (below <= 0) & (gap > 0)
    map_x = np.broadcast_to(xs, (h, w)).astype(np.float32)
    rgb = np.asarray(cv2.remap(sheet.rgb, map_x, map_y, cv2.INTER_LINEAR))
    label = np.asarray(cv2.remap(sheet.label, map_x, map_y, cv2.INTER_NEAREST))
    label[hollow] = Part.LIPS
    rgb[hollow] = rng.uniform(15, 60) * np.array([1.2, 0.7, 0.7])
    teeth = (
        hollow & (ys < line + gap * rng.uniform(0.3, 1.1)) if rng.random() < 0.8 else np.zeros_like(hollow)
    )
    colour = rng.uniform(150, 235) * np.array([1.0, 0.96, 0.88])
    stripes = 1 - 0.2 * (np.mod(map_x - middle[0], rng.uniform(6, 10)) < 1)
    rgb[teeth] = np.clip(colour * stripes[teeth][:, None], 0, 255)
    return replace(sheet, rgb=rgb, label=label)


def _grow_beard(sheet: Sheet, rng: Generator) -> None:
    """Strands of dark noise over the jaw and the upper lip; where they are dense it is hair."""
    points, (h, w) = sheet.points, sheet.label.shape
    top = points[55, 1] + rng.uniform(0.0, 0.2) * FACE_PX
    jaw = points[[111, 125, 126, 127, 128, 129, 130, 131, 132, 133, 114]] + np.array([0, 0.04 * FACE_PX])
    area = filled((h, w), np.concatenate([jaw, [[points[114, 0], top], [points[111, 0], top]]]))
    moustache = filled((h, w), points[[64, 55, 69, 93, 90, 87]].astype(np.float32))
    cheeks = np.concatenate([points[[61, 66]], points[[93, 87]] + np.array([0, -0.05 * FACE_PX])])
    if rng.random() < 0.7:
        area &= ~cv2.dilate(filled((h, w), cheeks).view(np.uint8), np.ones((25, 25), np.uint8)).astype(bool)
    area |= moustache & bool(rng.random() < 0.7)
    area &= (sheet.label == Part.FACE_SKIN) | (sheet.label == Part.HAIR) | (sheet.label == 255)
    dense = float(rng.uniform(0.5, 1.0))
    strands = rng.random((h, w)).astype(np.float32)
    strands = cv2.GaussianBlur(strands, (0, 0), sigmaX=0.7, sigmaY=float(rng.uniform(0.7, 2.5)))
    strands = np.clip((strands - strands.mean()) / strands.std() * 0.3 + dense, 0, 1)
    soft = cv2.GaussianBlur(area.astype(np.float32), (0, 0), float(rng.uniform(1, 5)))
    weight = (strands * soft)[..., None]
    colour = rng.uniform(10, 60) * np.array([1.15, 1.0, 0.85]) if rng.random() < 0.8 else rng.uniform(90, 190)
    sheet.rgb[:] = np.clip(sheet.rgb * (1 - weight) + colour * weight, 0, 255).astype(np.uint8)
    sheet.label[area & (soft > 0.55)] = Part.HAIR if dense > 0.62 else 255
    sheet.label[area & (soft <= 0.55)] = 255


def _put_on_glasses(sheet: Sheet, rng: Generator) -> None:
    """Two frames, a bridge and temples, thin or thick, now and then with dark lenses."""
    points = sheet.points
    gap = float(np.linalg.norm(points[1] - points[0]))
    half = (int(gap * rng.uniform(0.34, 0.47)), int(gap * rng.uniform(0.22, 0.4)))
    colour = (
        tuple(float(v) for v in rng.uniform(0, 60, 3))
        if rng.random() < 0.6
        else tuple(float(v) for v in rng.uniform(30, 220, 3))
    )
    thick = int(rng.integers(1, 8))
    frame = np.zeros_like(sheet.label)
    lens = np.zeros_like(sheet.label)
    square = rng.random() < 0.5
    drop = gap * float(rng.uniform(-0.02, 0.12))
    eyes = [(int(p[0]), int(p[1] + drop)) for p in points[:2]]
    for x, y in eyes:
        for canvas, width in ((frame, thick), (lens, -1)):
            if square:
                cv2.rectangle(canvas, (x - half[0], y - half[1]), (x + half[0], y + half[1]), 1, width)
            else:
                cv2.ellipse(canvas, (x, y), half, 0, 0, 360, 1, width)
    for start, end in (
        ((eyes[0][0] + half[0], eyes[0][1]), (eyes[1][0] - half[0], eyes[1][1])),
        ((eyes[0][0] - half[0], eyes[0][1]), tuple(int(v) for v in points[109])),
        ((eyes[1][0] + half[0], eyes[1][1]), tuple(int(v) for v in points[112])),
    ):
        cv2.line(frame, start, end, 1, thick)
    inside = lens > 0
    if rng.random() < 0.15:
        sheet.rgb[inside] = (sheet.rgb[inside] * 0.1 + np.array(colour) * 0.3).astype(np.uint8)
        sheet.label[inside] = Part.GLASSES
    elif rng.random() < 0.5:
        sheet.rgb[inside] = np.clip(sheet.rgb[inside] * rng.uniform(0.8, 1.0) + rng.uniform(0, 30), 0, 255)
    sheet.rgb[frame > 0] = np.clip(np.array(colour), 0, 255)
    sheet.label[frame > 0] = Part.GLASSES


def dressed(face: Image, part: Image, skin: Float, rng: Generator) -> Image:
    """Other cloth, other hair, more or less melanin, weaker or stronger lips."""
    od = density(face)
    cloth, hair = part == Part.BACKGROUND, part == Part.HAIR
    if rng.random() < 0.75:
        _recolour(od, cloth, rng, skin)
    if rng.random() < 0.45:
        middle = od[hair].mean(axis=0) if hair.any() else 0
        wanted = _hair_colour(rng)
        od[hair] = wanted + (od[hair] - middle) * rng.uniform(0.6, 1.3)
    light = float(skin.mean())
    if rng.random() < 0.5:
        more = rng.uniform(-0.25, 2.0 - light) if light < 1.6 else rng.uniform(-0.3, 0.5)
        shift = (_MELANIN * more).astype(np.float32)
        body = ~(cloth | hair | (part == Part.EYES))
        od[body] += shift
        if more > 0.4:
            od[hair] = np.maximum(od[hair], 2.6) + rng.normal(0, 0.1)
            # On dark skin lips stand out less.
            lips = part == Part.LIPS
            base = skin + shift
            od[lips] = base + (od[lips] - base) * rng.uniform(0.5, 1.0)
    return np.asarray(np.clip(encode(od) * 255 + 0.5, 0, 255), dtype=np.uint8)


def _recolour(od: Float, cloth: NDArray[np.bool_], rng: Generator, skin: Float) -> None:
    middle = od[cloth].mean(axis=0) if cloth.any() else 0
    if rng.random() < 0.25:
        wanted = skin + rng.normal(0, 0.25, 3)
    else:
        wanted = rng.uniform(0.05, 3.5) + rng.normal(0, 0.5, 3)
    pattern = np.zeros(cloth.shape, dtype=np.float32)
    if rng.random() < 0.4:
        ys, xs = np.mgrid[0 : cloth.shape[0], 0 : cloth.shape[1]]
        wave = 2 * np.pi / rng.uniform(4, 40)
        angle = rng.uniform(0, np.pi)
        pattern = (np.sin((xs * np.cos(angle) + ys * np.sin(angle)) * wave) > 0) * rng.uniform(-1, 1.5)
    flat = od[cloth] - middle
    od[cloth] = np.clip(wanted + flat * rng.uniform(0.7, 1.5) + pattern[cloth][:, None], 0, 6)


def _hair_colour(rng: Generator) -> Float:
    kind = rng.random()
    if kind < 0.45:
        base = np.array([2.6, 2.9, 3.2]) + rng.normal(0, 0.4)
    elif kind < 0.75:
        base = np.array([1.0, 1.4, 2.1]) + rng.normal(0, 0.4)
    elif kind < 0.9:
        base = np.full(3, rng.uniform(0.3, 1.6))
    else:
        base = rng.uniform(0.4, 3.0, 3)
    return np.maximum(base, 0.05).astype(np.float32)
