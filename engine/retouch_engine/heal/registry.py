"""Every healer, by name. A new one is a file beside this one and a line in this one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from retouch_engine.heal.base import Healer
from retouch_engine.heal.clone import Clone
from retouch_engine.heal.donor import Donor
from retouch_engine.heal.frequency import Frequency
from retouch_engine.heal.patchmatch import PatchMatch
from retouch_engine.heal.tone import Tone
from retouch_engine.types import HealerId

_ALL: tuple[Healer, ...] = (Tone(), Donor(), Frequency(), PatchMatch(), Clone())
HEALERS: Mapping[HealerId, Healer] = MappingProxyType({h.spec.id: h for h in _ALL})
"""Best first, for a spot of usual size on open skin; the route changes the order where a spot is not."""
