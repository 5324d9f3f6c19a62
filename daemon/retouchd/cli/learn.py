"""``retouchd learn``: fit how sure the engine is to what this studio's own retoucher heals."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from retouch_engine import PHOTO_SUFFIXES, EngineError, Limits
from retouch_engine import learn as fit
from retouchd import config, presence
from retouchd.cli.options import GivenPath, absolute, config_option, json_option
from retouchd.config import Settings, tastes
from retouchd.errors import NothingToUndo
from retouchd.naming import OWN_FOLDER
from retouchd.results import corrections
from retouchd.text import shown

_MOST_LISTED = 10


@click.command()
@click.argument("before", metavar="BEFORE_DIR", required=False, type=GivenPath(exists=True, file_okay=False))
@click.argument("after", metavar="AFTER_DIR", required=False, type=GivenPath(exists=True, file_okay=False))
@click.option("--dry-run", is_flag=True, help="Show what would be learned, and write nothing.")
@click.option("--undo", is_flag=True, help="Take the last calibration back.")
@json_option
@config_option
def learn(
    before: Path | None,
    after: Path | None,
    dry_run: bool,
    undo: bool,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """Learn from photos before and after your own retoucher had them, on this machine.

    Photos pair up by name: AFTER_DIR/IMG_1.tif, or IMG_1-anything.jpg, with BEFORE_DIR/IMG_1.tif; same size,
    same crop. Corrections of the review page and of edited masks below BEFORE_DIR and the watched folders
    count too. Only how sure a blemish is of being healed is learned: what guards permanent marks stays as it
    is.
    """
    settings = config.load_or_default(config_path)
    if undo:
        if before or after or dry_run:
            raise click.UsageError("--undo stands alone")
        said = tastes.undo(settings.state_dir)
        if not said:
            raise NothingToUndo(settings.state_dir, "nothing that was learned lies in")
        click.echo(said)
        return
    if before is None or after is None:
        raise click.UsageError("two folders: the photos before, and the same photos after")
    told = _fitted(absolute(before), absolute(after), settings)
    if as_json:
        click.echo(json.dumps(told))
    else:
        for line in _lines(told):
            click.echo(line)
    if not told["better"]:
        click.echo("no better than the shipped odds on photos it has not seen: nothing is written", err=True)
        sys.exit(1)
    if not dry_run:
        path = tastes.write(settings.state_dir, {k: v for k, v in told.items() if k != "left_out"})
        click.echo(f"wrote {shown(path)}; it counts from the next photo on", err=as_json)


def _fitted(before: Path, after: Path, settings: Settings) -> dict[str, Any]:
    places = dict.fromkeys([before, *(w.mirror or w.path for w in settings.watch)])
    corrected = [fact for place in places for fact in corrections.decided_below(place)]
    try:
        return fit(_pairs(before, after), corrected, Limits(max_megapixels=settings.limits.max_megapixels))
    except EngineError as error:
        for line in _left_out(getattr(error, "left_out", {})):
            click.echo(line, err=True)
        raise click.ClickException(str(error)) from None


def _pairs(before: Path, after: Path) -> Iterator[tuple[Path, Path]]:
    """The same photo before and after, by its place and name; a name that fits two is left out."""
    for place, folders, names in os.walk(before):
        folders[:] = sorted(f for f in folders if f != OWN_FOLDER)
        there = after / Path(place).relative_to(before)
        done = [p for p in sorted(there.iterdir()) if _is_photo(p)] if presence.folder(there) else []
        for name in sorted(names):
            photo = Path(place, name)
            if not _is_photo(photo):
                continue
            same = [p for p in done if p.stem == photo.stem]
            alike = [p for p in done if p.stem.startswith((f"{photo.stem}-", f"{photo.stem}_"))]
            chosen = same or alike
            if len(chosen) == 1:
                yield photo, chosen[0]


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES and presence.file(path)


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    about = told["learned_from"]
    yield (
        f"{about['pairs']} pairs: {about['healed']} spots healed, {about['left']} left, of them"
        f" {about['corrected']} by corrections"
    )
    yield "                 healed unasked  precision  recall  log loss"
    for name, words in (("before", "shipped odds"), ("after", "learned odds")):
        f = told[name]
        shares = f"{f['precision']:>8.0%}  {f['recall']:>6.0%}"
        yield f"{words:<16} {f['unasked']:>14}  {shares}  {f['log_loss']:>8.3f}"
    yield "each photo is judged by a fit that has not seen it"
    yield from _left_out(told["left_out"])


def _left_out(reasons: Mapping[str, str]) -> Iterator[str]:
    for why in list(reasons.values())[:_MOST_LISTED]:
        yield f"left out: {shown(why)}"
    if len(reasons) > _MOST_LISTED:
        yield f"left out: {len(reasons) - _MOST_LISTED} more"
