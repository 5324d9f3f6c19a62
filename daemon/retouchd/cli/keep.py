"""``retouchd keep``: marks that stay in every photo of a folder."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from retouch_engine import Correction, Wish
from retouchd import config, presence
from retouchd.cli.options import GivenPath, absolute, config_option
from retouchd.results import corrections, keepsakes, record
from retouchd.results.keepsakes import Kept
from retouchd.text import shown


def _place(_context: click.Context, _option: click.Parameter, given: str | None) -> tuple[int, int] | None:
    """Two whole numbers."""
    if given is None:
        return None
    x, _, y = given.partition(",")
    if not (x.strip().isdecimal() and y.strip().isdecimal()):
        raise click.BadParameter("two whole numbers, such as 1204,866")
    return int(x), int(y)


@click.command()
@click.argument("file", metavar="FILE|SHOOT", type=GivenPath(exists=True))
@click.option("--at", callback=_place, metavar="X,Y", help="The mark: pixels of the photo as stored.")
@click.option("--list", "show", is_flag=True, help="Show what is kept in this folder.")
@click.option("--forget", type=int, metavar="N", help="Take mark N off the list.")
@config_option
def keep(
    file: Path, at: tuple[int, int] | None, show: bool, forget: int | None, config_path: Path | None
) -> None:
    """Keep a mark, in this photo and in the next ones of its folder.

    It is known again by its place on the face, its look, and the marks around it. FILE has to be done
    already. A mark that is taken for a kept one by mistake is kept too: that is the safe side.
    """
    if (at is not None) + show + (forget is not None) != 1:
        raise click.UsageError("one of --at X,Y, --list and --forget N")
    photo = absolute(file)
    folder = _results_of(photo, config_path)
    if show:
        for one in keepsakes.kept(folder):
            click.echo(_line(one))
    elif forget is not None:
        if not keepsakes.forget(folder, forget):
            raise keepsakes.NothingKept(folder, forget)
        click.echo(f"forgotten: {forget}")
    else:
        assert at is not None
        sys.exit(_kept(photo, folder, at))


def _results_of(path: Path, config_path: Path | None) -> Path:
    """The folder where the results of a photo, or of a folder of photos, lie."""
    return config.load_or_default(config_path).results_of(path / "any" if presence.folder(path) else path)


def _kept(photo: Path, folder: Path, at: tuple[int, int]) -> int:
    """Keep what lies at a place; the exit code."""
    told = corrections.latest(photo, folder)
    if told is None:
        raise click.ClickException(f"{shown(photo.name)} is not done yet; first: retouchd process FILE")
    spot = keepsakes.spot_at(told, *at)
    if spot is not None:
        _wish(photo, folder, told, spot)
        fresh = keepsakes.keep_spots(folder, told, [spot])
    else:
        face = keepsakes.face_at(told, *at)
        fresh = keepsakes.keep(folder, [face]) if face else ()
    for one in fresh:
        click.echo(f"kept from now on: {_line(one)}")
    if spot is not None and spot.get("decision") == "healed":
        click.echo("this photo is done again by the service, or with: retouchd process FILE")
    if not fresh and spot is None:
        click.echo("no face with both eyes in sight is known there: nothing is remembered", err=True)
        return 1
    if not fresh:
        click.echo("kept in this photo; on the list already, or on no face that can be measured")
    return 0


def _wish(photo: Path, folder: Path, told: dict[str, Any], spot: dict[str, Any]) -> None:
    """The same word about this photo itself, as the review page would write it."""
    memory = corrections.read(photo, folder, record.source_digest(told))
    x, y, width, height = spot["box"]
    decided = memory.decided.and_then([Correction((x, y, width, height), Wish.KEEP)])
    known = (*memory.facts, *({} for _ in memory.decided.spots))[: len(memory.decided.spots)]
    facts = (*known, corrections.noted(spot, "keep"))
    corrections.write(photo, folder, replace(memory, decided=decided, facts=facts))


def _line(one: Kept) -> str:
    mark = one.mark
    side = "left" if mark.x < 0 else "right"
    down = "below" if mark.y >= 0 else "above"
    where = f"{abs(mark.x):.0f} mm {side} of the nose line, {abs(mark.y):.0f} mm {down} the eyes"
    return f"{one.id}  {mark.mm:.1f} mm wide, {where}, from {shown(one.face.photo)}, {one.at}"
