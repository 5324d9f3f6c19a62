"""Every detector, by name, and which of them a photo is given to.

A new one is a file beside this one and a line in this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from retouch_engine.detect.base import Detector, Upright
from retouch_engine.detect.classic import Classic
from retouch_engine.detect.learned import Learned
from retouch_engine.detect.spotnet import knows_spots
from retouch_engine.survey import Scene
from retouch_engine.types import DetectorId

_ALL: tuple[Detector, ...] = (Upright(Classic()), Upright(Learned()))
DETECTORS: Mapping[DetectorId, Detector] = MappingProxyType({d.spec.id: d for d in _ALL})


def chosen(scene: Scene) -> Detector:
    """The learned one wherever a face says how large a millimetre is and its network can be run."""
    learned = scene.scale.px_per_mm is not None and knows_spots()
    return DETECTORS[DetectorId("learned" if learned else "classic")]
