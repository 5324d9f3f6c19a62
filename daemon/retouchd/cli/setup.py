"""``retouchd init-config`` and ``retouchd check-config``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from retouchd import config
from retouchd.cli.options import absolute, config_option
from retouchd.config.load import validated
from retouchd.errors import ConfigExists, ConfigMistakes
from retouchd.text import shown


def _default_state() -> Path:
    """Where state belongs: of the system for root, of the user otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/retouchd")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "retouchd"


@click.command("init-config")
@click.option(
    "--watch", required=True, multiple=True, type=click.Path(path_type=Path), help="A hot folder; repeatable."
)
@click.option(
    "--state", type=click.Path(path_type=Path), help="Folder for journal and staging, on a local disk."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("config.toml"), show_default=True)
def init_config(watch: tuple[Path, ...], state: Path | None, out: Path) -> None:
    """Write a working configuration. Never overwrites one."""
    raw = {
        "state_dir": str(absolute(state) if state else _default_state()),
        "watch": [{"path": str(absolute(path))} for path in watch],
    }
    settings, mistakes = validated(config.Settings, raw, out)
    if settings is None:
        raise ConfigMistakes(mistakes)
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


@click.command("check-config")
@config_option
def check_config(config_path: Path | None) -> None:
    """Check a configuration; all mistakes at once."""
    path = config.find(config_path)
    settings = config.load(path)
    presets = ", ".join(sorted(settings.presets))
    click.echo(f"{shown(path)} is fine: {len(settings.watch)} watched, presets {shown(presets)}")
    for watch in settings.watch:
        if not watch.path.is_dir():
            click.echo(f"note: {shown(watch.path)} is not there now; the service waits for it")
