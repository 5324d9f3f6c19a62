"""Options and small helpers that several commands share."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from retouchd import config
from retouchd.config.presets import BUILT_IN_PRESET
from retouchd.state import schema
from retouchd.state.journal import FILE_NAME, Journal
from retouchd.work import protocol


class GivenPath(click.Path):
    """A path that was given; an empty word is none.

    It is a script's unset variable, and ``Path("")`` is the current folder: ``undo "$SHOOT"`` took that back.
    What a command only wants the name of is not ``looked_at``: on a dead share that would take for ever.
    """

    def __init__(
        self, *, exists: bool = False, file_okay: bool = True, dir_okay: bool = True, looked_at: bool = True
    ) -> None:
        super().__init__(exists=exists, file_okay=file_okay, dir_okay=dir_okay, path_type=Path)
        self._looked_at = looked_at

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, or a mistake of usage."""
        if value == "":
            self.fail("an empty name", param, ctx)
        return super().convert(value, param, ctx) if self._looked_at else self.coerce_path_result(value)


config_option = click.option(
    "--config",
    "config_path",
    type=GivenPath(dir_okay=False),
    help="Configuration file. Default: $RETOUCHD_CONFIG, ~/.config/retouchd/config.toml,"
    " /etc/retouchd/config.toml, ./config.toml.",
)
preset_option = click.option(
    "--preset",
    help=f"A preset of the configuration. Default: that of the watched folder; elsewhere {BUILT_IN_PRESET}.",
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
    """The settings, and the journal that their daemon writes.

    Raises:
        JournalDamaged: its rows cannot be read.
        NotItsUser: it is another user's.
        StateDirUnusable: the disk does not let it be read or written now.
        RetouchdError: what :meth:`Journal.attach` and the settings have to say.
    """
    settings = config.load(config.find(config_path))
    journal = Journal.attach(settings.state_dir)
    try:
        with schema.readable(settings.state_dir / FILE_NAME):
            yield settings, journal
    except sqlite3.OperationalError as error:
        raise schema.unusable(settings.state_dir, error) from error
    finally:
        journal.close()
