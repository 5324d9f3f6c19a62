"""``retouchd process``: the same engine once, no daemon."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from retouchd import batch, config, log
from retouchd.cli.options import GivenPath, absolute, config_option, engine_option, preset_option
from retouchd.config.load import preset_recipe
from retouchd.results import record
from retouchd.text import shown

Stage = Callable[[str], None]


@click.command()
@click.argument("paths", metavar="FILE|DIR...", nargs=-1, required=True, type=GivenPath())
@click.option(
    "--out",
    type=GivenPath(file_okay=False),
    help="Put results below this folder. Default: where the service puts them.",
)
@click.option(
    "--mask",
    type=GivenPath(exists=True, dir_okay=False),
    help="A painted mask: 255 heals, 0 keeps.",
)
@preset_option
@click.option("--dry-run", is_flag=True, help="Find and decide, but write nothing.")
@click.option("--force", is_flag=True, help="Also heal what is a result of retouchd already.")
@click.option("--json", "as_json", is_flag=True, help="One decision record a line on standard output.")
@config_option
@engine_option
def process(
    paths: tuple[Path, ...], as_json: bool, config_path: Path | None, engine: str, **wish: Any
) -> None:
    """Retouch files and folders now. Works without a configuration.

    Exit code 0 only when every file succeeded; a result of retouchd in a folder is left alone and
    counts for none. With --json a failure is a line
    {"source": ..., "error": {"code": ..., "message": ...}}.
    """
    out = absolute(wish["out"]) if wish["out"] else None
    mask = absolute(wish["mask"]) if wish["mask"] else None
    settings = config.load_or_default(config_path)
    todo = batch.items(paths, out, settings)
    if mask and len(todo) != 1:
        raise click.UsageError("--mask fits exactly one photo")
    if wish["preset"] is not None:
        preset_recipe(settings, wish["preset"])
    log.configure("warning", settings.log.format)
    asked = batch.Wish(**wish | {"out": out, "mask": mask})
    with batch.Batch(settings, asked, engine) as work:
        failures = _all(work, todo, as_json=as_json)
    if not todo:
        click.echo("retouchd: no photos found", err=True)
    sys.exit(1 if failures else 0)


def _all(work: batch.Batch, todo: list[batch.Item], *, as_json: bool) -> int:
    """Do everything; the answer is how many failed."""
    failures = 0
    with _bar() as bar:
        task = bar.add_task("starting", total=len(todo))
        for item in todo:
            report = work.do(item, _stages(bar, task, item.source))
            failures += report.failure is not None and (item.named or report.failure.code != "own-output")
            line = _json_line(report) if as_json else _line(report)
            _say(bar, line, err=bool(report.failure) and not as_json)
            bar.advance(task)
    return failures


def _bar() -> Progress:
    """A progress bar on a terminal; silence elsewhere. On standard error, so that output stays clean."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not console.is_terminal
    return Progress(*columns, console=console, disable=hidden, transient=True, redirect_stdout=False)


def _stages(bar: Progress, task: TaskID, source: Path) -> Stage:
    """Show the photo now, and each of its stages when it begins."""
    name = escape(shown(source.name))
    bar.update(task, description=name)
    return lambda stage: bar.update(task, description=f"{name}: {escape(stage)}")


def _say(bar: Progress, line: str, *, err: bool) -> None:
    """Print a line; above the bar where both would meet on one terminal."""
    if bar.disable or not (err or sys.stdout.isatty()):
        click.echo(line, err=err)
    else:
        bar.console.print(Text(line), soft_wrap=True)


def _json_line(report: batch.Report) -> str:
    if report.failure:
        error = {"code": report.failure.code, "message": report.failure.message}
        return json.dumps({"source": str(report.source), "error": error})
    return json.dumps(report.record, default=str)


def _line(report: batch.Report) -> str:
    if report.failure:
        return f"{shown(report.source)}: {report.failure.message}"
    assert report.record is not None
    done = f"{record.summary(report.record)} in {record.seconds(report.record):.1f} s"
    words = f"{shown(report.source)}: {done}"
    if report.result is None:
        return f"{words} (dry run)"
    after = " (was done already)" if report.adopted else record.last_run(report.record)
    return f"{words} -> {shown(report.result.name)}{after}"
