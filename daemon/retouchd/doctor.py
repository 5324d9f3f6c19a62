"""Looking at the machine: what the service needs, what it found, and what that means."""

from __future__ import annotations

import os
import platform
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from retouch_engine import __version__, signing_trouble
from retouchd import models, mounts
from retouchd.config import Settings, tastes
from retouchd.text import shown, size
from retouchd.watch.roots import probed
from retouchd.work import protocol
from retouchd.work.crew import cards_of
from retouchd.work.supervisor import Supervisor, WorkerPlan

_LOAD_S = 120.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and whether it is well."""

    subject: str
    found: str
    well: bool = True


def examine(settings: Settings, engine: str = protocol.ENGINE_FACTORY) -> Iterator[Finding]:
    """Every finding, as it is made."""
    yield Finding("retouchd", __version__)
    yield Finding("python", f"{platform.python_version()} on {platform.platform()}")
    yield _exiftool()
    yield _inotify()
    for root in probed(settings.watch, mounts.current):
        watch = root.watch
        how = f"offline: {root.offline}" if root.offline else root.mode
        yield Finding(f"watched {shown(watch.path)}", how, well=not (root.offline or root.unwritable))
        if not root.offline:  # a dead share held doctor for ever, here
            yield _room(f"room in {shown(watch.path)}", watch.path, settings)
    yield _state(settings)
    yield _room("room for staging", settings.state_dir, settings)
    yield from _signing(settings)
    yield from _hooks(settings)
    yield _taste(settings)
    offered = models.offer(settings)
    yield from (Finding("model", line, well=False) for line in offered.damaged)
    yield from (Finding("model left out", line) for line in offered.left_out)
    for card in cards_of(settings, offered.stock):
        yield from _engine(WorkerPlan(engine, stock=offered.stock, card=card))


def _exiftool() -> Finding:
    path = shutil.which("exiftool")
    if path is None:
        return Finding("exiftool", "not found: only the essential tags are carried over", well=False)
    try:
        answer = subprocess.run([path, "-ver"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("exiftool", f"{path} does not run: {error}", well=False)
    return Finding("exiftool", f"{answer.stdout.strip()} ({path})")


def _inotify() -> Finding:
    try:
        limit = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text("ascii"))
    except (OSError, ValueError):
        return Finding("inotify", "not to be had: folders are scanned only")
    return Finding("inotify", f"{limit} watches; folders beyond that are scanned only")


def _room(subject: str, path: Path, settings: Settings) -> Finding:
    try:
        free = mounts.free_bytes(mounts.closest(path)) or 0
    except OSError as error:
        return Finding(subject, error.strerror or str(error), well=False)
    return Finding(subject, f"{size(free)} free", well=free > settings.limits.free_space_mb * 1_000_000)


def _state(settings: Settings) -> Finding:
    folder = mounts.closest(settings.state_dir)
    mount = mounts.covering(folder, mounts.current())
    writable = os.access(folder, os.W_OK)
    found = f"{shown(settings.state_dir)} on {mount.fstype}" + ("" if writable else ", not writable")
    return Finding("state folder", found, well=writable and not mount.network)


def _signing(settings: Settings) -> Iterator[Finding]:
    """Only when it was asked for."""
    signing = settings.signing.signing
    if signing is not None:
        trouble = signing_trouble(signing)
        yield Finding(
            "content credentials", trouble or f"with {shown(signing.certificate)}", well=not trouble
        )


def _hooks(settings: Settings) -> Iterator[Finding]:
    """Only those that were asked for: a misspelt one was noticed in the night that it was for."""
    for name, words in settings.hooks:
        if not isinstance(words, tuple) or not words:
            continue
        program, subject = words[0], f"hook {name}"
        if "/" in program and not program.startswith("/"):
            yield Finding(subject, f"{shown(program)} is no full path, and no name on PATH", well=False)
        elif shutil.which(program) is None:
            yield Finding(subject, f"{shown(program)!r} is not there, or not executable", well=False)
        else:
            yield Finding(subject, shown(program))


def _taste(settings: Settings) -> Finding:
    """Whose odds decide."""
    try:
        told = tastes.told(settings.state_dir)
    except tastes.BrokenCalibration as error:
        return Finding("learned taste", str(error), well=False)
    if told is None:
        return Finding("learned taste", "none: the shipped odds decide")
    by = told.get("version")
    since = "" if by == __version__ else f"; its odds were not those of {__version__}: learn again"
    return Finding("learned taste", shown(f"of {told.get('made')}, by version {by}{since}"))


def _engine(plan: WorkerPlan) -> Iterator[Finding]:
    """Load the engine in a worker, as the service does, and ask it about itself."""
    with tempfile.TemporaryDirectory(prefix="retouchd-") as scratch:
        keeper = Supervisor(replace(plan, scratch=Path(scratch)), _LOAD_S)
        try:
            yield from _asked(keeper, time.monotonic() + _LOAD_S)
        finally:
            keeper.stop()


def _asked(keeper: Supervisor, deadline_s: float) -> Iterator[Finding]:
    subject = f"engine on card {keeper.plan.card}" if keeper.plan.card else "engine"
    while time.monotonic() < deadline_s:
        keeper.keep_running()
        for message in keeper.poll():
            if not isinstance(message, dict):
                break
            if message["event"] == "ready":
                keeper.send({"op": "about"})
            elif message["event"] == "about":
                yield Finding(subject, "loads")
                for name, value in message["about"].items():
                    yield Finding(f"{subject}: {name}", shown(str(value)))
                return
        if keeper.failures:
            yield Finding(subject, f"does not load: {shown(keeper.why_not_ready)}", well=False)
            return
        select.select([] if keeper.fd is None else [keeper.fd], [], [], 0.5)
    yield Finding(subject, "does not answer", well=False)
