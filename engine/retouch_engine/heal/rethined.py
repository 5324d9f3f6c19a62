"""RETHINED's idea in a network of our own.

After the paper (WACV 2025, arXiv 2503.14757), trained by ``benchmarks.rethined.train``: a small CNN continues
the structure, attention fetches real patches of the same crop. As with every model only its low band is
believed; what it fetched below that scale gives way to the donor's.
"""

from __future__ import annotations

from retouch_engine.budget import Use
from retouch_engine.heal.neural import Neural, spec_of
from retouch_engine.pool import Pool


class Rethined(Neural):
    """See :class:`retouch_engine.heal.neural.Neural`."""

    def __init__(self, use: Use, pool: Pool) -> None:
        summary = "a network of ours after RETHINED: structure by a small CNN, real patches by attention"
        super().__init__(spec_of("rethined", summary, 300, use.model.licence), use, pool)
