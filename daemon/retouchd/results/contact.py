"""The contact sheet: one page a folder, from which a person judges a shoot by eye.

Made from the decision records, never from the journal, so that it is the same whoever retouched the photos.
It is plain HTML and CSS, works from disk without a network, and treats everything in a record as text that
anybody could have written.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader

from retouch_engine import Decision, Role
from retouchd import log, naming, presence
from retouchd.naming import CONTACT_FOLDER, CONTACT_PAGE, OWN_FOLDER
from retouchd.results import record
from retouchd.text import shown

_LEAST_PAUSE_S = 2.0
_DECISIONS = tuple(str(d) for d in Decision)
_ASKS = frozenset({str(Decision.REVIEW), str(Decision.FAILED)})


@dataclass(frozen=True, slots=True)
class Spot:
    """One row of the sprite, with its caption."""

    y: int
    tile: int
    percent: int
    """The scale of the crop: 100 but for spots larger than a tile."""
    kind: str
    size: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One photo on the page."""

    name: str
    link: str
    sprite: str
    view: str
    """The whole photo as it is now; empty when there is no such picture."""
    width: int
    counts: dict[str, int]
    seconds: float
    spots: tuple[Spot, ...]
    unseen: int
    """Spots that the sprite has no room for."""
    asks: tuple[str, ...] = ()
    """Every spot that wants a look, in words, also those that the sprite has no room for."""


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _spot(row: dict[str, Any], spots: dict[Any, dict[str, Any]]) -> Spot:
    about = spots.get(row.get("spot"), {})
    return Spot(
        y=int(_number(row.get("y"))),
        tile=int(_number(row.get("tile"))),
        percent=round(100 * (_number(row.get("scale")) or 1.0)),
        kind=str(about.get("kind", "spot")).replace("_", " "),
        size=_size(about),
        decision=str(about.get("decision", "")),
        reason=shown(str(about.get("reason", ""))),
    )


def _sheet(told: dict[str, Any], path: Path) -> Sheet:
    outputs = told.get("outputs", {})
    contact = told.get("contact", {})
    result = str(outputs.get(Role.RESULT, {}).get("name", ""))
    sprite = path.parent / CONTACT_FOLDER / f"{path.stem}.jpeg"
    view = sprite.with_suffix(".jpg")
    spots = {s.get("id"): s for s in told.get("spots", []) if isinstance(s, dict)}
    rows = (
        tuple(_spot(r, spots) for r in contact.get("rows", ()) if isinstance(r, dict))
        if presence.file(sprite)
        else ()
    )
    counts = {k: int(_number(told.get("counts", {}).get(k))) for k in ("found", *_DECISIONS)}
    return Sheet(
        name=shown(str(told.get("source", {}).get("name", path.stem))),
        link="../" + _quoted(result),
        sprite=f"{CONTACT_FOLDER}/{_quoted(sprite.name)}",
        view=f"{CONTACT_FOLDER}/{_quoted(view.name)}" if presence.file(view) else "",
        # Before, after and mask lie side by side.
        width=int(_number(contact.get("width"))) or 3 * max((s.tile for s in rows), default=0),
        counts=counts,
        seconds=record.seconds(told),
        spots=tuple(sorted(rows, key=lambda s: s.decision != Decision.REVIEW)),
        unseen=max(0, counts["found"] - len(rows)),
        asks=tuple(_asked(s) for s in spots.values() if s.get("decision") in _ASKS),
    )


def _asked(about: dict[str, Any]) -> str:
    """A spot that wants a look: what, how large, where in the photo as stored, why."""
    box = about.get("box")
    at = (
        f", at {_number(box[0]):.0f}, {_number(box[1]):.0f}"
        if isinstance(box, list) and len(box) == 4
        else ""
    )
    kind, size = str(about.get("kind", "spot")).replace("_", " "), _size(about)
    return shown(f"{kind}, {size}{at}: {about.get('reason', '')}")


def _size(about: dict[str, Any]) -> str:
    px, mm = _number(about.get("diameter_px")), _number(about.get("diameter_mm"))
    return f"{px:.0f} px" + (f" ({mm:.1f} mm)" if mm else "")


def _quoted(name: str) -> str:
    """A relative link; names are bytes, so what is not UTF-8 keeps its bytes."""
    return quote(os.fsencode(name), safe="/")


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("retouchd"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )


class ContactPages:
    """Remembers the records it has read, so that one more photo costs one more record."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, token: str = "") -> None:
        self._clock = clock
        self._token = token or f"page-{os.getpid()}"
        self._template = _environment().get_template("contact.html.jinja")
        self._seen: dict[Path, tuple[tuple[int, int], Sheet | None]] = {}
        self._due: dict[Path, float] = {}
        self._pause_s = _LEAST_PAUSE_S

    def touch(self, folder: Path) -> None:
        """A result appeared in this folder."""
        self._due.setdefault(folder, self._clock() + self._pause_s)

    def step(self, *, everything: bool = False) -> None:
        """Write the pages that are due."""
        for folder, due in list(self._due.items()):
            if everything or self._clock() >= due:
                del self._due[folder]
                self._write_calmly(folder)

    def _write_calmly(self, folder: Path) -> None:
        """A page that cannot be written is a log line: the photos are what matters."""
        began = self._clock()
        try:
            if presence.folder(folder / OWN_FOLDER):  # or else all of its results were taken back
                write_page(folder, self.render(folder), self._token)
        except OSError as error:
            log.get().warning("no contact sheet", folder=folder, why=error.strerror or str(error))
        # A page of thousands of photos is written more rarely.
        self._pause_s = max(_LEAST_PAUSE_S, 10 * (self._clock() - began))

    def render(self, folder: Path) -> str:
        """The page for a folder."""
        sheets = self._sheets(folder / OWN_FOLDER)
        totals = {k: sum(s.counts[k] for s in sheets) for k in ("found", *_DECISIONS)}
        return self._template.render(
            folder=shown(folder.name), sheets=sheets, totals=totals, seconds=sum(s.seconds for s in sheets)
        )

    def _sheets(self, own: Path) -> list[Sheet]:
        found = [s for path in sorted(own.glob("*.json")) if (s := self._read(path))]
        return sorted(found, key=lambda s: (s.counts["review"] == 0 and s.counts["failed"] == 0, s.name))

    def _read(self, path: Path) -> Sheet | None:
        try:
            stat = path.stat()
        except OSError:
            return None
        stamp = (stat.st_mtime_ns, stat.st_size)
        known = self._seen.get(path)
        if known is None or known[0] != stamp:
            told = record.read(path)
            known = (stamp, _careful(told, path) if told else None)
            self._seen[path] = known
        return known[1]


def _careful(told: dict[str, Any], path: Path) -> Sheet | None:
    """A record with a broken shape costs its own place on the page, nothing else."""
    try:
        return _sheet(told, path)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None


def write_page(folder: Path, page: str, token: str) -> None:
    """Put the page in its place at once, so that a browser never reads half of it.

    ``token`` is in the temporary name: the service sweeps what its own processes left.
    """
    own = folder / OWN_FOLDER
    if presence.link(own):
        return
    own.mkdir(exist_ok=True)
    part = own / naming.part_name(token, "page")
    try:
        part.write_text(page, "utf-8", errors="backslashreplace")
        part.replace(own / CONTACT_PAGE)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def main() -> None:
    """``python -m retouchd.results.contact TOKEN FOLDER...``: the pages of these folders, for the service."""
    log.configure("warning", "auto")
    pages = ContactPages(token=sys.argv[1])
    for folder in sys.argv[2:]:
        pages.touch(Path(folder))
    pages.step(everything=True)


if __name__ == "__main__":
    main()
