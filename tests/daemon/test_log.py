"""What comes back each second is said once: a night on a full disk is no book of equal lines."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.daemon.test_journal import Clock

from retouchd import log
from retouchd.app import Service
from retouchd.config.settings import Settings


@pytest.fixture(autouse=True)
def configured_anew() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def _lines(captured: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    """Level and reason of each line that was written since the last call."""
    told = [json.loads(line) for line in captured.readouterr().err.splitlines()]
    return [(line["level"], line["why"]) for line in told]


def test_a_journal_on_a_full_disk_is_told_of_at_once_and_then_rarely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each turn of the loop lasts a second then, and each wrote a line: 28,800 in a night."""
    clock = Clock()
    settings = Settings.model_validate({"state_dir": str(tmp_path), "watch": [{"path": str(tmp_path)}]})
    service = Service(tmp_path / "config.toml", settings, clock=clock)
    service.trouble = log.Trouble("journal", clock)

    def full(_: Service) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    def asleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(Service, "_turn", full)
    monkeypatch.setattr("retouchd.app.time.sleep", asleep)
    log.configure("info", "json")
    service._turn_calmly()
    first = _lines(capsys)
    for _ in range(3600):
        service._turn_calmly()
    later = _lines(capsys)
    assert first == [("error", f"database or disk is full; work waits until {tmp_path} can be written")]
    assert later == first * 6


def test_trouble_is_said_when_it_changes_and_when_it_has_passed(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    clock = Clock()
    trouble = log.Trouble("journal", clock)
    steps: list[Any] = ["full", "full", None, "full", "locked", None]
    for why in steps:
        trouble.met(why) if why else trouble.absent()
        clock.now += 5
    assert _lines(capsys) == [("error", "full"), ("error", "locked")], (
        "it comes and goes on a disk nearly full"
    )
    clock.now += 60
    trouble.absent()
    trouble.absent()
    trouble.met("locked")
    assert _lines(capsys) == [("info", "well again"), ("error", "locked")]
