"""Survey, detection, routing and the ladder, on rendered skin and on pictures without any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.chart import Chart

from retouch_engine import Correction, Corrections, Kind, Recipe, Wish, pipeline
from retouch_engine.codec.codepoints import display_p3
from retouch_engine.heal import Heal, Wound
from retouch_engine.heal.donor import Donor
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
from retouch_engine.imaging.masks import placed
from retouch_engine.record import Decision
from retouch_engine.remnant import whole
from retouch_engine.route import plan, spared
from retouch_engine.survey import Cause, Scene, survey
from retouch_engine.survey.suspects import Suspect
from retouch_engine.types import Bool, Box, HealerId, Photo, PixelScale, Spot, Takes

HEALERS = {HealerId("small"): Takes(40.0), HealerId("large"): Takes(200.0)}
SKIN = Scene(
    skin=np.ones((40, 40), np.float32),
    height=400,
    width=400,
    srgb=True,
    scale=PixelScale(None, "none"),
    level=np.zeros((40, 40), np.float32),
    causes=np.zeros((40, 40), np.uint8),
)
"""A photo that is all skin."""


def quiet(_: str) -> None:
    """Progress that nobody watches."""


def acted_on(done: pipeline.Retouched) -> list[tuple[str, str, Decision]]:
    """What was healed or offered, and where (to a few pixels)."""
    return [
        (f"{s.box[0] // 8},{s.box[1] // 8}", s.kind, s.decision)
        for s in done.spots
        if s.decision is not Decision.KEPT
    ]


def spot(kind: Kind, *, sure: bool = True, size: int = 20) -> Spot:
    return Spot(
        1, Box(50, 50, 50 + size, 50 + size), np.ones((size, size), bool), size, kind, 0.9, sure, "why"
    )


@pytest.mark.parametrize(
    ("kind", "sure", "healers", "review"),
    [
        (Kind.PIMPLE, True, ("small", "large"), False),
        (Kind.PIMPLE, False, (), True),
        (Kind.MOLE, True, (), False),
        (Kind.FRECKLE, True, (), False),
        (Kind.SCAR, True, (), False),
        (Kind.TATTOO, True, (), False),
        (Kind.UNKNOWN, True, (), True),
        (Kind.PAINTED, True, ("small", "large"), False),
    ],
)
def test_what_becomes_of_each_kind(kind: Kind, sure: bool, healers: tuple[str, ...], review: bool) -> None:
    (step,) = plan([spot(kind, sure=sure)], Recipe(), HEALERS, SKIN)
    assert step.healers == healers
    assert step.review is review
    assert step.reason


def test_the_route_goes_by_diameter() -> None:
    (small,) = plan([spot(Kind.PIMPLE, size=20)], Recipe(), HEALERS, SKIN)
    (large,) = plan([spot(Kind.PIMPLE, size=100)], Recipe(), HEALERS, SKIN)
    (huge,) = plan([spot(Kind.PIMPLE, size=250)], Recipe(), HEALERS, SKIN)
    (wide,) = plan([spot(Kind.PIMPLE, size=100)], Recipe(largest_px=90), HEALERS, SKIN)
    assert small.healers == ("small", "large")
    assert large.healers == ("large",)
    assert huge.healers == ()
    assert huge.review
    assert wide.review
    assert small.hole.sum() > 20 * 20


@pytest.mark.parametrize(("columns", "kept"), [(4, False), (6, True), (40, True)])
def test_a_spot_is_kept_when_more_than_a_quarter_of_it_is_protected(columns: int, kept: bool) -> None:
    level, causes = np.zeros((400, 400), np.float32), np.full((400, 400), Cause.LIPS, np.uint16)
    level[:, : 50 + columns] = 1
    scene = replace(SKIN, level=level, causes=causes)
    (step,) = spared(plan([spot(Kind.PIMPLE)], Recipe(), HEALERS, scene), scene)
    assert (step.healers == (), step.reason == "protected: lips") == (kept, kept)
    assert kept or np.count_nonzero(step.hole) > 16 * 20
    assert kept or not (step.hole & scene.protected_in(step.box)).any()


@pytest.mark.parametrize(("reach", "offered"), [(4, False), (9, True)])
def test_a_spot_bent_around_what_is_protected_is_offered(reach: int, offered: bool) -> None:
    ring = spot(Kind.PIMPLE)
    y, x = np.mgrid[:20, :20] - 9.5
    ring = replace(ring, mask=(np.hypot(y, x) < 10) & ~((np.abs(y) < reach / 2) & (x > 4 - reach)))
    level, causes = np.zeros((400, 400), np.float32), np.full((400, 400), Cause.NOSTRIL, np.uint16)
    level[50:70, 50:70] = ~ring.mask
    scene = replace(SKIN, level=level, causes=causes)
    (step,) = spared(plan([ring], Recipe(), HEALERS, scene), scene)
    assert (step.healers == (), step.review, "around" in step.reason) == (offered,) * 3
    assert not offered or "nostril" in step.reason


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize("cause", [Cause.HAIR, Cause.LIPS, Cause.STUBBLE])
def test_a_spot_of_which_a_part_would_stay_is_offered(cause: Cause, goes_on: bool) -> None:
    half = replace(spot(Kind.PIMPLE), mask=np.hypot(*(np.mgrid[:20, :20] - 9.5)) < 10)
    pixels = np.full((400, 400, 3), (200, 150, 130), np.uint8)
    drawn = placed(half.mask, half.box, Box(0, 0, 400, 400))
    level, causes = np.zeros((400, 400), np.float32), np.full((400, 400), cause, np.uint16)
    level[:, :56] = 1
    half = replace(half, mask=half.mask & (level[50:70, 50:70] == 0))
    if not goes_on:
        drawn &= level == 0
    pixels[drawn] = (190, 110, 100)
    scene = replace(SKIN, level=level, causes=causes)
    (step,) = whole(Photo(pixels), scene, plan([half], Recipe(), HEALERS, scene))
    offered = goes_on and cause != Cause.STUBBLE
    assert (step.healers == (), step.review, "would stay" in step.reason) == (offered,) * 3


MADE_FOR = {
    HealerId("usual"): Takes(500),
    HealerId("structure"): Takes(500, smallest_px=12, structure=True),
    HealerId("edge"): Takes(120, at_edges=True),
}


def test_a_healer_made_for_the_shape_comes_first() -> None:
    (disc,) = plan([spot(Kind.PIMPLE, size=20)], Recipe(), MADE_FOR, SKIN)
    (large,) = plan([spot(Kind.PIMPLE, size=190)], Recipe(), MADE_FOR, SKIN)
    (tiny,) = plan([spot(Kind.PIMPLE, size=8)], Recipe(), MADE_FOR, SKIN)
    line = Spot(1, Box(50, 50, 54, 110), np.ones((4, 60), bool), 17, Kind.PAINTED, 1, True, "painted")
    (long,) = plan([line], Recipe(), MADE_FOR, SKIN)
    assert disc.healers == ("usual", "structure", "edge")
    assert large.healers == ("structure", "usual")
    assert tiny.healers == ("usual", "edge")
    assert long.healers[0] == "structure"


def test_a_healer_made_for_edges_comes_first_beside_one() -> None:
    skin = np.ones((400, 400), np.float32)
    skin[:, 75:] = 0
    beside = replace(SKIN, skin=skin)
    (step,) = plan([spot(Kind.PIMPLE, size=20)], Recipe(), MADE_FOR, beside)
    assert step.healers[0] == "edge"
    (elsewhere,) = plan(
        [spot(Kind.PIMPLE, size=20)], Recipe(), MADE_FOR, replace(SKIN, skin=np.zeros_like(skin))
    )
    assert elsewhere.healers[0] == "usual"


def test_a_hole_grows_with_its_spot() -> None:
    margins = []
    for size in (8, 40):
        (step,) = plan([spot(Kind.PIMPLE, size=size)], Recipe(), {HealerId("any"): Takes(500.0)}, SKIN)
        rows = np.flatnonzero(step.hole.any(axis=1))
        margins.append((len(rows) - size) / 2)
    assert margins == [3, 7]


def test_skin_is_found_on_the_chart_and_not_on_plain_pictures(chart: Chart) -> None:
    assert survey(Photo(chart.pixels.copy())).skin_share > 0.3
    for colour in ((120, 120, 120), (40, 90, 200), (60, 140, 60)):
        plain = np.broadcast_to(np.array(colour, np.uint8), (200, 300, 3)).copy()
        assert survey(Photo(plain)).skin_share == 0


def test_the_number_of_threads_changes_nothing(chart: Chart) -> None:
    photo = Photo(chart.pixels.copy())
    one = pipeline.retouch(photo, Recipe(), quiet, crew=pipeline.Crew(threads=1))
    many = pipeline.retouch(photo, Recipe(), quiet, crew=pipeline.Crew(threads=4))
    assert one.spots == many.spots
    for a, b in zip(one.patches, many.patches, strict=True):
        assert a.box == b.box
        assert np.array_equal(a.pixels, b.pixels)


def test_what_its_place_keeps_from_being_healed_heals_nothing_in_the_next_photo(
    chart: Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``sure`` in a record is a vote to heal for the photos beside it."""
    photo = Photo(chart.pixels.copy())
    scene = survey(photo)
    plain = pipeline.retouch(photo, Recipe(), quiet)
    on_ears = replace(scene, ears=np.ones(scene.skin.shape, np.bool_))
    near = Suspect(
        photo.width / 2, photo.height / 2, 2.0 * photo.width, np.zeros((4, 2, 2), np.float32), True
    )
    for doubtful in (on_ears, replace(scene, suspects=(near,))):
        monkeypatch.setattr(pipeline, "survey", lambda *_, seen=doubtful, **__: seen)
        placed = pipeline.retouch(photo, Recipe(), quiet)
        offered = {s.id for s in placed.spots if s.decision is Decision.REVIEW}
        assert {s.id for s in plain.spots if s.sure} <= offered
        assert not any(s.sure for s in placed.spots)


def test_patches_do_not_overlap_and_spare_every_kept_spot(chart: Chart) -> None:
    photo = Photo(chart.pixels.copy())
    done = pipeline.retouch(photo, Recipe(sensitivity=90), quiet)
    covered = np.zeros((photo.height, photo.width), int)
    for patch in done.patches:
        covered[patch.box.slices] += patch.changed
    assert covered.max() == 1
    for record, step in zip(done.spots, done.steps, strict=True):
        if record.decision is Decision.KEPT:
            box = step.spot.box
            assert not (covered[box.slices] > 0)[step.spot.mask].any()


def test_touching_spots_are_healed_as_one(chart: Chart) -> None:
    photo = Photo(chart.clean.copy())
    plain = pipeline.retouch(photo, Recipe(), quiet)
    both = tuple(Correction((x, 300, 16, 16), Wish.HEAL) for x in (300, 318))
    done = pipeline.retouch(photo, Recipe(), quiet, Corrections(both))
    asked = [s for s in done.spots if s.wish]
    assert [s.box for s in asked] == [c.box for c in both]
    assert len({s.decision for s in asked}) == 1
    assert len(done.patches) <= len(plain.patches) + 1


def test_a_spot_that_no_heal_fits_is_left_and_offered() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 65536, (120, 120, 3)).astype(np.uint16)
    asked = Corrections((Correction((20, 20, 80, 80), Wish.HEAL),))
    done = pipeline.retouch(Photo(pixels), Recipe(), quiet, asked)
    assert done.patches == ()
    assert done.spots[-1].decision is Decision.REVIEW
    assert done.spots[-1].reason


def test_real_pictures_without_skin_are_left_alone() -> None:
    from skimage import data

    names = ("brick", "grass", "gravel", "camera", "coins", "text", "page", "clock", "horse", "moon")
    for name in (*names, "coffee", "rocket", "hubble_deep_field", "retina", "colorwheel", "chelsea"):
        picture = np.asarray(getattr(data, name)())
        picture = picture.astype(np.uint8) * 255 if picture.dtype == np.bool_ else picture
        pixels = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture[..., :3]
        done = pipeline.retouch(Photo(np.ascontiguousarray(pixels)), Recipe(), quiet)
        assert done.spots == (), name
    large = np.repeat(np.repeat(data.coffee(), 3, axis=0), 3, axis=1)
    assert pipeline.retouch(Photo(large), Recipe(), quiet).spots == ()


def test_the_same_scene_in_five_profiles_gets_the_same_finds(chart: Chart) -> None:
    import imagecodecs

    prophoto = imagecodecs.cms_profile(
        "rgb",
        whitepoint=(0.3457, 0.3585, 1.0),
        primaries=(0.7347, 0.2653, 1.0, 0.1596, 0.8404, 1.0, 0.0366, 0.0001, 1.0),
        gamma=1.8,
    )
    plain = pipeline.retouch(Photo(chart.pixels.copy()), Recipe(), quiet)
    for profile in (
        imagecodecs.cms_profile("adobergb"),
        prophoto,
        display_p3(),
        imagecodecs.cms_profile("srgb"),
    ):
        converted = imagecodecs.cms_transform(
            chart.pixels, imagecodecs.cms_profile("srgb"), profile, colorspace="rgb", outcolorspace="rgb"
        )
        done = pipeline.retouch(Photo(np.asarray(converted), profile=profile), Recipe(), quiet)
        # Rounding in the conversion may tip a freckle of four pixels; nothing that matters.
        assert acted_on(done) == acted_on(plain)
        one, other = {s.box for s in done.spots}, {s.box for s in plain.spots}
        assert len(one ^ other) <= 0.1 * len(other)


@pytest.mark.parametrize("strength", [10, 50, 70])
def test_a_weaker_strength_heals_the_same_spots_by_less(chart: Chart, strength: int) -> None:
    photo = Photo(chart.pixels)
    whole = pipeline.retouch(photo, Recipe(), quiet)
    part = pipeline.retouch(photo, Recipe(strength=strength), quiet)

    assert acted_on(part) == acted_on(whole)
    assert [p.box for p in part.patches] == [p.box for p in whole.patches]
    for weak, full in zip(part.patches, whole.patches, strict=True):
        source = chart.pixels[full.box.slices].astype(np.float64)
        moved = [float(np.mean(p.pixels[full.changed] - source[full.changed])) for p in (weak, full)]
        assert 0.3 * strength / 100 < moved[0] / moved[1] < 2.0 * strength / 100


def test_a_place_on_burnt_out_skin_that_a_person_painted_is_left_and_said() -> None:
    pixels = np.full((200, 200, 3), 255, np.uint8)
    pixels[95:105, 95:105] = (230, 150, 150)
    mask = np.zeros((200, 200), np.uint8)
    mask[93:107, 93:107] = 255
    done = pipeline.retouch(Photo(pixels), Recipe(), quiet, beside=pipeline.Beside(mask=mask))
    (painted,) = [s for s in done.spots if s.kind == Kind.PAINTED]
    assert painted.decision in {Decision.FAILED, Decision.REVIEW}
    assert "no clean skin" in painted.reason
    assert not done.patches


class Small(Donor):
    """A healer that has nothing for large holes."""

    def __init__(self, most_px: int) -> None:
        self.most_px = most_px

    def attempts(self, wound: Wound) -> Iterator[Heal]:
        if np.count_nonzero(wound.hole) <= self.most_px:
            yield from super().attempts(wound)


def test_where_no_wide_heal_passes_the_narrow_one_has_its_turn() -> None:
    rng = np.random.default_rng(4)
    grain = blur(rng.normal(size=(240, 240)).astype(np.float32), 1)[..., None] * 0.1
    away = np.hypot(*(np.mgrid[:240, :240] - 120))
    red = 0.3 * np.exp(-((away / 6) ** 2) / 2)[..., None] * np.array([0.1, 1.0, 0.6])
    od = np.array([0.9, 1.35, 1.7]) + grain + red
    photo = Photo(np.rint(np.clip(encode(od.astype(np.float32)), 0, 1) * 65535).astype(np.uint16))
    asked = Corrections((Correction((113, 113, 14, 14), Wish.HEAL),))

    def holes(most_px: int, strength: int = 100) -> tuple[pipeline.Retouched, Bool]:
        crew = pipeline.Crew(healers={HealerId("donor"): Small(most_px)})
        done = pipeline.retouch(photo, Recipe(strength=strength), quiet, asked, crew=crew)
        return done, placed(done.steps[-1].hole, done.steps[-1].box, photo.frame)

    wide, wide_hole = holes(100_000)
    narrow, narrow_hole = holes(int(wide_hole.sum()) - 1)
    assert [s.decision for s in (*wide.spots, *narrow.spots)] == [Decision.HEALED] * 2
    # What the plan says of the hole is what was healed, and all of it lies in the wide one.
    (patch,) = narrow.patches
    assert np.array_equal(placed(patch.changed, patch.box, photo.frame), narrow_hole)
    assert not (narrow_hole & ~wide_hole).any()
    assert 1.2 * narrow_hole.sum() < wide_hole.sum()
    neither, _ = holes(0)
    assert (neither.patches, neither.spots[-1].decision) == ((), Decision.REVIEW)
    assert all(step.narrower is None for done in (wide, narrow, neither) for step in done.steps)
    # At a strength of none nothing is refused.
    assert np.array_equal(holes(0, strength=0)[1], wide_hole)
