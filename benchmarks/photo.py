"""How long one photo takes and how much memory, beside the bare decode and encode of the same file.

Every measurement runs in a process of its own. The engine is loaded and has done one small photo before
the clock starts, and memory is asked for as in the worker of the daemon, which keeps it loaded. Figures are
medians; nothing is asserted.

    python -m benchmarks.photo [--sizes 2 24 45] [--repeat 3] [--photo PATH] [--markdown | --readme]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import pages
from rich.console import Console
from rich.table import Table

MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One size: seconds and bytes, medians over the repeats."""

    megapixels: float
    raw_bytes: int
    bare_s: float
    job_s: float
    bare_peak_bytes: int
    peak_bytes: int
    added_bytes: int
    found: int
    healed: int

    @property
    def cells(self) -> list[str]:
        """The row as text."""
        return [
            f"{self.megapixels:.0f}",
            f"{self.raw_bytes / MEGA:.0f}",
            f"{self.bare_s:.2f}",
            f"{self.job_s:.2f}",
            f"{self.job_s / self.bare_s:.2f}",
            f"{self.peak_bytes / MEGA:.0f}",
            f"{self.peak_bytes / self.raw_bytes:.1f}",
            f"{self.added_bytes / self.raw_bytes:.1f}",
            f"{self.healed} of {self.found}",
        ]


HEADS = ["MP", "raw MB", "bare s", "job s", "job / bare", "peak MB", "peak / raw", "added / raw", "healed"]


def _peak() -> int:
    """The most memory this process has held, in bytes.

    Not ``ru_maxrss``: the kernel carries that over from the parent which started us.
    """
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found, "no VmHWM in /proc/self/status"
    return int(found[1]) * 1024


def _child_make(path: Path, megapixels: float, photo: Path | None) -> dict[str, Any]:
    """Write the file to measure: the same view by a larger or smaller camera."""
    from benchmarks.chart import render
    from benchmarks.files import read_photo, write_photo

    width = round(math.sqrt(megapixels * MEGA * 1.5) / 8) * 8
    if photo is None:
        pixels = render(width, width * 2 // 3, px_per_mm=16 * width / 3000).pixels
    else:
        import cv2
        import numpy as np

        given = read_photo(photo)[..., :3]
        wide = given.astype(np.uint16) * 257 if given.dtype == np.uint8 else given
        scale = math.sqrt(megapixels * MEGA / (wide.shape[0] * wide.shape[1]))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        pixels = np.asarray(cv2.resize(wide, None, fx=scale, fy=scale, interpolation=how))
    write_photo(path, pixels)
    return {"raw_bytes": pixels.nbytes, "pixels": pixels.shape[0] * pixels.shape[1]}


def _child_bare(path: Path, threads: int) -> dict[str, Any]:
    """Decode and encode, nothing else."""
    from benchmarks.files import read_photo, write_photo

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_photo(Path(folder) / "bare.tif", read_photo(path, threads), threads)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak": _peak()}


def _child_job(path: Path, threads: int) -> dict[str, Any]:
    """The whole job by a loaded engine."""
    from benchmarks.chart import render
    from benchmarks.files import write_photo

    from retouch_engine import Finish, Order, Recipe, open_engine
    from retouchd.work import heap

    heap.keep_one_heap()
    with tempfile.TemporaryDirectory() as folder, open_engine() as engine:
        heap.keep_what_is_loaded()
        small = Path(folder) / "small.tif"
        write_photo(small, render(900, 600, px_per_mm=12.0, tones=("fair",)).pixels)

        def job(source: Path, name: str) -> dict[str, Any]:
            staging = Path(folder) / name
            staging.mkdir()
            order = Order(source, staging, Recipe(), Finish(threads=threads))
            return engine.retouch(order, lambda _stage: None).record

        job(small, "warm")
        loaded = _peak()
        start = time.perf_counter()
        record = job(path, "measured")
        seconds = time.perf_counter() - start
    decisions = [s["decision"] for s in record["spots"]]
    figures = {"found": len(decisions), "healed": decisions.count("healed")}
    return {"seconds": seconds, "peak": _peak(), "loaded": loaded, **figures}


def _measure(*arguments: str) -> dict[str, Any]:
    """Run one of the functions above in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.photo", "--child", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=pages.ROOT)
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def _row(megapixels: float, photo: Path | None, repeat: int, threads: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="retouchd-bench-") as folder:
        path = str(Path(folder) / f"{megapixels:g}mp.tif")
        made = _measure("make", path, str(megapixels), *([str(photo.resolve())] if photo else []))
        bare, job = [], []
        for _ in range(repeat):
            bare.append(_measure("bare", path, str(threads)))
            job.append(_measure("job", path, str(threads)))

    def mid(runs: list[dict[str, Any]], key: str) -> float:
        return float(median(run[key] for run in runs))

    return Row(
        megapixels=made["pixels"] / MEGA,
        raw_bytes=made["raw_bytes"],
        bare_s=mid(bare, "seconds"),
        job_s=mid(job, "seconds"),
        bare_peak_bytes=int(mid(bare, "peak")),
        peak_bytes=int(mid(job, "peak")),
        added_bytes=int(median(run["peak"] - run["loaded"] for run in job)),
        found=job[0]["found"],
        healed=job[0]["healed"],
    )


def _machine(threads: int, repeat: int, load: float) -> str:
    """What the figures were measured on, in one line."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        found = re.search(r"model name\s*: (.+)", info.read_text("utf-8"))
        cpu = found[1] if found else cpu
    names = ("retouchd", "numpy", "opencv-python-headless", "tifffile", "imagecodecs")
    versions = ", ".join(f"{n} {version(n)}" for n in names)
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cpu}, {cores} cores, {threads} threads for packing; Python {platform.python_version()},"
        f" {versions}; median of {repeat}; load average {load:.1f} at the start."
    )


def markdown(rows: list[Row], machine: str) -> str:
    """The table of the README."""
    return pages.table(HEADS, [r.cells for r in rows], first="--:") + f"\n\n{machine}\n"


def _show(rows: list[Row], machine: str) -> None:
    table = Table(*HEADS, title="One 16-bit TIFF, Deflate with predictor", caption=machine)
    for row in rows:
        table.add_row(*row.cells)
    Console().print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photo", description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=float, default=[2, 24, 45], metavar="MP")
    parser.add_argument("--photo", type=Path, help="measure this photo, resampled, instead of the chart")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--markdown", action="store_true", help="print the README's table")
    shape.add_argument("--readme", action="store_true", help="put the table into README.md")
    shape.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def _child(what: str, path: str, *rest: str) -> dict[str, Any]:
    if what == "make":
        return _child_make(Path(path), float(rest[0]), Path(rest[1]) if len(rest) > 1 else None)
    kinds: dict[str, Callable[[Path, int], dict[str, Any]]] = {"bare": _child_bare, "job": _child_job}
    return kinds[what](Path(path), int(rest[0]))


def main() -> None:
    """Measure, then print."""
    args = _arguments()
    if args.child:
        print(json.dumps(_child(*args.child)))
        return
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"note: load average {load:.1f}; other work on this machine slows the figures", file=sys.stderr)
    rows = [_row(size, args.photo, args.repeat, args.threads) for size in args.sizes]
    machine = _machine(args.threads, args.repeat, load)
    if args.readme:
        pages.fill(pages.README, "photo", markdown(rows, machine))
    elif args.markdown:
        print(markdown(rows, machine))
    else:
        _show(rows, machine)


if __name__ == "__main__":
    main()
