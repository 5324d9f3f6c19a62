"""``retouchd doctor``: is everything there that the service needs?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from retouchd import config
from retouchd import doctor as doctors
from retouchd.cli.options import config_option, engine_option


@click.command()
@config_option
@engine_option
def doctor(config_path: Path | None, engine: str) -> None:
    """Look at python, exiftool, mounts, disk space and the engine. Exit code 1 when something is not well."""
    settings = config.load_or_default(config_path)
    ill = 0
    for finding in doctors.examine(settings, engine):
        ill += not finding.well
        click.echo(f"{'ok  ' if finding.well else 'LOOK'}  {finding.subject}: {finding.found}")
    sys.exit(1 if ill else 0)
