"""``retouchd edit-lora`` and ``retouchd pairs``: edits to choose from, and what their LoRA is trained on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from retouch_engine import EditWish, EngineError, open_editing
from retouchd import config, models, presence, proposals
from retouchd.cli.options import GivenPath, absolute, config_option
from retouchd.errors import JobError, RetouchdError
from retouchd.models import Store
from retouchd.models.errors import ModelNotHere
from retouchd.text import shown


class NoEditing(RetouchdError):
    """The model cannot be loaded at all."""

    exit_code = 69


@click.command("edit-lora")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=GivenPath())
@click.option(
    "--out",
    type=GivenPath(file_okay=False),
    help="Put candidates here. Default: _retouchd/candidates beside the photo.",
)
@click.option("--count", type=click.IntRange(1, 64), default=3, show_default=True, help="Candidates a photo.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the first candidate.")
@click.option("--steps", type=click.IntRange(1, 100), default=4, show_default=True)
@click.option("--prompt", default=proposals.PROMPT, show_default=True, help="As the LoRA was trained.")
@click.option("--model", default="klein", show_default=True, help="klein or klein-9b.")
@click.option("--lora", default="klein-edit-lora", show_default=True)
@click.option("--processor", is_flag=True, help="Without a graphics card: many minutes a candidate.")
@config_option
def edit_lora(files: tuple[Path, ...], out: Path | None, config_path: Path | None, **asked: Any) -> None:
    """Have FLUX.2 klein with your own edit LoRA propose edits of whole photos, for a person to choose from.

    Nothing is published: candidates are TIFFs with their records in a folder of their own. Only skin differs
    from the photo, the pores stay its own, and the metadata say what made them. Wants klein (retouchd models
    pull klein) and your LoRA (retouchd models import FILE --as klein-edit-lora).
    """
    settings = config.load_or_default(config_path)
    offered = models.offer(settings).stock
    for name in (asked["model"], asked["lora"]):
        known = models.manifest(name)
        if offered.named(name) is None:
            own = not (known.repository or known.shipped)
            missing = ModelNotHere(name, Store.of(settings).folder, own=own)
            raise NoEditing(models.refused(known, settings) or str(missing))
    first, count = asked["seed"], asked["count"]
    seeds = tuple(range(first, first + count))
    wish = EditWish(
        asked["model"], asked["lora"], asked["prompt"], seeds, asked["steps"], on_processor=asked["processor"]
    )
    try:
        editing = open_editing(wish, offered)
    except EngineError as error:
        raise NoEditing(str(error)) from None
    failures = 0
    with editing:
        for file in files:
            try:
                for made in proposals.propose(editing, absolute(file), absolute(out) if out else None):
                    click.echo(_line(file, made))
            except (EngineError, JobError, OSError) as error:
                failures += 1
                click.echo(f"retouchd: {shown(file)}: {shown(str(error))}", err=True)
    sys.exit(1 if failures else 0)


def _line(file: Path, made: proposals.Proposed) -> str:
    if made.path is None:
        return f"{shown(file)}: seed {made.record['seed']} changed nothing"
    return f"{shown(made.path)}: seed {made.record['seed']}, {made.record['changed_share']:.2%} of the photo"


@click.command()
@click.argument("paths", metavar="FILE|DIR...", nargs=-1, required=True, type=GivenPath())
@click.option("--out", type=GivenPath(file_okay=False), required=True, help="A new folder.")
@click.option("--size", type=click.IntRange(64, 4096), default=768, show_default=True, help="Side, pixels.")
@click.option("--approved", is_flag=True, help="Only photos that a person has approved on the review page.")
@config_option
def pairs(paths: tuple[Path, ...], out: Path, size: int, approved: bool, config_path: Path | None) -> None:
    """Export before/after pairs of what was healed, to train an edit LoRA on.

    Windows of the photo and of its result, cut at the same place, neither resized nor changed in colour, with
    a listing as the datasets library reads it. Results that somebody edited since are left out.
    """
    settings, place = config.load_or_default(config_path), absolute(out)
    if presence.anything(place) and any(place.iterdir()):
        raise click.UsageError(f"{shown(out)} is not empty")
    total = 0
    try:
        for done in proposals.export(map(absolute, paths), place, size, settings, approved=approved):
            total += done.pairs
            click.echo(f"{shown(done.source)}: {done.pairs} pairs" + (f", {done.why}" if done.why else ""))
    except (EngineError, OSError) as error:
        click.echo(f"retouchd: {shown(str(error))}", err=True)
        sys.exit(1)
    click.echo(f"{total} pairs in {shown(out)}")
    sys.exit(0 if total else 1)
