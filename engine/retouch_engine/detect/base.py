"""What every detector promises; ``tests/contract/test_detectors.py`` holds each of them to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from retouch_engine.imaging.turning import back
from retouch_engine.recipe import Recipe
from retouch_engine.survey import Scene
from retouch_engine.survey.upright import orientation_of, turned_scene, turned_spot, upright_photo
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

    Spots lie inside the photo, have masks of their boxes' shapes, ids that count from 1 in reading order of
    the upright photo, and do not overlap. The same photo gives the same spots. Nothing is written to.
    """

    spec: DetectorSpec

    def detect(self, photo: Photo, scene: Scene, recipe: Recipe) -> tuple[Spot, ...]:
        """Find spots; ``recipe.sensitivity`` sets how faint they may be."""


class Upright:
    """A detector that is shown every photo as a person sees it; its spots lie as the photo is stored."""

    def __init__(self, detector: Detector) -> None:
        self.spec = detector.spec
        self._detector = detector

    def detect(self, photo: Photo, scene: Scene, recipe: Recipe) -> tuple[Spot, ...]:
        """See :class:`Detector`."""
        turn = orientation_of(photo)
        shown = turned_scene(scene, turn)
        spots = self._detector.detect(upright_photo(photo), shown, recipe)
        return tuple(turned_spot(spot, (shown.height, shown.width), back(turn)) for spot in spots)
