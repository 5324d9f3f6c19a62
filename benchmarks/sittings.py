"""Whether decisions agree between nearly identical frames, and whether people are ever taken for each other.

    python -m benchmarks.sittings DIR [--most N]

``DIR`` is a folder of portraits, one person each. Of each a second frame is made: turned by up to 3 degrees,
resized by up to 6 %, shifted, relit, with noise, as a JPEG; seeds are fixed. Printed for each setting of
``agree``: spots that are healed in either frame and found in both, and how many of them in one only. Then
every face is laid over every other person's: how often what was healed there would have a say.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
from benchmarks.spots.labels import Portrait
from numpy.typing import NDArray

from retouch_engine.detect import chosen
from retouch_engine.recall import place_of, recalled, same_face
from retouch_engine.recipe import PERMANENT, Agree, Recipe
from retouch_engine.sitting import Mark, Remembered, Sitting, Vote
from retouch_engine.survey import Scene, survey
from retouch_engine.types import Photo, Spot

_TURN, _ZOOM, _SHIFT, _GAMMA, _LIGHT, _NOISE, _QUALITY = 3.0, 0.06, 25.0, 0.08, 0.04, 1.2, 90
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """One photo with what was found in it before anything was remembered."""

    scene: Scene
    spots: tuple[Spot, ...]

    def marks(self) -> list[tuple[Mark, Spot]]:
        """Every spot that has a place on a face, as its record would tell of it."""
        told = []
        for spot in self.spots:
            placed, px_per_mm = place_of(spot, self.scene), self.scene.px_per_mm_at(spot.box)
            if placed and px_per_mm:
                left = Vote.PERMANENT if spot.kind in PERMANENT else Vote.LEAVE
                looks = (spot.features.get("melanin"), spot.features.get("rise_g"))
                mark = Mark(
                    *placed[1], spot.diameter_px / px_per_mm, *looks, Vote.HEAL if spot.sure else left
                )
                told.append((mark, spot))
        return told


def looked_at(pixels: Picture) -> Frame:
    """A photo, looked at by itself."""
    photo = Photo(np.ascontiguousarray(pixels), lossy=True)
    scene = survey(photo)
    return Frame(scene, chosen(scene).detect(photo, scene, Recipe()))


def another_frame(pixels: Picture, rng: np.random.Generator) -> Picture:
    """The same face a moment later."""
    height, width = pixels.shape[:2]
    turn, zoom = rng.uniform(-_TURN, _TURN), 1 + rng.uniform(-_ZOOM, _ZOOM)
    affine = cv2.getRotationMatrix2D((width / 2, height / 2), turn, zoom)
    affine[:, 2] += rng.uniform(-_SHIFT, _SHIFT, 2)
    moved = cv2.warpAffine(
        pixels, affine, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    lit = 255 * (moved / np.float32(255)) ** (1 + rng.uniform(-_GAMMA, _GAMMA))
    lit = lit * (1 + rng.uniform(-_LIGHT, _LIGHT, 3)) + rng.normal(0, _NOISE, lit.shape)
    packed = imagecodecs.jpeg8_encode(np.clip(lit, 0, 255).astype(np.uint8), level=_QUALITY)
    return np.asarray(imagecodecs.jpeg8_decode(packed), dtype=np.uint8)


def disagreeing(one: Frame, two: Frame, agree: Agree) -> tuple[int, int]:
    """Spots that are found in both frames and healed in either, and how many of them in one only."""
    first = [mark for mark, _ in one.marks()]
    if not first:
        return 0, 0
    spots, _ = recalled(two.spots, two.scene, Sitting((Remembered("first", tuple(first)),)), agree)
    second = Frame(two.scene, spots).marks()
    _, pairs = same_face(first, [mark for mark, _ in second])
    healed = [(first[a].vote is Vote.HEAL, second[b][1].sure) for a, b in pairs]
    return sum(a or b for a, b in healed), sum(a != b for a, b in healed)


def report(people: Sequence[tuple[Frame, Frame]]) -> str:
    """The figures as text."""
    text = f"{len(people)} people\n"
    for agree in Agree:
        told = [disagreeing(one, two, agree) for one, two in people]
        text += f"  agree = {agree:5s} healed in either {sum(t[0] for t in told)},"
        text += f" in one only {sum(t[1] for t in told)}\n"
    faces = [[mark for mark, _ in one.marks()] for one, _ in people]
    others = [(a, b) for i, a in enumerate(faces) for k, b in enumerate(faces) if i != k and a and b]
    taken = sum(same_face(a, b)[0] for a, b in others)
    return text + f"  of {len(others)} pairs of different people {taken} are taken for the same\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sittings", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--most", type=int, default=30, help="so many portraits, in order of their names")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    people = []
    for path in sorted(p for p in given.data.iterdir() if p.suffix in {".jpg", ".png"})[: given.most]:
        pixels = Portrait(path, {}).pixels
        people.append((looked_at(pixels), looked_at(another_frame(pixels, rng))))
    print(report(people), end="")


if __name__ == "__main__":
    main()
