"""``retouchd review``: look at what was done and say what is to be done otherwise, in a browser."""

from __future__ import annotations

import contextlib
import queue
import threading
import webbrowser
from pathlib import Path

import click
from pydantic import ValidationError

from retouchd import batch, config, control, log
from retouchd.cli.options import GivenPath, absolute, config_option, engine_option
from retouchd.config import Settings
from retouchd.config.presets import BUILT_IN_PRESET
from retouchd.config.settings import Http
from retouchd.errors import RetouchdError
from retouchd.text import shown
from retouchd.web.gate import Gate
from retouchd.web.review import Album, Place, Server, Site, Tiles, places_of
from retouchd.web.review.album import Photo


class Redo:
    """Does corrected photos again in this process, one after another: for folders that no service watches."""

    def __init__(self, settings: Settings, preset: str | None, engine: str) -> None:
        self._settings, self._preset, self._engine = settings, preset, engine
        self._queue: queue.SimpleQueue[Photo] = queue.SimpleQueue()
        self.says = ""
        threading.Thread(target=self._work, daemon=True).start()

    def put(self, photo: Photo) -> None:
        """Do this one, when those before it are done."""
        self._queue.put(photo)

    def _work(self) -> None:
        while True:
            photo = self._queue.get()
            self.says = f"{photo.name}: starting"
            try:
                self.says = self.redone(photo)
            except RetouchdError as error:
                self.says = str(error)

    def redone(self, photo: Photo) -> str:
        """Correct this one now; the answer is what went wrong."""
        wish = batch.Wish(preset=self._preset, only_corrections=True)
        item = batch.Item(photo.source, photo.names.folder, Path(photo.source.anchor))

        def stage(name: str) -> None:
            self.says = f"{photo.name}: {name}"

        with batch.Batch(self._settings, wish, self._engine) as work:
            report = work.do(item, stage)
        return f"{photo.name}: {report.failure.message}" if report.failure else ""


def _site(settings: Settings, places: list[Place], redo: Redo, *, watched: bool) -> Site:
    """The pages. A running service notices corrections by itself; without one they are done here."""

    def says() -> str:
        said = None
        if watched:
            with contextlib.suppress(RetouchdError, OSError):
                said = control.ask(settings.state_dir, "says")
        return redo.says or said or ""

    def changed(photo: Photo) -> None:
        # A service of another user says no; it notices the file by itself all the same.
        with contextlib.suppress(RetouchdError):
            if not watched or control.ask(settings.state_dir, "look") is None:
                redo.put(photo)

    return Site(Album(places), Tiles(settings.limits.max_megapixels), says=says, changed=changed)


def _address(listen: str, token: str) -> tuple[str, int]:
    try:
        address = Http(listen=listen, token=token).address
    except ValidationError as error:
        words = (".".join(map(str, d["loc"])) + ": " * bool(d["loc"]) + d["msg"] for d in error.errors())
        raise click.UsageError("; ".join(w.replace("Value error, ", "") for w in words)) from None
    if address is None:
        raise click.UsageError("--listen: an address and a port such as 127.0.0.1:8713")
    return address


@click.command()
@click.argument("folders", metavar="[DIR...]", nargs=-1, type=GivenPath(file_okay=False, exists=True))
@click.option(
    "--listen", default="127.0.0.1:8713", show_default=True, help="Address and port; 0 takes a free one."
)
@click.option(
    "--token", default="", help="What others have to know; needed for any address but this machine's."
)
@click.option(
    "--preset",
    help=f"For photos whose own settings are lost. Default: the folder's, elsewhere {BUILT_IN_PRESET}.",
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@config_option
@engine_option
def review(
    folders: tuple[Path, ...],
    listen: str,
    token: str,
    preset: str | None,
    show: bool,
    config_path: Path | None,
    engine: str,
) -> None:
    """Show results in a browser, and take a person's word on each spot.

    Of the watched folders, or of DIR. Ctrl-C ends it. With [http] listen in the settings, the service shows
    the same pages itself.
    """
    settings = config.load_or_default(config_path)
    places = [Place(absolute(f), absolute(f)) for f in folders]
    places = places or places_of((w.path, w.mirror) for w in settings.watch)
    if not places:
        raise click.UsageError("name a folder, or a configuration that watches one")
    address = _address(listen, token)
    log.configure("warning", settings.log.format)
    site = _site(settings, places, Redo(settings, preset, engine), watched=not folders)
    server = Server(address, site, Gate(token))
    click.echo(f"review: {shown(server.url)}/")
    if show:
        webbrowser.open(f"{server.url}/")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("")
    finally:
        site.tiles.close()
