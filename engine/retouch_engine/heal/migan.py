"""MI-GAN.

Sargsyan et al., ICCV 2023. The pipeline scales to 512, fills, and pastes back by itself, all in 8 bits.
"""

from __future__ import annotations

from retouch_engine.budget import Use
from retouch_engine.heal.neural import Neural, spec_of
from retouch_engine.pool import Pool


class MiGan(Neural):
    """See :class:`retouch_engine.heal.neural.Neural`."""

    def __init__(self, use: Use, pool: Pool) -> None:
        summary = "MI-GAN: a small and quick network for the same, in 8 bits"
        super().__init__(spec_of("migan", summary, 300, use.model.licence), use, pool)
