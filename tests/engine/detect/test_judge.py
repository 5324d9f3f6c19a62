"""The second network: which finds it is shown, what of them, and what is kept of its answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.detect.finds import WORTH_A_LOOK, Find
from retouch_engine.detect.judge import JUDGED, judged, verdicts
from retouch_engine.detect.spotnet import CLOSE, Network, View
from retouch_engine.types import Box


def by_colour(_names: Any, feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """How red and how blue the middle is."""
    near = slice(CLOSE // 2 - 2, CLOSE // 2 + 2)
    middle = feeds["rgb"][:, :, near, near].mean((2, 3))
    return [middle[:, (0, 2, 1)]]


def by_side(_names: Any, feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """How bright the left half is, and how bright the right."""
    left, right = (feeds["rgb"][..., half].mean((1, 2, 3)) for half in (slice(0, 32), slice(32, 64)))
    return [np.stack([left, right, right], 1)]


NETWORK = Network(SimpleNamespace(run=by_colour))
MASK = np.ones((2, 2), np.bool_)


def find(cell: tuple[float, float], odds: float) -> Find:
    return Find(Box(0, 0, 2, 2), MASK, 2.0, {"blemish_most": odds}, cell)


def test_only_what_may_be_a_blemish_gets_a_verdict_and_each_its_own() -> None:
    rgb = np.zeros((200, 300, 3), np.uint8)
    rgb[78:84, 118:124] = (255, 0, 0)
    rgb[138:144, 238:244] = (0, 0, 255)
    seen = View(rgb, np.zeros((3, 100, 150), np.float32), np.ones((100, 150), np.bool_), 1.0, 0, 0, 5.0)
    finds = [find((120, 70), WORTH_A_LOOK / 2), find((60, 40), 0.9), find((120, 70), WORTH_A_LOOK)]
    none, red, blue = judged(finds, seen, NETWORK)
    assert none is finds[0]
    assert [red.figures[name] for name in JUDGED] == [1.0, 0.0]
    assert [blue.figures[name] for name in JUDGED] == [0.0, 1.0]
    assert red.cell == finds[1].cell


def test_a_picture_and_its_mirror_image_get_one_verdict() -> None:
    shown = np.random.default_rng(4).integers(0, 255, (70, CLOSE, CLOSE, 3), np.uint8)
    network = Network(SimpleNamespace(run=by_side))
    one, two = verdicts(shown, network), verdicts(shown[:, :, ::-1], network)
    assert np.allclose([list(v.values()) for v in one], [list(v.values()) for v in two])
    assert np.allclose([v[JUDGED[0]] for v in one], shown.mean((1, 2, 3)) / 255)


def test_no_finds_need_no_network() -> None:
    assert verdicts(np.zeros((0, CLOSE, CLOSE, 3), np.uint8), Network(None)) == []
