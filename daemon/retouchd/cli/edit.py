"""``retouchd edit``: the external editor of Lightroom, darktable and others."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from retouch_engine import Layers
from retouchd import config, log
from retouchd.cli.options import GivenPath, absolute, config_option, engine_option
from retouchd.config.load import preset_recipe
from retouchd.config.presets import BUILT_IN_PRESET
from retouchd.edit import NotEditable
from retouchd.edit import edit as edited
from retouchd.results import record
from retouchd.text import shown


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=GivenPath())
@click.option("--wait", is_flag=True, help="End when it is done. So it always does; editors like to be told.")
@click.option("--layers", type=click.Choice([str(v) for v in Layers]), help="Overrides [output] layers.")
@click.option("--preset", default=BUILT_IN_PRESET, show_default=True, help="A preset of the configuration.")
@config_option
@engine_option
def edit(
    files: tuple[Path, ...],
    wait: bool,
    layers: str | None,
    preset: str,
    config_path: Path | None,
    engine: str,
) -> None:
    """Retouch TIFFs in place, for an editor that made them for this: IMG-Edit.tif in, IMG-Edit.tif out.

    A file is replaced whole or not at all; as it was it stays in _retouchd/before beside it. A second run
    starts from there.
    """
    del wait  # always
    settings = config.load_or_default(config_path)
    if layers:
        output = settings.output.model_copy(update={"layers": Layers(layers)})
        settings = settings.model_copy(update={"output": output})
    preset_recipe(settings, preset)
    log.configure("warning", settings.log.format)
    failures = 0
    for file in files:
        try:
            done = edited(absolute(file), settings, preset, lambda _: None, engine)
        except NotEditable as error:
            failures += 1
            click.echo(f"retouchd: {error}", err=True)
        else:
            click.echo(f"{shown(done.path)}: {record.summary(done.record)}")
    sys.exit(1 if failures else 0)
