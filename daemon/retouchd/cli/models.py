"""``retouchd models``: the only part of the program that downloads anything, and only when asked to."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from retouchd import config
from retouchd import models as known_models
from retouchd.cli.options import GivenPath, absolute, config_option, json_option
from retouchd.models import Manifest, Receipt, Store
from retouchd.models.errors import ModelDamaged, ModelNotHere
from retouchd.models.store import Progress
from retouchd.text import shown, size

store_option = click.option(
    "--store",
    "store_dir",
    type=GivenPath(file_okay=False),
    help="The folder of models. Default: models.folder of the settings.",
)


def _store(config_path: Path | None, store_dir: Path | None) -> tuple[config.Settings, Store]:
    settings = config.load_or_default(config_path)
    return settings, Store(absolute(store_dir)) if store_dir else Store.of(settings)


@click.group()
def models() -> None:
    """Neural models: fetch, check, remove. None is needed; none is ever fetched by the service."""


def _facts(known: Manifest, receipt: Receipt | None, settings: config.Settings) -> dict[str, Any]:
    return {
        **known.model_dump(exclude={"file"}),
        "files": [f.model_dump() for f in known.file],
        "trust": "digests in the manifest" if known.pinned else "on first use: recorded at pull",
        "installed": receipt is not None,
        "bytes": receipt.total_bytes if receipt else None,
        "digest": receipt.digest if receipt else None,
        "source": receipt.source if receipt else None,
        "taken_at": receipt.taken_at if receipt else None,
        "not_used": known_models.refused(known, settings) or None,
    }


@models.command("list")
@config_option
@store_option
@json_option
def list_models(config_path: Path | None, store_dir: Path | None, as_json: bool) -> None:
    """Every model that is known, and whether it is here."""
    settings, store = _store(config_path, store_dir)
    facts = [_facts(m, store.receipt(m.id), settings) for m in known_models.manifests()]
    if as_json:
        click.echo(json.dumps(facts))
        return
    for f in facts:
        here = size(f["bytes"]) if f["installed"] else "-"
        use = "commercial" if f["commercial"] else "NOT commercial"
        gate = ", gated" if f["gated"] else ""
        memory = f"{f['peak_mb'] / 1000:.1f} GB"
        click.echo(f"{f['id']:18} {here:>9}  peak {memory:>8}  {f['licence']} ({use}{gate})  {f['title']}")


@models.command()
@click.argument("model")
@config_option
@store_option
@json_option
def show(model: str, config_path: Path | None, store_dir: Path | None, as_json: bool) -> None:
    """All that is known of one model."""
    settings, store = _store(config_path, store_dir)
    known = known_models.manifest(model)
    facts = _facts(known, store.receipt(known.id), settings)
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        if value not in (None, "", [], ()) and name != "files":
            click.echo(f"{name + ':':13} {shown(str(value))}")
    for file in facts["files"]:
        count = f", {size(file['bytes'])}" if file["bytes"] else ""
        click.echo(f"file:         {file['path']}{count}, {file['sha256'] or 'digest recorded at pull'}")


@models.command()
@click.argument("model")
@click.option("--endpoint", help="A mirror that speaks the hub's API. Default: $HF_ENDPOINT, else the hub.")
@click.option(
    "--token-file",
    type=GivenPath(dir_okay=False, exists=True),
    help="A file with the token for gated models. Default: $HF_TOKEN.",
)
@click.option("--offline", is_flag=True, help="Take it from the hub library's cache here; ask nobody.")
@click.option("--renew", is_flag=True, help="Accept other bytes than the first pull recorded.")
@config_option
@store_option
def pull(
    model: str,
    *,
    endpoint: str | None,
    token_file: Path | None,
    offline: bool,
    renew: bool,
    config_path: Path | None,
    store_dir: Path | None,
) -> None:
    """Fetch a model. An interrupted pull goes on where it was."""
    from retouchd.models.pull import HUB, Wish
    from retouchd.models.pull import pull as fetch

    settings, store = _store(config_path, store_dir)
    known = known_models.manifest(model)
    if known.own_copy:
        _taken(known, store.bring(known.own_copy, known, _bar(), "retouchd"), settings)
        return
    token = token_file.read_text("utf-8").strip() if token_file else os.environ.get("HF_TOKEN")
    wish = Wish(endpoint or os.environ.get("HF_ENDPOINT") or HUB, token, offline, renew)
    if not known.commercial:
        click.echo(f"{known.id} is under {known.licence}: not for commercial work", err=True)
    receipt = fetch(store, known, wish, _bar())
    _taken(known, receipt, settings)


def _taken(known: Manifest, receipt: Receipt, settings: config.Settings) -> None:
    trust = "digests as pinned" if receipt.pinned else "digests recorded on first use"
    click.echo(f"{known.id}: {len(receipt.files)} files, {size(receipt.total_bytes)}, {trust}")
    if why := known_models.refused(known, settings):
        click.echo(f"not used yet: {why}")
    else:
        click.echo("a running service uses it after: systemctl reload retouchd (or SIGHUP)")


def _bar() -> Progress:
    """One line for each file; on a terminal it counts."""
    last: list[tuple[str, int]] = [("", -1)]

    def told(name: str, done: int, whole: int) -> None:
        percent = 100 * done // whole if whole else 0
        if sys.stderr.isatty() and (name, percent) != last[0]:
            click.echo(f"\r{shown(name)}: checked {percent:3d} %\033[K", err=True, nl=done == whole > 0)
        elif name != last[0][0]:
            click.echo(f"{shown(name)}: {size(whole)}", err=True)
        last[0] = (name, percent)

    return told


@models.command()
@click.argument("model", required=False)
@config_option
@store_option
def verify(model: str | None, config_path: Path | None, store_dir: Path | None) -> None:
    """Read every byte of a model, or of all, again. Exit code 1 when one is not what it was."""
    _, store = _store(config_path, store_dir)
    ids = [known_models.manifest(model).id] if model else [m.id for m in known_models.manifests()]
    damaged = 0
    for model_id in ids:
        try:
            if not model and not store.place(model_id).is_dir():
                continue
            receipt = store.verify(model_id)
            click.echo(f"{model_id}: well, {len(receipt.files)} files, {size(receipt.total_bytes)}")
        except (ModelDamaged, ModelNotHere) as error:
            damaged += 1
            click.echo(f"retouchd: {error}", err=True)
    sys.exit(1 if damaged else 0)


@models.command()
@click.argument("model")
@config_option
@store_option
def remove(model: str, config_path: Path | None, store_dir: Path | None) -> None:
    """Delete a model."""
    _, store = _store(config_path, store_dir)
    with store.held():
        freed = store.remove(model)
    click.echo(f"{model}: removed, {size(freed)} freed")


@models.command("import")
@click.argument("path", type=GivenPath())
@click.option("--as", "model", help="Which model it is, where the names do not say.")
@config_option
@store_option
def import_model(path: Path, model: str | None, config_path: Path | None, store_dir: Path | None) -> None:
    """Take in a model that was carried here: a folder laid out as its repository, or a single file."""
    settings, store = _store(config_path, store_dir)
    receipt = store.bring(absolute(path), known_models.manifest(model) if model else None, _bar())
    _taken(known_models.manifest(receipt.id), receipt, settings)
