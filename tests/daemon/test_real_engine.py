"""The daemon with the engine that it is made for: what the two promise each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.daemon.conftest import Hot, wait_for

from retouch_engine import Role, open_engine
from retouchd import naming, record


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
