"""``retouchd ignores``: what a look at the watched folders leaves out, and by which rule."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import click

from retouch_engine import PHOTO_SUFFIXES
from retouchd import config, ignores
from retouchd.cli.options import GivenPath, absolute, config_option, json_option
from retouchd.config import Settings
from retouchd.errors import NotWatched
from retouchd.text import shown
from retouchd.watch import scanner

_EXAMPLES = 3


@click.command("ignores")
@click.argument("folder", required=False, type=GivenPath())
@click.option("--all", "everything", is_flag=True, help="Every name, not three for each reason.")
@click.option("--rules", is_flag=True, help="The rules themselves; looks at no folder.")
@config_option
@json_option
def show_ignores(
    folder: Path | None, everything: bool, rules: bool, config_path: Path | None, as_json: bool
) -> None:
    """What is left out of the watched folders, or below FOLDER, and why.

    A folder that is left out is shown once, with a slash, for everything in it. Photos that were taken and
    then skipped for what they hold are in: retouchd list --state skipped.
    """
    settings = config.load(config.find(config_path))
    if rules:
        for name, why in _rules(settings):
            click.echo(json.dumps({"rule": name, "why": why}) if as_json else f"{name}  {why}")
        return
    by_reason: dict[str, list[Path]] = {}
    for path, why in _left_out(settings, folder):
        by_reason.setdefault(why, []).append(path)
    if as_json:
        for why, paths in by_reason.items():
            for path in paths:
                click.echo(json.dumps({"path": str(path), "why": why}))
        return
    for why, paths in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        _tell(why, paths, len(paths) if everything else _EXAMPLES)
    if not by_reason:
        click.echo("nothing is left out")


def _tell(why: str, paths: list[Path], most: int) -> None:
    click.echo(f"{len(paths)} x {shown(why)}")
    for path in paths[:most]:
        click.echo(f"    {shown(path)}" + ("/" if path.is_dir() and not path.is_symlink() else ""))
    if len(paths) > most:
        click.echo(f"    and {len(paths) - most} more; --all shows them")


def _rules(settings: Settings) -> Iterator[tuple[str, str]]:
    yield from ((f"folder {rule}", why) for rule, why in ignores.FOLDER_RULES)
    yield from ((f"file {rule}", why) for rule, why in ignores.FILE_RULES)
    yield "file *-retouched.tif, *-retouched.xmp", ignores.OWN
    yield "file " + ", ".join(f"not *{s}" for s in sorted(PHOTO_SUFFIXES)), "not a photo's ending"
    for watch in settings.watch:
        for text in watch.ignore:
            yield f"below {shown(watch.path)}: {shown(text)}", "a pattern of its settings"


def _left_out(settings: Settings, folder: Path | None) -> Iterator[tuple[Path, str]]:
    place = absolute(folder) if folder else None
    roots = [w for w in settings.watch if place is None or _related(place, w.path)]
    if not roots:
        raise NotWatched(str(folder))
    for watch in roots:
        for name, why in scanner.left_out(os.fsencode(watch.path), scanner.Bounds.of(watch)):
            path = Path(os.fsdecode(name))
            if place is None or _related(place, path):
                yield path, why


def _related(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)
