"""Commands that change something: retry, requeue, skip, pause, resume, drain, undo.

They ask the running daemon over its socket, and without one do the same to the journal themselves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import click

from retouchd import actions, config, control, presence
from retouchd.cli.options import GivenPath, absolute, config_option, journal_of
from retouchd.errors import JobError, NoDaemon, NothingToUndo, UnknownJob
from retouchd.jobs import AT_REST, IN_HAND, LEFT_ALONE, UNDONE, Asked, State
from retouchd.results import undo as undoing
from retouchd.results.contact import ContactPages
from retouchd.results.undo import TooWide, Undone
from retouchd.state.journal import Journal
from retouchd.state.rows import Row
from retouchd.text import shown


def _ask(config_path: Path | None, what: str, about: str) -> None:
    settings = config.load(config.find(config_path))
    said = control.ask(settings.state_dir, what, about)
    if said is None:
        with journal_of(config_path) as (_, journal):
            said = actions.perform(settings, journal, what, about)
    click.echo(said)


def _job(given: str) -> str:
    """A name as the daemon, which is elsewhere, understands it; numbers are job numbers."""
    number = given.isascii() and given.isdigit() and not presence.anything(Path(given))
    return given if number else str(absolute(Path(given)))


@click.command()
@click.argument("job", metavar="FILE|JOB")
@config_option
def retry(job: str, config_path: Path | None) -> None:
    """Try a photo again, by its name or its job number; forgets earlier failures."""
    _ask(config_path, "retry", _job(job))


@click.command()
@click.argument("job", metavar="FILE|JOB")
@config_option
def skip(job: str, config_path: Path | None) -> None:
    """Leave a photo alone until it changes or is asked for again."""
    _ask(config_path, "skip", _job(job))


@click.command()
@click.argument("root", metavar="[ROOT]", required=False, type=GivenPath(looked_at=False))
@config_option
def pause(root: Path | None, config_path: Path | None) -> None:
    """Stop work below one watched folder, or everywhere; outlasts restarts. The photo in hand is finished."""
    _ask(config_path, "pause", str(absolute(root)) if root else "")


@click.command()
@click.argument("root", metavar="[ROOT]", required=False, type=GivenPath(looked_at=False))
@config_option
def resume(root: Path | None, config_path: Path | None) -> None:
    """Go on after a pause, below one watched folder or everywhere."""
    _ask(config_path, "resume", str(absolute(root)) if root else "")


@click.command()
@config_option
def drain(config_path: Path | None) -> None:
    """Take in nothing new, finish what is queued, then end the service: before an update."""
    said = control.ask(config.load(config.find(config_path)).state_dir, "drain")
    if said is None:
        raise NoDaemon("drain")
    click.echo(said)


@click.command()
@click.argument("path", metavar="FILE|SHOOT", type=GivenPath())
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@config_option
def undo(path: Path, dry_run: bool, config_path: Path | None) -> None:
    """Remove the results of a photo or of a whole folder, where nobody touched them since.

    Files that were edited stay. The photos are not taken again until retry or requeue asks for them.
    Exit code 1 when a file had to stay.
    """
    with journal_of(config_path) as (settings, journal):
        places = _with_results(settings, absolute(path))
        done, _ = _undone(journal, absolute(path), places, _leave_alone, dry_run=dry_run)
    if not done:
        raise NothingToUndo(path)
    for path_kept in (p for d in done for p in d.kept):
        click.echo(f"stays, changed since: {shown(path_kept)}", err=True)
    verb = "would remove" if dry_run else "removed"
    count = sum(len(d.removed) for d in done)
    photos = len({d.source for d in done})
    click.echo(f"{verb} {count} files of {photos} photo{'s' * (photos != 1)}")
    sys.exit(1 if any(d.kept for d in done) else 0)


@click.command()
@click.argument("path", metavar="FILE|SHOOT", type=GivenPath())
@click.option("--force", is_flag=True, help="Even if FILE is a result of retouchd that was saved again.")
@config_option
def requeue(path: Path, force: bool, config_path: Path | None) -> None:
    """Do a photo or a whole folder anew: undo, then retry. A result that was edited stays as it is."""
    if force and presence.folder(path):
        raise click.UsageError("--force is for one file: name it")
    with journal_of(config_path) as (settings, journal):
        decide = _take_up_anyway if force else _take_up
        places = _with_results(settings, absolute(path)) | _at_rest(settings, journal, absolute(path))
        _, changed = _undone(journal, absolute(path), places, decide, dry_run=False)
        control.ask(settings.state_dir, "look")
    if not changed:
        raise UnknownJob(str(path))
    click.echo(f"taken up again with the next look at their folder: {changed}")


Decision = Callable[[Journal, Row], Row]


def _leave_alone(_journal: Journal, row: Row) -> Row:
    return replace(row, state=State.SKIPPED, reason="undone by a person", code=UNDONE, plan="")


def _take_up(journal: Journal, row: Row) -> Row:
    return actions.taken_up(row, journal.now(), "asked to do it anew")


def _take_up_anyway(journal: Journal, row: Row) -> Row:
    return actions.taken_up(row, journal.now(), "asked to do it although it is a result", Asked.EVEN_OURS)


def _undone(
    journal: Journal, path: Path, places: Mapping[Path, Path], decide: Decision, *, dry_run: bool
) -> tuple[list[Undone], int]:
    """Undo a photo or a folder; each row is decided before its files go, so that nobody takes it between.

    ``places`` has for each photo where its results lie.
    """
    done: list[Undone] = []
    changed = 0
    pages = ContactPages()
    for source, folder in places.items():
        row = journal.find(os.fsencode(source))
        if row and not dry_run:
            if row.state in IN_HAND and path == source:
                actions.change(journal, row, row)  # refuses, with its reason
            if row.state in IN_HAND or journal.save(decide(journal, row)) is None:
                click.echo(f"{shown(source)} is in work; left alone", err=True)
                continue
            changed += 1
        sets = _calmly(source, folder, dry_run=dry_run)
        if sets and not dry_run:
            journal.forget_published(p for s in sets for p in s.removed)
            pages.touch(folder)
        done += sets
    pages.step(everything=True)
    return done, changed


def _calmly(source: Path, folder: Path, *, dry_run: bool) -> list[Undone]:
    """In a folder of hundreds, one that cannot be undone is a line, not the end."""
    try:
        return undoing.undo(source, folder, dry_run=dry_run)
    except (JobError, OSError) as error:
        click.echo(f"{shown(source)}: {error}", err=True)
        return []


def _with_results(settings: config.Settings, path: Path) -> dict[Path, Path]:
    """The photo, or those of the folder that records tell of, and where their results lie."""
    if not presence.folder(path):
        return {path: settings.results_of(path)}
    for place in (p for w in settings.watch for p in (w.path, w.mirror) if p):
        if place != path and place.is_relative_to(path):
            raise TooWide(path, place)
    above = next((w for w in settings.watch if path.is_relative_to(w.path)), None)
    top = above.mirror / path.relative_to(above.path) if above and above.mirror else path
    return dict(undoing.sources_below(top))


def _at_rest(settings: config.Settings, journal: Journal, path: Path) -> dict[Path, Path]:
    """The photos of a folder that the journal alone tells of: they have no results, or none any more."""
    rows = journal.listed(AT_REST) if presence.folder(path) else []
    wanted = (r.file for r in rows if r.file.is_relative_to(path) and r.code != LEFT_ALONE)
    return {photo: settings.results_of(photo) for photo in wanted if os.path.lexists(photo)}
