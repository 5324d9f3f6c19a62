"""FLUX.2 klein.

Distilled to four steps, Apache-2.0 in its 4B size. Not trained to inpaint: the pipeline blends latents around
the hole at each step, and what comes of it is for the guard to judge.
"""

from __future__ import annotations

from retouch_engine.budget import Use
from retouch_engine.heal.neural import Neural, spec_of
from retouch_engine.pool import Pool


class Klein(Neural):
    """See :class:`retouch_engine.heal.neural.Neural`."""

    def __init__(self, use: Use, pool: Pool) -> None:
        summary = "FLUX.2 klein: the large model that may be used commercially, 4 steps, then 8"
        super().__init__(spec_of("klein", summary, 900, use.model.licence), use, pool)
