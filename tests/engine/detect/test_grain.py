"""Whether the skin around a find runs in one direction: on rendered spots, folds and shadows."""

from __future__ import annotations

import math
import tracemalloc

import cv2
import numpy as np
import pytest
from benchmarks import skin
from numpy.typing import NDArray

from retouch_engine.detect.grain import coherence, prominence

PX_PER_MM = 5.0
SIDE = 120
RELIEF = 0.05
"""Of chart skin, in optical density."""
MIDDLE = SIDE / 2
ALL_SKIN = np.ones((SIDE // 2, SIDE // 2), np.bool_)
TURNS = (0.0, 0.4, 0.8, 1.2, 1.6, 2.4)
Image = NDArray[np.uint8]


def skin_with(more: NDArray[np.float64], tone: str = "light", seed: int = 3) -> Image:
    """Rendered skin with density added to it, seen at the networks' scale."""
    rng = np.random.default_rng(seed)
    # Rendered four times as fine: relief at 5 px/mm would be noise alone.
    fine = (4 * SIDE, 4 * SIDE)
    od = (
        skin.density(skin.TONES[tone])
        + RELIEF * skin.relief(fine, 4 * PX_PER_MM, rng)[..., None] * skin.RELIEF
    )
    od = od + cv2.resize(more, fine, interpolation=cv2.INTER_CUBIC)[..., None] * skin.HAEMOGLOBIN
    large = skin.develop(od.astype(np.float32), skin.sensor(fine, rng))
    return np.asarray(cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA) // 257, np.uint8)


def offsets(turn: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Along and across an axis through the middle, in px."""
    y, x = np.mgrid[:SIDE, :SIDE] - MIDDLE
    return x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)


def spot(strength: float = 0.4) -> NDArray[np.float64]:
    along, across = offsets(0)
    return strength * np.exp(-(along**2 + across**2) / (2 * 5.0**2))


def fold(turn: float, strength: float = 0.25) -> NDArray[np.float64]:
    """A crease a millimetre and a half wide that is deepest in the middle and goes on beyond."""
    along, across = offsets(turn)
    return strength * np.exp(-(across**2) / (2 * 3.5**2)) * (0.5 + np.exp(-(along**2) / (2 * 6.0**2)))


def shadow(turn: float, strength: float = 0.35) -> NDArray[np.float64]:
    """The edge of a soft shadow, as under a jaw or beside a nose."""
    return strength / (1 + np.exp(-offsets(turn)[1] / 4))


def hollow(strength: float = 0.35) -> NDArray[np.float64]:
    """A face that bends away from the light, darkest along one line, redder where it is darker."""
    along, across = offsets(0.7)
    return strength * np.exp(-(across**2) / (2 * 22.0**2) - along**2 / (2 * 60.0**2))


def around(rgb: Image, skin_cells: NDArray[np.bool_] = ALL_SKIN) -> float:
    return coherence(rgb, skin_cells, MIDDLE, MIDDLE, 6.0, PX_PER_MM)


@pytest.mark.parametrize("tone", list(skin.TONES))
def test_around_a_spot_skin_runs_nowhere(tone: str) -> None:
    assert around(skin_with(spot(), tone)) < 0.3


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("form", [fold, shadow])
def test_along_a_fold_or_a_shadow_it_runs_one_way_whichever_that_is(form: type, turn: float) -> None:
    assert around(skin_with(form(turn))) > 0.5


def test_a_spot_beside_a_fold_is_no_piece_of_it() -> None:
    beside = np.roll(fold(0.5), 30, axis=0)
    assert around(skin_with(spot() + beside)) < 0.3


def test_what_is_no_skin_has_no_say() -> None:
    rgb = skin_with(spot())
    rgb[:, 70:] = 255
    cells = ALL_SKIN.copy()
    cells[:, 33:] = False
    assert around(rgb) > 0.7
    assert around(rgb, cells) < 0.35


def rises(rgb: Image, radius: float = 8.0, skin_cells: NDArray[np.bool_] = ALL_SKIN) -> float:
    return prominence(rgb, skin_cells, MIDDLE, MIDDLE, radius)


@pytest.mark.parametrize("tone", list(skin.TONES))
def test_a_spot_rises_from_the_skin_around_and_the_shade_of_a_hollow_does_not(tone: str) -> None:
    assert rises(skin_with(spot(0.3), tone)) > 6
    assert rises(skin_with(spot(0.3) + hollow(), tone)) > 6
    assert rises(skin_with(hollow(), tone)) < 2


def test_a_pale_spot_rises_as_a_dark_one_does() -> None:
    assert rises(skin_with(-spot(0.3))) > 6


def test_a_find_as_large_as_a_face_rises_as_a_small_one_does_and_takes_little_memory() -> None:
    small, times = skin_with(spot(0.3)), 16
    large = small.repeat(times, axis=0).repeat(times, axis=1)
    cells = ALL_SKIN.repeat(times, axis=0).repeat(times, axis=1)
    middle = (MIDDLE + 0.5) * times - 0.5
    tracemalloc.start()
    rise = prominence(large, cells, middle, middle, 8.0 * times)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rise == pytest.approx(rises(small), rel=0.25)
    assert peak < 20e6


def test_what_is_no_skin_does_not_bend_the_surface() -> None:
    rgb = skin_with(hollow())
    rgb[:, 76:] = 255
    cells = ALL_SKIN.copy()
    cells[:, 36:] = False
    assert rises(rgb, 8.0, cells) < 2


def test_where_nothing_is_seen_nothing_rises() -> None:
    flat = np.full((40, 40, 3), 128, np.uint8)
    none = np.zeros((20, 20), np.bool_)
    assert prominence(flat, none, 20.0, 20.0, 4.0) == pytest.approx(0, abs=1e-6)
    assert prominence(flat[:1, :1], none[:1, :1], 0.0, 0.0, 4.0) == 0
    assert prominence(flat[:8, :8], none[:4, :4], 4.0, 4.0, 30.0) == 0


def test_at_the_border_and_where_nothing_is_seen_it_has_an_answer() -> None:
    flat = np.full((40, 40, 3), 128, np.uint8)
    none = np.zeros((20, 20), np.bool_)
    assert coherence(flat, none, 20.0, 20.0, 3.0, PX_PER_MM) == 0
    rgb = skin_with(fold(0.0))
    assert 0 <= coherence(rgb, ALL_SKIN, 0.0, MIDDLE, 4.0, PX_PER_MM) <= 1
    assert coherence(rgb[:1, :1], ALL_SKIN[:1, :1], 0.0, 0.0, 4.0, PX_PER_MM) == 0
