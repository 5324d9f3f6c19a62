"""Every healer, by name. A new one is a file beside this one and a line in this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from retouch_engine.budget import Plan, Use
from retouch_engine.heal.base import Healer
from retouch_engine.heal.clone import Clone
from retouch_engine.heal.donor import Donor
from retouch_engine.heal.flux_controlnet import FluxControlNet
from retouch_engine.heal.flux_fill import FluxFill
from retouch_engine.heal.frequency import Frequency
from retouch_engine.heal.klein import Klein
from retouch_engine.heal.lama import Lama
from retouch_engine.heal.migan import MiGan
from retouch_engine.heal.patchmatch import PatchMatch
from retouch_engine.heal.qwen_edit import QwenEdit
from retouch_engine.heal.rethined import Rethined
from retouch_engine.heal.tone import Tone
from retouch_engine.pool import Pool
from retouch_engine.types import HealerId

_ALL: tuple[Healer, ...] = (Tone(), Donor(), Frequency(), PatchMatch(), Clone())
HEALERS: Mapping[HealerId, Healer] = MappingProxyType({h.spec.id: h for h in _ALL})
"""Best first, for a spot of usual size on open skin; the route changes the order where a spot is not."""

NEURAL: Mapping[str, Callable[[Use, Pool], Healer]] = MappingProxyType(
    {
        "flux_fill": FluxFill,
        "flux_controlnet": FluxControlNet,
        "klein": Klein,
        "lama": Lama,
        "migan": MiGan,
        "qwen_edit": QwenEdit,
        "rethined": Rethined,
    }
)
"""What turns a planned model into a healer, by the healer's name in the model's manifest."""


def healers_of(plan: Plan, pool: Pool) -> Mapping[HealerId, Healer]:
    """The classical healers, and behind them those whose models the plan names."""
    neural = [NEURAL[use.model.healer](use, pool) for use in plan.uses]
    return MappingProxyType({**HEALERS, **{h.spec.id: h for h in neural}}) if neural else HEALERS
