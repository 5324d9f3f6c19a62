"""The health of one watched folder: is it really there, and how is it to be looked at.

A share that went away leaves an empty folder behind. Empty is not "all photos deleted": a root whose mount
is missing is offline, keeps every row, and resumes by itself when the mount returns.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from retouchd.config import Settings, Watch
from retouchd.mounts import Mount, covering

MountTable = Callable[[], Sequence[Mount]]


@dataclass(slots=True)
class Root:
    """A watched folder from one look to the next."""

    watch: Watch
    mount: Mount | None = None
    """Where it was mounted when it was last well; None before the first good look."""
    offline: str = ""
    """Why it cannot be looked at; empty when it can."""
    next_look_s: float = 0.0
    poked: bool = False
    swept: bool = False
    events: bool = False

    @property
    def key(self) -> bytes:
        """Its path, as the journal keeps it."""
        return os.fsencode(self.watch.path)

    @property
    def network(self) -> bool:
        """Whether it is polled."""
        return self.mount is not None and self.mount.network

    @property
    def mode(self) -> str:
        """For people."""
        if self.offline:
            return "offline"
        kind = self.mount.fstype if self.mount else "unknown"
        return f"polling ({kind})" if self.network or not self.events else f"events and scan ({kind})"

    def interval_s(self, settings: Settings) -> float:
        """Seconds between two looks."""
        return settings.scan.interval_network_s if self.network else settings.scan.interval_local_s

    def settle_s(self, settings: Settings) -> float:
        """Seconds that its files must stand still."""
        return settings.scan.settle_network_s if self.network else settings.scan.settle_local_s

    def check(self, table: MountTable) -> None:
        """Find out whether the root is well; sets ``mount`` and ``offline``."""
        try:
            if not stat.S_ISDIR(self.watch.path.stat().st_mode):
                self.offline = "not a folder"
                return
        except OSError as error:
            self.offline = error.strerror or str(error)
            return
        mount = covering(self.watch.path, table())
        if self.mount and self._is_shallower(mount, self.mount):
            self.offline = f"{self.mount.point} is no longer mounted"
        else:
            self.mount, self.offline = mount, ""

    @staticmethod
    def _is_shallower(now: Mount, before: Mount) -> bool:
        """What lies there now is the empty folder below a mount that went away."""
        return len(now.point.parts) < len(before.point.parts)


def probe(path: Path, table: MountTable) -> str:
    """For ``doctor``: how a folder would be watched."""
    root = Root(Watch(path=path))
    root.check(table)
    root.events = not root.network
    return f"offline: {root.offline}" if root.offline else root.mode
