"""A correction takes up the last run: equal to the last bit to doing it all again; nothing is found twice."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from benchmarks.chart import Chart

from retouch_engine import (
    Correction,
    Corrections,
    Finish,
    Limits,
    Order,
    Recipe,
    Role,
    Wish,
    open_engine,
    pipeline,
    wounds,
)
from retouch_engine.codec.rows import compose_box
from retouch_engine.codec.write import write_heal_layer
from retouch_engine.heal import HEALERS
from retouch_engine.pipeline import Retouched
from retouch_engine.record import Decision
from retouch_engine.resume import NotResumable, Standing, packed, resumed
from retouch_engine.types import Patch, Photo

RECIPE = Recipe(sensitivity=80)


def quiet(_: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def photo(chart: Chart) -> Photo:
    return Photo(chart.pixels.copy(), digest="ab" * 32)


@pytest.fixture(scope="module")
def plain(photo: Photo) -> Retouched:
    return pipeline.retouch(photo, RECIPE, quiet)


def saved(path: Path, photo: Photo, done: Retouched) -> Path:
    write_heal_layer(path, photo, done.patches, Finish(), memo=packed(done.standing, photo, RECIPE))
    return path


def taken_up(path: Path, photo: Photo, corrections: Corrections) -> Standing:
    return resumed(path, photo, RECIPE, corrections, HEALERS)


def rounds(done: Retouched) -> list[Corrections]:
    """One round after another: a heal added, one near it, one taken back, one accepted, an old one kept."""
    healed = next(s for s in done.spots if s.decision is Decision.HEALED)
    asked = next(s for s in done.spots if s.decision is Decision.REVIEW)
    said = [
        [Correction((690, 480, 14, 14), Wish.HEAL)],
        [Correction((700, 486, 16, 12), Wish.HEAL), Correction(healed.box, Wish.KEEP)],
        [Correction((690, 480, 14, 14), Wish.REJECT), Correction(asked.box, Wish.HEAL)],
    ]
    history = [Corrections()]
    for wishes in said:
        history.append(history[-1].and_then(wishes))
    return history[1:]


def test_a_plan_comes_back_as_it_was(photo: Photo, plain: Retouched, tmp_path: Path) -> None:
    back = taken_up(saved(tmp_path / "heal.tif", photo, plain), photo, Corrections())
    assert [s.spot.box for s in back.steps] == [s.spot.box for s in plain.steps]
    for ours, theirs in zip(back.steps, plain.steps, strict=True):
        assert np.array_equal(ours.hole, theirs.hole)
        assert np.array_equal(ours.spot.mask, theirs.spot.mask)
        assert (ours.healers, ours.reason, ours.spot.features) == (
            theirs.healers,
            theirs.reason,
            theirs.spot.features,
        )
    for now, then in zip(back.outcomes, plain.standing.outcomes, strict=True):
        assert (now.spot_ids, now.healer, now.figures, now.donors) == (
            then.spot_ids,
            then.healer,
            then.figures,
            then.donors,
        )
        if then.patch is not None:
            assert now.patch is not None
            assert np.array_equal(now.patch.pixels, then.patch.pixels)
            assert np.array_equal(now.patch.changed, then.patch.changed)


def test_round_after_round_it_is_what_doing_it_all_again_gives(
    photo: Photo, plain: Retouched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = rounds(plain)
    fresh = [pipeline.retouch(photo, RECIPE, quiet, corrections) for corrections in history]

    def never(_scene: Any) -> Any:
        raise AssertionError("it looked for spots again")

    walked: list[tuple[int, ...]] = []
    real = wounds.healed

    def noted(case: wounds.Case, *rest: Any) -> wounds.Outcome:
        walked.append(case.spot_ids)
        return real(case, *rest)

    monkeypatch.setattr(pipeline, "chosen", never)
    monkeypatch.setattr(pipeline, "healed", noted)
    last = plain
    for corrections, wanted in zip(history, fresh, strict=True):
        path = saved(tmp_path / "heal.tif", photo, last)
        before = taken_up(path, photo, corrections)
        walked.clear()
        last = pipeline.retouch(photo, RECIPE, quiet, corrections, pipeline.Beside(before=before))
        assert np.array_equal(
            compose_box(photo, last.patches, photo.frame), compose_box(photo, wanted.patches, photo.frame)
        )
        assert last.spots == wanted.spots
        assert len(walked) <= 2, "only the wounds that the round is about are healed"


def test_a_heal_below_another_comes_to_light_again(photo: Photo, plain: Retouched, tmp_path: Path) -> None:
    lower = next(o for o in plain.standing.outcomes if o.patch is not None)
    assert lower.patch is not None
    pixels = np.full_like(lower.patch.pixels, 1234)
    upper = replace(lower, spot_ids=(900,), patch=Patch(900, lower.patch.box, pixels, lower.patch.changed))
    both = replace(plain.standing, outcomes=(*plain.standing.outcomes, upper))
    patches = tuple(o.patch for o in both.outcomes if o.patch is not None)
    path = tmp_path / "heal.tif"
    write_heal_layer(path, photo, patches, Finish(), memo=packed(both, photo, RECIPE))
    back = taken_up(path, photo, Corrections())
    (found,) = [o for o in back.outcomes if o.spot_ids == lower.spot_ids]
    assert found.patch is not None
    assert np.array_equal(found.patch.pixels, lower.patch.pixels)


def test_what_is_not_this_very_work_is_refused(photo: Photo, plain: Retouched, tmp_path: Path) -> None:
    path = saved(tmp_path / "heal.tif", photo, plain)
    with pytest.raises(NotResumable, match="other bytes"):
        taken_up(path, replace(photo, digest="cd" * 32), Corrections())
    with pytest.raises(NotResumable, match="recipe"):
        resumed(path, photo, Recipe(sensitivity=79), Corrections(), HEALERS)
    with pytest.raises(NotResumable, match="healers"):
        resumed(path, photo, RECIPE, Corrections(), {})
    first, _, _ = rounds(plain)
    done = pipeline.retouch(photo, RECIPE, quiet, first)
    path = saved(tmp_path / "heal.tif", photo, done)
    with pytest.raises(NotResumable, match="earlier wishes"):
        taken_up(path, photo, Corrections())
    other = Corrections().and_then([Correction((90, 80, 14, 14), Wish.KEEP)])
    with pytest.raises(NotResumable, match="earlier wishes"):
        taken_up(path, photo, other)


@pytest.mark.parametrize(
    "memo",
    [
        b"",
        b"no zlib at all",
        zlib.compress(b"[]"),
        zlib.compress(b'{"schema": "retouchd.plan/1"}'),
        zlib.compress(b"0" * (65 << 20)),
    ],
    ids=["none", "foreign", "list", "empty", "bomb"],
)
def test_a_foreign_plan_is_refused(photo: Photo, plain: Retouched, tmp_path: Path, memo: bytes) -> None:
    path = tmp_path / "heal.tif"
    write_heal_layer(path, photo, plain.patches, Finish(), memo=memo)
    with pytest.raises(NotResumable):
        taken_up(path, photo, Corrections())


def test_a_damaged_plan_is_refused_whatever_is_damaged(
    photo: Photo, plain: Retouched, tmp_path: Path
) -> None:
    text = zlib.decompress(packed(plain.standing, photo, RECIPE))
    rng = np.random.default_rng(5)
    path, refused = tmp_path / "heal.tif", 0
    for _ in range(60):
        data = bytearray(text)
        for at in rng.integers(0, len(data), 4):
            data[at] = rng.integers(32, 127)
        write_heal_layer(path, photo, plain.patches, Finish(), memo=zlib.compress(bytes(data), 1))
        try:
            back = taken_up(path, photo, Corrections())
        except NotResumable:
            refused += 1
            continue
        # What a stray letter leaves whole (a reason, say) still lies inside of the photo.
        assert all(o.patch is None or o.patch.box.y1 <= photo.height for o in back.outcomes)
    assert refused > 50


def test_the_engine_takes_up_its_own_work_and_says_so_when_it_cannot(chart: Chart, tmp_path: Path) -> None:
    source = tmp_path / "photo.tif"
    tifffile.imwrite(source, chart.pixels, photometric="rgb")

    def order(name: str, **more: Any) -> Order:
        staging = tmp_path / name
        staging.mkdir()
        return Order(source, staging, RECIPE, **more)

    asked = Corrections().and_then([Correction((690, 480, 14, 14), Wish.HEAL)])
    stages: list[str] = []
    with open_engine(Limits()) as engine:
        first = engine.retouch(order("first"), quiet)
        again = engine.retouch(
            order("again", corrections=asked, before=first.files[Role.HEAL]), stages.append
        )
        whole = engine.retouch(order("whole", corrections=asked), quiet)
        refused = engine.retouch(order("refused", corrections=asked, before=source), quiet)
    assert "detect" not in stages
    assert "heal" in stages
    for role in (Role.HEAL, Role.MASK):
        assert again.files[role].read_bytes() == whole.files[role].read_bytes()
    ours, theirs = (tifffile.imread(r.files[Role.RESULT]) for r in (again, whole))
    assert np.array_equal(ours, theirs)
    assert again.record["spots"] == whole.record["spots"] == refused.record["spots"]
    assert not [n for n in again.record["notes"] if "from the beginning" in n]
    assert [n for n in refused.record["notes"] if "from the beginning" in n]
