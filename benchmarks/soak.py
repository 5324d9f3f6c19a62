"""A long night in short: kills at random moments, thousands of photos, an idle hour, a folder of 100,000.

``python -m benchmarks.soak`` runs everything (about an hour on two cores) and prints a table of what was
measured against what is wanted; ``--quick`` runs a short version, ``--readme`` puts the lines into README.md.
The engine is the real one, on small rendered skin, every photo with other bytes. Exit code 1 when something
is not as wanted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import pages
from benchmarks.chart import render
from benchmarks.files import write_photo

from retouchd import naming
from retouchd.config import Settings
from retouchd.jobs import State
from retouchd.state.journal import Journal
from retouchd.watch import scanner
from retouchd.watch.intake import Intake

CONFIG = """state_dir = "{base}/state"
[[watch]]
path = "{base}/hot"
[scan]
interval_local_s = {interval}
settle_local_s = {settle}
[limits]
free_space_mb = 1
worker_deaths = 1000
"""
HEAD = "| what | found | wanted |\n| --- | --: | --- |\n"
AFTERWARDS_S = 40.0
"""The last page and a look at 2,000 new masks still belong to the night."""
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    what: str
    found: str
    wanted: str
    good: bool


class Night:
    """A hot folder and a daemon over it."""

    def __init__(self, base: Path, interval: float = 0.5, settle: float = 0.5) -> None:
        self.base, self.hot = base, base / "hot"
        self.hot.mkdir(parents=True)
        self.config = base / "config.toml"
        self.config.write_text(CONFIG.format(base=base, interval=interval, settle=settle))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon."""
        with (self.base / "log").open("ab") as log:
            command = [sys.executable, "-m", "retouchd", "run", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stderr=log, stdout=log)

    def stop(self) -> None:
        """End it as systemd does."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)

    def counts(self) -> dict[State, int]:
        """How many photos are in each state."""
        journal = Journal.attach(self.base / "state")
        try:
            return journal.counts([os.fsencode(self.hot)])
        finally:
            journal.close()

    def family(self) -> list[int]:
        """The daemon, its worker, and what that started."""
        assert self.process
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                todo += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            except OSError:
                continue
        return found


def photos(folder: Path, count: int, seed: int = 0) -> None:
    """Small photos of rendered skin, each with other bytes."""
    chart = render(300, 200, seed=5, px_per_mm=6.0, tones=("fair",)).pixels.copy()
    for i in range(count):
        chart[0, 0] = (i % 60_000, i // 60_000, seed)
        part = folder / f".{i}.new"
        write_photo(part.with_suffix(".tif"), chart)
        part.with_suffix(".tif").rename(folder / f"{i:05d}.tif")


def killed(base: Path, kills: int, count: int) -> Iterator[Line]:
    """Kill -9 of worker and daemon at random moments."""
    night, chance = Night(base), random.Random(7)
    photos(night.hot, count)
    night.start()
    for _ in range(kills):
        time.sleep(0.3 + chance.random() * 1.5)
        assert night.process
        victim = chance.choice(night.family())
        os.kill(victim, signal.SIGKILL)
        if victim == night.process.pid:
            night.process.wait()
            night.start()
    _until(lambda: _done(night) >= count, 3600, night)
    night.stop()
    results = sorted(p.name for p in night.hot.glob("*-retouched*.tif"))
    once = results == [f"{i:05d}-retouched.tif" for i in range(count)]
    partial = sum(not _whole(night.hot, p) for p in (night.hot / naming.OWN_FOLDER).glob("*.json"))
    orphans = [p for p in night.hot.rglob("*") if naming.is_part(p.name)]
    orphans += list((base / "state/staging").iterdir())
    yield Line(
        f"kill -9 x {kills} over {count} photos: results", str(len(results)), f"{count}, once each", once
    )
    yield Line("partial results", str(partial), "0", not partial)
    yield Line("temporary files left", str(len(orphans)), "0", not orphans)


def _whole(hot: Path, path: Path) -> bool:
    told = json.loads(path.read_bytes())["outputs"]
    return all((hot / entry["name"]).stat().st_size == entry["bytes"] for entry in told.values())


def _until(condition: Callable[[], bool], patience_s: float, night: Night) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited in vain; see {night.base / 'log'}")
        time.sleep(0.2)


def worked(base: Path, count: int, idle_s: float) -> Iterator[Line]:
    """Memory over thousands of photos, then the processor's time while nothing happens."""
    night, first = Night(base, 2.0, 0.5), min(200, count // 4)
    photos(night.hot, count)
    night.start()
    began = time.monotonic()
    _until(lambda: _done(night) >= first, 3600, night)
    before = _resident(night)
    _until(lambda: _done(night) >= count, 7200, night)
    pace = count / (time.monotonic() - began)
    after = _resident(night)
    for name, old in before.items():
        growth = 100 * (after[name] - old) / old
        found = f"{growth:+.1f} % ({after[name] >> 20} MiB)"
        yield Line(f"memory of the {name}, photo {first} to {count}", found, "<= 2 %", growth <= 2)
    time.sleep(AFTERWARDS_S)
    used = _cpu(night)
    time.sleep(idle_s)
    share = 100 * (_cpu(night) - used) / idle_s
    yield Line(f"processor while idle, {count} photos in the folder", f"{share:.2f} %", "<= 1 %", share <= 1)
    yield Line("photos a second", f"{pace:.1f}", "-", good=True)
    night.stop()


def _done(night: Night) -> int:
    try:
        return night.counts()[State.DONE]
    except Exception:  # noqa: BLE001 - the daemon is only just making its journal
        return 0


def _resident(night: Night) -> dict[str, int]:
    assert night.process
    daemon, *children = night.family()
    sizes = {
        pid: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE for pid in (daemon, *children)
    }
    return {"daemon": sizes[daemon], "worker": max(sizes[pid] for pid in children)}


def _cpu(night: Night) -> float:
    total = 0
    for pid in night.family():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def scanned(base: Path, count: int) -> Iterator[Line]:
    """A folder of very many files, and as many that arrive without any event."""
    hot = base / "hot"
    for i in range(count):
        folder = hot / f"{i % 100:03d}"
        if i < 100:
            folder.mkdir(parents=True)
        (folder / f"{i}.tif").write_bytes(b"x")
    best = min(_timed(lambda: scanner.scan(os.fsencode(hot))) for _ in range(3))
    wanted = 0.6 * count / 100_000
    yield Line(
        f"scan of {count:,} files, user and system", f"{best:.2f} s", f"<= {wanted:.2f} s", best <= wanted
    )
    clock = [0.0]
    journal = Journal.create(base / "state", lambda: clock[0])
    watching = Settings.model_validate({"watch": [{"path": str(hot)}]})
    intake = Intake(watching, journal, clock=lambda: clock[0], table=list)
    spent = []
    for _ in range(4):
        clock[0] += 30
        spent.append(_timed(intake.look))
    queued = journal.counts([os.fsencode(hot)])[State.QUEUED]
    yield Line(f"{count:,} files without an event: queued", f"{queued:,}", f"{count:,}", queued == count)
    yield Line("a whole look at them, when nothing changed", f"{spent[-1]:.2f} s", "-", good=True)
    journal.close()


def _timed(act: Callable[[], object]) -> float:
    """Seconds of processor: other programs' work does not count."""
    began = time.process_time()
    act()
    return time.process_time() - began


@contextmanager
def _place(out: Path | None, name: str) -> Iterator[Path]:
    if out:
        (out / name).mkdir(parents=True)
        yield out / name
    else:
        with tempfile.TemporaryDirectory(prefix="soak-") as made:
            yield Path(made)


def _into_readme(lines: list[Line]) -> None:
    """Replace the lines that were measured; those of other runs stay."""
    before = pages.block(pages.README.read_text("utf-8"), "soak")
    cells = (row.strip("| ").split(" | ") for row in before.splitlines() if row.startswith("| "))
    rows = {what: (found, wanted) for what, found, wanted in list(cells)[2:]}
    rows |= {line.what: (line.found, line.wanted.replace("<=", "at most")) for line in lines}
    table = "".join(f"| {what} | {found} | {wanted} |\n" for what, (found, wanted) in rows.items())
    pages.fill(pages.README, "soak", HEAD + table)


def main() -> None:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short version of everything")
    parser.add_argument("--readme", action="store_true", help="put the lines into README.md")
    parser.add_argument("--only", choices=("kills", "work", "scan"))
    parser.add_argument("--out", type=Path, help="keep the folders here")
    options = parser.parse_args()
    quick = options.quick
    runs: dict[str, Callable[[Path], Iterator[Line]]] = {
        "kills": lambda base: killed(base, 12 if quick else 100, 40 if quick else 300),
        "work": lambda base: worked(base, 300 if quick else 2000, 20 if quick else 60),
        "scan": lambda base: scanned(base, 100_000),
    }
    if quick and options.readme:
        parser.error("the README holds whole measurements, not quick ones")
    lines = []
    print(f"{'what':<58}{'found':>22}  wanted")
    for name, run in runs.items():
        if options.only in {None, name}:
            with _place(options.out, name) as base:
                for line in run(base):
                    lines.append(line)
                    print(
                        f"{line.what:<58}{line.found:>22}  {line.wanted}{'' if line.good else '   MISSED'}",
                        flush=True,
                    )
    if options.readme:
        _into_readme(lines)
    sys.exit(0 if all(line.good for line in lines) else 1)


if __name__ == "__main__":
    main()
