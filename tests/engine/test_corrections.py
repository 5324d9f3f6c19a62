"""What a person decides: wishes and painted masks change their own spots, and not a bit of anything else."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.chart import Chart
from hypothesis import given
from hypothesis import strategies as st

from retouch_engine import Correction, Corrections, Recipe, Wish, errors, pipeline
from retouch_engine.amend import mask_of
from retouch_engine.codec.rows import changed_box, compose_box
from retouch_engine.codec.write import mask_rows
from retouch_engine.corrections import packed_bits, unpacked_bits
from retouch_engine.imaging.masks import eroded
from retouch_engine.pipeline import Retouched
from retouch_engine.record import Decision, SpotRecord
from retouch_engine.types import Bool, Patch, Photo


def quiet(_: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def photo(chart: Chart) -> Photo:
    return Photo(chart.pixels.copy())


@pytest.fixture(scope="module")
def plain(photo: Photo) -> Retouched:
    return pipeline.retouch(photo, Recipe(sensitivity=80), quiet)


def again(photo: Photo, corrections: Corrections, mask: np.ndarray | None = None) -> Retouched:
    return pipeline.retouch(photo, Recipe(sensitivity=80), quiet, corrections, pipeline.Beside(mask))


def result(photo: Photo, done: Retouched) -> np.ndarray:
    return compose_box(photo, done.patches, photo.frame)


def written_mask(photo: Photo, done: Retouched) -> np.ndarray:
    asked = {s.id for s in done.spots if s.decision in (Decision.REVIEW, Decision.FAILED)}
    review = [(s.spot.box, s.spot.mask) for s in done.steps if s.spot.id in asked]
    rows = mask_rows(photo, done.patches, review, 0, photo.height)
    assert rows is not None
    return rows[..., 0]


def of(done: Retouched, decision: Decision) -> list[SpotRecord]:
    return [s for s in done.spots if s.decision is decision]


def around(photo: Photo, boxes: list[tuple[int, int, int, int]], margin: int = 40) -> Bool:
    where = np.zeros((photo.height, photo.width), bool)
    for x, y, w, h in boxes:
        where[max(0, y - margin) : y + h + margin, max(0, x - margin) : x + w + margin] = True
    return where


def wish(spot: SpotRecord, what: Wish) -> Correction:
    return Correction(spot.box, what)


def test_a_spot_that_is_kept_comes_back_and_nothing_else_changes(photo: Photo, plain: Retouched) -> None:
    spot = of(plain, Decision.HEALED)[0]
    done = again(photo, Corrections((wish(spot, Wish.KEEP),)))
    before, after = result(photo, plain), result(photo, done)
    (patch,) = [p for p in plain.patches if spot.id == p.spot_id]
    assert np.array_equal(
        after[patch.box.slices][patch.changed], photo.pixels[patch.box.slices][patch.changed]
    )
    elsewhere = np.ones(after.shape[:2], bool)
    elsewhere[patch.box.slices] &= ~patch.changed
    assert np.array_equal(after[elsewhere], before[elsewhere])
    (told,) = [s for s in done.spots if s.id == spot.id]
    assert (told.decision, told.wish) == (Decision.KEPT, "keep")


def test_a_spot_that_is_accepted_is_healed_and_nothing_else_changes(photo: Photo, plain: Retouched) -> None:
    asked = [wish(s, Wish.HEAL) for s in of(plain, Decision.REVIEW)]
    assert asked
    done = again(photo, Corrections(tuple(asked)))
    healed = [s for s in done.spots if s.wish and s.decision is Decision.HEALED]
    assert healed
    old, new = changed_box(plain.patches, photo.frame), changed_box(done.patches, photo.frame)
    assert not (old & ~new).any()
    assert np.array_equal(result(photo, done)[old], result(photo, plain)[old])
    assert not (new & ~old & ~around(photo, [s.box for s in done.spots if s.wish])).any()


def test_what_a_person_keeps_stays_whole_beside_what_a_person_paints(photo: Photo, plain: Retouched) -> None:
    kept = of(plain, Decision.HEALED)[0]
    x, y, w, h = kept.box
    painted = Correction((x + w - 1, y, 14, h), Wish.HEAL)
    done = again(photo, Corrections((wish(kept, Wish.KEEP), painted)))
    assert [s.decision for s in done.spots if s.kind == "painted"] == [Decision.HEALED]
    middle = slice(y + h // 2 - 1, y + h // 2 + 1), slice(x, x + w)
    assert np.array_equal(result(photo, done)[middle], photo.pixels[middle])


def test_each_round_leaves_the_rounds_before_it_alone(photo: Photo, plain: Retouched) -> None:
    one = Corrections().and_then([Correction((690, 480, 14, 14), Wish.HEAL)])
    first = again(photo, one)
    (added,) = [s for s in first.spots if s.wish]
    assert added.decision is Decision.HEALED
    assert added.kind == "painted"
    # Close enough that it lies where the first heal looked for skin.
    both = one.and_then([Correction((720, 482, 12, 12), Wish.HEAL)])
    second = again(photo, both)
    where = changed_box(first.patches, photo.frame)
    assert np.array_equal(result(photo, second)[where], result(photo, first)[where])
    taken_back = again(photo, both.and_then([wish(added, Wish.REJECT)]))
    (told,) = [s for s in taken_back.spots if s.id == added.id]
    assert (told.decision, told.wish) == (Decision.KEPT, "reject")
    assert np.array_equal(result(photo, taken_back)[480:494, 690:704], photo.pixels[480:494, 690:704])


def test_a_mask_that_nobody_touched_says_nothing(photo: Photo, plain: Retouched) -> None:
    done = again(photo, Corrections(), written_mask(photo, plain))
    assert done.corrections == Corrections()
    assert np.array_equal(result(photo, done), result(photo, plain))


def test_a_mask_is_read_as_wishes(photo: Photo, plain: Retouched) -> None:
    mask = written_mask(photo, plain)
    erased, accepted = of(plain, Decision.HEALED)[0], of(plain, Decision.REVIEW)[0]
    patches = [p for p in plain.patches if p.spot_id == erased.id]
    for patch in patches:
        mask[patch.box.slices][patch.changed] = 0
    x, y, w, h = accepted.box
    mask[max(0, y - 3) : y + h + 3, max(0, x - 3) : x + w + 3] = 255
    mask[540:556, 80:96] = 255
    done = again(photo, Corrections(), mask)
    said = {(c.box, c.wish) for c in done.corrections.spots}
    assert said == {(erased.box, Wish.KEEP), (accepted.box, Wish.HEAL), ((80, 540, 16, 16), Wish.HEAL)}
    assert {c.round for c in done.corrections.spots} == {1}
    # What was read is the whole truth: without the mask, the same wishes give the same bits.
    told = Corrections.from_json(json.loads(json.dumps(done.corrections.as_json())))
    assert told == done.corrections
    assert np.array_equal(result(photo, again(photo, told)), result(photo, done))
    # And a mask that was published and read again says nothing new.
    third = again(photo, told, written_mask(photo, done))
    assert third.corrections == told
    assert np.array_equal(result(photo, third), result(photo, done))


def test_what_is_painted_black_of_a_heal_stays_as_it_is(photo: Photo, plain: Retouched) -> None:
    patch = max(plain.patches, key=lambda p: p.changed.sum())
    (step,) = [s for s in plain.steps if s.spot.id == patch.spot_id]
    black = np.zeros((photo.height, photo.width), bool)
    black[patch.box.y0 - 3 : patch.box.y1 + 3, patch.box.x0 - 3 : patch.box.x0 + patch.box.width // 3] = True
    assert 0 < black[step.spot.box.slices][step.spot.mask].mean() < 0.5
    mask = np.where(black, 0, written_mask(photo, plain)).astype(np.uint8)
    beside = pipeline.Beside(mask, before=plain.standing)
    done = pipeline.retouch(photo, Recipe(sensitivity=80), quiet, Corrections(), beside)

    (told,) = [s for s in done.spots if s.id == patch.spot_id]
    assert (told.decision, [c.wish for c in done.corrections.spots]) == (Decision.HEALED, [Wish.KEEP])
    after, own = changed_box(done.patches, photo.frame), changed_box([patch], photo.frame)
    assert np.array_equal(after, changed_box(plain.patches, photo.frame) & ~black)
    assert np.array_equal(result(photo, done)[~own], result(photo, plain)[~own])
    # Told again from the beginning it is the same, and the new mask says nothing new.
    assert np.array_equal(result(photo, again(photo, done.corrections)), result(photo, done))
    third = pipeline.Beside(written_mask(photo, done), before=done.standing)
    assert pipeline.retouch(photo, Recipe(sensitivity=80), quiet, done.corrections, third).corrections == (
        done.corrections
    )


def test_all_around_a_heal_may_be_painted_black(photo: Photo, plain: Retouched) -> None:
    def tight(patch: Patch) -> float:
        """How much of a heal's box its spot's fills: then a ring's box is the spot's as well as any."""
        (box,) = (s.spot.box for s in plain.steps if s.spot.id == patch.spot_id)
        return box.width * box.height / (patch.box.width * patch.box.height)

    large = sorted(plain.patches, key=lambda p: -p.changed.sum())[:8]
    assert max(map(tight, large)) > 0.5
    for patch in (large[0], max(large, key=tight)):
        (step,) = [s for s in plain.steps if s.spot.id == patch.spot_id]
        core = np.zeros((photo.height, photo.width), bool)
        core[step.spot.box.slices] = eroded(step.spot.mask, 2)
        black = changed_box([patch], photo.frame) & ~core
        mask = np.where(black, 0, written_mask(photo, plain)).astype(np.uint8)
        beside = pipeline.Beside(mask, before=plain.standing)
        done = pipeline.retouch(photo, Recipe(sensitivity=80), quiet, Corrections(), beside)
        (told,) = [s for s in done.spots if s.id == patch.spot_id]
        assert [c.wish for c in done.corrections.spots] == [Wish.KEEP]
        assert not (changed_box(done.patches, photo.frame) & black).any()
        # The larger part of the spot is white: it is not the spot that is kept.
        assert core[step.spot.box.slices][step.spot.mask].mean() > 0.5
        assert (told.decision, told.wish) != (Decision.KEPT, "keep")


def test_what_was_painted_black_of_a_heal_and_is_white_again_is_healed_as_it_was(
    photo: Photo, plain: Retouched
) -> None:
    def painted(black: Bool, done: Retouched, value: int) -> Retouched:
        mask = np.where(black, value, written_mask(photo, done)).astype(np.uint8)
        beside = pipeline.Beside(mask, before=done.standing)
        return pipeline.retouch(photo, Recipe(sensitivity=80), quiet, done.corrections, beside)

    patch = max(plain.patches, key=lambda p: p.changed.sum())
    own = changed_box([patch], photo.frame)
    columns = np.arange(photo.width)
    left, right = (own & side for side in (columns < patch.box.x0 + 6, columns >= patch.box.x1 - 6))
    cut = painted(left | right, plain, 0)
    assert not (changed_box(cut.patches, photo.frame) & (left | right)).any()
    # One of two parts: the other stays out.
    half = painted(left, cut, 255)
    assert np.array_equal(changed_box(half.patches, photo.frame) & own, own & ~right)
    assert [c.wish for c in half.corrections.spots] == [Wish.KEEP] * 3 + [Wish.HEAL]
    both = painted(left | right, cut, 255)
    assert np.array_equal(result(photo, both), result(photo, plain))
    assert len(both.spots) == len(plain.spots)
    for done in (half, both):
        assert np.array_equal(result(photo, again(photo, done.corrections)), result(photo, done))
        assert painted(left & ~left, done, 0).corrections == done.corrections


def test_a_small_brush_on_an_empty_mask_heals_the_whole_spot(photo: Photo, plain: Retouched) -> None:
    patch = max(plain.patches, key=lambda p: p.changed.sum())
    (step,) = [s for s in plain.steps if s.spot.id == patch.spot_id]
    mask = np.zeros((photo.height, photo.width), np.uint8)
    mask[step.spot.box.slices][step.spot.mask] = 255
    for before in (None, plain.standing):
        done = pipeline.retouch(
            photo, Recipe(sensitivity=80), quiet, beside=pipeline.Beside(mask, before=before)
        )
        (healed,) = [p for p in done.patches if p.spot_id == patch.spot_id]
        assert np.array_equal(healed.pixels, patch.pixels)


def test_paint_in_grey_puts_a_heal_off(photo: Photo, plain: Retouched) -> None:
    mask = written_mask(photo, plain)
    spot = of(plain, Decision.HEALED)[0]
    (patch,) = [p for p in plain.patches if p.spot_id == spot.id]
    mask[patch.box.slices][patch.changed] = 128
    done = again(photo, Corrections(), mask)
    assert [(c.box, c.wish) for c in done.corrections.spots] == [(spot.box, Wish.REVIEW)]
    (told,) = [s for s in done.spots if s.id == spot.id]
    assert told.decision is Decision.REVIEW


def test_strength_of_one_photo(photo: Photo, plain: Retouched) -> None:
    off = again(photo, Corrections(strength=0))
    assert off.patches == ()
    half = again(photo, Corrections(strength=90))
    assert half.patches
    assert not np.array_equal(result(photo, half), result(photo, plain))


def test_wishes_outside_of_the_photo_are_refused(photo: Photo) -> None:
    for corrections in (
        Corrections((Correction((photo.width - 4, 5, 9, 9), Wish.HEAL),)),
        Corrections((Correction((5, 5, 9, 9), Wish.HEAL, shape="AAAA"),)),
        Corrections((Correction((5, 5, 9, 9), Wish.HEAL, shape=packed_bits(bytes(11))),)),
    ):
        with pytest.raises(errors.CorrectionsMistake):
            again(photo, corrections)


def test_the_key_names_recipe_and_wishes() -> None:
    recipe, some = Recipe(), Corrections((Correction((1, 2, 3, 4), Wish.KEEP),))
    keys = {
        Corrections().key(recipe.digest),
        some.key(recipe.digest),
        some.key(replace(recipe, strength=50).digest),
        replace(some, strength=50).key(recipe.digest),
        some.and_then(some.spots).key(recipe.digest),
    }
    assert len(keys) == 5
    assert Corrections().key(recipe.digest) == recipe.digest


@pytest.mark.parametrize(
    "told",
    [
        [],
        {"spots": 3},
        {"spots": [3]},
        {"spots": [{"box": [1, 2, 3], "wish": "heal"}]},
        {"spots": [{"box": [1, 2, 3, True], "wish": "heal"}]},
        {"spots": [{"box": [-1, 2, 3, 4], "wish": "heal"}]},
        {"spots": [{"box": [1, 2, 0, 4], "wish": "heal"}]},
        {"spots": [{"box": [1, 2, 3, 4], "wish": "burn"}]},
        {"spots": [{"box": [1, 2, 3, 4], "wish": ["heal"]}]},
        {"spots": [{"box": [1, 2, 3, 4], "wish": "heal", "round": 0}]},
        {"spots": [{"box": [1, 2, 3, 4], "wish": "heal", "shape": 5}]},
        {"strength": 101},
        {"sensitivity": "50"},
    ],
)
def test_what_anybody_could_have_written_is_refused(told: object) -> None:
    with pytest.raises(errors.CorrectionsMistake):
        Corrections.from_json(told)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_shape_is_kept_bit_by_bit(width: int, height: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    mask[0, 0] = True
    shape = packed_bits(np.packbits(mask).tobytes())
    assert np.array_equal(mask_of(Correction((0, 0, width, height), Wish.HEAL, shape=shape)), mask)


def test_a_shape_never_unpacks_to_more_than_its_box() -> None:
    with pytest.raises(errors.CorrectionsMistake):
        unpacked_bits(packed_bits(bytes(50_000_000)), 100)
