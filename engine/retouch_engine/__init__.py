"""retouch_engine: pixels in, pixels out.

The front door. A caller gives an :class:`Order` (a source file, an empty folder, a recipe) and receives
staged files and a decision record. Nothing in here watches folders, chooses names or publishes; nothing
outside reaches past this module. Importing it loads no array library: that happens in :func:`open_engine`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from retouch_engine import errors
from retouch_engine.corrections import CORRECTIONS_SCHEMA, Correction, Corrections, Wish
from retouch_engine.errors import EngineError
from retouch_engine.recipe import PERMANENT, Compression, Finish, Kind, Layers, Limits, Recipe
from retouch_engine.record import RECORD_SCHEMA, Decision, Rendered, Role
from retouch_engine.stock import Model, Stock
from retouch_engine.version import __version__

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

__all__ = [
    "CORRECTIONS_SCHEMA",
    "PERMANENT",
    "PHOTO_SUFFIXES",
    "RECORD_SCHEMA",
    "Compression",
    "Correction",
    "Corrections",
    "Decision",
    "Engine",
    "EngineError",
    "Finish",
    "Kind",
    "Layers",
    "Limits",
    "Model",
    "Order",
    "Recipe",
    "Rendered",
    "Role",
    "Stock",
    "Viewer",
    "Wish",
    "__version__",
    "errors",
    "estimated_bytes",
    "explain",
    "open_engine",
    "open_viewer",
]

PHOTO_SUFFIXES = frozenset({".tif", ".tiff", ".jpg", ".jpeg", ".png"})
"""Endings, lower case, of the files that are offered to the engine."""


@dataclass(frozen=True, slots=True)
class Order:
    """One photo to do. ``source`` is only ever opened for reading; ``staging`` is an empty local folder."""

    source: Path
    staging: Path
    recipe: Recipe
    finish: Finish = field(default_factory=Finish)
    corrections: Corrections = field(default_factory=Corrections)
    """What a person decided about this photo."""
    painted_mask: Path | None = None
    """What a person painted: 255 heals, 0 keeps, 128 leaves to a person. Same size as the photo. What it says
    beyond ``corrections`` is in the record's ``corrections`` afterwards, so that a mask is read once."""
    own_output: bool = False
    """Whether a result of ours is taken as well: somebody asked for it."""


class Engine(Protocol):
    """What :func:`open_engine` returns. Use it as a context manager; it holds processes and models."""

    def retouch(self, order: Order, progress: Callable[[str], None]) -> Rendered:
        """Do one photo; ``progress`` is told each stage's name as it begins.

        Raises:
            EngineError: one subclass for each way to fail; nothing outside ``staging`` was written.
        """

    def preview(self, order: Order, progress: Callable[[str], None]) -> dict[str, Any]:
        """The decision record that :meth:`retouch` would give, without writing a file."""

    def about(self) -> dict[str, str]:
        """Versions and helpers, for ``retouchd doctor``: name to what was found."""

    def residency(self) -> dict[str, dict[str, Any]]:
        """By model id: whether it is loaded, its memory in MB, how often it was loaded and lent.

        Also lets go of models that idled for too long; to be called now and then, from any thread.
        """

    def close(self) -> None:
        """Let go of every process and model. Safe to call twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def estimated_bytes(source: Path) -> int | None:
    """The memory that a photo is going to take, from its header alone; None when that does not say."""
    from retouch_engine.codec.claim import estimated_bytes as estimate

    return estimate(source)


def open_engine(limits: Limits | None = None, stock: Stock | None = None) -> Engine:
    """Load the engine and what it keeps resident. The first call imports the array libraries.

    Args:
        limits: what is accepted at all.
        stock: the models that it may use. Pinned ones are loaded before this returns.
    """
    from retouch_engine.engine import RetouchEngine

    return RetouchEngine(limits or Limits(), stock or Stock())


class Viewer(Protocol):
    """What :func:`open_viewer` returns. Keeps the last photos decoded; not for several threads at once."""

    def tile(self, source: Path, heal: Path | None, level: int, column: int, row: int) -> bytes:
        """A JPEG of one tile: of the photo before, or with its heal layer after.

        Raises:
            IndexError: there is no such tile.
            EngineError: a file cannot be read.
        """

    def about(self, source: Path) -> dict[str, int]:
        """Width, height, levels, tile (px) and EXIF orientation of a photo.

        Raises:
            EngineError: it cannot be read.
        """


def open_viewer(limits: Limits | None = None) -> Viewer:
    """Something to look at photos with. Imports the array libraries."""
    from retouch_engine.view import Viewer as Pyramids

    return Pyramids(limits or Limits())


def explain(
    source: Path,
    out: Path,
    *,
    maps: bool = False,
    limits: Limits | None = None,
    stock: Stock | None = None,
) -> dict[str, Any]:
    """Draw what the engine knows of a photo, and what it would do to it with the default recipe.

    Writes ``NAME-explained.png`` into ``out``, and with ``maps`` also ``NAME-protected.png`` and
    ``NAME-skin.png`` (8-bit, 255 = yes, as large as the photo). Of ``stock`` only second opinions are asked.

    Returns:
        ``files`` (the paths written), ``faces``, ``scale``, ``skin_share``, ``causes`` (the share of the
        photo that each protects), ``spots`` and ``notes``.

    Raises:
        EngineError: the photo cannot be read.
    """
    from retouch_engine.overlay import draw

    return draw(source, out, limits or Limits(), stock or Stock(), maps=maps)
