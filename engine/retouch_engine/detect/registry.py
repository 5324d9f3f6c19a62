"""Every detector, by name. A new one is a file beside this one and a line in this one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from retouch_engine.detect.base import Detector
from retouch_engine.detect.classic import Classic
from retouch_engine.types import DetectorId

DETECTORS: Mapping[DetectorId, Detector] = MappingProxyType({d.spec.id: d for d in (Classic(),)})
