"""``retouchd retry``: ask for another attempt."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from retouchd.cli.options import absolute, config_option, journal_of
from retouchd.errors import RetouchdError
from retouchd.jobs import IN_HAND, JobId, State
from retouchd.journal import Journal, Row
from retouchd.text import shown


class UnknownJobError(RetouchdError):
    """Nothing in the journal goes by this name."""

    def __init__(self, given: str) -> None:
        super().__init__(f"{shown(given)} is not in the journal; see retouchd why FILE")


class JobInHandError(RetouchdError):
    """The photo is being worked on right now."""

    def __init__(self, row: Row) -> None:
        super().__init__(f"{shown(row.file)} is {row.state} right now; wait for it")


def _find(journal: Journal, given: str) -> Row:
    path = absolute(Path(given))
    row = journal.find(os.fsencode(path)) or journal.find(os.fsencode(Path(os.path.realpath(path))))
    if row is None and given.isascii() and given.isdigit():
        row = journal.get(JobId(int(given)))
    if row is None:
        raise UnknownJobError(given)
    return row


@click.command()
@click.argument("job", metavar="FILE|JOB")
@config_option
def retry(job: str, config_path: Path | None) -> None:
    """Try a photo again, by its name or its job number; forgets earlier failures."""
    with journal_of(config_path) as (_, journal):
        row = _find(journal, job)
        fresh = replace(
            row, state=State.SETTLING, reason="asked to try again", code="", plan="", not_before=0.0
        )
        fresh = replace(fresh, attempts=0, deaths=0, seen_at=journal.now())
        if row.state in IN_HAND or journal.save(fresh) is None:
            raise JobInHandError(row)
    click.echo(f"{shown(row.file)} is taken up again with the next look at its folder")
