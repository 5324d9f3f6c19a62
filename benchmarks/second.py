"""What a second opinion adds: faces found by the network alone, and with YuNet, where faces are hard to find.

    python -m benchmarks.second DATA_DIR YUNET.onnx [--network HELD-OUT.onnx]

The labelled portraits of people held out are turned by machine, tilted, and laid small into groups. *left
alone* counts faces that only YuNet sees: nothing is healed on them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from benchmarks.faces import WITHOUT_PEOPLE
from benchmarks.parts.labels import Image, Sheet, held_out, labelled, person, sheet
from benchmarks.parts.scenes import turned

from retouch_engine.stock import Model
from retouch_engine.survey import Cause, Opinions, survey
from retouch_engine.survey.parts import Network, load
from retouch_engine.types import Photo

_WALL = 128
_SMALL = (20, 28, 40)
"""Widths of the faces of a group, in a photo of 1,024 px."""


def yunet(path: Path) -> Opinions:
    """The second opinion of one file."""
    model = Model(
        id="yunet",
        healer="second-faces",
        folder=path.parent,
        digest="",
        licence="MIT",
        commercial=True,
        precision="fp32",
        rest_mb=1,
        peak_mb=40,
        files=(path.name,),
    )
    return Opinions.of([model])


def tilted(given: Sheet, degrees: float) -> Image:
    """One face on a grey wall, turned in the plane of the picture."""
    rgb, _ = turned(given, 0)
    large = cv2.copyMakeBorder(rgb, 80, 80, 80, 80, cv2.BORDER_CONSTANT, value=(_WALL,) * 3)
    middle = (large.shape[1] / 2, large.shape[0] / 2)
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    size = (large.shape[1], large.shape[0])
    return np.asarray(cv2.warpAffine(large, matrix, size, borderValue=(_WALL,) * 3), dtype=np.uint8)


def group(sheets: list[Sheet], width: int) -> Image:
    """Twelve small faces in a photo of 1,024 px."""
    canvas = np.full((768, 1024, 3), _WALL, dtype=np.uint8)
    for number in range(12):
        rgb, _ = turned(sheets[number % len(sheets)], 0)
        scale = width / 150
        small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        y, x = 60 + 230 * (number // 4), 60 + 240 * (number % 4)
        canvas[y : y + small.shape[0], x : x + small.shape[1]] = small
    return canvas


def cases(sheets: list[Sheet]) -> Iterator[tuple[str, list[Image], int]]:
    """Name, pictures, and how many faces there are in each."""
    for degrees in (45, 60, 75):
        yield f"turned {degrees}", [turned(one, degrees)[0] for one in sheets], 1
    for degrees in (45, 70, 90):
        yield f"tilted {degrees}", [tilted(one, degrees) for one in sheets], 1
    for width in _SMALL:
        yield f"{width} px of 1,024", [group(sheets, width)], 12


def without_people() -> Iterator[tuple[str, list[Image], int]]:
    """Pictures that hold no face."""
    from skimage import data

    pictures = []
    for name in WITHOUT_PEOPLE:
        picture = np.asarray(getattr(data, name)())
        if picture.dtype == np.uint8:
            pictures.append(np.stack([picture] * 3, 2) if picture.ndim == 2 else picture[..., :3].copy())
    yield "no people", pictures, 0


def found(pictures: list[Image], look: Callable[[Photo], tuple[int, float]]) -> tuple[int, float]:
    """Faces found in all pictures, and the mean share of a photo that doubt protects."""
    told = [look(Photo(np.ascontiguousarray(p))) for p in pictures]
    return sum(n for n, _ in told), float(np.mean([share for _, share in told]))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("yunet", type=Path)
    parser.add_argument("--network", type=Path, help="another network than the one that ships")
    given = parser.parse_args()
    network: Network | None = load(given.network) if given.network else None
    opinions = yunet(given.yunet)
    people = held_out(given.data)
    sheets = [sheet(p) for p in labelled(given.data) if person(p) in people][::3]

    def look(photo: Photo, asked: Opinions | None) -> tuple[int, float]:
        scene = survey(photo, network, asked)
        return len(scene.faces), float(((scene.causes & Cause.DOUBT) > 0).mean())

    for name, pictures, each in (*cases(sheets), *without_people()):
        alone, _ = found(pictures, lambda p: look(p, None))
        both, doubt = found(pictures, lambda p: look(p, opinions))
        print(
            f"{name}: {alone} of {each * len(pictures)}, with YuNet {both}; left alone {doubt:.2%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
