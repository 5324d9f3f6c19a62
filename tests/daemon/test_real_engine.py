"""The daemon with the engine that it is made for: what the two promise each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from benchmarks.chart import Chart
from benchmarks.marks import TrueSpot
from tests.daemon.conftest import Hot, wait_for

from retouch_engine import Role, open_engine
from retouchd import naming
from retouchd.results import record


@pytest.fixture
def shoot(hot: Hot, chart_tiff: Path) -> Path:
    """A chart in the hot folder."""
    return Path(shutil.copy(chart_tiff, hot.folder / "chart.tif"))


def test_the_front_door_is_there() -> None:
    assert callable(open_engine)


def test_a_photo_goes_all_the_way_and_its_result_is_known_for_ours(hot: Hot, shoot: Path) -> None:
    process = hot.start(engine=None)
    wait_for(lambda: hot.rows("done"), "the result")
    shutil.copy(hot.folder / "chart-retouched.tif", hot.folder / "renamed.tif")
    wait_for(lambda: [r for r in hot.rows("skipped") if r["code"] == "own-output"], "the mark to be seen")
    process.terminate()
    assert process.wait(60) == 0

    told = record.read(hot.folder / "_retouchd/chart.json")
    assert told
    assert record.same_source(told, shoot)
    names = naming.first_set(shoot, hot.folder)
    for role in (Role.RESULT, Role.HEAL, Role.MASK):
        assert record.digest_of(names.path(role)) in record.our_digests(told, role)
    assert record.source_digest(told) == record.digest_of(shoot)
    assert len(record.recipe_digest(told)) == 64
    assert told["outside_unchanged"] is True


def test_process_finds_the_same_work_done(hot: Hot, shoot: Path) -> None:
    first = hot.cli("process", shoot, "--json", "--config", hot.config)
    second = hot.cli("process", shoot, "--config", hot.config)

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    told = json.loads(first.stdout)
    assert told["counts"]["found"] == len(told["spots"])
    assert "was done already" in second.stdout


def test_a_painted_mask_overrides_the_finds_and_a_change_of_it_starts_from_the_original(
    hot: Hot, shoot: Path, chart: Chart
) -> None:
    one, two = chart.blemishes[0], chart.blemishes[1]
    names = naming.first_set(shoot, hot.folder)
    mask = names.path(Role.MASK)
    mask.parent.mkdir()

    def paint(on: list[TrueSpot], ignored: list[TrueSpot]) -> None:
        canvas = np.zeros(chart.pixels.shape[:2], np.uint8)
        for spots, value in ((on, 255), (ignored, 128)):
            for spot in spots:
                cv2.circle(canvas, (round(spot.cx), round(spot.cy)), round(spot.r) + 2, value, -1)
        tifffile.imwrite(mask, canvas)

    def result() -> np.ndarray:
        assert hot.cli("process", shoot, "--config", hot.config).returncode == 0
        return np.asarray(tifffile.imread(names.path(Role.RESULT)))

    def changed(pixels: np.ndarray, spot: TrueSpot) -> bool:
        cut = (slice(round(spot.cy) - 2, round(spot.cy) + 3), slice(round(spot.cx) - 2, round(spot.cx) + 3))
        return bool((pixels[cut] != chart.pixels[cut]).any())

    paint([one], [two])
    first = result()
    assert changed(first, one)
    assert not any(changed(first, spot) for spot in (*chart.blemishes[1:], *chart.permanent))
    read_back = tifffile.imread(mask)
    assert read_back[round(one.cy), round(one.cx)] == 255

    again = read_back.copy()
    again[read_back == 255] = 0
    cv2.circle(again, (round(two.cx), round(two.cy)), round(two.r) + 2, 255, -1)
    tifffile.imwrite(mask, again)
    second = result()
    assert changed(second, two)
    assert not changed(second, one)
    far = cv2.dilate((again > 128).astype(np.uint8), np.ones((81, 81), np.uint8)) == 0
    assert np.array_equal(second[far], chart.pixels[far])
