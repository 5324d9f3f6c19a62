"""What ``explain`` draws: the colours of causes and fates, the bar, and that skin is left as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from benchmarks.chart import render
from numpy.typing import NDArray
from skimage import data

from retouch_engine import Recipe, explain
from retouch_engine.errors import NotOurDrawing
from retouch_engine.survey import Cause, Scene, survey
from retouch_engine.types import Box, Photo

RINGS = {"healed": (60, 230, 90), "review": (255, 205, 0), "kept": (80, 160, 255)}
"""Green would be healed, yellow is for review, blue is kept: so says ``retouchd explain --help``."""


def drawn(source: Path, picture: NDArray[np.uint8], **more: Any) -> tuple[NDArray[np.int32], dict[str, Any]]:
    source.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(picture)))
    told = explain(source, source.parent / "out", recipe=Recipe(), **more)
    seen = imagecodecs.png_decode(Path(told["files"][0]).read_bytes())
    return np.asarray(seen, np.int32), told


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> tuple[NDArray[np.int32], dict[str, Any], Scene]:
    """A public-domain portrait: the drawing, what is told, and what the engine sees."""
    picture = np.ascontiguousarray(data.astronaut())
    return *drawn(tmp_path_factory.mktemp("portrait") / "eileen.png", picture), survey(Photo(picture))


def test_no_drawing_is_written_through_a_link(tmp_path: Path) -> None:
    grey, elsewhere = np.full((60, 80, 3), 128, np.uint8), tmp_path / "elsewhere.png"
    link = tmp_path / "out" / "grey-explained.png"
    link.parent.mkdir()
    link.symlink_to(elsewhere)
    with pytest.raises(NotOurDrawing, match="move it away"):
        drawn(tmp_path / "grey.png", grey)
    assert not elsewhere.exists()
    link.unlink()
    drawn(tmp_path / "grey.png", grey)
    link.rename(elsewhere)
    link.symlink_to(elsewhere)
    with pytest.raises(NotOurDrawing):
        drawn(tmp_path / "grey.png", grey)


def test_each_find_has_a_ring_in_the_colour_of_its_fate(tmp_path: Path) -> None:
    seen, told = drawn(tmp_path / "chart.png", render(900, 600, seed=7, px_per_mm=12.0).eight_bit())
    near: dict[str, list[Any]] = {fate: [] for fate in RINGS}
    for spot in told["spots"]:
        x, y, w, h = spot["box"]
        left = x + w // 2 - round(max(w, h) / 2 + 4 * 900 / 1400)
        around = seen[max(0, y + h // 2 - 1) : y + h // 2 + 2, max(0, left - 1) : left + 2]
        if around.size and left > 0:
            near[spot["decision"]].append(
                bool((abs(around - RINGS[spot["decision"]]).sum(axis=2) < 60).any())
            )
    for fate, found in near.items():
        assert len(found) >= 2, fate
        assert np.mean(found) > 0.7, f"{fate}: a later ring may lie over an earlier one"


def test_words_stand_beside_finds_that_are_not_kept(tmp_path: Path) -> None:
    picture = render(900, 600, seed=7, px_per_mm=12.0).eight_bit()
    seen, told = drawn(tmp_path / "chart.png", picture)

    def white(spot: dict[str, Any]) -> bool:
        x, y, w, h = spot["box"]
        right = x + w // 2 + round(max(w, h) / 2 + 4 * 900 / 1400) + 2
        return bool((seen[y + h // 2 - 4 : y + h // 2 + 5, right : right + 40].min(axis=-1) > 220).any())

    inside = [s for s in told["spots"] if s["box"][0] < 780 and 10 < s["box"][1] < 560]
    with_words = [white(s) for s in inside if s["decision"] != "kept"]
    without = [white(s) for s in inside if s["decision"] == "kept"]
    assert with_words
    assert all(with_words)
    assert np.mean(without) < 0.5, "the words of another one may lie there"


def test_a_large_photo_is_drawn_on_a_copy_of_at_most_2000_px(tmp_path: Path) -> None:
    seen, _ = drawn(tmp_path / "grey.png", np.full((30, 4100, 3), 128, np.uint8))
    assert seen.shape == (10, 1366, 3)


def test_the_maps_of_a_tall_photo_are_whole(tmp_path: Path) -> None:
    """They are made in bands of rows."""
    picture = np.tile(render(300, 200, seed=7, px_per_mm=12.0).eight_bit(), (6, 1, 1))
    _, told = drawn(tmp_path / "tall.png", picture, maps=True)
    scene, whole = survey(Photo(picture)), Box(0, 0, 1200, 300)
    protected, skin = (imagecodecs.png_decode(Path(path).read_bytes()) for path in told["files"][1:])
    assert np.array_equal(protected > 0, scene.protected_in(whole))
    assert np.array_equal(skin > 0, scene.skin_in(whole))
    assert (skin[1024:] > 0).any()


def test_the_bar_is_ten_millimetres_long(
    portrait: tuple[NDArray[np.int32], dict[str, Any], Scene],
) -> None:
    seen, told, _ = portrait
    size = 512 / 1400
    row = seen[512 - round(24 * size)]
    first = round(20 * size)
    length = int(np.argmin((row[first:] > 250).all(axis=1)))
    assert length == pytest.approx(10 * told["scale"]["px_per_mm"], abs=0.5)


@pytest.mark.parametrize(
    ("cause", "tint"),
    [
        (Cause.EYE, (40, 120, 255)),
        (Cause.BROW, (200, 60, 255)),
        (Cause.LIPS, (255, 40, 60)),
        (Cause.NOSTRIL, (255, 210, 0)),
        (Cause.HAIR, (150, 90, 20)),
        (Cause.NOT_SKIN, (60, 70, 90)),
    ],
)
def test_each_cause_has_its_tint_over_the_photo(
    portrait: tuple[NDArray[np.int32], dict[str, Any], Scene], cause: Cause, tint: tuple[int, int, int]
) -> None:
    seen, _, scene = portrait
    causes = scene.causes_at(Box(0, 0, 512, 512), 1)
    here = causes == cause
    assert here.any()
    expected = data.astronaut()[here] * 0.45 + np.array(tint) * 0.55
    assert np.median(np.abs(seen[here] - expected).max(axis=1)) <= 1


def test_skin_is_left_as_it_is(portrait: tuple[NDArray[np.int32], dict[str, Any], Scene]) -> None:
    seen, _, scene = portrait
    alike = (seen == data.astronaut()).all(axis=2)
    skin = scene.skin_in(Box(0, 0, 512, 512))
    assert alike[skin].mean() > 0.8, "but for rings and words"
    assert alike[scene.protected_in(Box(0, 0, 512, 512))].mean() < 0.1


def test_the_shares_are_those_of_what_is_protected(
    portrait: tuple[NDArray[np.int32], dict[str, Any], Scene],
) -> None:
    _, told, scene = portrait
    protected = scene.protected_in(Box(0, 0, 512, 512)).mean()
    assert max(told["causes"].values()) <= protected + 0.02
    assert sum(told["causes"].values()) >= protected - 0.02
    assert told["skin_share"] == pytest.approx(scene.skin_share, abs=1e-4)
