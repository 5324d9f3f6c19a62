"""How long a watched folder is left alone between two looks."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from retouchd.config import Watch
from retouchd.mounts import Mount
from retouchd.watch.roots import Root


@pytest.mark.parametrize(
    ("events", "cost_s", "rest_s"),
    [
        (True, 0.001, 2.0),
        (True, 0.03, 9.0),
        (True, 1.0, 30.0),
        (True, 5.0, 100.0),
        (False, 0.03, 2.0),
        (False, 1.0, 20.0),
    ],
)
def test_a_folder_whose_changes_are_told_is_seldom_looked_at(
    tmp_path: Path, events: bool, cost_s: float, rest_s: float
) -> None:
    settings: Any = SimpleNamespace(scan=SimpleNamespace(interval_local_s=2.0, interval_network_s=10.0))
    root = Root(Watch(path=tmp_path), events=events, cost_s=cost_s)

    assert root.interval_s(settings) == pytest.approx(rest_s)


def test_a_share_that_is_mounted_by_being_asked_for_is_not_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """autofs takes off what nobody used for a minute; a look at a slow share comes more seldom than that."""
    waiting, share = Mount(tmp_path, "autofs", "systemd-1"), Mount(tmp_path, "nfs4", "nas:/photos", 2)
    table, real = [waiting], os.statvfs

    def asked(path: Path) -> os.statvfs_result:
        table[1:] = [share]
        return real(path)

    monkeypatch.setattr(os, "statvfs", asked)
    root = Root(Watch(path=tmp_path))
    for _ in range(2):
        root.ask()
        root.check(lambda: list(table))
        assert not root.offline
        assert root.network
        table[1:] = []
