"""What loops make of their sums."""

from __future__ import annotations

import numpy as np

from retouch_engine.kernels.compiled import part


@part
def deviation(total: float, square: float, count: int) -> float:
    """Standard deviation of so many values of which the sum and the sum of squares are known."""
    mean = total / count
    return float(np.sqrt(max(square / count - mean * mean, 0.0)))
