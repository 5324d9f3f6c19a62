"""What every detector promises; ``tests/contract/test_detectors.py`` holds each of them to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from retouch_engine.recipe import Recipe
from retouch_engine.survey import Scene
from retouch_engine.types import DetectorId, Photo, Spot


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """What a detector needs, readable without loading it."""

    id: DetectorId
    summary: str
    weights: bool
    """Whether it needs a model file."""
    licence: str


class Detector(Protocol):
    """Finds spots in one photo.

    Spots lie inside the photo, have masks of their boxes' shapes, ids that count from 1 in reading order,
    and do not overlap. The same photo gives the same spots. Nothing is written to.
    """

    spec: DetectorSpec

    def detect(self, photo: Photo, scene: Scene, recipe: Recipe) -> tuple[Spot, ...]:
        """Find spots; ``recipe.sensitivity`` sets how faint they may be."""
