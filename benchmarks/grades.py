"""What becomes of the finds when a photo is graded: the labelled portraits under looks that presets make.

    python -m benchmarks.grades DATA_DIR [--held-out NETWORKS] [--grade NAME ...]

Each labelled portrait is graded in one way after the other, packed as JPEG as an export is, and counted as
``benchmarks.detect`` counts. Nothing learns from these; ``retouch_engine.detect.grade`` was drawn with the
first ten in view. ``--held-out`` asks models that have not seen the person.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from benchmarks.detect import Find, held_out, measured, shipped
from benchmarks.detect_score import Tally
from benchmarks.spots.labels import Portrait, portraits
from numpy.typing import NDArray

from retouch_engine.types import Float

QUALITY = 93
_GAMMA = 2.2
Grading = Callable[[Float], Float]
"""float32 ``(h, w, 3)``, encoded, 0 to 1, in and out; what leaves that is cut off."""


def _linear(slope: float, lift: float) -> Grading:
    return lambda value: slope * value + np.float32(lift)


def _shadows_lifted(by: float) -> Grading:
    return lambda value: np.asarray(value + np.float32(by) * (1 - value) ** 2, np.float32)


def _contrast(steepness: float) -> Grading:
    def curve(value: Float) -> Float:
        return np.asarray(1 / (1 + np.exp(-steepness * (value - np.float32(0.5)))), np.float32)

    low, high = (float(curve(np.array([end], np.float32))[0]) for end in (0, 1))
    return lambda value: (curve(value) - np.float32(low)) / np.float32(high - low)


def _each(red: Grading, green: Grading, blue: Grading) -> Grading:
    def graded(value: Float) -> Float:
        return np.dstack([curve(value[..., i]) for i, curve in enumerate((red, green, blue))])

    return graded


def _after(*gradings: Grading) -> Grading:
    def graded(value: Float) -> Float:
        for grading in gradings:
            value = np.clip(grading(value), 0, 1)
        return value

    return graded


def _colourful(factor: float) -> Grading:
    def graded(value: Float) -> Float:
        grey = value.mean(-1, keepdims=True)
        return np.asarray(grey + np.float32(factor) * (value - grey))

    return graded


def _light(red: float, green: float, blue: float) -> Grading:
    colour = np.array([red, green, blue], np.float32)
    return lambda value: np.asarray(np.clip(value**_GAMMA * colour, 0, 1) ** (1 / _GAMMA), np.float32)


def _split(shadows: tuple[int, int, int], lights: tuple[int, int, int]) -> Grading:
    dark, bright = (np.array(colour, np.float32) / 255 for colour in (shadows, lights))

    def graded(value: Float) -> Float:
        grey = value.mean(-1, keepdims=True)
        return np.asarray(value + (1 - grey) ** 2 * dark + grey**2 * bright)

    return graded


def _orange(lighter: float, paler: float) -> Grading:
    """Orange alone, where skin lies: as sliders for single hues do it."""

    def graded(value: Float) -> Float:
        hls = cv2.cvtColor(value, cv2.COLOR_RGB2HLS)
        share = np.clip(1 - np.abs(hls[..., 0] - 30) / 30, 0, 1) * np.clip(2 * hls[..., 2], 0, 1)
        hls[..., 1] = np.clip(hls[..., 1] * (1 + lighter * share), 0, 1)
        hls[..., 2] *= 1 - paler * share
        return np.asarray(cv2.cvtColor(hls, cv2.COLOR_HLS2RGB))

    return graded


def _clarity(amount: float) -> Grading:
    def graded(value: Float) -> Float:
        soft = cv2.GaussianBlur(value, (0, 0), value.shape[1] / 600)
        return np.asarray(value + np.float32(amount) * (value - soft))

    return graded


_SAME = _linear(1, 0)
GRADES: Mapping[str, Grading] = {
    "as it is": _SAME,
    "matte": _linear(0.85, 0.12),
    "blue lifted": _each(_SAME, _SAME, _linear(0.7, 0.18)),
    "blue shadows": _each(_SAME, _SAME, _linear(0.84, 0.16)),
    "faded": _after(_linear(0.85, 0.1), _each(_SAME, _SAME, _shadows_lifted(0.12))),
    "film": _after(
        _each(_contrast(3.5), _contrast(3), _contrast(2.5)),
        _each(_linear(0.93, 0.04), _linear(0.95, 0.03), _linear(0.85, 0.1)),
        _colourful(0.85),
    ),
    "cross-processed": _each(_contrast(5), _contrast(4.5), _linear(0.8, 0.12)),
    "red lifted": _each(_linear(0.75, 0.2), _SAME, _SAME),
    "hard contrast": _contrast(6),
    "teal and orange": _split((-18, 6, 22), (14, 4, -16)),
    "pale": _colourful(0.65),
    "vibrant": _colourful(1.35),
    "softer orange": _orange(0.14, 0.2),
    "warm": _light(1.12, 1, 0.72),
    "candle light": _light(1.15, 0.62, 0.28),
    "clarity": _clarity(0.6),
    "softened": _clarity(-0.5),
}


def graded(portrait: Portrait, grading: Grading) -> Portrait:
    """The portrait under a look, with its labels."""
    shown = np.clip(grading(portrait.pixels.astype(np.float32) / np.float32(255)), 0, 1)
    eight = np.asarray((255 * shown).round(), np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _WHOLE]
    _, code = cv2.imencode(".jpg", eight[..., ::-1], quality)
    unpacked: NDArray[np.uint8] = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return replace(portrait, samples=np.ascontiguousarray(unpacked[..., ::-1]), halved=portrait.halved_colour)


_WHOLE = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444


def line(name: str, tally: Tally) -> str:
    """One grade's figures."""
    n = max(1, tally.photos)
    healed = tally.count("blemish", "healed")
    seen = tally.count("blemish", "healed", "offered")
    asked = sum(f.fate == "offered" for f in tally.finds)
    return (
        f"{name:16s}{healed:5d}{seen:6d}{tally.count('keep', 'healed'):6d}"
        f"{tally.found('nothing', 'healed') / n:8.2f}{asked / n:8.1f}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grades", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--held-out", type=Path, help="folder of the folds' networks and trees")
    parser.add_argument("--grade", action="append", choices=list(GRADES), help="only this one")
    given = parser.parse_args()
    photos = list(portraits(given.data))
    way: Find = held_out(photos, given.held_out) if given.held_out else shipped
    marks = [len(p.marks(sort)) for sort in ("blemish", "keep") for p in photos]
    print(
        f"{len(photos)} photos, {sum(marks[: len(photos)])} blemishes, {sum(marks[len(photos) :])} permanent"
    )
    print("grade          healed  seen  kept wrong a photo, offers a photo")
    for name in given.grade or GRADES:
        tally = measured((graded(p, GRADES[name]) for p in photos), {"": way})[""]
        print(line(name, tally), flush=True)


if __name__ == "__main__":
    main()
