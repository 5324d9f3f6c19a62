"""The measures that demo and benchmarks print: known answers for known pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.chart import Chart
from benchmarks.files import write_photo
from benchmarks.hotfolder import Outcome
from benchmarks.pages import block, filled
from benchmarks.photo import HEADS, Row, markdown
from benchmarks.truth import score

from retouch_engine import Kind


def _outcome(folder: Path, pixels: Any, spots: list[dict[str, Any]]) -> Outcome:
    outcome = Outcome(folder / "chart.tif", record={"spots": spots, "outside_unchanged": True})
    write_photo(outcome.result, pixels)
    return outcome


def _healed(x: float, y: float, contrast: float = 1.0) -> dict[str, Any]:
    return {"box": [int(x) - 5, int(y) - 5, 10, 10], "decision": "healed", "guard": {"texture_0": contrast}}


def test_a_perfect_heal_scores_full(chart: Chart, tmp_path: Path) -> None:
    found = score(chart, _outcome(tmp_path, chart.clean, [_healed(s.cx, s.cy) for s in chart.blemishes]))
    assert (found.healed, found.moles_kept, found.false_heals) == (found.blemishes, found.moles, 0)
    assert found.freckles_kept == found.freckles > 0


def test_an_untouched_picture_scores_nothing_healed(chart: Chart, tmp_path: Path) -> None:
    found = score(chart, _outcome(tmp_path, chart.pixels, []))
    assert found.healed == 0
    assert found.moles_kept == found.moles > 0


def test_a_removed_mole_is_seen(chart: Chart, tmp_path: Path) -> None:
    mole = next(s for s in chart.permanent if s.kind is Kind.MOLE)
    pixels = np.array(chart.clean)
    pixels[int(mole.cy), int(mole.cx)] += 1
    found = score(chart, _outcome(tmp_path, pixels, [_healed(mole.cx, mole.cy)]))
    assert found.moles_kept == found.moles - 1
    assert found.false_heals == 1


def test_an_outcome_reads_its_record(tmp_path: Path) -> None:
    spots = [_healed(9, 9, c) for c in (0.9, 1.0, 1.3)] + [{"decision": "kept"}]
    outcome = Outcome(tmp_path / "a.jpg", record={"spots": spots, "seconds": {"a": 1.0, "b": 0.5}})
    assert outcome.counts == {"found": 4, "healed": 3, "kept": 1}
    assert outcome.pores == pytest.approx(1.0)
    assert outcome.seconds == pytest.approx(1.5)
    assert outcome.result.name == "a-retouched.tif"
    assert not outcome.good


def test_the_readmes_table_can_be_filled_again_and_again(project: Path) -> None:
    row = Row(2.0, 12_000_000, 0.5, 1.0, 10, 60_000_000, 24_000_000, 5, 3)
    table = markdown([row], "a machine")
    text = (project / "README.md").read_text("utf-8")
    once = filled(text, "photo", table)
    assert filled(once, "photo", table) == once
    assert filled(once, "photo", block(text, "photo")) == text
    assert "| 2 | 12 | 0.50 | 1.00 | 2.00 | 60 | 5.0 | 2.0 | 3 of 5 |" in once
    assert len(row.cells) == len(HEADS)
