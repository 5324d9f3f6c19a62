"""What loops make of their sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.kernels.compiled import part
from retouch_engine.types import Float

_BLOCK, _DEPTH = 128, 48


@part
def deviation(total: float, square: float, count: int) -> float:
    """Standard deviation of so many values of which the sum and the sum of squares are known."""
    mean = total / count
    return float(np.sqrt(max(square / count - mean * mean, 0.0)))


@part
def _block(values: NDArray[Any], first: int, count: int) -> Any:
    """Eight sums side by side, and what is left over."""
    total = values[first]
    if count < 8:
        for i in range(1, count):
            total += values[first + i]
        return total
    a, b, c, d = values[first], values[first + 1], values[first + 2], values[first + 3]
    e, f, g, h = values[first + 4], values[first + 5], values[first + 6], values[first + 7]
    rest = first + count - count % 8
    for i in range(first + 8, rest, 8):
        a, b, c, d = a + values[i], b + values[i + 1], c + values[i + 2], d + values[i + 3]
        e, f, g, h = e + values[i + 4], f + values[i + 5], g + values[i + 6], h + values[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(rest, first + count):
        total += values[i]
    return total


@part
def pairwise(values: NDArray[Any], count: int) -> Any:
    """The sum of the first ``count`` values, one at least, in the order of :func:`numpy.sum`.

    Blocks of up to 128 are added up by halves (Higham 1993). Not by recursion: numba loses a function that
    calls itself when it reads it back from its folder.
    """
    at, left = np.zeros(_DEPTH, np.intp), np.zeros(_DEPTH, np.intp)
    halved, total = np.zeros(_DEPTH, np.bool_), np.zeros(_DEPTH, values.dtype)
    depth = 0
    left[0] = count
    while True:
        while left[depth] > _BLOCK:
            half = left[depth] // 2
            halved[depth] = False
            at[depth + 1], left[depth + 1] = at[depth], half - half % 8
            depth += 1
        result = _block(values, at[depth], left[depth])
        while depth > 0 and halved[depth - 1]:
            depth -= 1
            result = total[depth] + result
        if depth == 0:
            return result
        before = at[depth] + left[depth] - at[depth - 1]
        total[depth - 1], halved[depth - 1] = result, True
        at[depth], left[depth] = at[depth - 1] + before, left[depth - 1] - before


@part
def ranked(values: Float, first: int, last: int, rank: int) -> Any:
    """The value that stands at ``rank`` when those from ``first`` up to ``last`` are sorted (Hoare 1961).

    Puts what is smaller before it and what is larger behind.
    """
    low, high = first, last - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return values[rank]
