"""Every healer, by name. A new one is a file beside this one and a line in this one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from retouch_engine.heal.base import Healer
from retouch_engine.heal.donor import Donor
from retouch_engine.heal.frequency import Frequency
from retouch_engine.types import HealerId

HEALERS: Mapping[HealerId, Healer] = MappingProxyType({h.spec.id: h for h in (Donor(), Frequency())})
