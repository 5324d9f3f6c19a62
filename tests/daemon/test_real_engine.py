"""The daemon with the engine that it is made for: what the two promise each other."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from benchmarks.chart import Chart
from benchmarks.marks import TrueSpot
from tests.daemon.conftest import Hot, wait_for

from retouch_engine import Correction, Role, Wish, open_engine
from retouchd import naming
from retouchd.results import corrections, record
from retouchd.results.corrections import Memory


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
    assert set(told) | {key for spot in told["spots"] for key in spot} <= named_in_the_readme()
    guarded = {key for spot in told["spots"] for key in spot["guard"] if not key.startswith("z_")}
    assert {"texture_0", "texture_1", "texture_2", "left"} < guarded
    assert guarded - {"texture_1"} <= named_in_the_readme()


def named_in_the_readme() -> set[str]:
    """What the README's section on the record names in its tables."""
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
    section = text[text.index("### The decision record") : text.index("### What `explain` draws")]
    rows = "".join(line for line in section.splitlines() if line.startswith("|"))
    return set(re.findall(r"`(\w+)`", rows)) | {"schema"}


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


def test_with_other_settings_a_correction_changes_what_it_names_and_nothing_else(
    hot: Hot, shoot: Path
) -> None:
    """Two heals had become three: the photo was found and judged anew by settings that had become bolder."""
    names = naming.first_set(shoot, hot.folder)

    def done() -> tuple[dict[str, Any], np.ndarray]:
        assert hot.cli("process", shoot, "--config", hot.config).returncode == 0
        told = record.read(names.path(naming.RECORD))
        assert told
        return told, np.asarray(tifffile.imread(names.path(Role.RESULT)))

    def decisions(told: dict[str, Any]) -> dict[tuple[int, ...], str]:
        return {tuple(spot["box"]): spot["decision"] for spot in told["spots"]}

    before, first = done()
    (x, y, width, height), *_ = (box for box, what in decisions(before).items() if what == "healed")
    memory = Memory(shoot.name, record.source_digest(before))
    asked = memory.decided.and_then([Correction((x, y, width, height), Wish.KEEP)])
    corrections.write(shoot, hot.folder, replace(memory, decided=asked))
    kinds = "remove = ['pimple', 'red_spot', 'scab', 'whitehead', 'flake', 'brown_spot', 'mole', 'freckle']"
    hot.configure(more=f"\n[presets.studio]\nsensitivity = 100\n{kinds}\nreview = []\n")
    # A record is a file that anybody may have edited: what it says of the recipe is not gone by.
    forged = {**before, "engine": {**before["engine"], "recipe": {"remove": ["mole"], "review": []}}}
    names.path(naming.RECORD).write_bytes(record.dump(forged))
    after, then = done()

    assert decisions(after) == decisions(before) | {(x, y, width, height): "kept"}
    assert after["engine"]["recipe"] == before["engine"]["recipe"]
    assert after["outside_unchanged"] is True
    grown = slice(max(0, y - height), y + 2 * height), slice(max(0, x - width), x + 2 * width)
    assert (first[grown] != then[grown]).any()
    first[grown] = then[grown]
    assert np.array_equal(first, then)

    # Without anything left to correct it is done by the settings of now.
    anew, _ = done()
    assert decisions(anew) != decisions(after)
    assert decisions(anew)[x, y, width, height] == "kept"
