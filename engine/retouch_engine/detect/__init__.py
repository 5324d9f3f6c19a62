"""Finding spots: a photo and its scene in, spots with kinds and reasons out.

A detector proposes and explains; it never decides what a client wants removed (that is the route) and
never touches a pixel. Detectors are named in :mod:`retouch_engine.detect.registry` and nowhere else.
"""

from retouch_engine.detect.base import Detector, DetectorSpec
from retouch_engine.detect.lines import named_again, noted
from retouch_engine.detect.registry import DETECTORS, chosen

__all__ = ["DETECTORS", "Detector", "DetectorSpec", "chosen", "named_again", "noted"]
