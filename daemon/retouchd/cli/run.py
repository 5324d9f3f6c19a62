"""``retouchd run``: the service."""

from __future__ import annotations

from pathlib import Path

import click

from retouchd import config, log
from retouchd.app import Service
from retouchd.cli.options import config_option, engine_option


@click.command()
@config_option
@engine_option
def run(config_path: Path | None, engine: str) -> None:
    """Watch the configured folders and retouch what arrives.

    SIGTERM finishes the current photo and stops, a second one stops at once; SIGHUP reads the
    configuration again.
    """
    path = config.find(config_path)
    settings = config.load(path)
    log.configure(settings.log.level, settings.log.format)
    Service(path=path.absolute(), settings=settings, engine=engine).run()
