"""The main job, seen from outside: the real daemon, a hot folder, photos dropped in, results awaited.

    python -m benchmarks.demo [--photo PATH]...

Photos are scikit-image's public-domain ones and a rendered chart whose blemishes are known; or your own,
which are copied. Results stay in demo-out/. The exit code is 0 only when every photo was done, no mole of
the chart was touched and nothing outside the heals moved.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from benchmarks.chart import Chart, render
from benchmarks.files import write_photo
from benchmarks.hotfolder import Daemon, Outcome
from benchmarks.truth import Score, score
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

OUT = Path("demo-out")
PATIENCE_S = 600.0


def drop(folder: Path, own: list[Path]) -> tuple[list[Path], Chart | None]:
    """Put the photos into the hot folder; the chart's truth comes back with their names."""
    if own:
        for path in own:
            shutil.copyfile(path, folder / path.name)
        return [folder / path.name for path in own], None
    from skimage import data

    chart = render(seed=2026)
    write_photo(folder / "chart.tif", chart.pixels)
    write_photo(folder / "astronaut.tif", np.asarray(data.astronaut().astype(np.uint16) * 257))
    write_photo(folder / "cat.jpg", data.chelsea())
    write_photo(folder / "coffee.png", data.coffee())
    return [folder / n for n in ("chart.tif", "astronaut.tif", "cat.jpg", "coffee.png")], chart


def show(console: Console, outcomes: list[Outcome]) -> None:
    """The table: one line for each photo."""
    heads = ("file", "found", "healed", "kept", "review", "seconds", "pores", "outside")
    figures_of = (Column(h, no_wrap=True, justify="right", min_width=len(h)) for h in heads[1:])
    table = Table(Column(heads[0], no_wrap=True, max_width=18), *figures_of)
    table.box, table.pad_edge = SIMPLE, False
    for o in outcomes:
        if o.problem:
            table.add_row(escape(o.name), *["-"] * 7)
            continue
        figures = [str(o.counts.get(k, 0)) for k in ("found", "healed", "kept", "review")]
        pores = "-" if o.pores is None else f"{100 * o.pores:.0f} %"
        outside = "equal" if o.unchanged else "[red]CHANGED[/red]"
        table.add_row(escape(o.name), *figures, f"{o.seconds:.1f}", pores, outside)
    console.print(table)
    for o in outcomes:
        if o.problem:
            console.print(f"[red]{escape(o.name)}: {escape(o.problem)}[/red]", soft_wrap=True)
        if failed := o.counts.get("failed"):
            console.print(
                f"[red]{escape(o.name)}: {failed} heals failed, see its record[/red]", soft_wrap=True
            )
    console.print(
        "pores: contrast kept of the finest texture inside the heals, against the skin around them (median);"
        " outside: every sample outside the heals, read back from the written file.",
        style="dim",
    )


def tell(console: Console, truth: Score) -> None:
    """What became of the chart's known marks, measured in its pixels."""
    console.print(
        f"chart.tif, whose truth is known: {truth.healed} of {truth.blemishes} blemishes healed,"
        f" {truth.moles_kept} of {truth.moles} moles and {truth.freckles_kept} of {truth.freckles} freckles"
        f" untouched, {truth.false_heals} heals where there was no blemish."
    )


def run(own: list[Path]) -> int:
    """The whole demo; the exit code."""
    console = Console()
    hot = (OUT / "photos").resolve()
    shutil.rmtree(hot, ignore_errors=True)
    hot.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="retouchd-demo-") as scratch:
        with Daemon(hot, Path(scratch)) as daemon:
            console.print(f"retouchd is watching {hot}")
            photos, chart = drop(hot, own)
            outcomes = [daemon.wait_for(photo, PATIENCE_S) for photo in photos]
        stopped = daemon.exit_code == 0
    show(console, outcomes)
    good = stopped and all(o.good for o in outcomes)
    if not stopped:
        console.print(f"[red]the daemon ended with exit code {daemon.exit_code}[/red]")
    if chart is not None and not outcomes[0].problem:
        truth = score(chart, outcomes[0])
        tell(console, truth)
        good = good and truth.moles_kept == truth.moles and truth.healed > 0
    console.print(
        f"before / after / mask of every spot: {hot / '_retouchd' / 'contact.html'}", soft_wrap=True
    )
    return 0 if good else 1


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--photo", type=Path, action="append", default=[], help="your own photo; may be repeated"
    )
    args = parser.parse_args()
    for path in args.photo:
        if not path.is_file():
            parser.error(f"no such file: {path}")
    sys.exit(run(args.photo))


if __name__ == "__main__":
    main()
