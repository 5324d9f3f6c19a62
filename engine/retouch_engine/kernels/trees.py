"""Where figures fall in boosted trees: a few comparisons each, for hundreds of trees and finds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retouch_engine.kernels.compiled import ORDER, TABLE, kernel
from retouch_engine.kernels.sums import pairwise

_FEATURE, _THRESHOLD, _LEFT, _RIGHT, _VALUE = range(5)


@kernel(TABLE, ORDER, TABLE)
def leaves(
    nodes: NDArray[np.float64], roots: NDArray[np.intp], rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """For each row of figures, the sum of the leaves that it falls to.

    Args:
        nodes: ``(n, 5)``: feature (-1 in a leaf), threshold, left, right, value.
        roots: where each tree begins, at least one.
        rows: ``(m, features)``.

    Returns:
        ``(m,)``, added up in the order of :func:`numpy.sum`.
    """
    total, fell = np.empty(len(rows)), np.empty(len(roots))
    for number in range(len(rows)):
        for tree in range(len(roots)):
            at = roots[tree]
            while nodes[at, _FEATURE] >= 0:
                below = rows[number, int(nodes[at, _FEATURE])] <= nodes[at, _THRESHOLD]
                at = int(nodes[at, _LEFT if below else _RIGHT])
            fell[tree] = nodes[at, _VALUE]
        total[number] = pairwise(fell, len(roots))
    return total
