"""``retouchd run``: the service."""

from __future__ import annotations

import traceback
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
    try:
        Service(path=path.absolute(), settings=settings, engine=engine).run()
    except OSError:
        traceback.print_exc()  # a service ends by no error of the disk's: who reads its log wants the place
        raise
