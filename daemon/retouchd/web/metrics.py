"""Figures for Prometheus, read from the journal when they are asked for; prometheus-client is optional."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retouch_engine import __version__
from retouchd import mounts
from retouchd.config import Settings
from retouchd.jobs import IN_LINE
from retouchd.state.journal import STAGE_LIMITS_S, Journal, holding
from retouchd.text import shown
from retouchd.work import gpu


def text(journal: Journal, settings: Settings) -> bytes | None:
    """The page, on the folders of these settings; None where the library is not installed.

    Of a folder that is watched no longer, what waited there would wait for ever, and the last look age.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError:
        return None

    registry = CollectorRegistry()
    registry.register(_Figures(journal, settings))
    page: bytes = generate_latest(registry)
    return page


class _Figures:
    """What the library asks; it knows no more of us than this one method."""

    def __init__(self, journal: Journal, settings: Settings) -> None:
        self._journal, self._settings = journal, settings

    def collect(self) -> Iterable[Any]:
        yield from _of_photos(self._journal, self._settings)
        yield from _of_folders(self._journal, self._settings)
        yield _stages(self._journal)
        yield from _gpus()
        yield _build()


def _of_photos(journal: Journal, settings: Settings) -> Iterable[Any]:
    from prometheus_client.core import GaugeMetricFamily

    watched = settings.roots
    files = GaugeMetricFamily("retouchd_files", "Photos in each state", labels=["state"])
    for state, count in journal.counts(watched).items():
        files.add_metric([str(state)], count)
    yield files
    age = journal.oldest_s(IN_LINE, watched)
    yield GaugeMetricFamily("retouchd_oldest_queued_seconds", "Age of the oldest photo in line", value=age)
    done = "When a photo was done last, since 1970; 0 when never"
    yield GaugeMetricFamily("retouchd_last_done_timestamp_seconds", done, value=journal.last_published())


def _of_folders(journal: Journal, settings: Settings) -> Iterable[Any]:
    from prometheus_client.core import GaugeMetricFamily

    up = GaugeMetricFamily("retouchd_root_up", "1 while a watched folder is there", labels=["root"])
    held = GaugeMetricFamily("retouchd_root_paused", "1 while a person has it paused", labels=["root"])
    age = GaugeMetricFamily("retouchd_scan_age_seconds", "Since the last look at a folder", labels=["root"])
    free = GaugeMetricFamily("retouchd_disk_free_bytes", "Room where its results go", labels=["root"])
    now, pauses = journal.now(), journal.paused()
    for root in (r for r in journal.roots() if r.path in settings.roots):
        watch, name = settings.roots[root.path], shown(root.path)
        up.add_metric([name], float(root.state == "online"))
        held.add_metric([name], float(bool(holding(pauses, root.path))))
        age.add_metric([name], now - root.checked_at)
        space = _free(watch.mirror or watch.path) if root.state == "online" else None
        if space is not None:
            free.add_metric([name], space)
    yield from (up, held, age, free)
    space = _free(settings.state_dir)
    if space is not None:
        yield GaugeMetricFamily("retouchd_state_free_bytes", "Room in the state folder", value=space)


def _build() -> Any:
    from prometheus_client.core import InfoMetricFamily

    return InfoMetricFamily("retouchd_build", "The version", value={"version": __version__})


def _stages(journal: Journal) -> Any:
    """How long each stage took, over all photos that this journal ever saw done."""
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(
        "retouchd_stage_seconds", "Seconds of one photo in a stage", labels=["stage"]
    )
    for name, found in sorted(journal.stages().items()):
        counts, so_far = [], 0
        for limit in STAGE_LIMITS_S:
            so_far += found.get(limit, (0, 0.0))[0]
            counts.append(("+Inf" if limit == float("inf") else str(limit), so_far))
        family.add_metric([shown(name)], counts, sum(seconds for _, seconds in found.values()))
    return family


def _gpus() -> Iterable[Any]:
    """Nothing on a machine without one."""
    from prometheus_client.core import GaugeMetricFamily

    cards = gpu.cards()
    if cards:
        used = GaugeMetricFamily("retouchd_gpu_memory_used_bytes", "Taken, by anybody", labels=["gpu"])
        whole = GaugeMetricFamily("retouchd_gpu_memory_bytes", "What the card has", labels=["gpu"])
        busy = GaugeMetricFamily("retouchd_gpu_busy_ratio", "Share of time at work", labels=["gpu"])
        for card in cards:
            for family, value in ((used, card.used_bytes), (whole, card.bytes), (busy, card.busy)):
                family.add_metric([f"{card.index} {shown(card.name)}"], value)
        yield from (used, whole, busy)


def _free(path: Path) -> int | None:
    try:
        return mounts.free_bytes(path)
    except OSError:
        return None
