"""Figures for Prometheus, read from the journal when they are asked for; prometheus-client is optional."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import Any

from retouch_engine import __version__
from retouchd.jobs import State
from retouchd.state.journal import STAGE_LIMITS_S, Journal
from retouchd.text import shown
from retouchd.work import gpu

_WAITING = (State.QUEUED, State.RETRY)


def text(journal: Journal, watched: Collection[bytes]) -> bytes | None:
    """The page, on these folders; None where the library is not installed.

    Of a folder that is watched no longer, what waited there would wait for ever, and the last look age.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError:
        return None

    registry = CollectorRegistry()
    registry.register(_Figures(journal, watched))
    page: bytes = generate_latest(registry)
    return page


class _Figures:
    """What the library asks; it knows no more of us than this one method."""

    def __init__(self, journal: Journal, watched: Collection[bytes]) -> None:
        self._journal, self._watched = journal, watched

    def collect(self) -> Iterable[Any]:
        return _figures(self._journal, self._watched)


def _figures(journal: Journal, watched: Collection[bytes]) -> Iterable[Any]:
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    now = journal.now()
    files = GaugeMetricFamily("retouchd_files", "Photos in each state", labels=["state"])
    for state, count in journal.counts(watched).items():
        files.add_metric([str(state)], count)
    yield files
    waiting = (row for row in journal.listed(_WAITING) if row.root in watched)
    oldest = max((row.age_s(now) for row in waiting), default=0.0)
    yield GaugeMetricFamily("retouchd_oldest_queued_seconds", "Age of the oldest photo in line", value=oldest)
    up = GaugeMetricFamily("retouchd_root_up", "1 while a watched folder is there", labels=["root"])
    age = GaugeMetricFamily("retouchd_scan_age_seconds", "Since the last look at a folder", labels=["root"])
    free = GaugeMetricFamily("retouchd_disk_free_bytes", "Room in a watched folder", labels=["root"])
    for root in (r for r in journal.roots() if r.path in watched):
        name = shown(root.path)
        up.add_metric([name], float(root.state == "online"))
        age.add_metric([name], now - root.checked_at)
        if root.state == "online" and (space := _free(root.path)) is not None:
            free.add_metric([name], space)
    yield from (up, age, free)
    yield _stages(journal)
    yield from _gpus()
    yield InfoMetricFamily("retouchd_build", "The version", value={"version": __version__})


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


def _free(path: bytes) -> int | None:
    try:
        space = os.statvfs(path)
    except OSError:
        return None
    return space.f_bavail * space.f_frsize
