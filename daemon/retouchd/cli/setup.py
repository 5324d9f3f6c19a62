"""``retouchd init-config``, ``retouchd check-config`` and ``retouchd install-service``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from retouchd import config, knock, service
from retouchd.cli.options import GivenPath, absolute, config_option
from retouchd.config.load import validated
from retouchd.errors import ConfigExists, ConfigMistakes
from retouchd.text import shown

_FILE = "is a file and no folder"


def _default_state() -> Path:
    """Where state belongs: of the system for root, of the user otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/retouchd")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "retouchd"


@click.command("init-config")
@click.option(
    "--watch",
    required=True,
    multiple=True,
    type=GivenPath(looked_at=False),
    help="A hot folder; repeatable.",
)
@click.option("--state", type=GivenPath(), help="Folder for journal and staging, on a local disk.")
@click.option("--out", type=GivenPath(), default=Path("config.toml"), show_default=True)
def init_config(watch: tuple[Path, ...], state: Path | None, out: Path) -> None:
    """Write a working configuration. Never overwrites one."""
    raw = {
        "state_dir": str(absolute(state) if state else _default_state()),
        "watch": [{"path": str(absolute(path))} for path in watch],
    }
    settings, mistakes = validated(config.Settings, raw, out)
    if settings is None:
        raise ConfigMistakes(mistakes)
    notes = _what_is_not_well(settings)
    for path in (path for path, note in notes.items() if note == _FILE):
        raise click.BadParameter(f"{str(path)!r} is a file", param_hint="--watch")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(config.documented(settings))
    except FileExistsError:
        raise ConfigExists(out) from None
    try:
        config.load(out)
    except ConfigMistakes:
        out.unlink()
        raise
    click.echo(f"wrote {shown(out)}; start with: retouchd run --config {shown(out)}")
    _say(notes)


@click.command("check-config")
@config_option
def check_config(config_path: Path | None) -> None:
    """Check a configuration; all mistakes at once."""
    path = config.find(config_path)
    settings = config.load(path)
    presets = ", ".join(sorted(settings.presets))
    click.echo(f"{shown(path)} is fine: {len(settings.watch)} watched, presets {shown(presets)}")
    _say(_what_is_not_well(settings))


def _what_is_not_well(settings: config.Settings) -> dict[Path, str]:
    """The folders in which nothing can be done now, each with what it is instead."""
    watched = [watch.path for watch in settings.watch]
    silent = knock.silent([*watched, *(watch.mirror for watch in settings.watch if watch.mirror)])
    notes = dict.fromkeys(silent, "does not answer; the service waits until it does")
    for path in (path for path in watched if path not in notes and not path.is_dir()):
        notes[path] = _FILE if path.exists() else "is not there now; the service waits for it"
    return notes


def _say(notes: Mapping[Path, str]) -> None:
    for path, note in notes.items():
        click.echo(f"note: {shown(path)} {note}")


@click.command("install-service")
@click.option("--user", is_flag=True, help="For the systemd of this user instead of the system's.")
@click.option("--replace", is_flag=True, help="Overwrite unit files that differ.")
@click.option(
    "--root",
    type=GivenPath(file_okay=False),
    default=Path("/"),
    help="Write below this folder instead, to look at first.",
)
@config_option
def install_service(user: bool, replace: bool, root: Path, config_path: Path | None) -> None:
    """Write the systemd units for this configuration and have systemd check them. Starts nothing.

    Exit code 1 when systemd has something to say against them.
    """
    path = absolute(config.find(config_path))
    settings = config.load(path)
    click.echo(f"settings: {shown(path)}, {len(settings.watch)} watched")
    made = service.plan(settings, path, user=user, root=absolute(root))
    service.write(made, replace=replace)
    for written in made.files:
        click.echo(f"wrote {shown(written)}")
    complaints = list(service.check(made.unit, user=user))
    for line in complaints:
        click.echo(f"retouchd: {shown(line)}", err=True)
    if not settings.http.local and not user:
        click.echo(
            "note: others may ask at [http] listen once IPAddressAllow= in the unit names their network"
        )
    if user:
        click.echo(
            "note: it ends when this user logs out; `loginctl enable-linger` lets it work through the night"
        )
    systemctl = "systemctl --user" if user else "systemctl"
    before = "" if user else "systemd-sysusers && systemd-tmpfiles --create && "
    click.echo(f"start with: {before}{systemctl} daemon-reload && {systemctl} enable --now retouchd")
    sys.exit(1 if complaints else 0)
