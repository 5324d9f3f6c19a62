"""``retouchd explain``: what the engine sees in a photo and would do to it, drawn on it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from retouch_engine import EngineError
from retouch_engine import explain as draw
from retouchd import config, models
from retouchd.cli.options import GivenPath, absolute, config_option, json_option, preset_option
from retouchd.config import overrides
from retouchd.config.load import preset_recipe
from retouchd.errors import JobError
from retouchd.results import sittings
from retouchd.text import complaint, shown

_FATES = {"healed": "to heal", "review": "for review", "kept": "kept"}


@click.command()
@click.argument("file", type=GivenPath(dir_okay=False))
@click.option("--out", type=GivenPath(file_okay=False), help="Write here. Default: beside the photo.")
@click.option("--maps", is_flag=True, help="Also NAME-protected.png and NAME-skin.png, 255 = yes, full size.")
@preset_option
@config_option
@json_option
def explain(
    file: Path, out: Path | None, maps: bool, preset: str | None, config_path: Path | None, as_json: bool
) -> None:
    """Draw what is protected and every find on a copy of a photo: NAME-explained.png.

    Decided as it would be if the photo was done now: by the preset and the retouch.toml above the photo, with
    what the studio taught, marks that are kept for ever, and the photos beside it that are done.

    Rings: green would be healed, yellow is for review, blue is kept; with kind and score.
    Tints: blue eyes, violet brows, red lips, yellow nostrils, brown hair, tan stubble, turquoise glasses,
    green ink, pale yellow jewellery, cyan lettering, orange long sharp edges, navy clothes, slate whatever
    else is no skin, white what is burnt out or black, pink what a second opinion doubts. The bar
    is ten millimetres long.
    """
    source = absolute(file)
    settings = config.load_or_default(config_path)
    preset = settings.preset_of(source, preset)
    preset_recipe(settings, preset)
    stock, beside = models.offer(settings).stock, absolute(out) if out else source.parent
    try:
        plain = overrides.recipe_for(source, Path(source.anchor), preset, settings)
        recipe = replace(plain, models=stock.names)
        sitting = sittings.recalled(source, settings.results_of(source), "", recipe)
        told = draw(source, beside, maps=maps, stock=stock, recipe=recipe, sitting=sitting)
    except (EngineError, JobError, OSError) as error:
        why = complaint(error) if isinstance(error, OSError) else shown(str(error))
        click.echo(f"retouchd: {why}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(told))
        return
    for line in _lines(told):
        click.echo(line)


def _counts(spots: list[dict[str, Any]]) -> str:
    counts = Counter(spot["decision"] for spot in spots)
    return ", ".join(f"{counts[word]} {what}" for word, what in _FATES.items())


def _lines(told: dict[str, Any]) -> list[str]:
    scale = told["scale"]
    size = f"{scale['px_per_mm']:.2f} px/mm, by {scale['source']}" if scale["px_per_mm"] else scale["source"]
    return [
        f"faces: {len(told['faces'])}",
        f"scale: {size}",
        f"skin:  {told['skin_share']:.1%} of the photo",
        f"finds: {_counts(told['spots'])}",
        *(f"note:  {note}" for note in told["notes"]),
        *(f"wrote {shown(path)}" for path in told["files"]),
    ]
