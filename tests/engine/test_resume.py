"""A correction takes up the last run: equal to the last bit to doing it all again; nothing is found twice.

Nor is anything decided twice: with other settings, another version or another calibration the photo keeps
what it was begun with.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
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
    Kind,
    Limits,
    Order,
    Recipe,
    Role,
    Wish,
    open_engine,
    pipeline,
    resume,
    wounds,
)
from retouch_engine import recipe as recipes
from retouch_engine.codec.rows import compose_box
from retouch_engine.codec.write import write_heal_layer
from retouch_engine.heal import HEALERS
from retouch_engine.pipeline import Retouched
from retouch_engine.record import Decision, SpotRecord
from retouch_engine.resume import NotResumable, Standing, packed, resumed
from retouch_engine.types import Box, HealerId, Patch, Photo

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


def test_kept_and_healed_again_in_one_round_is_as_it_was(photo: Photo, plain: Retouched) -> None:
    spots = [s for s in plain.spots if s.decision is Decision.HEALED]
    wishes = [Correction(spot.box, wish) for spot in spots for wish in (Wish.KEEP, Wish.HEAL)]
    beside = pipeline.Beside(before=plain.standing)
    again = pipeline.retouch(photo, RECIPE, quiet, Corrections().and_then(wishes), beside)
    for ours, theirs in zip(again.steps, plain.steps, strict=True):
        assert ours.box == theirs.box
        assert np.array_equal(ours.hole, theirs.hole)


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


def test_a_heal_layer_of_before_there_were_plans_is_told(
    photo: Photo, plain: Retouched, tmp_path: Path
) -> None:
    path = tmp_path / "heal.tif"
    write_heal_layer(path, photo, plain.patches, Finish())
    with pytest.raises(NotResumable, match="an earlier version wrote it"):
        taken_up(path, photo, Corrections())


@pytest.mark.parametrize(
    "memo",
    [
        b"no zlib at all",
        zlib.compress(b"[]"),
        zlib.compress(b'{"schema": "retouchd.plan/1"}'),
        zlib.compress(b'{"schema": "retouchd.plan/2"}'),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b"0" * (17 << 20)),
    ],
    ids=["foreign", "list", "older", "empty", "deep", "bomb"],
)
def test_a_foreign_plan_is_refused(photo: Photo, plain: Retouched, tmp_path: Path, memo: bytes) -> None:
    path = tmp_path / "heal.tif"
    write_heal_layer(path, photo, plain.patches, Finish(), memo=memo)
    with pytest.raises(NotResumable):
        taken_up(path, photo, Corrections())


def test_a_plan_that_is_too_large_to_be_read_is_not_written(
    monkeypatch: pytest.MonkeyPatch, photo: Photo, plain: Retouched, tmp_path: Path
) -> None:
    size = len(zlib.decompress(packed(plain.standing, photo, RECIPE)))
    monkeypatch.setattr(resume, "_MOST_BYTES", size + 1)
    assert taken_up(saved(tmp_path / "heal.tif", photo, plain), photo, Corrections()).steps
    monkeypatch.setattr(resume, "_MOST_BYTES", size)
    assert packed(plain.standing, photo, RECIPE) == b""
    with pytest.raises(NotResumable, match="too large"):
        taken_up(saved(tmp_path / "heal.tif", photo, plain), photo, Corrections())


@pytest.mark.parametrize(("where", "inside"), [("steps", None), ("steps", "spot"), ("outcomes", "patch")])
def test_a_plan_of_many_large_masks_is_refused_before_they_are_unpacked(
    photo: Photo, plain: Retouched, tmp_path: Path, where: str, inside: str | None
) -> None:
    """Some kB of plan were gigabytes of masks: the worker was ended, and the photo set aside."""
    told = json.loads(zlib.decompress(packed(plain.standing, photo, RECIPE)))
    whole = [0, 0, photo.height, photo.width]
    one = next(entry for entry in told[where] if inside is None or entry[inside])
    (one if inside is None else one[inside])["box"] = whole
    told[where] += [one] * (1 << 11)
    path = tmp_path / "heal.tif"
    write_heal_layer(path, photo, plain.patches, Finish(), memo=zlib.compress(json.dumps(told).encode(), 6))
    with pytest.raises(NotResumable, match="too much for this photo"):
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
    assert again.record["last_run"] == {"taken_up": True, "other_settings": False}
    assert refused.record["last_run"]["taken_up"] is False


NOW = {
    "settings": replace(RECIPE, sensitivity=100, remove=(*RECIPE.remove, Kind.BROWN_SPOT), review=()),
    "learned": replace(RECIPE, calibration=(("bias", -4.0),)),
    "version": RECIPE,
}


def told(spots: Sequence[SpotRecord]) -> dict[tuple[int, ...], tuple[Any, ...]]:
    return {s.box: (s.kind, s.decision, s.reason, s.healer, s.guard) for s in spots}


@pytest.mark.parametrize("what", NOW)
def test_a_correction_changes_one_spot_whatever_else_changed_since(
    photo: Photo, plain: Retouched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = saved(tmp_path / "heal.tif", photo, plain)
    if what == "version":
        monkeypatch.setattr(recipes, "__version__", "99.0")
    mole = next(s for s in plain.spots if s.decision is Decision.HEALED)
    asked = Corrections().and_then([Correction(mole.box, Wish.KEEP)])
    before = resumed(path, photo, NOW[what], asked, HEALERS)
    assert before.begun.digest == plain.standing.begun.digest != NOW[what].digest
    done = pipeline.retouch(photo, before.begun.recipe, quiet, asked, pipeline.Beside(before=before))
    assert told(done.spots) == told(plain.spots) | {
        mole.box: (mole.kind, Decision.KEPT, "a person wants it kept", None, {})
    }
    first, then = (compose_box(photo, one.patches, photo.frame) for one in (plain, done))
    x, y, width, height = mole.box
    around = Box(y, x, y + height, x + width).grown(max(width, height), photo.height, photo.width)
    assert (first[around.slices] != then[around.slices]).any()
    first[around.slices] = then[around.slices]
    assert np.array_equal(first, then)
    if what == "settings":
        # Without the plan other spots are decided about otherwise: that is what nobody asked for. The version
        # alone changes nothing yet, and a calibration nothing where there is no face.
        anew = told(pipeline.retouch(photo, NOW[what], quiet, asked).spots)
        assert {b: d[1] for b, d in anew.items()} != {b: d[1] for b, d in told(done.spots).items()}


def test_a_photos_own_sensitivity_is_looked_for_by_its_own_recipe(
    photo: Photo, plain: Retouched, tmp_path: Path
) -> None:
    path = saved(tmp_path / "heal.tif", photo, plain)
    with pytest.raises(NotResumable, match="sensitivity") as caught:
        resumed(path, photo, NOW["settings"], Corrections(sensitivity=60), HEALERS)
    assert caught.value.recipe == RECIPE
    assert resumed(path, photo, NOW["settings"], Corrections(sensitivity=80), HEALERS).begun.recipe == RECIPE


def test_a_photos_own_strength_decides_nothing_anew(photo: Photo, plain: Retouched, tmp_path: Path) -> None:
    path, weak = saved(tmp_path / "heal.tif", photo, plain), Corrections(strength=85)
    with pytest.raises(NotResumable, match="strength"):
        resumed(path, photo, RECIPE, weak, HEALERS)
    before = resumed(path, photo, NOW["settings"], weak, HEALERS)
    done = pipeline.retouch(photo, before.begun.recipe, quiet, weak, pipeline.Beside(before=before))
    wanted = pipeline.retouch(photo, RECIPE, quiet, weak)
    assert done.spots == wanted.spots
    assert {s.box: s.decision for s in done.spots} == {s.box: s.decision for s in plain.spots}
    assert np.array_equal(
        compose_box(photo, done.patches, photo.frame), compose_box(photo, wanted.patches, photo.frame)
    )


def test_a_model_that_is_gone_is_one_healer_less(photo: Photo, plain: Retouched, tmp_path: Path) -> None:
    steps = tuple(
        replace(s, healers=(HealerId("lama"), *s.healers)) if s.healers else s for s in plain.standing.steps
    )
    with_model = replace(plain, standing=replace(plain.standing, steps=steps))
    back = taken_up(saved(tmp_path / "heal.tif", photo, with_model), photo, Corrections())
    assert [s.healers for s in back.steps] == [s.healers for s in plain.standing.steps]


def test_a_plan_never_says_which_models_may_be_used(photo: Photo, plain: Retouched, tmp_path: Path) -> None:
    begun = replace(plain.standing.begun, recipe=replace(RECIPE, models=("flux-fill@ab",)))
    forged = replace(plain, standing=replace(plain.standing, begun=begun))
    path = saved(tmp_path / "heal.tif", photo, forged)
    assert taken_up(path, photo, Corrections()).begun.recipe.models == ()


@pytest.mark.parametrize(
    "recipe",
    [
        {"strength": 900},
        {"remove": ["everything"]},
        {"seed": -1},
        {"seed": "x"},
        {"other": 1},
        {"review": 3},
        7,
    ],
)
def test_a_recipe_that_cannot_be_is_refused(
    photo: Photo, plain: Retouched, tmp_path: Path, recipe: Any
) -> None:
    plan = json.loads(zlib.decompress(packed(plain.standing, photo, RECIPE)))
    plan["begun"]["recipe"] = recipe if recipe == 7 else plan["begun"]["recipe"] | recipe
    path = tmp_path / "heal.tif"
    write_heal_layer(
        path, photo, plain.patches, Finish(), memo=zlib.compress(json.dumps(plan).encode("ascii"))
    )
    with pytest.raises(NotResumable) as caught:
        taken_up(path, photo, Corrections())
    assert caught.value.recipe is None


@pytest.mark.parametrize(
    "said",
    [
        {"digest": '"/><script>'},
        {"digest": 7},
        {"version": "1.0\x1b[2J"},
        {"version": "9" * 41},
        {"version": 1},
    ],
)
def test_what_goes_into_the_result_is_no_more_than_a_digest_and_a_version(
    photo: Photo, plain: Retouched, tmp_path: Path, said: dict[str, Any]
) -> None:
    plan = json.loads(zlib.decompress(packed(plain.standing, photo, RECIPE)))
    plan["begun"] |= said
    path = tmp_path / "heal.tif"
    memo = zlib.compress(json.dumps(plan).encode("ascii"))
    write_heal_layer(path, photo, plain.patches, Finish(), memo=memo)
    with pytest.raises(NotResumable):
        taken_up(path, photo, Corrections())


def test_the_engine_corrects_by_the_photos_own_recipe_and_the_record_says_it(
    chart: Chart, tmp_path: Path
) -> None:
    source = tmp_path / "photo.tif"
    tifffile.imwrite(source, chart.pixels, photometric="rgb")

    def order(name: str, recipe: Recipe, **more: Any) -> Order:
        staging = tmp_path / name
        staging.mkdir()
        return Order(source, staging, recipe, **more)

    asked = Corrections().and_then([Correction((690, 480, 14, 14), Wish.HEAL)])
    stages: list[str] = []
    with open_engine(Limits()) as engine:
        first = engine.retouch(order("first", RECIPE), quiet)
        heal = first.files[Role.HEAL]
        more = {"corrections": asked, "before": heal}
        then = engine.retouch(order("then", NOW["settings"], **more), stages.append)
        same = engine.retouch(order("same", RECIPE, **more), quiet)
        lost = engine.preview(
            order("lost", NOW["settings"], corrections=asked, before_lost="it was changed since"), quiet
        )
    assert "detect" not in stages
    for role in (Role.HEAL, Role.MASK):
        assert then.files[role].read_bytes() == same.files[role].read_bytes()
    assert np.array_equal(*(tifffile.imread(one.files[Role.RESULT]) for one in (then, same)))
    ours, theirs = then.record, same.record
    for key in ("spots", "counts", "corrections", "followed", "engine"):
        assert ours[key] == theirs[key]
    assert ours["engine"]["recipe"] == RECIPE.as_json()
    assert ours["engine"]["recipe_digest"] == asked.key(RECIPE.digest)
    assert ours["last_run"] == {"taken_up": True, "other_settings": True}
    assert [n for n in ours["notes"] if "only what a person changed" in n]
    assert not [n for n in theirs["notes"] if "only what a person changed" in n]
    assert lost["last_run"] == {"taken_up": False, "why": "it was changed since"}
    assert "done from the beginning: it was changed since" in lost["notes"]
    assert lost["engine"]["recipe"] == NOW["settings"].as_json()
