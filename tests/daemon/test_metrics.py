"""Figures for Prometheus: what the README names is what a studio can be alarmed by."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import Hot, wait_for

from retouchd import config
from retouchd.jobs import Digest, JobId, Signature, State
from retouchd.state.journal import Journal
from retouchd.web import metrics

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
CARDS = "#!/bin/sh\necho '0, NVIDIA A, B, 1024, 2048, 50'\necho '1, Lost, [GPU is lost], [N/A], [N/A]'\n"


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a graphics card, and one that fell off the bus."""
    (tmp_path / "nvidia-smi").write_text(CARDS)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.fixture
def families(hot: Hot, card: None) -> Any:
    """The page of the hot folder, as Prometheus reads it: families by name."""
    parser = pytest.importorskip("prometheus_client.parser", reason="the extra metrics is not installed")

    def read() -> dict[str, Any]:
        journal = Journal.attach(hot.state)
        text = (metrics.text(journal, config.load(hot.config)) or b"").decode()
        journal.close()
        return {family.name: family for family in parser.text_string_to_metric_families(text)}

    return read


def seen(hot: Hot, name: str, state: State, at: float = 0.0) -> Journal:
    """A journal that knows a photo in this state, seen so many seconds ago, and of its folder."""
    journal = Journal.create(hot.state)
    root = os.fsencode(hot.folder)
    journal.note_root(root, "online", "")
    journal.see(root + b"/" + os.fsencode(name), root, Signature(1, 2, 3, 4, 5), "")
    row = journal.find(root + b"/" + os.fsencode(name))
    assert row
    journal.save(replace(row, state=state, seen_at=time.time() - at))
    return journal


def value(family: Any) -> float:
    (sample,) = family.samples
    return float(sample.value)


def test_the_readme_names_every_figure_with_its_kind_and_labels(hot: Hot, families: Any) -> None:
    journal = seen(hot, "a.tif", State.DONE)
    journal.note_stages({"heal": 0.02})
    journal.close()
    rows = re.findall(r"^\| `(retouchd_\w+)`(?: by (`[^|]+`))? \| (\w+) \| .+ \|$", README, re.MULTILINE)
    named = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, labels, kind in rows}
    found = {
        name: (family.type, {k for s in family.samples for k in s.labels} - {"le"})
        for name, family in families().items()
    }
    assert named == found


def test_no_photo_and_no_job_is_a_label(hot: Hot, families: Any) -> None:
    seen(hot, "client-secret.tif", State.QUARANTINED).close()
    labels = {v for f in families().values() for s in f.samples for v in s.labels.values()}
    assert not [v for v in labels if "secret" in v]


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (State.SETTLING, False),
        (State.QUEUED, True),
        (State.RETRY, True),
        (State.RENDERED, True),
        (State.PUBLISHING, True),
        (State.DONE, False),
        (State.QUARANTINED, False),
    ],
)
def test_the_oldest_in_line_is_any_that_was_taken_and_is_not_done(
    hot: Hot, families: Any, state: State, *, counts: bool
) -> None:
    """Results that could not be written where they go waited unseen: no photo was queued behind them."""
    seen(hot, "a.tif", state, at=5000.0).close()
    assert (value(families()["retouchd_oldest_queued_seconds"]) >= 5000) is counts


def test_when_a_photo_was_done_last_is_told(hot: Hot, families: Any) -> None:
    journal = seen(hot, "a.tif", State.DONE)
    assert value(families()["retouchd_last_done_timestamp_seconds"]) == 0
    before = time.time()
    journal.note_published(JobId(1), [(hot.folder / "a-retouched.tif", Digest("0" * 64))])
    journal.close()
    assert before <= value(families()["retouchd_last_done_timestamp_seconds"]) <= time.time()


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_paused_folder_is_told(hot: Hot, families: Any, *, everywhere: bool) -> None:
    journal = seen(hot, "a.tif", State.QUEUED)
    assert value(families()["retouchd_root_paused"]) == 0
    journal.pause(b"" if everywhere else os.fsencode(hot.folder))
    journal.close()
    assert value(families()["retouchd_root_paused"]) == 1


def test_room_is_that_of_the_place_where_results_go(
    hot: Hot, families: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = hot.base / "mirror"
    text = hot.config.read_text().replace("[scan]", f'output = "mirror:{mirror}"\n[scan]')
    hot.config.write_text(text)
    seen(hot, "a.tif", State.DONE).close()
    asked: list[Path] = []

    def free(path: Path) -> int:
        asked.append(path)
        return 7

    monkeypatch.setattr(metrics, "_free", free)
    assert value(families()["retouchd_disk_free_bytes"]) == 7
    assert asked == [mirror, hot.state]


def done_are(hot: Hot, many: int) -> bool:
    return len(hot.rows("done")) == many


def test_counts_outlast_a_restart(hot: Hot, families: Any) -> None:
    hot.drop("a.tif")
    for done in (1, 2):
        process = hot.start()
        if done == 2:
            hot.drop("b.tif", b"another")
        wait_for(partial(done_are, hot, done))
        process.terminate()
        process.wait(60)
        samples = families()["retouchd_stage_seconds"].samples
        assert {s.value for s in samples if s.name.endswith("_count")} == {done}


def test_figures_of_stages_and_cards(hot: Hot, card: None) -> None:
    pytest.importorskip("prometheus_client", reason="the extra metrics is not installed")
    journal = Journal.create(hot.state)
    for seconds in (0.01, 0.02, 5.0, 1e6):
        journal.note_stages({"heal": seconds, "decode": 0.2})
    lines = (metrics.text(journal, config.load(hot.config)) or b"").decode().splitlines()
    journal.close()

    buckets = {
        line.partition('le="')[2].partition('"')[0]: float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("retouchd_stage_seconds_bucket{") and 'stage="heal"' in line
    }
    assert [buckets[b] for b in ("0.01", "0.03", "10.0", "300.0", "+Inf")] == [1, 2, 3, 3, 4]
    assert 'retouchd_stage_seconds_count{stage="decode"} 4.0' in lines
    assert 'retouchd_stage_seconds_sum{stage="decode"} 0.8' in lines
    assert 'retouchd_gpu_memory_used_bytes{gpu="0 NVIDIA A, B"} 1.073741824e+09' in lines
    assert 'retouchd_gpu_busy_ratio{gpu="0 NVIDIA A, B"} 0.5' in lines
    assert not [line for line in lines if "Lost" in line]
