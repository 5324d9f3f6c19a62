"""FLUX.1 Fill.

Trained to fill holes, under a licence that forbids commercial use. Eight steps with the Turbo-Alpha LoRA for
everyday holes; twenty without it for large ones and for what the guard refused.
"""

from __future__ import annotations

from retouch_engine.budget import Use
from retouch_engine.heal.neural import Neural, spec_of
from retouch_engine.pool import Pool


class FluxFill(Neural):
    """See :class:`retouch_engine.heal.neural.Neural`."""

    def __init__(self, use: Use, pool: Pool) -> None:
        summary = "FLUX.1 Fill: 8 steps with the Turbo-Alpha LoRA, 20 for hard holes"
        super().__init__(spec_of("flux_fill", summary, 900, use.model.licence), use, pool)
