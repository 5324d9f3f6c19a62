"""The network that tells the parts of a face from skin, hair and everything else.

It is trained in this project (see ``parts.md`` beside it) and run by onnxruntime, which comes with the extra
``cpu`` and is imported only when a photo is looked at. Without it there is no network, the survey
falls back to colour alone, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from retouch_engine.learned import networks_run, session
from retouch_engine.types import Float


class Part(IntEnum):
    """The network's maps, in its order. Clothes, walls and objects are all ``BACKGROUND``."""

    BACKGROUND = 0
    FACE_SKIN = 1
    OTHER_SKIN = 2
    EYES = 3
    BROWS = 4
    LIPS = 5
    """With teeth and the inside of the mouth."""
    NOSTRILS = 6
    """The whole underside of the nose."""
    EARS = 7
    HAIR = 8
    """Beards too."""
    GLASSES = 9


PARTS = tuple(p.name.lower() for p in Part)
MODEL_PATH = Path(__file__).with_name("parts.onnx")
_MULTIPLE = 32


@dataclass(frozen=True, slots=True)
class Network:
    """The loaded network."""

    session: Any

    def maps(self, rgb: Float) -> Float:
        """How likely each part is.

        Args:
            rgb: float32 ``(h, w, 3)``, sRGB values 0 to 1, any size.

        Returns:
            float32 ``(parts, ceil(h / 2), ceil(w / 2))``, adding up to 1 everywhere.
        """
        h, w = rgb.shape[:2]
        down, right = -h % _MULTIPLE, -w % _MULTIPLE
        padded = cv2.copyMakeBorder(rgb, 0, down, 0, right, cv2.BORDER_REPLICATE)
        given = np.ascontiguousarray(padded.transpose(2, 0, 1)[None])
        (found,) = self.session.run(None, {"rgb": given})
        return np.ascontiguousarray(found[0, :, : (h + 1) // 2, : (w + 1) // 2])

    def steady_maps(self, rgb: Float) -> Float:
        """The same from the picture and its mirror image: steadier, at twice the time. Even sizes only."""
        mirrored = self.maps(np.ascontiguousarray(rgb[:, ::-1]))[:, :, ::-1]
        return np.asarray((self.maps(rgb) + mirrored) / 2, dtype=np.float32)


def load(path: Path) -> Network:
    """A network from a file. Needs onnxruntime."""
    return Network(session(path))


def knows_faces() -> bool:
    """Whether the network that comes with this version can be run here."""
    return networks_run() and MODEL_PATH.is_file()


@cache
def shipped() -> Network | None:
    """The network that comes with this version, or None without onnxruntime; loaded once."""
    return load(MODEL_PATH) if knows_faces() else None
