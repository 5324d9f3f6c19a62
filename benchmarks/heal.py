"""Heals measured blemishes with every healer of ours and every peer, on the same crops in the same run.

Blemishes of known size are laid on clean skin whose truth is known, so that texture, colour and seam can be
compared with it. Without ``--photo`` the skin is scikit-image's public-domain portrait and a rendered chart;
with it, that of your photos, 8 or 16 bit. Figures are medians; nothing is asserted.

    python -m benchmarks.heal [--photo PATH ...] [--sizes 8 24 80] [--markdown | --readme] [--montage OUT.png]
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from benchmarks import pages
from benchmarks.chart import render
from benchmarks.files import Pixels, read_photo, write_photo
from benchmarks.heal_cases import SIZES, Case, cases, ground
from benchmarks.heal_methods import Method, ladder, methods, passes
from benchmarks.heal_score import Judge, Score
from rich.console import Console
from rich.progress import track
from rich.table import Table

from retouch_engine import Recipe
from retouch_engine.types import packed
from retouchd.work import heap

HEADS = [
    "method",
    "spots",
    "ms",
    "texture 1",
    "2",
    "4 px",
    "colour dE",
    "seam",
    "inside",
    "guard",
    "declined",
]
TRUTH = "untouched skin"
_SWEPT = 40
"""Places that the strengths are tried on."""


@dataclass(frozen=True, slots=True)
class Heal:
    """One method on one case; no score where it declined."""

    method: str
    case: Case
    seconds: float
    score: Score | None
    result: Pixels | None
    passes: bool = False
    """Our guard would have let it through."""


def measured(given: Iterable[Case], asked: Mapping[str, Method], repeat: int) -> list[Heal]:
    """Every method on every case, in turn."""
    heals: list[Heal] = []
    for case in given:
        judge = Judge(case)
        heals.append(Heal(TRUTH, case, 0.0, judge.score(case.truth), case.truth, passes(case, case.truth)))
        for name, method in asked.items():
            heals.append(_heal(name, method, case, judge, repeat))
    return heals


def _heal(name: str, method: Method, case: Case, judge: Judge, repeat: int) -> Heal:
    taken = []
    for _ in range(repeat if case.size_px <= 40 else 1):
        # This thread's processor time: what else the machine does is not counted.
        start = time.thread_time()
        result = method(case)
        taken.append(time.thread_time() - start)
    if result is None:
        return Heal(name, case, min(taken), None, None)
    return Heal(name, case, min(taken), judge.score(result), result, passes(case, result))


def row(method: str, heals: list[Heal]) -> list[str]:
    """One line of a table: medians over the cases."""
    scores = [h.score for h in heals if h.score is not None]
    if not scores:
        return [method, str(len(heals)), *["-"] * (len(HEADS) - 3), str(len(heals))]
    inside = [s.inside for s in scores if s.inside is not None]
    texture = np.median([s.texture for s in scores], axis=0)
    return [
        method,
        str(len(heals)),
        f"{1000 * np.median([h.seconds for h in heals]):.1f}",
        *(f"{t:.2f}" for t in texture),
        f"{np.median([s.colour for s in scores]):.2f}",
        f"{np.median([s.seam for s in scores]):.2f}",
        f"{100 * np.mean(inside):.0f} %" if inside else "-",
        f"{100 * sum(h.passes for h in heals) / len(scores):.0f} %",
        str(len(heals) - len(scores)),
    ]


def tables(heals: list[Heal]) -> dict[str, list[list[str]]]:
    """A table for each size of plain cases, one for each special case, and one for dark skin."""
    names = list(dict.fromkeys(h.method for h in heals))
    groups: dict[str, list[Heal]] = {}
    for h in heals:
        plain = h.case.variant == "plain"
        groups.setdefault(f"{h.case.size_px} px" if plain else TITLES[h.case.variant], []).append(h)
        if plain:
            groups.setdefault("dark skin" if h.case.dark else "light skin", []).append(h)
    return {
        title: [row(n, [h for h in group if h.method == n]) for n in names] for title, group in groups.items()
    }


OURS = "retouchd"
SWEEP = (10, 25, 50, 75, 100)
SWEPT = ["strength", "healed", "texture 1", "2", "4 px"]
TITLES = {"light": "donors at 0.4 of the light", "hair": "hair 4 px away", "gradient": "on a gradient"}


def special(heals: list[Heal]) -> list[list[str]]:
    """How the ladder fares where it is hard: a row for each special case and each kind of skin."""
    return [
        [title, *rows[0][1:]]
        for title, rows in tables([h for h in heals if h.method == OURS]).items()
        if not title.endswith(" px")
    ]


def swept(given: Iterable[Case], strengths: Iterable[int] = SWEEP) -> list[list[str]]:
    """A row for each strength: how many were healed, and the contrast of three bands over the truth's."""
    cases_ = list(given)
    rows = []
    for strength in strengths:
        results = [(case, ladder(case, Recipe(strength=strength))) for case in cases_]
        textures = [Judge(case).score(result).texture for case, result in results if result is not None]
        middle = np.median(textures, axis=0) if textures else [np.nan] * 3
        rows.append([f"{strength}", f"{len(textures)} of {len(cases_)}", *(f"{t:.2f}" for t in middle)])
    return rows


def markdown(
    heals: list[Heal], note: str, *, sizes_only: bool = False, sweep: list[list[str]] | None = None
) -> str:
    """All tables; for the page of the whole ones those of the sizes, and the rest for retouchd alone."""
    parts = []
    for title, rows in tables(heals).items():
        if sizes_only and not title.endswith(" px"):
            continue
        parts.append(f"**{title}**\n\n" + pages.table(HEADS, rows))
    if sizes_only:
        parts.append(
            "**retouchd in special cases, all sizes**\n\n" + pages.table(["case", *HEADS[1:]], special(heals))
        )
    parts += [f"**strength, retouchd, on whole skin**\n\n{pages.table(SWEPT, sweep)}"] if sweep else []
    return "\n\n".join(parts) + f"\n\n{note}\n"


def summary(of_sizes: dict[str, list[list[str]]]) -> str:
    """For the README: the share of heals inside what clean skin varies by for each size, one size's time.

    Our single healers and the controls are left to the whole tables.
    """
    sizes = {title: {r[0]: r for r in rows} for title, rows in of_sizes.items() if title.endswith(" px")}
    shown = [n for n in next(iter(sizes.values())) if not n.startswith(("- ", "control"))]
    inside, ms, middle = HEADS.index("inside"), HEADS.index("ms"), list(sizes)[len(sizes) // 2]
    return pages.table(
        ["inside", *sizes, f"ms at {middle}"],
        [[n, *(rows[n][inside] for rows in sizes.values()), sizes[middle][n][ms]] for n in shown],
    )


def montage(path: Path, heals: list[Heal], zoom: int = 2) -> None:
    """A row for each case, a column for each method, at 200 %: blemish, truth, then the heals."""
    names = list(dict.fromkeys(h.method for h in heals))
    rows: list[np.ndarray] = []
    by_case: dict[int, list[Heal]] = {}
    for h in heals:
        by_case.setdefault(id(h.case), []).append(h)
    for group in by_case.values():
        case = group[0].case
        found = {h.method: h.result for h in group}
        tiles = [_tile(case, case.spoilt, zoom), *(_tile(case, found.get(n), zoom) for n in names)]
        rows.append(np.concatenate(tiles, axis=1))
    width = max(r.shape[1] for r in rows)
    padded = [np.pad(r, ((0, 6), (0, width - r.shape[1]), (0, 0)), constant_values=40) for r in rows]
    write_photo(path, np.concatenate(padded, axis=0))


def _tile(case: Case, result: Pixels | None, zoom: int) -> np.ndarray:
    y, x = (round(float(v.mean())) for v in np.nonzero(case.hole))
    reach = max(32, round(1.4 * case.size_px))
    y, x = (min(max(v, reach), n - reach) for v, n in zip((y, x), case.hole.shape, strict=True))
    shown = np.zeros_like(case.truth) if result is None else result
    eight = shown if shown.dtype == np.uint8 else (shown // 257).astype(np.uint8)
    crop = np.ascontiguousarray(eight[y - reach : y + reach, x - reach : x + reach])
    large = cv2.resize(crop, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
    return np.pad(np.asarray(large), ((0, 0), (0, 4), (0, 0)), constant_values=40)


def _photos(paths: list[Path]) -> Iterable[tuple[str, Pixels]]:
    for path in paths:
        yield path.stem, packed(read_photo(path)[..., :3])
    if not paths:
        from skimage import data

        yield "astronaut", np.asarray(data.astronaut(), np.uint8)
        yield "chart", render(2000, 1400, seed=3, px_per_mm=12.0).pixels


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heal", description=__doc__.split("\n")[0])
    parser.add_argument("--photo", nargs="+", type=Path, default=[], metavar="PATH")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), metavar="PX")
    parser.add_argument("--places", type=int, default=2, help="for each kind, size and photo")
    parser.add_argument("--repeat", type=int, default=3, help="of each heal; the quickest counts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="these methods alone")
    parser.add_argument("--montage", type=Path, metavar="OUT.png", help="crops of every heal at 200 %%")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--markdown", action="store_true", help="print the tables of benchmarks/README.md")
    shape.add_argument("--readme", action="store_true", help="put them there, and a short one into README.md")
    return parser.parse_args()


def main() -> None:
    """Heal, score, print."""
    args = _arguments()
    cv2.setNumThreads(1)
    # As the worker does: else a large crop's memory is fresh, page by page, for each heal.
    heap.keep_one_heap()
    heap.keep_what_is_loaded()
    load = os.getloadavg()[0]
    asked = {n: m for n, m in methods().items() if not args.only or n in args.only}
    heals: list[Heal] = []
    calm: list[Case] = []
    for name, pixels in _photos(args.photo):
        given = list(cases(ground(name, pixels), tuple(args.sizes), args.places, args.seed))
        plain = [case for case in given if case.variant == "plain"]
        heals += measured(track(plain, name, transient=True), asked, args.repeat)
        # In special cases the page shows ours alone.
        ours = {OURS: asked[OURS]} if args.readme and OURS in asked else asked
        heals += measured(
            track([c for c in given if c.variant != "plain"], name, transient=True), ours, args.repeat
        )
        calm += [replace(case, spoilt=case.truth) for case in plain]
    note = _machine(args.repeat, load)
    if args.montage:
        montage(args.montage, heals)
    if args.readme:
        sweep = swept(calm[:: max(1, len(calm) // _SWEPT)])
        pages.fill(pages.FULL, "heal", markdown(heals, note, sizes_only=True, sweep=sweep))
        pages.fill(pages.README, "heal", f"{summary(tables(heals))}\n\n{note}\n")
    elif args.markdown:
        print(markdown(heals, note))
    else:
        _show(heals, note)


def _machine(repeat: int, load: float) -> str:
    """What the figures were measured on, in one line."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        found = re.search(r"model name\s*: (.+)", info.read_text("utf-8"))
        cpu = found[1] if found else cpu
    names = ("retouchd", "numba", "numpy", "opencv-python-headless")
    versions = ", ".join(f"{n} {version(n)}" for n in names)
    return (
        f"{cpu}, one thread; Python {platform.python_version()}, {versions}; milliseconds of one core,"
        f" medians of the quickest of {repeat} runs each; load average {load:.1f} at the start."
    )


def _show(heals: list[Heal], note: str) -> None:
    console = Console()
    for title, rows in tables(heals).items():
        table = Table(*HEADS, title=title)
        for cells in rows:
            table.add_row(*cells)
        console.print(table)
    console.print(note)


if __name__ == "__main__":
    main()
