"""Compiled loops against the same in numpy, written to be read and not to be fast."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor  # noqa: TID251 - short-lived: a test
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from retouch_engine.kernels import mixing, offsets, outlines, patches, places, planes, rises, surfaces, trees
from retouch_engine.types import frozen

Array = NDArray[Any]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def noise(rng: np.random.Generator, *shape: int) -> Array:
    """Read-only, as the engine's arrays are."""
    return frozen(rng.normal(size=shape).astype(np.float32))


def disc(size: int, radius: float) -> Array:
    y, x = np.mgrid[:size, :size] - size // 2
    return frozen(np.asarray(np.hypot(y, x) <= radius))


def where(mask: Array) -> Array:
    """Rows and columns, in one block as the loops want them."""
    return np.ascontiguousarray(np.argwhere(mask))


def clipped(at: Array, shift: Sequence[int] | Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    y, x = (np.clip(at[:, k] + shift[k], 0, shape[k] - 1) for k in (0, 1))
    return y, x


SHIFTS = frozen(np.array([(0, 0), (5, -3), (-40, 2), (33, 60)], dtype=np.intp))
"""The last two move places out of the crop."""


def test_a_shape_is_looked_up_under_each_shift(rng: np.random.Generator) -> None:
    fine, smooth, more = noise(rng, 3, 40, 50), noise(rng, 40, 50), noise(rng, 3, 40, 50)
    core, rim, ring = (rng.integers(10, 30, (n, 2)) for n in (131, 12, 57))
    looks, inside, around = patches.looked_up(fine, smooth, more, core, rim, ring, SHIFTS)
    for k, shift in enumerate(SHIFTS):
        at = {n: clipped(p, shift, smooth.shape) for n, p in {"core": core, "rim": rim, "ring": ring}.items()}
        for b, plane in enumerate((*fine, *more[:2])):
            assert looks[k, b] == pytest.approx(plane[at["core"]].std(), rel=1e-4, abs=1e-6)
            assert looks[k, 5 + b] == pytest.approx(plane[at["ring"]].std(), rel=1e-4, abs=1e-6)
        expected = [more[2][at["rim"]].mean(), more[2][at["ring"]].mean()]
        level = np.sort(smooth[at["core"]])
        expected += [smooth[at["ring"]].min(), smooth[at["ring"]].max(), level[2], level[-3]]
        assert looks[k, 10:] == pytest.approx(np.array(expected), rel=1e-4, abs=1e-6)
        np.testing.assert_array_equal(inside[k], fine[0][at["core"]])
        np.testing.assert_array_equal(around[k], fine[0][at["ring"]])


def test_figures_are_made_of_what_was_looked_up(rng: np.random.Generator) -> None:
    looks = rng.uniform(0.1, 1, (4, 16))
    inside, around = (np.sort(noise(rng, 4, n), axis=1) for n in (120, 200))
    levels, shares, nothing = rng.normal(size=(4, 5)), np.linspace(0.02, 0.98, 33), np.full(5, 1e-5)
    levels[:, 4] = np.abs(levels[:, 4])
    table = patches.figured(looks, inside, around, levels, shares, nothing)
    apart = np.abs(np.quantile(inside, shares, axis=1) - np.quantile(around, shares, axis=1)).mean(axis=0)
    np.testing.assert_allclose(table[:, :5], np.log((looks[:, :5] + 1e-5) / (looks[:, 5:10] + 1e-5)))
    np.testing.assert_allclose(table[:, 5] * (looks[:, 5] + 1e-5), apart, atol=0.05)
    np.testing.assert_allclose(table[:, 6], looks[:, 10] / (looks[:, 11] + 1e-5))
    np.testing.assert_allclose(table[:, 7], np.abs(levels[:, :3]).max(axis=1))
    np.testing.assert_allclose(table[:, 8], levels[:, 1] - levels[:, 0])
    high, low = looks[:, 15] - looks[:, 13], looks[:, 12] - looks[:, 14]
    np.testing.assert_allclose(table[:, 9], np.maximum(high, low))
    np.testing.assert_allclose(table[:, 10:], np.column_stack([levels[:, 3], np.log(levels[:, 4] + 1e-5)]))


def test_a_plane_through_the_ring_is_that_of_least_squares(rng: np.random.Generator) -> None:
    core, ring = rng.integers(20, 30, (40, 2)), rng.integers(5, 45, (90, 2))
    low, form = noise(rng, 25, 30, 3), noise(rng, 3, 20)
    fit, under = places.planes_through(core, ring, 2, 1e-9)
    some, rest = (np.ascontiguousarray(p[::2]) for p in (core, ring))
    found = patches.over_plane(low, some, rest, SHIFTS, fit, under, form)
    for k, shift in enumerate(SHIFTS):
        here, there = (clipped((p + shift) // 2, (0, 0), low.shape) for p in (some, rest))
        design = np.column_stack([np.ones(len(rest)), rest])
        solved = np.linalg.lstsq(design, low[there].astype(float), rcond=None)[0]
        gap = low[here] - np.column_stack([np.ones(len(some)), some]) @ solved
        np.testing.assert_allclose(found[k, :3], gap.mean(axis=0), atol=1e-4)
        assert found[k, 3] == pytest.approx(float((gap * form.T).sum()), abs=1e-3)
        assert found[k, 4] == pytest.approx(float(np.sqrt((gap**2).sum() / len(gap))), rel=1e-4)


def test_a_form_stands_out_from_the_plane_around_it(rng: np.random.Generator) -> None:
    core, ring = rng.integers(20, 30, (40, 2)), rng.integers(5, 45, (90, 2))
    smooth, low = noise(rng, 20, 20, 3), noise(rng, 20, 20, 3)
    fit, under = places.planes_through(core, ring, 1, 1e-9)
    height, product = patches.standing_out(smooth, low, core, ring, fit, under, 2, 2)
    gaps = []
    for plane in (smooth, low):
        here, there = (clipped(p // 2 - 2, (0, 0), plane.shape) for p in (core, ring))
        gaps.append(plane[here].T - plane[there].T @ fit.T @ under.T)
    np.testing.assert_allclose(height, gaps[0], atol=1e-4)
    assert product == pytest.approx(float((gaps[0] * gaps[1]).sum()), rel=1e-3, abs=1e-2)


def test_what_is_plain_is_paired(rng: np.random.Generator) -> None:
    was, now = noise(rng, 30, 30), noise(rng, 20, 20)
    first, second, third, none = (rng.integers(8, 22, (n, 2)) for n in (50, 9, 20, 0))
    ring = rng.integers(0, 30, (60, 2))
    zones = first, second, third, none
    found, middle, around = patches.paired(was, now, zones, ring, -4, -5, 1.0, 1e-4)
    assert around == pytest.approx(was[ring[:, 0], ring[:, 1]].std(), rel=1e-4)
    for told, zone in zip(found, zones, strict=True):
        kept = zone[np.abs(was[zone[:, 0], zone[:, 1]]) < around]
        old, new = was[kept[:, 0], kept[:, 1]], now[kept[:, 0] - 4, kept[:, 1] - 5]
        assert told == pytest.approx(np.array([len(kept), old @ old, old @ new, new @ new]), rel=1e-4)
        if zone is first:
            less = np.abs(old[new / old <= middle]).sum()
            assert less >= np.abs(old).sum() / 2 > np.abs(old[new / old < middle]).sum()
    nothing = patches.paired(was, now, (none, none, none, none), ring, -4, -5, 1.0, 1e-4)
    assert not nothing[0].any()
    assert np.isnan(nothing[1])


def test_a_band_is_compared_inside_and_around(rng: np.random.Generator) -> None:
    plane, core = noise(rng, 30, 30), disc(30, 6)
    ring = disc(30, 11) & ~disc(30, 7)
    spread, beside, farthest, loudest = patches.compared(plane, core, ring)
    assert (spread, beside) == pytest.approx((plane[core].std(), plane[ring].std()), rel=1e-4)
    assert farthest == pytest.approx(np.abs(plane[core] - plane[ring].mean()).max(), rel=1e-4)
    assert loudest == pytest.approx(np.abs(plane[ring]).max(), rel=1e-5)


def test_the_zones_of_a_hole() -> None:
    hole = np.pad(disc(25, 9), 8)
    forbid = np.zeros_like(hole)
    forbid[:, :12] = True
    outside, depth = (cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 5) for m in (~hole, hole))
    lines = np.array([1.2, 1.2, 2.3, 6, 1.6, 3.1, 4.6, 6.2], dtype=np.float32)
    found = places.zones(hole, outside, depth, forbid, lines, (10_000, 10_000, 10_000, 9), (100, 200))
    wanted = (
        depth > lines[0],
        (outside <= lines[1]) & (depth <= lines[1]),
        (outside > lines[2]) & (outside <= lines[3]) & ~forbid,
        (depth > 0) & (depth <= lines[4]),
        (depth > lines[4]) & (depth < lines[5]),
        (depth > lines[4]) & (depth < lines[6]),
        depth > lines[7],
    )
    for zone, mask in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(zone - (100, 200), where(mask))
    some = places.zones(hole, outside, depth, forbid, lines, (50, 20, 30, 9), (0, 0))
    assert [len(zone) for zone in some[:3]] == [50, 20, 50]
    np.testing.assert_array_equal(some[0][[0, -1]], where(wanted[0])[[0, -1]])
    whole = places.zones(hole, outside, depth, forbid, lines, (999, 999, 999, 9999), (0, 0))
    np.testing.assert_array_equal(whole[0], where(hole))


def test_masks_become_places(rng: np.random.Generator) -> None:
    mask = rng.random((23, 31)) < 0.3
    every = where(mask) + np.array((5, 7))
    np.testing.assert_array_equal(places.places_in(mask, mask.size, 5, 7), every)
    step = -(-len(every) // 40)
    np.testing.assert_array_equal(places.places_in(mask, 40, 5, 7), every[::step])
    assert places.places_in(np.zeros_like(mask), 40, 0, 0).shape == (0, 2)


@pytest.mark.parametrize("step", [1, 2, 4])
def test_a_cell_is_clean_when_all_of_its_pixels_are(rng: np.random.Generator, step: int) -> None:
    dirty = rng.random((21, 30)) < 0.05
    found = places.cells(dirty, step)
    assert found.shape == (-(-21 // step), -(-30 // step))
    for y, x in np.ndindex(found.shape):
        clean = not dirty[y * step : (y + 1) * step, x * step : (x + 1) * step].any()
        assert found[y, x] == clean


def test_shifts_keep_clear_of_dirt(rng: np.random.Generator) -> None:
    clear = cv2.distanceTransform((rng.random((20, 20)) > 0.02).astype(np.uint8), cv2.DIST_L2, 5)
    chances = rng.random((200, 2))
    found = places.clear_of(chances, 0.3, (-15, -12, 30, 25), clear, 2, 20, 20, 4.0, 30)
    shifts = np.floor((chances + 0.3) % 1 * (30, 25)).astype(int) + np.array([-15, -12])
    at = np.minimum((shifts + 20) // 2, 19)
    wanted = shifts[clear[at[:, 0], at[:, 1]] * 2 > 4.0][:30]
    assert 0 < len(wanted) <= 30
    np.testing.assert_array_equal(found, wanted)


def test_no_shift_leaves_the_picture() -> None:
    """Beyond its last column lies the next row's first."""
    inside = [(0, 11), (11, 0), (-12, 0), (0, -12)]
    outside = [(0, 12), (12, 0), (-13, 0), (0, -13)]
    wide, shifts = where(disc(40, 8)), np.array([*outside, *inside], dtype=np.intp)
    found = offsets.apart(shifts, np.zeros((40, 40), np.bool_), wide, 1.0, 10)
    np.testing.assert_array_equal(found, inside)


def test_overlapping_discs_share_their_area() -> None:
    both = np.array([(0, 0), (0, 5)], dtype=np.intp)
    assert places.lenses(both, 10.0, 1.4) == pytest.approx(0.5**1.4)
    assert places.lenses(np.array([(0, 0), (0, 11)], dtype=np.intp), 10.0, 1.4) == 0
    assert places.lenses(both[:1], 10.0, 1.4) == 0


def test_a_donor_costs_what_it_differs_by(rng: np.random.Generator) -> None:
    fine, colour, smooth = (noise(rng, 60, 60) for _ in range(3))
    dirty = np.zeros((60, 60), np.bool_)
    dirty[40:42, 40:42] = True
    wide, hole, ring = (where(m) for m in (disc(60, 7), disc(60, 5), disc(60, 12) & ~disc(60, 6)))
    lattice = np.array([(0, 18), (8, 9), (-17, -17), (-29, 0), (10, 10), (3, -15)], dtype=np.intp)
    weights = np.array([1.0, 0.35, 0.03, 10.0, 0.5], dtype=np.float32)
    found = offsets.costs(lattice, dirty, fine, colour, smooth, wide, hole, ring, weights)
    for cost, shift in zip(found, lattice, strict=True):
        moved = wide + shift
        if moved.min() < 0 or moved.max() >= 60 or dirty[moved[:, 0], moved[:, 1]].any():
            assert np.isinf(cost)
            continue
        own, there = smooth[tuple(ring.T)], smooth[clipped(ring, shift, smooth.shape)]
        contrast, grain = (
            abs(np.log(p[clipped(hole, shift, p.shape)].std() / p[tuple(ring.T)].std()))
            for p in (fine, colour)
        )
        expected = (own - there).std() / own.std() + contrast + 0.5 * grain
        expected += 0.35 * abs((own - there).mean()) / own.std() + 0.03 * np.hypot(*shift) / 10
        assert cost == pytest.approx(expected, rel=1e-4)
    assert np.isinf(found).sum() == 3
    chosen = offsets.apart(lattice, dirty, wide, 20.0, 9)
    np.testing.assert_array_equal(chosen, [(0, 18), (-17, -17), (3, -15)])


def test_no_donor_leaves_the_crop_where_only_a_sample_must_be_clean(rng: np.random.Generator) -> None:
    fine, colour, smooth = (noise(rng, 40, 40) for _ in range(3))
    hole, ring = where(disc(40, 8)), where(disc(40, 11) & ~disc(40, 9))
    sample = hole[np.abs(hole[:, 0] - 20) < 3]
    shifts = np.array([(0, 0), (16, 0), (-16, 0)], dtype=np.intp)
    weights = np.array([1.0, 0.35, 0.03, 10.0, 0.5], dtype=np.float32)
    dirty = np.zeros((40, 40), np.bool_)
    found = offsets.costs(shifts, dirty, fine, colour, smooth, sample, hole, ring, weights)
    np.testing.assert_array_equal(np.isinf(found), [False, True, True])


def test_offsets_lie_on_rings() -> None:
    found = offsets.around(np.array([1.0, 2.0]), 10.0, np.ones(16), np.zeros(16))
    np.testing.assert_allclose(np.hypot(*found.T), np.repeat([10.0, 20.0], 8), atol=0.8)
    np.testing.assert_array_equal(found[[0, 2, 8]], [(0, 10), (10, 0), (0, 20)])


def inverse_squares(hole: Array, rim: Array, values: Array) -> Array:
    square = ((hole[:, None] - rim[None]) ** 2).sum(axis=-1)
    weight = 1 / np.maximum(square, 1.0)
    return np.asarray(weight @ values / weight.sum(axis=1, keepdims=True))


def test_a_surface_is_the_rims_mean_by_inverse_squares(rng: np.random.Generator) -> None:
    hole, rim = where(disc(41, 12)), where(disc(41, 13.5) & ~disc(41, 12))
    values = noise(rng, len(rim), 3)
    wanted = inverse_squares(hole, rim, values)
    exact = surfaces.over_hole(hole, np.zeros(len(hole), np.bool_), rim, values, 0)
    np.testing.assert_allclose(exact, wanted, atol=1e-5)
    deep = np.hypot(*(hole - 20).T) < 7
    coarse = surfaces.over_hole(hole, deep, rim, values, 3)
    np.testing.assert_array_equal(coarse[~deep], exact[~deep])
    np.testing.assert_allclose(coarse[deep], wanted[deep], atol=0.02)


def test_texture_stands_on_a_surface(rng: np.random.Generator) -> None:
    values, sums, weight = noise(rng, 20, 20, 3), noise(rng, 20, 20, 3), np.abs(noise(rng, 20, 20)) + 1
    mask = disc(20, 6)
    known, hole = disc(20, 8) & ~mask, where(mask)
    surface = noise(rng, len(hole), 3)
    rows = surfaces.divided_at(sums, weight, hole)
    np.testing.assert_allclose(rows, (sums / weight[..., None])[mask], rtol=1e-6)
    found = surfaces.above(values, sums, weight, known, hole, surface)
    np.testing.assert_allclose(found[known], (values - sums / weight[..., None])[known], atol=1e-5)
    np.testing.assert_allclose(found[mask], values[mask] - surface, atol=1e-6)
    assert not found[~known & ~mask].any()
    whole = surfaces.laid(hole - 3, rows, values, 3, 3)
    np.testing.assert_array_equal(whole[mask], rows)
    np.testing.assert_array_equal(whole[~mask], values[~mask])


def test_contrasts_are_those_of_grain_and_pores(rng: np.random.Generator) -> None:
    own, soft, texture, coarse = (noise(rng, 20, 20, 3) for _ in range(4))
    band, there = noise(rng, 20, 20), noise(rng, 20, 20)
    mask = disc(20, 6)
    clear = disc(20, 9) & ~mask
    found = surfaces.contrasts(own, soft, texture, coarse, band, there, clear, where(mask))
    wanted = [float(clear.sum())]
    for grain, pores, part in ((own - soft, band, clear), (texture - coarse, there, mask)):
        seen = grain[part]
        wanted += [seen.sum(axis=1).std(), (seen[:, 2] - seen[:, 0]).std(), pores[part].std()]
    assert found == pytest.approx(np.array(wanted), rel=1e-4)
    nothing = np.zeros_like(clear)
    assert not surfaces.contrasts(own, soft, texture, coarse, band, there, nothing, where(mask)).any()


def test_each_band_of_a_texture_has_its_strength(rng: np.random.Generator) -> None:
    texture, coarse, furrows, wide = (noise(rng, 20, 20, 3) for _ in range(4))
    mask = disc(20, 6)
    bump, surface = np.abs(noise(rng, 20, 20)), noise(rng, int(mask.sum()), 3)
    shares = (0.9, 1.2, 1.1, 1.3, 0.4, 0.7)
    found = surfaces.textured(texture, coarse, furrows, wide, bump, where(mask), surface, shares)

    def scaled(band: Array, grey: float, colour: float) -> Array:
        mean = band.mean(axis=-1, keepdims=True)
        return np.asarray(grey * mean + colour * (band - mean))

    whole = scaled(texture - coarse, 0.9, 1.2) + scaled(coarse - furrows, 1.1, 1.0)
    rows = (whole + scaled(furrows - wide, 1.3, 0.4))[mask]
    form = bump[mask] / bump[mask].mean()
    np.testing.assert_allclose(found, surface + rows - 0.7 * form[:, None] * rows.mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (17, 30)])
def test_neighbours_differ_as_in_opencv(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    values, grey = noise(rng, *shape, 3), noise(rng, *shape)
    finest, blue, steep = planes.edged(values, grey)
    np.testing.assert_allclose(finest, cv2.Laplacian(grey, cv2.CV_32F), atol=1e-5)
    np.testing.assert_array_equal(blue, values[..., 2] - values[..., 0])
    dx, dy = (cv2.Sobel(grey, cv2.CV_32F, *way, ksize=1, scale=0.5) for way in ((1, 0), (0, 1)))
    np.testing.assert_allclose(steep, np.hypot(dx, dy), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 4), (20, 30)])
def test_pixels_are_averaged_in_fours(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    values = noise(rng, *shape, 3)
    even = np.pad(values, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
    wanted = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(planes.halved(values), wanted, atol=1e-6)


def test_what_is_beyond_its_limit(rng: np.random.Generator) -> None:
    one, other = noise(rng, 20, 30), noise(rng, 20, 30)
    found, count = planes.beyond(one, other, 1.5, 2.0)
    np.testing.assert_array_equal(found, (np.abs(one) > 1.5) | (np.abs(other) > 2.0))
    assert count == found.sum() > 0
    np.testing.assert_array_equal(planes.sizes(one, 4), np.abs(one[::4, ::4]).ravel())


def test_a_field_is_read_between_its_cells(rng: np.random.Generator) -> None:
    field = np.abs(noise(rng, 9, 12))
    rows, columns = np.linspace(-1.2, 9.4, 70), np.linspace(-0.7, 12.1, 50)
    grid_x, grid_y = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    read = cv2.remap(field, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    found = planes.over(field, rows, columns, 0.5)
    clear = np.abs(read - 0.5) > 0.05  # OpenCV's positions are rounded to a 32nd
    np.testing.assert_array_equal(found[clear], (read > 0.5)[clear])
    assert 0 < found.mean() < 1


def test_rings_of_skin(rng: np.random.Generator) -> None:
    values, skin, away = noise(rng, 20, 20, 3), rng.random((20, 20)) < 0.7, np.abs(noise(rng, 20, 20))
    found = planes.between(values, skin, away, 0.4, 1.1)
    kept = skin & (away > np.float32(0.4)) & (away <= np.float32(1.1))
    np.testing.assert_array_equal(found, np.vstack([values[kept].T, away[kept]]))
    colour = np.array([0.2, -1.0, 0.5])
    np.testing.assert_allclose(planes.along(found, colour, 0.3), colour @ found[:3] - 0.3, atol=1e-5)
    mean, count = planes.mean_in(values, skin)
    np.testing.assert_allclose(mean, values[skin].mean(axis=0), atol=1e-5)
    assert count == skin.sum()


def test_octants_of_rings(rng: np.random.Generator) -> None:
    values, skin = noise(rng, 41, 41, 3), rng.random((41, 41)) < 0.8
    y, x = np.mgrid[:41, :41] - 20
    away = frozen(np.maximum(np.hypot(y, x) - 8, 0).astype(np.float32))
    colour = np.array([0.2, -1.0, 0.5])
    share = values @ colour - 0.3
    # On an axis or a diagonal either of two will do.
    turned = (np.degrees(np.arctan2(y, x)) % 360) / 45
    skin = frozen(skin & (np.abs(y) != np.abs(x)) & (y != 0) & (x != 0))
    total, count = planes.octants(values, skin, away, colour, 0.3, 7)
    octant = turned.astype(int)
    for side in range(8):
        for ring in range(7):
            kept = skin & (octant == side) & (away > ring) & (away <= ring + 1)
            assert count[side, ring] == kept.sum()
            assert total[side, ring] == pytest.approx(share[kept].sum(), abs=1e-4)


def test_rings_are_clear_until_one_is_not(rng: np.random.Generator) -> None:
    count = np.full((8, 12), 10.0)
    # Beyond the sixth ring is skin, before the third a halo: all around, or in the last and first octant.
    for halo, side in ((0.2, slice(None)), (0.4, [0, 7])):
        total = rng.normal(0, 0.1, (8, 12))
        total[side, :3] += 10 * halo
        assert planes.clear_from(total, count, 6, 1, 0.05, 0.12) == 3
    assert planes.clear_from(np.zeros((8, 12)), count, 6, 2, 0.05, 0.12) == 2
    some = count.copy()
    some[4, 2:4] = 0
    assert planes.clear_from(np.zeros((8, 12)), some, 6, 1, 0.05, 0.12) == 3


def test_what_is_left_of_a_band_is_topped_up_with_another(rng: np.random.Generator) -> None:
    new, old = noise(rng, 40, 30, 3), noise(rng, 40, 30, 3)
    at = where(np.ones((40, 30), bool))
    for rest in (0.9, 0.5, 0.2):
        share = np.full(len(at), 1 - rest, np.float32)
        mixed = mixing.topped_up(new, old, at, share, 1e-12, 0.5)
        assert mixed.std() == pytest.approx(1, abs=0.05)
        # A blemish in what was there is left at its rest, not one bit more, and calls for no more of the new.
        spoilt = frozen(old + np.float32(9))
        left = mixing.topped_up(new, spoilt, at, share, 1e-12, 0.5) - mixed
        np.testing.assert_allclose(left, 9 * rest, atol=1e-4)
        same = mixing.topped_up(old, old, at, share, 1e-12, 0.5)
        np.testing.assert_allclose(same, old.reshape(-1, 3), atol=1e-4)


def test_bands_are_blended_at_the_contrast_of_one(rng: np.random.Generator) -> None:
    support = np.zeros((30, 30), np.float32)
    support[5:25, 8:20] = rng.uniform(0.1, 1, (20, 12))
    at, share, edges = mixing.weighed(support, 0.5)
    assert edges == (5, 8, 25, 20)
    np.testing.assert_array_equal(at, where(support[5:25, 8:20]))
    np.testing.assert_allclose(share, support[support > 0] / 2)
    new, old = noise(rng, 20, 12, 3), noise(rng, 20, 12, 3)
    half = np.full(len(at), 0.5, np.float32)
    assert mixing.blended(new, old, at, half, 1e-12, -0.5, 1.0).std() == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(
        mixing.blended(old, old, at, half, 1e-12, -0.5, 1.0), old.reshape(-1, 3), atol=1e-5
    )
    rows = mixing.moved(new, old, at, share)
    np.testing.assert_allclose(rows, (new + share.reshape(20, 12, 1) * old).reshape(-1, 3), atol=1e-5)
    nowhere, none, _ = mixing.weighed(np.zeros_like(support), 1.0)
    assert len(nowhere) == len(none) == 0


def test_samples_are_rounded_once_and_clipped() -> None:
    pixels = np.full((4, 5, 3), 77, np.uint16)
    values = np.array([(0.5, -0.1, 1.2), (0.25, 1.0, 0.0)], dtype=np.float32)
    found, changed = mixing.written(pixels, np.array([(0, 0), (2, 3)], dtype=np.intp), values)
    np.testing.assert_array_equal(found[0, 0], [32768, 0, 65535])
    np.testing.assert_array_equal(found[2, 3], [16384, 65535, 0])
    np.testing.assert_array_equal(where(changed), [(0, 0), (2, 3)])
    assert (found[~changed] == 77).all()
    assert (pixels == 77).all()


def test_what_rises_around_a_place_is_outlined_half_way_up(rng: np.random.Generator) -> None:
    ring = disc(31, 14) & ~disc(31, 8)
    hill = (2 * np.exp(-((np.mgrid[:31, :31] - 15.0) ** 2).sum(axis=0) / 18)).astype(np.float32)
    for shift in (0, 3, 9, 15):
        skin = rng.random((31, 31)) < 0.9
        window = frozen(np.roll(hill, shift, axis=1) + 0.05 * noise(rng, 31, 31))
        assert outlines.supported(ring, skin) == (int((ring & skin).sum()), int(ring.sum()))
        closed, mask = outlines.halfway(window, ring, skin, 15, min(30, 15 + shift))
        peak = window[14:17, max(0, 14 + shift) : 17 + shift].max()
        above = window > (float(peak) + float(np.median(window[ring & skin]))) / 2
        _, labels = cv2.connectedComponents(above.view(np.uint8), connectivity=4)
        whole = (labels == labels[15, min(30, 15 + shift)]) & above[15, min(30, 15 + shift)]
        inside = not (whole[[0, -1]].any() or whole[:, [0, -1]].any())
        assert closed is (inside and bool(whole.any()))
        assert closed is (shift < 10)
        if closed:
            np.testing.assert_array_equal(mask, whole)


def test_a_place_beside_a_peak_is_outlined_by_the_peak() -> None:
    ring, window = disc(31, 14) & ~disc(31, 8), np.zeros((31, 31), np.float32)
    window[15, 14:17] = 0.6, 1.0, 1.5
    closed, mask = outlines.halfway(window, ring, np.ones((31, 31), np.bool_), 15, 15)
    assert closed
    np.testing.assert_array_equal(np.argwhere(mask), [(15, 15), (15, 16)])


@pytest.mark.parametrize("size", [25, 47])
def test_an_outlines_figures_are_numpys_to_the_last_bit(rng: np.random.Generator, size: int) -> None:
    mask = disc(size, size / 7) & (rng.random((size, size)) < 0.9)
    ring, skin = disc(size, size / 2.2) & ~disc(size, size / 6), rng.random((size, size)) < 0.95
    depth = np.asarray(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 5))
    od, plane = noise(rng, size, size, 3), noise(rng, size, size)
    grown = cv2.dilate(mask.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    inner = mask & ~(cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    around = od[ring & skin & ~grown]
    red, tone = around[:, 1] - around[:, 0], around.mean(axis=1)
    columns = np.sort(np.column_stack([around, red, tone]), axis=0)
    n = len(columns)
    middle, spread = columns[n // 2], (columns[(3 * n) // 4] - columns[n // 4]) / 1.35 + 1e-3
    rise = od[depth >= 0.5 * depth.max()].mean(axis=0) - middle[:3]
    ys, xs = np.nonzero(ring & skin & ~grown)
    off = ys - ys.mean(), xs - xs.mean()
    dark, reddish = (
        np.mean(tone > middle[4] + 0.5 * abs(float(rise.mean())) + 0.05),
        np.mean(red > middle[3] + 0.5 * float(rise[1] - rise[0]) + 0.02),
    )
    slopes = [(o * tone).sum() / (o * o).sum() for o in off]
    height, step = plane[mask].max() - plane[~grown].mean(), plane[inner].mean() - plane[grown & ~mask].mean()
    inside = np.std(od[mask].mean(axis=1))
    expected = [*middle, *spread, *rise, dark, reddish, skin[ring].mean(), middle[:3].mean(), *slopes]
    expected += [ys.max() - ys.min(), height, step, inside]
    found = outlines.figures(od, plane, mask, ring, skin, depth)
    np.testing.assert_array_equal(found, np.array(expected, np.float64))


def test_a_ring_that_is_covered_is_looked_at_all_the_same(rng: np.random.Generator) -> None:
    lace, ring = np.indices((25, 25)).sum(axis=0) % 2 == 0, disc(25, 11) & ~disc(25, 6)
    lace[[0, -1]] = lace[:, [0, -1]] = False
    depth = np.asarray(cv2.distanceTransform(lace.view(np.uint8), cv2.DIST_L2, 5))
    od = noise(rng, 25, 25, 3)
    found = outlines.figures(od, noise(rng, 25, 25), lace, ring, ring, depth)
    middle = np.sort(od[ring], axis=0)[np.count_nonzero(ring) // 2]
    np.testing.assert_array_equal(found[outlines.MIDDLE : outlines.MIDDLE + 3], middle)


def test_rises_are_numpys_to_the_last_bit(rng: np.random.Generator) -> None:
    fine, wide, skin = noise(rng, 211, 97), noise(rng, 211, 97), rng.random((211, 97)) < 0.7
    rise, size = fine.copy(), wide.copy()
    assert rises.risen(rise, size, skin) == float((np.abs(fine - wide) * skin).sum())
    np.testing.assert_array_equal(rise, fine - wide)
    np.testing.assert_array_equal(size, np.abs(fine - wide) * skin)


@pytest.mark.parametrize("size", [(211, 97), (26, 31), (24, 9), (5, 140)])
def test_means_around_are_opencvs_to_the_last_bit(rng: np.random.Generator, size: tuple[int, int]) -> None:
    values = frozen(np.abs(noise(rng, *size)))
    expected = cv2.blur(np.minimum(values, np.float32(0.9)), (49, 49), borderType=cv2.BORDER_REFLECT)
    np.testing.assert_array_equal(rises.around(values, 0.9, 24), expected)


def test_more_peaks_than_there_is_room_for_at_first(rng: np.random.Generator) -> None:
    rise, flat = np.zeros((90, 90), np.float32), np.ones((90, 90), np.float32)
    rise[::2, ::2] = 1 + rng.random((45, 45), np.float32)
    places_found, _ = rises.peaks(frozen(rise), frozen(flat), frozen(flat), flat > 0, 0.5, 0.1, 0.5)
    np.testing.assert_array_equal(places_found, np.argwhere(rise > 0))


def test_peaks_are_topped_by_no_neighbour(rng: np.random.Generator) -> None:
    rise, usual, share = noise(rng, 60, 80), np.abs(noise(rng, 60, 80)), rng.random((60, 80), np.float32)
    skin = rng.random((60, 80)) < 0.8
    rise = frozen(np.where(rng.random((60, 80)) < 0.02, np.float32(5), rise))
    z = rise / np.maximum(usual * (1.25 / np.maximum(share, 0.05)), 0.3)
    top = cv2.dilate(z, np.ones((3, 3), np.uint8)) == z
    places_found, noises = rises.peaks(rise, usual, share, skin, 0.9, 0.3, 1.7)
    expected = top & skin & (rise > np.float32(0.9)) & (z > 1.7)
    assert 20 < expected.sum() < 2000
    np.testing.assert_array_equal(places_found, np.argwhere(expected))
    np.testing.assert_array_equal(noises, z[expected])


def test_each_row_falls_to_one_leaf_of_each_tree() -> None:
    nodes = [[1, 0.5, 1, 2, 0], [-1, 0, 0, 0, 3], [0, -1, 3, 4, 0], [-1, 0, 0, 0, 5], [-1, 0, 0, 0, 7]]
    whole = frozen(np.array([*nodes, [-1, 0, 0, 0, 100]], dtype=np.float64))
    rows = np.array([[0, 0.5], [-1, 0.6], [np.nextafter(-1, 0), np.inf]])
    fell = trees.leaves(whole, frozen(np.array([0, 5], np.intp)), rows)
    np.testing.assert_array_equal(fell, [103, 105, 107])
    assert trees.leaves(whole, frozen(np.array([0], np.intp)), rows[:0]).shape == (0,)


def test_threads_change_no_bit(rng: np.random.Generator) -> None:
    hole, rim = where(disc(61, 22)), where(disc(61, 23.5) & ~disc(61, 22))
    values = noise(rng, len(rim), 3)
    deep = np.hypot(*(hole - 30).T) < 17
    alone = surfaces.over_hole(hole, deep, rim, values, 3).tobytes()
    with ThreadPoolExecutor(4) as threads:
        together = threads.map(lambda _: surfaces.over_hole(hole, deep, rim, values, 3).tobytes(), range(40))
        assert set(together) == {alone}
