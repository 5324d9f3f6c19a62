"""A hot folder, its configuration, and a daemon with the fake engine to run over it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from retouchd.errors import RetouchdError
from retouchd.jobs import State
from retouchd.state.journal import Journal
from retouchd.work.supervisor import Supervisor, WorkerPlan

# A busy machine is no failure: nothing here is judged by the clock.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")

HERE = Path(__file__).parent
FAKE = "fake_engine:open_engine"
PATIENCE_S = 300.0
CONFIG = """
state_dir = "{state}"
[[watch]]
path = "{hot}"
[scan]
interval_local_s = 0.2
settle_local_s = 0.2
[limits]
free_space_mb = 1
worker_deaths = {deaths}
"""


def wait_for(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait for something to become true; the limit is only there to end a broken test."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what or condition}")


def environment(**more: str) -> dict[str, str]:
    above = os.environ.get("PYTHONPATH")  # a checkout that is tested beside the installed one
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *([above] if above else [])]), **more}


@dataclass
class Hot:
    """A hot folder and the commands that work on it."""

    base: Path
    env: dict[str, str] = field(default_factory=environment)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.base / "hot"

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def config(self) -> Path:
        return self.base / "config.toml"

    def configure(self, *, deaths: int = 2, more: str = "") -> None:
        self.folder.mkdir(exist_ok=True)
        self.config.write_text(CONFIG.format(state=self.state, hot=self.folder, deaths=deaths) + more)

    def start(
        self, engine: str | None = FAKE, *, before: str = "", inside: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Start the daemon: after a line of Python, or through another command."""
        log = (self.base / "log").open("ab")
        main = (
            ["-c", f"{before}\nfrom retouchd.__main__ import main\nmain()"] if before else ["-m", "retouchd"]
        )
        command = [*inside, sys.executable, *main, "run", "--config", str(self.config)]
        command += ["--engine", engine] if engine else []
        process = subprocess.Popen(command, env=self.env, stderr=log, stdout=log, cwd=self.base)
        self.running.append(process)
        return process

    def cli(self, *words: str | bytes | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "retouchd", *words]
        return subprocess.run(
            command,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd or self.base,
            errors="replace",
        )

    def about(
        self, command: str, *words: str | Path, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self.cli(command, *words, "--config", self.config, cwd=cwd)

    def process(self, *words: str | bytes | Path) -> subprocess.CompletedProcess[str]:
        return self.cli("process", *words, "--engine", FAKE)

    def drop(self, name: str, data: bytes = b"photo") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def rows(self, state: str = "") -> list[dict[str, Any]]:
        """What ``retouchd list --json`` prints, read from the journal: tests ask for it again and again."""
        try:
            journal = Journal.attach(self.state)
        except RetouchdError:  # the daemon is only just making it
            return []
        try:
            return [row.as_json() for row in journal.listed((State(state),) if state else tuple(State))]
        finally:
            journal.close()

    def log(self) -> str:
        path = self.base / "log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def hot(tmp_path: Path) -> Iterator[Hot]:
    made = Hot(tmp_path)
    made.configure()
    yield made
    for process in made.running:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged, each line as its words; whatever another test made of the log."""
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as lines:
        yield lines
    structlog.reset_defaults()


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    made = Supervisor(WorkerPlan("fake_engine:open_engine"), job_seconds=30.0)
    yield made
    made.kill()
    made.stop()
