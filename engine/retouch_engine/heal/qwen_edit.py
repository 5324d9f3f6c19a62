"""Qwen-Image-Edit.

Twenty billion parameters, Apache-2.0; for the hard holes of machines with 40 GB and more. It works at one
megapixel and thinks in 8 bits, so even more than of others only the low band is believed.
"""

from __future__ import annotations

from retouch_engine.budget import Use
from retouch_engine.heal.neural import Neural, spec_of
from retouch_engine.pool import Pool


class QwenEdit(Neural):
    """See :class:`retouch_engine.heal.neural.Neural`."""

    def __init__(self, use: Use, pool: Pool) -> None:
        summary = "Qwen-Image-Edit: 20 steps for the holes that others failed at"
        super().__init__(spec_of("qwen_edit", summary, 900, use.model.licence), use, pool)
