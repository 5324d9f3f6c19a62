"""Big-LaMa.

Suvorov et al., WACV 2022. Fourier convolutions see the whole crop, which is what continues a fold or an edge;
they also average the texture away, so nothing of it is kept.
"""

from __future__ import annotations

from retouch_engine.budget import Use
from retouch_engine.heal.neural import Neural, spec_of
from retouch_engine.pool import Pool


class Lama(Neural):
    """See :class:`retouch_engine.heal.neural.Neural`."""

    def __init__(self, use: Use, pool: Pool) -> None:
        summary = "Big-LaMa: structure for medium holes and at edges, its texture replaced by real skin"
        super().__init__(spec_of("lama", summary, 400, use.model.licence), use, pool)
