"""The real daemon on a hot folder, driven as a person would: by files and by the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

POLL_S = 0.25
ASK_S = 3.0
STOP_S = 60.0
PORES = "texture_0"
"""The guard's figure: standard deviation of the finest band inside a heal over that around it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photo, from its decision record; or the problem, in the daemon's words."""

    source: Path
    problem: str = ""
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The photo's name."""
        return self.source.name

    @property
    def result(self) -> Path:
        """The retouched file."""
        return self.source.with_name(f"{self.source.stem}-retouched.tif")

    @property
    def spots(self) -> list[dict[str, Any]]:
        """Every find."""
        return list(self.record.get("spots", []))

    @property
    def counts(self) -> dict[str, int]:
        """How many were found, and how many of each decision."""
        decisions = [str(s["decision"]) for s in self.spots]
        return {"found": len(decisions), **{d: decisions.count(d) for d in decisions}}

    @property
    def seconds(self) -> float:
        """Time in the engine, all stages together."""
        stages = self.record.get("seconds", {})
        return float(stages.get("total", sum(stages.values())))

    @property
    def pores(self) -> float | None:
        """Median contrast of the finest texture in the heals, 1 for as much as around them."""
        healed = [s["guard"] for s in self.spots if s["decision"] == "healed"]
        found = [float(g[PORES]) for g in healed if PORES in g]
        return median(found) if found else None

    @property
    def unchanged(self) -> bool:
        """What the engine found in the encoded file."""
        return self.record.get("outside_unchanged") is True

    @property
    def good(self) -> bool:
        """Done, with a whole result."""
        return not self.problem and self.unchanged and self.result.is_file()


class Daemon:
    """``retouchd run`` on one folder, from entry to exit; leaving the block stops it with SIGTERM."""

    def __init__(self, hot: Path, scratch: Path) -> None:
        self.config = scratch / "config.toml"
        self.log = scratch / "retouchd.log"
        self.exit_code: int | None = None
        state = scratch / "state"
        made = self._call(
            "init-config", "--watch", str(hot), "--state", str(state), "--out", str(self.config)
        )
        if made.returncode:
            raise RuntimeError(f"retouchd init-config: {made.stderr or made.stdout}")

    @staticmethod
    def _call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "retouchd", *arguments], capture_output=True, text=True, check=False
        )

    def ask(self, command: str, *arguments: str) -> str:
        """The answer of one of the daemon's commands."""
        return self._call(command, "--config", str(self.config), *arguments).stdout.strip()

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "retouchd", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.exit_code = self._process.wait()

    def wait_for(self, source: Path, patience_s: float) -> Outcome:
        """Wait until one photo has its result, or until the daemon says why there will be none."""
        end, ask_again = time.monotonic() + patience_s, time.monotonic() + ASK_S
        outcome = Outcome(source)
        record = source.parent / "_retouchd" / f"{source.stem}.json"
        while time.monotonic() < end:
            if self._process.poll() is not None:
                return Outcome(source, f"the daemon ended: {self._last_words()}")
            if outcome.result.is_file() and record.is_file():
                return Outcome(source, "", json.loads(record.read_text("utf-8")))
            if time.monotonic() > ask_again:
                why = self.ask("why", str(source))
                if why.lower().startswith(("failed", "refused", "quarantine", "skipped")):
                    return Outcome(source, why)
                ask_again = time.monotonic() + ASK_S
            time.sleep(POLL_S)
        return Outcome(source, f"no result after {patience_s:.0f} s: {self.ask('why', str(source))}")

    def _last_words(self) -> str:
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "without a word"
