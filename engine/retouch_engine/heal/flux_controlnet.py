"""FLUX.1 dev with the inpainting ControlNet.

The ControlNet sees the crop with its hole; the model itself was not trained to fill. Not for commercial use.
"""

from __future__ import annotations

from retouch_engine.budget import Use
from retouch_engine.heal.neural import Neural, spec_of
from retouch_engine.pool import Pool


class FluxControlNet(Neural):
    """See :class:`retouch_engine.heal.neural.Neural`."""

    def __init__(self, use: Use, pool: Pool) -> None:
        summary = "FLUX.1 dev, led by an inpainting ControlNet"
        super().__init__(spec_of("flux_controlnet", summary, 900, use.model.licence), use, pool)
