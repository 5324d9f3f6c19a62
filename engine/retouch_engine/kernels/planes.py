"""What is made of every pixel of a crop in one pass."""

from __future__ import annotations

import numpy as np

from retouch_engine.kernels.compiled import (
    BLOCK,
    MASK,
    NUMBERS,
    PLANE,
    PLANES,
    REAL,
    ROWS,
    TABLE,
    WHOLE,
    kernel,
)
from retouch_engine.types import Bool, Float, Reals

_ONE_SIDE = 1.4
"""How much more one octant may have than two together: a mean of one varies as much more."""


@kernel(PLANES, ROWS)
def edged(values: Float, grey: Float) -> Float:
    """Differences between neighbours; mirrored at the border.

    Args:
        values: ``(h, w, 3)``.
        grey: ``(h, w)``.

    Returns:
        Float32 ``(3, h, w)``: of ``grey`` the four neighbours' sum less four times the pixel; the third
        channel of ``values`` less the first; the length of the gradient of ``grey``, per px.
    """
    h, w = grey.shape
    found = np.empty((3, h, w), np.float32)
    four, half = np.float32(4), np.float32(0.5)
    for y in range(h):
        row, one = grey[y], values[y]
        up, down = grey[y - 1 if y > 0 else min(1, h - 1)], grey[y + 1 if y < h - 1 else max(h - 2, 0)]
        finest, blue, steep = found[0, y], found[1, y], found[2, y]
        for x in range(w):
            blue[x] = one[x, 2] - one[x, 0]
        for x in (0, w - 1):
            left, right = row[x - 1 if x > 0 else min(1, w - 1)], row[x + 1 if x < w - 1 else max(w - 2, 0)]
            finest[x] = up[x] + down[x] + left + right - four * row[x]
            dy, dx = half * (down[x] - up[x]), half * (right - left)
            steep[x] = np.sqrt(dy * dy + dx * dx)
        # Cut so that every index counts from 0: only then are several pixels done at once.
        here, above, below = row[1 : w - 1], up[1 : w - 1], down[1 : w - 1]
        before, after = row[: w - 2], row[2:]
        inner, edge = finest[1 : w - 1], steep[1 : w - 1]
        for x in range(w - 2):
            inner[x] = above[x] + below[x] + before[x] + after[x] - four * here[x]
            dy, dx = half * (below[x] - above[x]), half * (after[x] - before[x])
            edge[x] = np.sqrt(dy * dy + dx * dx)
    return found


@kernel(PLANES)
def halved(values: Float) -> Float:
    """The mean of each 2 by 2 pixels, ``(h, w, 3)`` in; an odd last row or column counts twice."""
    h, w = values.shape[:2]
    half = (w + 1) // 2
    found = np.empty(((h + 1) // 2, half, 3), np.float32)
    flat, line = values.reshape(h, 3 * w), np.empty(6 * half, np.float32)
    quarter = np.float32(0.25)
    for y in range(len(found)):
        upper, lower, row = flat[2 * y], flat[min(2 * y + 1, h - 1)], found[y]
        for i in range(3 * w):
            line[i] = upper[i] + lower[i]
        for i in range(3 * w, 6 * half):
            line[i] = line[i - 3]
        for x in range(half):
            for c in range(3):
                row[x, c] = (line[6 * x + c] + line[6 * x + 3 + c]) * quarter
    return found


@kernel(PLANE, WHOLE)
def sizes(plane: Float, every: int) -> Float:
    """Magnitudes of every so many rows and columns, ``(n,)``."""
    h, w = -(-plane.shape[0] // every), -(-plane.shape[1] // every)
    found = np.empty(h * w, np.float32)
    for y in range(h):
        for x in range(w):
            found[y * w + x] = abs(plane[y * every, x * every])
    return found


@kernel(ROWS, ROWS, REAL, REAL)
def beyond(one: Float, other: Float, limit: float, other_limit: float) -> tuple[Bool, int]:
    """Where one of two planes is larger than its limit, in size; and in how many places."""
    h, w = one.shape
    found = np.empty((h, w), np.bool_)
    a, b = np.float32(limit), np.float32(other_limit)
    count = 0
    for y in range(h):
        p, q, out = one[y], other[y], found[y]
        for x in range(w):
            far = (abs(p[x]) > a) | (abs(q[x]) > b)
            out[x] = far
            count += far
    return found, count


@kernel(ROWS, NUMBERS, NUMBERS, REAL)
def over(field: Float, rows: Reals, columns: Reals, limit: float) -> Bool:
    """Where a field, interpolated between its cells, is more than a limit: bool, a pixel for each of both.

    ``rows`` and ``columns`` are positions in cells; outside the field its border goes on.
    """
    h, w = field.shape
    found = np.empty((len(rows), len(columns)), np.bool_)
    # Unsigned: an index that may be negative is looked at twice.
    before, after = np.empty(len(columns), np.uintp), np.empty(len(columns), np.uintp)
    share = np.empty(len(columns), np.float32)
    for x in range(len(columns)):
        at = np.floor(columns[x])
        share[x] = columns[x] - at
        before[x], after[x] = min(max(int(at), 0), w - 1), min(max(int(at) + 1, 0), w - 1)
    bar = np.float32(limit)
    line = np.empty(w, np.float32)
    for y in range(len(rows)):
        at = np.floor(rows[y])
        down = np.float32(rows[y] - at)
        one, other = field[min(max(int(at), 0), h - 1)], field[min(max(int(at) + 1, 0), h - 1)]
        first, last = int(before[0]), int(after[len(columns) - 1]) + 1
        upper, lower, between = one[first:last], other[first:last], line[first:last]
        for k in range(last - first):
            between[k] = upper[k] + down * (lower[k] - upper[k])
        out = found[y]
        for x in range(len(columns)):
            left = line[before[x]]
            out[x] = left + share[x] * (line[after[x]] - left) > bar
    return found


@kernel(PLANES, BLOCK, ROWS, REAL, REAL)
def between(values: Float, among: Bool, away: Float, least: float, most: float) -> Float:
    """What lies further away than ``least`` and no further than ``most``, where ``among`` is True.

    ``(h, w, 3)``, ``(h, w)`` and ``(h, w)`` in, ``(4, n)`` out: three values, and how far away they are.
    """
    low, high = np.float32(least), np.float32(most)
    h, w = among.shape
    at = np.empty(h * w, np.intp)
    count = 0
    for y in range(h):
        near, far = among[y], away[y]
        for x in range(w):
            at[count] = y * w + x
            count += near[x] & (far[x] > low) & (far[x] <= high)
    found = np.empty((4, count), np.float32)
    flat, distance = values.reshape(h * w, 3), away.reshape(h * w)
    for i in range(count):
        for c in range(3):
            found[c, i] = flat[at[i], c]
        found[3, i] = distance[at[i]]
    return found


@kernel(ROWS, NUMBERS, REAL)
def along(values: Float, colour: Reals, less: float) -> Float:
    """How much of a colour is in each value, less a number: ``(3, n)`` or more rows in, ``(n,)`` out."""
    found = np.empty(values.shape[1], np.float32)
    for i in range(len(found)):
        found[i] = values[0, i] * colour[0] + values[1, i] * colour[1] + values[2, i] * colour[2] - less
    return found


@kernel(PLANES, MASK)
def mean_in(values: Float, mask: Bool) -> tuple[Reals, int]:
    """The mean of ``(h, w, 3)`` values where a mask is True, ``(3,)``; and in how many places it is."""
    total = np.zeros(3)
    count = 0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x]:
                for c in range(3):
                    total[c] += values[y, x, c]
                count += 1
    return total / max(count, 1), count


@kernel(PLANES, BLOCK, ROWS, NUMBERS, REAL, WHOLE)
def octants(
    values: Float, among: Bool, away: Float, colour: Reals, less: float, most: int
) -> tuple[Reals, Reals]:
    """How much of a colour is around a shape, less a number: by octant and by distance.

    Args:
        values: ``(h, w, 3)``; the shape lies about its middle.
        among: bool ``(h, w)``: what counts.
        away: ``(h, w)``, the distance from the shape, 0 in it.
        colour: ``(3,)``.
        less: see :func:`along`.
        most: so far out, px.

    Returns:
        Sums and counts, ``(8, most)``: octants in their order around the middle; the k-th column is of what
        lies further away than k and no further than k + 1.
    """
    h, w = away.shape
    total, count = np.zeros((8, most)), np.zeros((8, most))
    # By the signs of both ways and which is longer.
    order = np.array([1, 6, 2, 5, 0, 7, 3, 4])
    for y in range(h):
        for x in range(w):
            if among[y, x] and 0 < away[y, x] <= most:
                ring = int(np.ceil(away[y, x])) - 1
                # Twice the way from the middle: a whole number.
                dy, dx = 2 * y - h + 1, 2 * x - w + 1
                octant = order[(dy < 0) + 2 * (dx < 0) + 4 * (abs(dy) < abs(dx))]
                share = (
                    values[y, x, 0] * colour[0] + values[y, x, 1] * colour[1] + values[y, x, 2] * colour[2]
                )
                total[octant, ring] += share - less
                count[octant, ring] += 1
    return total, count


@kernel(TABLE, TABLE, WHOLE, WHOLE, REAL, REAL)
def clear_from(total: Reals, count: Reals, last: int, least: int, all_around: float, on_a_side: float) -> int:
    """From which ring on what :func:`octants` found is no more than what lies beyond the rings.

    Args:
        total: ``(8, n)``.
        count: ``(8, n)``; of each octant something lies beyond.
        last: rings before this one are looked at, two together, from it inwards; what lies beyond begins one
            after it.
        least: the last that is looked at.
        all_around: the most that rings may differ by in the mean of all octants.
        on_a_side: the most that two neighbouring octants may have more, or what those beyond vary by.

    Returns:
        The least ring with nothing more in it or beyond it; ``last`` where the first one has.
    """
    usual, middle, spread = np.zeros(8), 0.0, 0.0
    for k in range(8):
        usual[k] = total[k, last + 1 :].sum() / count[k, last + 1 :].sum()
        middle += usual[k] / 8
    for k in range(8):
        spread += (usual[k] - middle) ** 2 / 8
    side = max(on_a_side, np.sqrt(spread))
    more = np.zeros(8)
    for ring in range(last - 1, least - 1, -1):
        mean = 0.0
        for k in range(8):
            here = count[k, ring] + count[k, ring + 1]
            if here == 0:
                return ring + 1
            more[k] = (total[k, ring] + total[k, ring + 1]) / here - usual[k]
            mean += more[k] / 8
        most = more[0] + more[7]
        for k in range(7):
            most = max(most, more[k] + more[k + 1])
        if abs(mean) > all_around or most / 2 > side or more.max() > _ONE_SIDE * side:
            return ring + 1
    return least
