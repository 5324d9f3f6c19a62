"""Options and small helpers that several commands share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from retouchd import config, protocol
from retouchd.journal import Journal

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file. Default: $RETOUCHD_CONFIG, ./config.toml, ~/.config/retouchd/config.toml,"
    " /etc/retouchd/config.toml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
engine_option = click.option(
    "--engine", default=protocol.ENGINE_FACTORY, hidden=True, help="Another engine factory, module:function."
)


def absolute(path: Path) -> Path:
    """An absolute path, no symlinks followed: the journal knows a photo by the name it was seen under."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow symlinks


@contextmanager
def journal_of(config_path: Path | None) -> Iterator[tuple[config.Settings, Journal]]:
    """The settings, and the journal that their daemon writes."""
    settings = config.load(config.find(config_path))
    journal = Journal.attach(settings.state_dir)
    try:
        yield settings, journal
    finally:
        journal.close()
