"""Things on skin: each is drawn at its size, lit as the face is, and judged by the worst that befalls it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from benchmarks.grades import GRADES
from benchmarks.spots.labels import Portrait
from benchmarks.worn import (
    Ask,
    Lit,
    Sitter,
    laid,
    line,
    previewed,
    renderings,
    seen_bare,
    sheet,
    sitter,
    somewhere,
    worst,
)
from benchmarks.worn_draw import Drawn, drawn
from benchmarks.worn_kinds import KINDS, PLACES
from skimage import data

from retouch_engine import Engine, Order
from retouch_engine.codec.read import read_photo
from retouch_engine.imaging.density import density, encode
from retouch_engine.recipe import Limits
from retouch_engine.types import Box, Float

PX_PER_MM = 4.0
SKIN = (200, 150, 125)
SIDE = 400


class FakeEngine:
    """Has one answer to all photos, and remembers them."""

    def __init__(self, spots: Sequence[Mapping[str, Any]]) -> None:
        self.spots, self.shapes = spots, set[tuple[int, ...]]()

    brightest: int = 0

    def preview(self, order: Order, _progress: Callable[[str], None]) -> dict[str, Any]:
        photo = read_photo(order.source, Limits())
        assert not photo.halved_colour
        assert photo.lossy
        self.shapes.add(photo.pixels.shape)
        self.brightest = int(photo.pixels.max())
        return {"spots": self.spots}


def ask(engine: FakeEngine, look: str = "as it is") -> Ask:
    return partial(previewed, cast("Engine", engine), GRADES[look])


def spot(decision: str, box: tuple[int, int, int, int]) -> dict[str, Any]:
    return {"decision": decision, "box": list(box)}


@pytest.fixture
def somebody() -> Sitter:
    """Even skin without noise, 100 mm wide, the eyes above its middle."""
    pixels = np.full((SIDE, SIDE, 3), SKIN, np.uint8)
    clean = np.ones((SIDE, SIDE), np.bool_)
    return Sitter(
        pixels, (SIDE / 2, 120.0), PX_PER_MM, 40.0, clean, replace(Lit.of(pixels, clean), noise=0.0)
    )


def one(name: str, seed: int = 1) -> Drawn:
    return drawn(KINDS[name], PX_PER_MM, np.random.default_rng(seed))


def seen(thing: Drawn) -> Float:
    return np.asarray(thing.cover + np.abs(thing.stain).max(axis=-1) + thing.shine)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_shows_and_ends_within_its_canvas(name: str) -> None:
    thing = one(name)
    assert seen(thing).max() > 0.1
    assert 0 <= thing.cover.min() <= thing.cover.max() <= 1.001
    assert thing.light.min() >= 0
    frame = seen(thing)
    frame[1:-1, 1:-1] = 0
    assert frame.max() < 0.02
    assert set(KINDS[name].places) <= set(PLACES)


@pytest.mark.parametrize("name", ["bindi", "piercing", "acne patch", "round plaster", "drop of water"])
@pytest.mark.parametrize("seed", range(4))
def test_a_thing_is_as_wide_as_its_kind_says(name: str, seed: int) -> None:
    columns = np.flatnonzero((seen(one(name, seed)) > 0.1).any(axis=0))
    low, high = KINDS[name].mm
    assert low - 0.6 <= (columns[-1] - columns[0] + 1) / PX_PER_MM <= high + 1.2


def test_a_seed_gives_the_same_thing_and_another_seed_another() -> None:
    for name in ("glitter", "kumkum"):
        assert np.array_equal(seen(one(name)), seen(one(name)))
        assert seen(one(name, 2)).sum() != seen(one(name)).sum()


def test_a_row_is_a_row_and_its_dots_are_alike() -> None:
    thing = drawn(KINDS["row of red dots"], 3 * PX_PER_MM, np.random.default_rng(1))
    rows, columns = np.nonzero(thing.cover > 0.5)
    assert np.ptp(columns) > 4 * np.ptp(rows)
    inside = thing.cover > 0.85
    assert np.ptp(columns[inside[rows, columns]]) > 0.8 * np.ptp(columns)
    assert np.ptp(thing.light[inside] / thing.cover[inside][:, None], axis=0).max() < 0.02


def test_paint_has_its_own_colour_and_a_stain_only_darkens(somebody: Sitter) -> None:
    rng = np.random.default_rng(1)
    bindi, ash = (laid(somebody, one(name), 200, 200, rng) for name in ("bindi", "smudge of ash"))
    red, green, _ = bindi[200, 200].astype(int) - SKIN
    assert green < -60
    assert green < red - 30
    assert (ash <= SKIN).all()
    assert ash[190:210, 190:210].mean() < np.mean(SKIN) - 5


def test_away_from_a_thing_nothing_changes_and_at_the_edge_it_is_cut(somebody: Sitter) -> None:
    rng = np.random.default_rng(1)
    thing = one("bindi")
    for x, y in ((200, 200), (2, 398)):
        changed = np.argwhere((laid(somebody, thing, x, y, rng) != somebody.pixels).any(axis=-1))
        assert len(changed)
        assert np.abs(changed - (y, x)).max() <= thing.cover.shape[0] // 2


def test_in_the_shade_a_thing_is_darker_and_skin_darker_by_itself_leaves_it_as_it_is(
    somebody: Sitter,
) -> None:
    thing, rng = one("sandal paste"), np.random.default_rng(1)
    dim = np.asarray(255 * encode(density(somebody.pixels) + np.float32(0.5)), np.uint8)
    lit = laid(somebody, thing, 200, 200, rng)[200, 200].astype(int)
    shaded = laid(replace(somebody, pixels=dim), thing, 200, 200, rng)[200, 200].astype(int)
    darker = replace(somebody, pixels=dim, lit=replace(Lit.of(dim, somebody.clean), noise=0.0))
    assert (shaded < lit - 20).all()
    assert np.abs(laid(darker, thing, 200, 200, rng)[200, 200] - lit).max() < 12


def test_light_tells_of_the_face_what_is_noise() -> None:
    rng, clean = np.random.default_rng(1), np.ones((SIDE, SIDE), np.bool_)
    pixels = np.rint(np.array(SKIN) + rng.normal(0, 1, (SIDE, SIDE, 3))).astype(np.uint8)
    assert Lit.of(pixels, clean).noise == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize(
    ("spots", "before", "fate"),
    [
        ([], [], "left alone"),
        ([spot("kept", (20, 20, 10, 10))], [], "left alone"),
        ([spot("review", (20, 20, 10, 10)), spot("kept", (22, 22, 4, 4))], [], "offered"),
        ([spot("failed", (20, 20, 10, 10))], [], "offered"),
        ([spot("review", (20, 20, 4, 4)), spot("healed", (24, 24, 4, 4))], [], "healed"),
        ([spot("healed", (20, 20, 10, 10))], [Box(28, 28, 34, 34)], "left alone"),
        ([spot("healed", (28, 28, 10, 10))], [], "left alone"),
        ([spot("healed", (10, 10, 30, 30))], [], "healed"),
    ],
    ids=["none", "kept", "offered", "failed", "part", "healed without it", "beside", "around"],
)
def test_a_thing_counts_by_the_worst_that_befalls_any_part_of_it(
    spots: list[dict[str, Any]], before: list[Box], fate: str
) -> None:
    covered = np.zeros((60, 60), np.bool_)
    covered[20:30, 20:30] = True
    assert worst(spots, covered, before) == fate


def test_on_a_real_face_there_is_room_and_none_where_something_is_healed_anyway() -> None:
    face = sitter(Portrait(Path("faces/astronaut.png"), {}, np.ascontiguousarray(data.astronaut())))
    assert face is not None
    rng = np.random.default_rng(1)
    at = somewhere(face, KINDS["painted heart"], 0, rng)
    assert at is not None
    assert face.clean[at[1], at[0]]
    everything = seen_bare(face, ask(FakeEngine([spot("healed", (0, 0, 512, 512))])))
    assert somewhere(everything, KINDS["painted heart"], 0, rng) is None
    offered = seen_bare(face, ask(FakeEngine([spot("review", (0, 0, 512, 512))])))
    assert np.array_equal(offered.clean, face.clean)


def test_without_a_face_or_clean_skin_there_is_nobody_to_lay_things_on() -> None:
    astronaut = np.ascontiguousarray(data.astronaut())
    assert sitter(Portrait(Path("faces/wall.png"), {}, np.full_like(astronaut, 128))) is None
    covered = {"ignore": [{"cx": 256, "cy": 256, "r": 400}]}
    assert sitter(Portrait(Path("faces/astronaut.png"), covered, astronaut)) is None


def test_renderings_go_through_the_engine_as_photos_and_come_back_judged(somebody: Sitter) -> None:
    engine = FakeEngine([spot("healed", (0, 0, SIDE, SIDE))])
    darker = replace(somebody, angle=10.0)
    shown = list(renderings([somebody, darker], "kumkum", 3, 7, ask(engine)))
    assert engine.shapes == {(SIDE, SIDE, 3)}
    assert [r.fate for r in shown] == ["healed"] * 3
    assert {r.angle for r in shown} == {10.0, 40.0}
    again = list(renderings([somebody, darker], "kumkum", 3, 7, ask(engine)))
    assert all(np.array_equal(a.view, b.view) for a, b in zip(shown, again, strict=True))
    other = list(renderings([somebody, darker], "kumkum", 3, 8, ask(engine)))
    assert not any(np.array_equal(a.view, b.view) for a, b in zip(shown, other, strict=True))
    tiles = sheet(shown)
    assert (tiles.reshape(-1, 3) == (220, 30, 30)).all(axis=1).any(), "a red bar below each"


def test_a_photo_is_asked_about_under_its_look(somebody: Sitter) -> None:
    plain, matte = FakeEngine([]), FakeEngine([])
    ask(plain)(somebody.pixels)
    ask(matte, "matte")(somebody.pixels)
    assert plain.brightest == pytest.approx(200, abs=2)
    assert matte.brightest == pytest.approx(0.85 * 200 + 0.12 * 255, abs=2)


def test_a_line_counts_by_fate() -> None:
    told = line("veil", Counter({"healed": 1, "offered": 2, "left alone": 4}))
    assert told.split() == ["veil", "7", "1", "2", "4"]
