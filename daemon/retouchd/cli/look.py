"""``retouchd status``, ``list`` and ``why``: read the journal, beside a daemon or without one."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from retouch_engine import Role
from retouchd import config, ignores, knock, presence
from retouchd.cli.options import GivenPath, absolute, config_option, journal_of, json_option
from retouchd.jobs import AT_REST, IN_LINE, WAITING, State
from retouchd.results import record
from retouchd.state.journal import Journal, holding
from retouchd.state.rows import InstanceRow, RootRow, Row
from retouchd.text import complaint, duration, shown
from retouchd.watch import scanner

_FRESH_S = 60.0


def _is_running(instance: InstanceRow, now: float) -> bool:
    """Whether the daemon of this journal lives: its process is there, and beat lately or has our name.

    One that looked at a slow share for longer than between two beats was called "not running".
    """
    try:
        words = Path(f"/proc/{instance.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    # A word, not any folder: what runs from a clone called retouchd is not the service for that.
    ours = any(word.rpartition(b"/")[2] == b"retouchd" for word in words)
    return now - instance.beat_at <= _FRESH_S or ours


def _doing(instance: InstanceRow | None, now: float) -> str:
    """What the daemon does; empty when it does not run."""
    if instance is None or not _is_running(instance, now):
        return ""
    silent_s = now - instance.beat_at
    return instance.status + (f"; busy since {duration(silent_s)}" if silent_s > _FRESH_S else "")


def _overview(settings: config.Settings, journal: Journal) -> dict[str, Any]:
    now, instance, paused = journal.now(), journal.instance(), journal.paused()
    doing = _doing(instance, now)
    watched = settings.roots
    return {
        "running": bool(doing),
        "pid": instance.pid if instance and doing else None,
        "status": doing or "not running",
        "roots": [
            {
                "path": os.fsdecode(r.path),
                "state": r.state,
                "paused": bool(holding(paused, r.path)),
                "note": r.note,
                "looked_s_ago": round(now - r.checked_at, 1),
            }
            for r in journal.roots()
            if r.path in watched
        ],
        "counts": {str(state): count for state, count in journal.counts(watched).items()},
        "unwatched": sum(row.root not in watched for row in journal.listed(WAITING)),
        "oldest_queued_s": round(journal.oldest_s(IN_LINE, watched), 1),
    }


@click.command()
@config_option
@json_option
def status(config_path: Path | None, as_json: bool) -> None:
    """What the service is doing."""
    with journal_of(config_path) as (settings, journal):
        told = _overview(settings, journal)
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo(f"daemon: {shown(told['status'])}" + (f" (pid {told['pid']})" if told["pid"] else ""))
    for root in told["roots"]:
        ago, state = duration(root["looked_s_ago"]), root["state"] + ", paused" * root["paused"]
        click.echo(f"folder: {shown(root['path'])}: {state}, {shown(root['note'])}, looked {ago} ago")
    unwatched = {"waiting in folders that are watched no longer": told["unwatched"]}
    for state, count in (told["counts"] | unwatched).items():
        if count:
            click.echo(f"{count:8d} {state}")


@click.command("list")
@click.option("--state", type=click.Choice([str(s) for s in State]), help="Only photos in this state.")
@config_option
@json_option
def list_jobs(state: str | None, config_path: Path | None, as_json: bool) -> None:
    """The photos in the journal, one a line."""
    with journal_of(config_path) as (_, journal):
        rows = journal.listed((State(state),) if state else tuple(State))
    for row in rows:
        if as_json:
            click.echo(json.dumps(row.as_json()))
        else:
            reason = f"  {shown(row.reason)}" if row.reason else ""
            click.echo(f"{row.id:6d}  {row.state:<11}  {shown(row.file)}{reason}")


@click.command()
@click.argument("file", type=GivenPath(looked_at=False))
@config_option
def why(file: Path, config_path: Path | None) -> None:
    """Why a photo is where it is. Exit code 1 when the service does not know it."""
    path = absolute(file)
    with journal_of(config_path) as (settings, journal):
        row = journal.find(os.fsencode(path)) or journal.find(os.fsencode(knock.real([path])[path]))
        now = journal.now()
        own = journal.is_published(os.fsencode(path))
        roots = journal.roots()
        folders = _folders_that_wait(settings, roots, journal.paused())
    notes = {Path(os.fsdecode(r.path)): r.note for r in roots}
    click.echo(_told(row, now, folders, settings) if row else _unknown(path, settings, notes, own=own))
    sys.exit(0 if row else 1)


def _folders_that_wait(
    settings: config.Settings, roots: Sequence[RootRow], paused: frozenset[bytes]
) -> dict[bytes, str]:
    """In words, why nothing is done in a folder now; a folder that is looked at is not named."""
    watched, waiting = settings.roots, {}
    for root in roots:
        if root.path not in watched:
            waiting[root.path] = "no longer watched"
        elif root.state == "offline":
            waiting[root.path] = f"offline ({shown(root.note)})"
        elif holding(paused, root.path):
            waiting[root.path] = "paused (go on with: retouchd resume)"
    return waiting


def _told(row: Row, now: float, folders: Mapping[bytes, str], settings: config.Settings) -> str:
    """``settling: size still grows``, ``skipped: own output``, ``done: 7 healed -> IMG-retouched.tif``."""
    reason = shown(row.reason) + (_where(row.file, settings) if row.state == State.DONE else "")
    if row.state == State.RETRY or (row.state == State.SETTLING and row.not_before > now):
        reason += f"; next try in {duration(row.not_before - now)}"
    if row.root in folders and row.state not in AT_REST:
        reason = f"its folder is {folders[row.root]}{'; ' if reason else ''}{reason}"
    return f"{row.state}: {reason}" if reason else str(row.state)


def _where(photo: Path, settings: config.Settings) -> str:
    """Which file is the latest result, or that it is gone: a result that was moved away is not made again."""
    folder = settings.results_of(photo)
    if knock.silent([folder]):
        return f"; where its result lies: {shown(folder)} does not answer"
    try:
        sets = record.sets_of(photo, folder)
        if not sets:
            return (
                "; its record was removed" if presence.folder(folder) else f"; {shown(folder)} is not there"
            )
    except OSError as error:
        return f"; where its result lies: {complaint(error)}"
    result = sets[-1][0].path(Role.RESULT)
    if os.path.lexists(result):
        return f" -> {shown(result.name)}"
    return f"; {shown(result.name)} was removed or renamed, retouchd requeue makes it again"


def _unknown(path: Path, settings: config.Settings, notes: Mapping[Path, str], *, own: bool) -> str:
    """Why a file is not in the journal."""
    above = [w for w in settings.watch if path.is_relative_to(w.path)]
    if not above:
        return "not seen: outside every watched folder"
    if own:
        return f"skipped: {ignores.OWN}"
    inner = [os.fsencode(part) for part in path.relative_to(above[0].path).parts]
    if reason := scanner.why_left_out(inner, scanner.Bounds.of(above[0])):
        return f"skipped: {reason}"
    if knock.silent([path.parent]):
        return f"not seen: {shown(path.parent)} does not answer"
    try:
        linked = stat.S_ISLNK(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return "not seen: no such file"
    except OSError as error:
        return f"not seen: {complaint(error)}"
    looked = (
        f"its folder: {shown(notes[above[0].path])}" if above[0].path in notes else "no daemon has looked"
    )
    return "skipped: a symlink" if linked else f"not seen yet: the next look takes it ({looked})"
