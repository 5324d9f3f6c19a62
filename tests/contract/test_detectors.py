"""What every detector promises, asked of each one in the registry."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.chart import Chart

from retouch_engine.detect import DETECTORS, Detector
from retouch_engine.recipe import Recipe
from retouch_engine.survey import survey
from retouch_engine.types import Photo, Spot


@pytest.fixture(params=sorted(DETECTORS))
def detector(request: pytest.FixtureRequest) -> Detector:
    return DETECTORS[request.param]


def spots(detector: Detector, pixels: np.ndarray, sensitivity: int = 50) -> tuple[Spot, ...]:
    photo = Photo(np.ascontiguousarray(pixels))
    return detector.detect(photo, survey(photo), Recipe(sensitivity=sensitivity))


def test_it_declares_its_needs(detector: Detector) -> None:
    assert DETECTORS[detector.spec.id] is detector
    assert detector.spec.summary
    assert detector.spec.licence


def test_spots_lie_inside_have_masks_count_from_one_and_stay_apart(detector: Detector, chart: Chart) -> None:
    found = spots(detector, chart.pixels)
    h, w = chart.pixels.shape[:2]
    assert found
    assert [s.id for s in found] == list(range(1, len(found) + 1))
    for s in found:
        assert s.box.y0 >= 0
        assert s.box.x0 >= 0
        assert s.box.y1 <= h
        assert s.box.x1 <= w
        assert s.mask.any()
        assert 0 <= s.score <= 1
        assert s.reason
    for i, a in enumerate(found):
        assert not any(a.box.meets(b.box) for b in found[i + 1 :])


def test_the_same_photo_gives_the_same_spots(detector: Detector, chart: Chart) -> None:
    one, two = spots(detector, chart.pixels), spots(detector, chart.pixels)
    assert [(s.box, s.kind, s.score) for s in one] == [(s.box, s.kind, s.score) for s in two]


def test_a_higher_sensitivity_never_makes_it_less_sure(detector: Detector, chart: Chart) -> None:
    counts = [sum(s.sure for s in spots(detector, chart.pixels, level)) for level in (0, 50, 100)]
    assert counts == sorted(counts)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_is_found_in_a_plain_picture(detector: Detector, level: int) -> None:
    assert spots(detector, np.full((120, 160, 3), level, np.uint8)) == ()


def test_nothing_is_found_in_noise(detector: Detector) -> None:
    rng = np.random.default_rng(0)
    assert spots(detector, rng.integers(0, 256, (200, 300, 3)).astype(np.uint8)) == ()
