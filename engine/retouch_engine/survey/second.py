"""Second opinions: models of the studio's own that look at the photo too. They protect more, never less.

YuNet says where faces are. A face that both know is a face; one that only YuNet sees is looked at once more
by the network of this project, and left alone where that does not know it either. MediaPipe's segmenter says
what is hair, clothes or an accessory: that is protected whatever else was found there. Neither comes with
this project, and without them nothing here runs.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from retouch_engine.errors import ModelUnusable
from retouch_engine.learned import networks_run, session
from retouch_engine.stock import Model
from retouch_engine.survey.guesses import WIDTH, Candidate
from retouch_engine.types import Bool, Samples

FACES, PEOPLE = "second-faces", "second-people"
"""What a manifest calls the two kinds of models."""
_SIDES = (1024, 320)
"""Long sides at which YuNet looks: it knows faces of about 10 to 300 px (its authors' figure)."""
_OVERLAP, _MOST = 0.3, 5000
_CLASSES = 6
_HAIR, _CLOTHES, _OTHERS = 1, 4, 5


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face as YuNet sees it: all in shares of the photo's width and height, ``(x, y)``."""

    left: float
    top: float
    width: float
    height: float
    points: tuple[tuple[float, float], ...]
    """Eye, eye, tip of the nose, corner of the mouth, corner of the mouth; the photo's left ones first."""
    score: float

    def guess(self, height: int, width: int) -> Candidate:
        """Where the network is to look once more, in a photo of this size."""
        (ax, ay), (bx, by) = self.points[:2]
        tilt = math.atan2((by - ay) * height, (bx - ax) * width)
        across = WIDTH * math.sqrt(math.pi / 4 * self.width * width * self.height * height)
        middle = ((self.left + self.width / 2) * width, (self.top + self.height / 2) * height)
        return Candidate(*middle, across, tilt, 0.0)


@dataclass(frozen=True, slots=True)
class Second:
    """What the second opinions say of one photo."""

    faces: tuple[Sighting, ...] = ()
    hair: Bool | None = None
    """Hair, clothes and others on the segmenter's own square of the whole photo; None without it."""
    clothes: Bool | None = None
    others: Bool | None = None
    troubles: tuple[str, ...] = ()
    """Models that could not be asked, and why."""


@dataclass(frozen=True, slots=True)
class Opinions:
    """The second opinions at hand."""

    models: tuple[Model, ...] = ()

    @classmethod
    def of(cls, models: Sequence[Model]) -> Opinions:
        """Those among some models that give one."""
        return cls(tuple(m for m in models if m.healer in (FACES, PEOPLE)))

    def ask(self, small: Callable[[int], Samples]) -> Second:
        """Look at a photo. One that cannot be asked is named in ``troubles``; the night goes on.

        Args:
            small: the whole photo with a long side, or smaller: sRGB ``(h, w, 3)``, 8 or 16 bit.
        """
        faces: tuple[Sighting, ...] = ()
        masks: tuple[Bool, ...] = ()
        troubles: list[str] = []
        for model in self.models:
            try:
                if model.healer == FACES:
                    faces = _sighted(model, small)
                else:
                    masks = _segmented(model, _bytes(small(_SIDES[0])))
            except ModelUnusable as error:
                troubles.append(f"a second opinion was not heard: {error}")
        hair, clothes, others = masks or (None, None, None)
        return Second(faces, hair, clothes, others, tuple(troubles))


def _sighted(model: Model, small: Callable[[int], Samples]) -> tuple[Sighting, ...]:
    """Faces at both sizes, each once."""
    finder = _finder(_weights(model), float(model.contract.get("least_score", 0.6)))
    return _merged([s for side in _SIDES for s in finder.find(_bytes(small(side)))])


def _weights(model: Model) -> Path:
    """The model's one file of weights."""
    found = [name for name in model.files if name.endswith(".onnx")]
    if len(found) != 1:
        raise ModelUnusable(model.id, f"one .onnx file was expected, {len(found)} were found")
    return model.folder / found[0]


def _bytes(samples: Samples) -> Samples:
    return samples if samples.dtype == np.uint8 else np.asarray(samples >> 8, dtype=np.uint8)


class _Finder:
    """YuNet in OpenCV's own wrapper, which decodes its maps. One photo at a time."""

    def __init__(self, path: Path, least: float) -> None:
        log = cv2.utils.logging
        usual = log.getLogLevel()
        # OpenCV 5 warns of a target that nobody asked for, on each load.
        log.setLogLevel(log.LOG_LEVEL_ERROR)
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), least, _OVERLAP, _MOST)
        except cv2.error as error:
            raise ModelUnusable("yunet", f"OpenCV does not load it: {error}") from None
        finally:
            log.setLogLevel(usual)
        self._one = threading.Lock()

    def find(self, rgb: Samples) -> list[Sighting]:
        """Every face in a small picture."""
        h, w = rgb.shape[:2]
        with self._one:
            self._net.setInputSize((w, h))
            _, rows = self._net.detect(np.ascontiguousarray(rgb[..., ::-1]))
        return [] if rows is None else [_sighting(row, w, h) for row in np.asarray(rows).tolist()]


def _sighting(row: list[float], w: int, h: int) -> Sighting:
    """One row of OpenCV's answer: box, five points, score."""
    points = [(row[4 + 2 * i] / w, row[5 + 2 * i] / h) for i in range(5)]
    eyes, nose, mouth = sorted(points[:2]), points[2], sorted(points[3:])
    return Sighting(row[0] / w, row[1] / h, row[2] / w, row[3] / h, (*eyes, nose, *mouth), row[14])


@cache
def _finder(path: Path, least: float) -> _Finder:
    return _Finder(path, least)


def _merged(seen: list[Sighting]) -> tuple[Sighting, ...]:
    """One for each place, the surest."""
    kept: list[Sighting] = []
    for one in sorted(seen, key=lambda s: -s.score):
        if not any(_meet(one, other) for other in kept):
            kept.append(one)
    return tuple(kept)


def _meet(a: Sighting, b: Sighting) -> bool:
    dx = abs((a.left + a.width / 2) - (b.left + b.width / 2)) / max(a.width, b.width)
    dy = abs((a.top + a.height / 2) - (b.top + b.height / 2)) / max(a.height, b.height)
    return math.hypot(dx, dy) < 0.5


@cache
def _loaded(model_id: str, path: Path) -> Any:
    try:
        return session(path)
    except Exception as error:  # noqa: BLE001 - the library's errors have no common class
        raise ModelUnusable(model_id, f"onnxruntime does not load it: {error}") from None


def _segmented(model: Model, rgb: Samples) -> tuple[Bool, Bool, Bool]:
    """Hair, clothes and others, each bool ``(size, size)``."""
    if not networks_run():
        raise ModelUnusable(model.id, 'onnxruntime is not installed: pip install "retouchd[cpu]"')
    size = int(model.contract.get("size", 256))
    shown = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    run = _loaded(model.id, _weights(model))
    (given,) = run.get_inputs()
    channels_first = list(given.shape)[1] == 3
    feed = np.ascontiguousarray(shown.transpose(2, 0, 1) if channels_first else shown)[None]
    scores = np.asarray(run.run(None, {given.name: feed})[0])
    wanted = (1, _CLASSES, size, size) if channels_first else (1, size, size, _CLASSES)
    if scores.shape != wanted:
        raise ModelUnusable(model.id, f"it gives {scores.shape}, its manifest says {wanted}")
    # Which class is the strongest does not depend on whether an export applies the softmax or leaves it out.
    strongest = scores[0].argmax(axis=0 if channels_first else 2)
    return strongest == _HAIR, strongest == _CLOTHES, strongest == _OTHERS
