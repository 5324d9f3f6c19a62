"""What lies at many places at once: figures of one shape, laid at shifts over a crop's planes."""

from __future__ import annotations

import numpy as np

from retouch_engine.kernels.compiled import (
    MASK,
    NUMBERS,
    PLACES,
    PLANE,
    PLANES,
    REAL,
    ROWS,
    TABLE,
    WHOLE,
    UniTuple,
    kernel,
    part,
)
from retouch_engine.types import Bool, Float, Places, Reals


@part
def _put(places: Places, dy: int, dx: int, halved: int, h: int, w: int, out: Places) -> None:
    """Flat positions of shifted places; what sticks out is put to the edge."""
    for i in range(len(out)):
        y, x = (places[i, 0] + dy) >> halved, (places[i, 1] + dx) >> halved
        out[i] = min(max(y, 0), h - 1) * w + min(max(x, 0), w - 1)


@part
def _flat(places: Places, w: int) -> tuple[Places, tuple[int, int, int, int]]:
    """Positions in a flattened array; the least row and column, and the most."""
    flat = np.empty(len(places), np.intp)
    y0, x0, y1, x1 = places[0, 0], places[0, 1], places[0, 0], places[0, 1]
    for i in range(len(places)):
        y, x = places[i, 0], places[i, 1]
        flat[i] = y * w + x
        y0, x0, y1, x1 = min(y0, y), min(x0, x), max(y1, y), max(x1, x)
    return flat, (y0, x0, y1, x1)


@part
def _moved(
    places: Places,
    flat: Places,
    edges: tuple[int, int, int, int],
    dy: int,
    dx: int,
    h: int,
    w: int,
    out: Places,
) -> None:
    """Flat positions of shifted places: one addition each where nothing sticks out."""
    if edges[0] + dy >= 0 and edges[1] + dx >= 0 and edges[2] + dy < h and edges[3] + dx < w:
        move = dy * w + dx
        for i in range(len(out)):
            out[i] = flat[i] + move
    else:
        _put(places, dy, dx, 0, h, w, out)


@part
def _spread(total: float, square: float, share: float) -> float:
    """Standard deviation; ``share`` is one over the count."""
    mean = total * share
    return float(np.sqrt(max(square * share - mean * mean, 0.0)))


@part
def _kept(value: float, least: Float) -> None:
    """Put a value among the least ones, which are sorted, if it is one of them."""
    last = len(least) - 1
    if value < least[last]:
        while last > 0 and least[last - 1] > value:
            least[last] = least[last - 1]
            last -= 1
        least[last] = value


@part
def _contrasts(bands: Float, others: Float, at: Places, out: Reals) -> None:
    """Standard deviations of five planes at flat positions, all in one pass: it is the looks that cost."""
    p, q, r, s, t = bands[0], bands[1], bands[2], others[0], others[1]
    a0, a1, a2, a3, a4 = 0.0, 0.0, 0.0, 0.0, 0.0
    b0, b1, b2, b3, b4 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(at)):
        # Unsigned: an index that may be negative is looked at twice.
        k = np.uintp(at[i])
        v, w, x = np.float64(p[k]), np.float64(q[k]), np.float64(r[k])
        y, z = np.float64(s[k]), np.float64(t[k])
        a0, a1, a2, a3, a4 = a0 + v, a1 + w, a2 + x, a3 + y, a4 + z
        b0, b1, b2, b3, b4 = b0 + v * v, b1 + w * w, b2 + x * x, b3 + y * y, b4 + z * z
    share = 1.0 / len(at)
    out[0], out[1], out[2] = _spread(a0, b0, share), _spread(a1, b1, share), _spread(a2, b2, share)
    out[3], out[4] = _spread(a3, b3, share), _spread(a4, b4, share)


@kernel(PLANES, ROWS, PLANES, PLACES, PLACES, PLACES, PLACES)
def looked_up(
    fine: Float, smooth: Float, more: Float, core: Places, rim: Places, ring: Places, shifts: Places
) -> tuple[Reals, Float, Float]:
    """Look at a shape's places under each shift.

    Args:
        fine: ``(3, h, w)``; with the first two of ``more`` what contrast is asked of.
        smooth: ``(h, w)``.
        more: ``(3, h, w)``, the last the gradient.
        core: ``(p, 2)``.
        rim: ``(r, 2)``.
        ring: ``(q, 2)``.
        shifts: ``(n, 2)``.

    Returns:
        ``(n, 16)``: five contrasts of the core, five of the ring, the gradient's mean on rim and ring, least
        and most of the ring's ``smooth``, and that which a fiftieth of the core's lies below and above;
        ``(n, p)`` and ``(n, q)``, the finest band of core and ring.
    """
    h, w = smooth.shape
    n = len(shifts)
    found = np.empty((n, 16))
    inside, around = np.empty((n, len(core)), np.float32), np.empty((n, len(ring)), np.float32)
    least_of = np.empty(len(core) // 50 + 1, np.float32)
    most_of = np.empty_like(least_of)
    at_core, core_edges = _flat(core, w)
    at_rim, rim_edges = _flat(rim, w)
    at_ring, ring_edges = _flat(ring, w)
    to_core, to_rim, to_ring = np.empty_like(at_core), np.empty_like(at_rim), np.empty_like(at_ring)
    bands, others, flat = fine.reshape(3, h * w), more.reshape(3, h * w), smooth.reshape(h * w)
    finest, steep = bands[0], others[2]
    for k in range(n):
        dy, dx = shifts[k, 0], shifts[k, 1]
        _moved(core, at_core, core_edges, dy, dx, h, w, to_core)
        _moved(rim, at_rim, rim_edges, dy, dx, h, w, to_rim)
        _moved(ring, at_ring, ring_edges, dy, dx, h, w, to_ring)
        _contrasts(bands, others, to_core, found[k, :5])
        _contrasts(bands, others, to_ring, found[k, 5:10])
        total = 0.0
        for i in range(len(rim)):
            total += steep[np.uintp(to_rim[i])]
        found[k, 10] = total / len(rim)
        here, beside = inside[k], around[k]
        least_of[:], most_of[:] = np.inf, np.inf
        for i in range(len(core)):
            at = np.uintp(to_core[i])
            here[i] = finest[at]
            _kept(flat[at], least_of)
            _kept(-flat[at], most_of)
        found[k, 14], found[k, 15] = least_of[-1], -most_of[-1]
        least, most = flat[np.uintp(to_ring[0])], flat[np.uintp(to_ring[0])]
        total = 0.0
        for i in range(len(ring)):
            at = np.uintp(to_ring[i])
            beside[i] = finest[at]
            total += steep[at]
            least, most = min(least, flat[at]), max(most, flat[at])
        found[k, 11], found[k, 12], found[k, 13] = total / len(ring), least, most
    return found, inside, around


@kernel(PLANES, PLACES, PLACES, PLACES, ROWS, ROWS, ROWS)
def over_plane(
    low: Float, core: Places, ring: Places, shifts: Places, fit: Float, under: Float, form: Float
) -> Reals:
    """How far a core stands off a plane through its ring, under each shift.

    Args:
        low: ``(h / 2, w / 2, 3)``.
        core: ``(p, 2)``, in pixels of the whole size.
        ring: ``(q, 2)``.
        shifts: ``(n, 2)``.
        fit: ``(3, q)``, makes a plane of the ring's values.
        under: ``(p, 3)``, the plane's terms at the core.
        form: ``(3, p)``, weights of the core.

    Returns:
        ``(n, 5)``: the mean of each channel, the weighted sum, the square root of the mean square.
    """
    h, w = low.shape[:2]
    flat = low.reshape(h * w, 3)
    found = np.empty((len(shifts), 5))
    at_core, at_ring = np.empty(len(core), np.intp), np.empty(len(ring), np.intp)
    for k in range(len(shifts)):
        _put(core, shifts[k, 0], shifts[k, 1], 1, h, w, at_core)
        _put(ring, shifts[k, 0], shifts[k, 1], 1, h, w, at_ring)
        sums = np.zeros((3, 3))
        for j in range(len(at_ring)):
            here, a, b, d = flat[at_ring[j]], fit[0, j], fit[1, j], fit[2, j]
            for c in range(3):
                value = np.float64(here[c])
                sums[0, c] += a * value
                sums[1, c] += b * value
                sums[2, c] += d * value
        weighted, square = 0.0, 0.0
        total = np.zeros(3)
        for i in range(len(at_core)):
            here, a, b, d = flat[at_core[i]], under[i, 0], under[i, 1], under[i, 2]
            for c in range(3):
                gap = here[c] - (a * sums[0, c] + b * sums[1, c] + d * sums[2, c])
                total[c] += gap
                weighted += gap * form[c, i]
                square += gap * gap
        for c in range(3):
            found[k, c] = total[c] / len(at_core)
        found[k, 3], found[k, 4] = weighted, np.sqrt(square / len(at_core))
    return found


@kernel(PLANES, PLANES, PLACES, PLACES, ROWS, ROWS, WHOLE, WHOLE)
def standing_out(
    smooth: Float, low: Float, core: Places, ring: Places, fit: Float, under: Float, y0: int, x0: int
) -> tuple[Float, float]:
    """How far a core stands off the plane through its ring, place by place.

    Args:
        smooth: ``(h, w, 3)``, the same part as ``low`` after a blur.
        low: ``(h, w, 3)``, a part of a crop at half size, from row ``y0`` and column ``x0`` on.
        core: ``(p, 2)``, in pixels of the whole size.
        ring: ``(q, 2)``.
        fit: see :func:`over_plane`.
        under: the same.
        y0: the part's first row.
        x0: the part's first column.

    Returns:
        Float32 ``(3, p)``, of ``smooth``; and the sum of its products with that of ``low``.
    """
    h, w = low.shape[:2]
    height = np.empty((3, len(core)), np.float32)
    product = 0.0
    for c in range(3):
        a0, a1, a2, b0, b1, b2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(len(ring)):
            y = min(max((ring[j, 0] >> 1) - y0, 0), h - 1)
            x = min(max((ring[j, 1] >> 1) - x0, 0), w - 1)
            a, b = np.float64(smooth[y, x, c]), np.float64(low[y, x, c])
            a0 += fit[0, j] * a
            a1 += fit[1, j] * a
            a2 += fit[2, j] * a
            b0 += fit[0, j] * b
            b1 += fit[1, j] * b
            b2 += fit[2, j] * b
        for i in range(len(core)):
            y = min(max((core[i, 0] >> 1) - y0, 0), h - 1)
            x = min(max((core[i, 1] >> 1) - x0, 0), w - 1)
            stands = smooth[y, x, c] - (a0 * under[i, 0] + a1 * under[i, 1] + a2 * under[i, 2])
            own = low[y, x, c] - (b0 * under[i, 0] + b1 * under[i, 1] + b2 * under[i, 2])
            height[c, i] = stands
            product += stands * own
    return height, product


@part
def _middle(old: Float, new: Float) -> float:
    """The median of ``new`` over ``old``, each weighed by the size of ``old``; nan of none."""
    if len(old) == 0:
        return np.nan
    slope, weight = np.empty(len(old), np.float32), np.empty(len(old), np.float32)
    for i in range(len(old)):
        weight[i] = max(abs(old[i]), np.float32(1e-9))
        slope[i] = new[i] * np.sign(old[i]) / weight[i]
    order = np.argsort(slope, kind="mergesort")
    half, total = 0.0, 0.0
    for i in range(len(weight)):
        half += 0.5 * weight[i]
    for k in order:
        total += weight[k]
        if total >= half:
            return float(slope[k])
    return float(slope[order[-1]])


@kernel(ROWS, ROWS, UniTuple(PLACES, 4), PLACES, WHOLE, WHOLE, REAL, REAL)
def paired(
    was: Float,
    now: Float,
    zones: tuple[Places, Places, Places, Places],
    ring: Places,
    dy: int,
    dx: int,
    plain: float,
    least: float,
) -> tuple[Reals, float, float]:
    """What was and what is at the places of four zones, without those that stood out.

    Args:
        was: ``(h, w)``.
        now: ``(h2, w2)``.
        zones: each ``(n, 2)``, in pixels of ``was``.
        ring: ``(q, 2)``, the same.
        dy: rows from ``was`` to ``now``.
        dx: columns.
        plain: what lies further from 0 than that many deviations of the ring is left out.
        least: the least deviation.

    Returns:
        ``(4, 4)``: how many places of a zone are left, the sums of old by old, new by old and new by new;
        the median of new over old in the first zone, each place weighed by old; the ring's deviation.
    """
    mean, square = 0.0, 0.0
    for j in range(len(ring)):
        mean += was[ring[j, 0], ring[j, 1]]
    mean /= max(len(ring), 1)
    for j in range(len(ring)):
        off = was[ring[j, 0], ring[j, 1]] - mean
        square += off * off
    around = max(np.sqrt(square / max(len(ring), 1)), least)
    found = np.zeros((4, 4))
    old, new = np.empty(len(zones[0]), np.float32), np.empty(len(zones[0]), np.float32)
    for z in range(4):
        zone, count = zones[z], 0
        for i in range(len(zone)):
            y, x = zone[i, 0], zone[i, 1]
            one, other = np.float64(was[y, x]), np.float64(now[y + dy, x + dx])
            if abs(one) < plain * around:
                if z == 0:
                    old[count], new[count] = one, other
                found[z, 1] += one * one
                found[z, 2] += one * other
                found[z, 3] += other * other
                count += 1
        found[z, 0] = count
    first = int(found[0, 0])
    return found, _middle(old[:first], new[:first]), around


@kernel(TABLE, ROWS, ROWS, TABLE, NUMBERS, NUMBERS)
def figured(
    looks: Reals, inside: Float, around: Float, levels: Reals, shares: Reals, nothing: Reals
) -> Reals:
    """What was looked up, as figures of each place.

    Args:
        looks: as of :func:`looked_up`.
        inside: the finest band's values in the core, sorted, ``(n, p)``.
        around: those of the ring, sorted.
        levels: as of :func:`over_plane`.
        shares: of the sorted values that are compared.
        nothing: ``(5,)``, added to each contrast.

    Returns:
        ``(n, 12)``: logarithms of five contrasts, how unlike the finest band's values are, the rim's
        gradient over the ring's, how far the level lies off in the worst channel, the first channel less
        than the second, how far ``smooth`` leaves the ring's range, the weighted sum, the mean square's
        logarithm.
    """
    n = len(looks)
    table = np.empty((n, 12))
    for k in range(n):
        for b in range(5):
            table[k, b] = np.log((looks[k, b] + nothing[b]) / (looks[k, 5 + b] + nothing[b]))
        gap = 0.0
        for share in shares:
            i, j = round(share * (inside.shape[1] - 1)), round(share * (around.shape[1] - 1))
            gap += abs(inside[k, i] - around[k, j])
        table[k, 5] = gap / len(shares) / (looks[k, 5] + nothing[0])
        table[k, 6] = looks[k, 10] / (looks[k, 11] + 1e-5)
        table[k, 7] = max(abs(levels[k, 0]), abs(levels[k, 1]), abs(levels[k, 2]))
        table[k, 8] = levels[k, 1] - levels[k, 0]
        table[k, 9] = max(looks[k, 15] - looks[k, 13], looks[k, 12] - looks[k, 14])
        table[k, 10] = levels[k, 3]
        table[k, 11] = np.log(levels[k, 4] + 1e-5)
    return table


@kernel(PLANE, MASK, MASK)
def compared(plane: Float, core: Bool, ring: Bool) -> tuple[float, float, float, float]:
    """A band's deviation in a core and in the ring around it; then the largest value of each, in size.

    That of the core is told from the ring's mean. ``(h, w)``, all three.
    """
    total = np.zeros(2)
    square = np.zeros(2)
    count = np.zeros(2)
    loudest = 0.0
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            if core[y, x] or ring[y, x]:
                k = 0 if core[y, x] else 1
                value = np.float64(plane[y, x])
                total[k] += value
                square[k] += value * value
                count[k] += 1
                if k == 1:
                    loudest = max(loudest, abs(value))
    spread = np.zeros(2)
    for k in range(2):
        mean = total[k] / max(count[k], 1)
        spread[k] = np.sqrt(max(square[k] / max(count[k], 1) - mean * mean, 0.0))
    middle, farthest = total[1] / max(count[1], 1), 0.0
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            if core[y, x]:
                farthest = max(farthest, abs(plane[y, x] - middle))
    return spread[0], spread[1], farthest, loudest
