"""What is around and in front of faces: walls, textures, text, skin-coloured things, hands."""

from __future__ import annotations

import cv2
import numpy as np
from benchmarks.parts.labels import Image
from numpy.typing import NDArray

from retouch_engine.imaging.density import encode
from retouch_engine.survey.parts import Part

Float = NDArray[np.float32]
Generator = np.random.Generator


def backdrop(rng: Generator, side: int, skin: Float) -> Image:
    """A picture without a person. Half of them have skin's own colour."""
    base = (
        skin + rng.normal(0, 0.2, 3) if rng.random() < 0.5 else rng.uniform(0.05, 3) + rng.normal(0, 0.5, 3)
    )
    od = np.broadcast_to(base, (side, side, 3)).astype(np.float32)
    kind = rng.random()
    if kind < 0.25:
        od = od + _slope(rng, side)[..., None]
    elif kind < 0.7:
        od = od + _clouds(rng, side)
    else:
        od = od + _slope(rng, side)[..., None] * 0.5 + _weave(rng, side)[..., None]
    image = np.ascontiguousarray(np.clip(encode(np.clip(od, 0, 6)) * 255, 0, 255).astype(np.uint8))
    if rng.random() < 0.45:
        _things(image, rng, skin)
    if rng.random() < 0.5:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 6))))
    return image


def _slope(rng: Generator, side: int) -> Float:
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    return np.asarray(xs * rng.normal(0, 0.8) + ys * rng.normal(0, 0.8), dtype=np.float32)


def _clouds(rng: Generator, side: int) -> Float:
    total = np.zeros((side, side, 3), dtype=np.float32)
    for cells in (3, 8, 20, 60, 128):
        coarse = rng.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        coarse = coarse * 0.3 + coarse[..., :1] * 0.7
        layer = np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))
        total += layer * np.float32(rng.uniform(0, 0.5) if cells > 3 else rng.uniform(0, 0.8))
    return total


def _weave(rng: Generator, side: int) -> Float:
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32)
    total = np.zeros((side, side), dtype=np.float32)
    for _ in range(int(rng.integers(1, 4))):
        angle, wave = rng.uniform(0, np.pi), 2 * np.pi / rng.uniform(3, 60)
        swing = np.sin((xs * np.cos(angle) + ys * np.sin(angle)) * wave + rng.uniform(0, 6))
        total += rng.uniform(0, 0.7) * (np.sign(swing) if rng.random() < 0.5 else swing)
    return total


def _colour(rng: Generator, skin: Float) -> tuple[float, float, float]:
    if rng.random() < 0.5:
        r, g, b = np.clip(
            encode((skin + rng.normal(0, 0.3) + rng.normal(0, 0.1, 3)).astype(np.float32)) * 255, 0, 255
        )
    else:
        r, g, b = rng.uniform(0, 255, 3)
    return float(r), float(g), float(b)


def _things(image: Image, rng: Generator, skin: Float) -> None:
    """Discs, boxes, lines and letters; pairs of dark discs too, which are no eyes without a mouth."""
    side = image.shape[0]
    for _ in range(int(rng.integers(1, 14))):
        x, y = (int(v) for v in rng.integers(0, side, 2))
        a, b = (int(v) for v in np.exp(rng.uniform(np.log(3), np.log(90), 2)))
        colour, kind = _colour(rng, skin), rng.random()
        if kind < 0.35:
            cv2.ellipse(image, (x, y), (a, b), float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        elif kind < 0.55:
            cv2.rectangle(image, (x, y), (x + a, y + b), colour, -1)
        elif kind < 0.7:
            cv2.line(image, (x, y), (x + 3 * a - 90, y + 3 * b - 90), colour, int(rng.integers(1, 12)))
        elif kind < 0.85:
            text = "".join(chr(int(c)) for c in rng.integers(33, 122, int(rng.integers(2, 16))))
            cv2.putText(
                image, text, (x // 2, y), int(rng.integers(0, 7)), float(rng.uniform(0.3, 1.8)), colour, 2
            )
        else:
            for k in range(int(rng.integers(1, 4))):
                cv2.circle(image, (x + k * 2 * a, y), max(2, b // 3), colour, -1, cv2.LINE_AA)


def occluders(image: Image, label: Image, rng: Generator) -> None:
    """Hands and things before the face: fingers of its own skin's colour, or anything."""
    draw = rng.random()
    side = image.shape[0]
    if draw < 0.16:
        _hand(image, label, rng)
    elif draw < 0.28:
        for _ in range(int(rng.integers(1, 3))):
            mask = np.zeros_like(label)
            size = tuple(int(v) for v in rng.uniform(6, 50, 2))
            centre = tuple(int(v) for v in rng.integers(0, side, 2))
            cv2.ellipse(mask, centre, size, float(rng.uniform(0, 180)), 0, 360, 1, -1)
            image[mask > 0] = rng.uniform(0, 255, 3)
            label[mask > 0] = Part.BACKGROUND


def _hand(image: Image, label: Image, rng: Generator) -> None:
    """A palm and three or four fingers, shaded across, in the colour of the face's own skin."""
    skin = label == Part.FACE_SKIN
    if np.count_nonzero(skin) < 200:
        return
    side = image.shape[0]
    colour = np.median(image[skin], axis=0) * rng.uniform(0.85, 1.1)
    ys, xs = np.nonzero(skin)
    at = int(rng.integers(len(ys)))
    size = float(np.sqrt(np.count_nonzero(skin))) * rng.uniform(0.08, 0.14)
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    tip = np.array([xs[at], ys[at]], dtype=np.float64)
    for k in range(int(rng.integers(2, 5))):
        mask = np.zeros_like(label)
        start = tip + across * k * size * 2 + along * rng.uniform(0, 2) * size
        end = start + along * size * 9
        cv2.line(
            mask, tuple(start.astype(int).tolist()), tuple(end.astype(int).tolist()), 1, int(2 * size) + 1
        )
        inside = mask > 0
        distance = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 3)) / max(1.0, size)
        shade = (0.62 + 0.4 * np.minimum(1, distance))[..., None]
        painted = np.clip(colour * shade + rng.normal(0, 3, (side, side, 1)), 0, 255).astype(np.uint8)
        image[inside] = painted[inside]
        label[inside] = Part.OTHER_SKIN
