"""Graded portraits: every look changes the picture as its name says, and no label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.chart import Chart
from benchmarks.detect_score import Mark, Tally
from benchmarks.grades import GRADES, graded, line
from benchmarks.spots.labels import Portrait


@pytest.fixture(scope="module")
def portrait(chart: Chart) -> Portrait:
    samples = (chart.pixels[:300, :300] >> 8).astype(np.uint8)
    return Portrait(Path("drawn.png"), {"blemish": [{"cx": 20, "cy": 30, "r": 4}]}, samples=samples)


@pytest.mark.parametrize("name", GRADES)
def test_a_grade_changes_the_picture_and_no_label(portrait: Portrait, name: str) -> None:
    shown = graded(portrait, GRADES[name])
    assert shown.labels == portrait.labels
    assert shown.pixels.shape == portrait.pixels.shape
    apart = np.abs(shown.pixels.astype(int) - portrait.pixels).mean()
    assert apart < 2 if name == "as it is" else apart > 0.5


def test_what_is_named_after_a_channel_changes_that_one() -> None:
    ramp = np.repeat(np.arange(16, 240, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    grey = Portrait(Path("ramp.png"), {}, samples=np.ascontiguousarray(ramp))
    for name, channel in (("blue lifted", 2), ("red lifted", 0), ("blue shadows", 2)):
        apart = graded(grey, GRADES[name]).pixels.astype(int) - ramp
        assert np.abs(apart).mean((0, 1)).argmax() == channel
        assert apart[:, :40, channel].mean() > 15


def test_a_line_counts_marks_by_their_fate() -> None:
    fates = [("blemish", "healed")] * 3 + [("blemish", "offered"), ("keep", "healed")]
    marks = [Mark(sort, "", 5.0, 1.0, "light", fate) for sort, fate in fates]
    assert line("faded", Tally(marks=marks, photos=2)).split() == ["faded", "3", "4", "1", "0.00", "0.0"]
