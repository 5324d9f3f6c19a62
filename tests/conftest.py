"""Fixtures for all tests: a small rendered chart, the same as a file, real photographs if there are any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks.chart import Chart, render
from benchmarks.files import write_photo
from hypothesis import HealthCheck, settings

# A busy machine is no fault of what is tested: a test asserts behaviour, never wall time.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Tests load it themselves where they ask whether it is there (see retouch_engine.learned.onnxruntime).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def project() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def chart() -> Chart:
    """One panel of fair skin, 900 x 600 at 12 px/mm, with a few marks of each kind."""
    return render(900, 600, seed=5, px_per_mm=12.0, tones=("fair",))


@pytest.fixture
def chart_tiff(chart: Chart, tmp_path: Path) -> Path:
    """The chart as a 16-bit TIFF in a folder of its own."""
    path = tmp_path / "photos" / "chart.tif"
    write_photo(path, chart.pixels)
    return path


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """Photographs for trials, which are never part of the project."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no photographs for trials beside the repository (../shared/data)")
    return folder
