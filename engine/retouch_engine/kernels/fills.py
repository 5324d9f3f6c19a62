"""Values for what has none: pulled from what lies around, so that no filter sees an edge where skin ends."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.kernels.compiled import BLOCK, ROWS, kernel, part
from retouch_engine.types import Bool, Float

_LEAST_WEIGHT = np.float32(1e-4)
_TAPS = 3
"""Cells that half a size's cell lies over, at most: two and a piece of a third where a side is odd."""


@part
def _under(length: int, half: int) -> tuple[NDArray[np.intp], Float]:
    """Over which cells each of ``half`` lies, beginning with the first of them, and with what share."""
    first, share = np.zeros(half, np.intp), np.zeros((_TAPS, half), np.float32)
    scale = length / half
    for i in range(half):
        begin, end = i * scale, (i + 1) * scale
        at = int(begin + 1e-3)
        first[i] = at
        for k in range(_TAPS):
            over = min(end, at + k + 1.0) - max(begin, at + 0.0 + k)
            share[k, i] = max(0.0, over) / scale if at + k < length else 0.0
    return first, share


@part
def _between(length: int, half: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Float]:
    """Between which two of ``half`` cells each of ``length`` lies, and how far it is from the first."""
    one, two, far = np.zeros(length, np.intp), np.zeros(length, np.intp), np.zeros(length, np.float32)
    for i in range(length):
        at = min(max((i + 0.5) * half / length - 0.5, 0.0), half - 1.0)
        one[i] = int(at)
        two[i], far[i] = min(one[i] + 1, half - 1), at - one[i]
    return one, two, far


@part
def _mean(line: Float, columns: NDArray[np.intp], along: Float, row: Float) -> None:
    """The mean of what each cell of ``row`` lies over; ``line`` has room for the taps beyond its end."""
    near, next_, last = along[0], along[1], along[2]
    if len(line) - _TAPS == 2 * len(row):
        for x in range(len(row)):
            row[x] = (line[2 * x] + line[2 * x + 1]) * np.float32(0.5)
    else:
        for x in range(len(row)):
            i = columns[x]
            row[x] = near[x] * line[i] + next_[x] * line[i + 1] + last[x] * line[i + 2]


@part
def _halved(values: Float, half: tuple[int, int]) -> Float:
    """The mean under each cell of half the size."""
    h, w = values.shape
    (rows, down), (columns, along) = _under(h, half[0]), _under(w, half[1])
    small, line = np.empty(half, np.float32), np.zeros(w + _TAPS, np.float32)
    for y in range(half[0]):
        at = rows[y]
        one, two, three = values[at], values[min(at + 1, h - 1)], values[min(at + 2, h - 1)]
        a, b, c = down[0, y], down[1, y], down[2, y]
        if c > 0:
            for x in range(w):
                line[x] = a * one[x] + b * two[x] + c * three[x]
        else:
            for x in range(w):
                line[x] = a * one[x] + b * two[x]
        _mean(line, columns, along, small[y])
    return small


@part
def _halved_where(values: Float, known: Bool, half: tuple[int, int]) -> tuple[Float, Float]:
    """Under each cell of half the size the mean of values and 0, and how much of it is known.

    A plane of values without the others, and one of weights, would take as long to write as to halve.
    """
    h, w = values.shape
    (rows, down), (columns, along) = _under(h, half[0]), _under(w, half[1])
    small, share = np.empty(half, np.float32), np.empty(half, np.float32)
    line, has, no = np.zeros(w + _TAPS, np.float32), np.zeros(w + _TAPS, np.float32), np.float32(0)
    for y in range(half[0]):
        at, next_, last = rows[y], min(rows[y] + 1, h - 1), min(rows[y] + 2, h - 1)
        one, two, three = values[at], values[next_], values[last]
        among, below, lowest = known[at], known[next_], known[last]
        a, b, c = down[0, y], down[1, y], down[2, y]
        for x in range(w):
            line[x] = a * (one[x] if among[x] else no) + b * (two[x] if below[x] else no)
            has[x] = (a if among[x] else no) + (b if below[x] else no)
        if c > 0:
            for x in range(w):
                line[x] += c * (three[x] if lowest[x] else no)
                has[x] += c if lowest[x] else no
        _mean(line, columns, along, small[y])
        _mean(has, columns, along, share[y])
    return small, share


@part
def _drawn(small: Float, size: tuple[int, int]) -> Float:
    """Twice as large, interpolated."""
    (rows, below, down), (columns, right, along) = (
        _between(size[0], small.shape[0]),
        _between(size[1], small.shape[1]),
    )
    wide, line = np.empty(size, np.float32), np.empty(small.shape[1], np.float32)
    for y in range(size[0]):
        one, two, share = small[rows[y]], small[below[y]], down[y]
        for x in range(len(line)):
            line[x] = one[x] + share * (two[x] - one[x])
        row = wide[y]
        for x in range(size[1]):
            left = line[columns[x]]
            row[x] = left + along[x] * (line[right[x]] - left)
    return wide


@part
def _empty(weight: Float) -> bool:
    """Whether anything has no weight."""
    for y in range(weight.shape[0]):
        for x in range(weight.shape[1]):
            if not weight[y, x] > 0:
                return True
    return False


@part
def _laid(pulled: Float, values: Float, known: Bool) -> Float:
    """What is known as it is, and elsewhere what was pulled, interpolated."""
    h, w = known.shape
    rows, below, down = _between(h, pulled.shape[0])
    columns, right, along = _between(w, pulled.shape[1])
    whole, line = values.copy(), np.empty(pulled.shape[1], np.float32)
    for y in range(h):
        some, row, among = False, whole[y], known[y]
        for x in range(w):
            some |= not among[x]
        if not some:
            continue
        one, two, share = pulled[rows[y]], pulled[below[y]], down[y]
        for x in range(len(line)):
            line[x] = one[x] + share * (two[x] - one[x])
        for x in range(w):
            if not among[x]:
                left = line[columns[x]]
                row[x] = left + along[x] * (line[right[x]] - left)
    return whole


@part
def _half(plane: NDArray[Any]) -> tuple[int, int]:
    return (plane.shape[0] + 1) // 2, (plane.shape[1] + 1) // 2


@part
def _enough(small: Float, has: Float) -> None:
    """Who knows anything knows enough: else the weight of lone pixels fades level by level."""
    for y in range(small.shape[0]):
        for x in range(small.shape[1]):
            enough = min(np.float32(4) * has[y, x], np.float32(1))
            small[y, x] *= enough / max(has[y, x], _LEAST_WEIGHT)
            has[y, x] = enough


@kernel(ROWS, BLOCK)
def filled(values: Float, known: Bool) -> Float:
    """Values everywhere; see :func:`retouch_engine.imaging.bands.filled`.

    Args:
        values: float32 ``(h, w)``.
        known: bool ``(h, w)``; somewhere True.
    """
    small, has = _halved_where(values, known, _half(known))
    _enough(small, has)
    sums, weights = [small], [has]
    while has.size > 1 and _empty(has):
        half = _half(has)
        small, has = _halved(small, half), _halved(has, half)
        _enough(small, has)
        sums.append(small)
        weights.append(has)
    pulled: Float = np.empty(small.shape, np.float32)
    for y in range(pulled.shape[0]):
        for x in range(pulled.shape[1]):
            pulled[y, x] = small[y, x] / max(has[y, x], _LEAST_WEIGHT)
    for number in range(len(sums) - 2, -1, -1):
        total, share = sums[number], weights[number]
        pulled = _drawn(pulled, share.shape)
        for y in range(share.shape[0]):
            for x in range(share.shape[1]):
                pulled[y, x] = total[y, x] + (np.float32(1) - share[y, x]) * pulled[y, x]
    return _laid(pulled, values, known)
