"""retouch_engine: pixels in, pixels out.

The front door. A caller gives an :class:`Order` (a source file, an empty folder, a recipe) and receives
staged files and a decision record. Nothing in here watches folders, chooses names or publishes; nothing
outside reaches past this module. Importing it loads no array library: that happens in :func:`open_engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from retouch_engine import errors
from retouch_engine.calibration import checked_calibration
from retouch_engine.corrections import CORRECTIONS_SCHEMA, Correction, Corrections, Wish
from retouch_engine.errors import EngineError
from retouch_engine.formats import missing_extra, photo_suffixes
from retouch_engine.recipe import (
    PERMANENT,
    Agree,
    Body,
    Compression,
    Finish,
    Kind,
    Layers,
    Limits,
    Recipe,
    Signing,
)
from retouch_engine.record import RECORD_SCHEMA, Candidate, Decision, Pair, Rendered, Role
from retouch_engine.sitting import Followed, Mark, Remembered, Sitting, Vote, placed_on, remembered
from retouch_engine.stock import Model, Stock
from retouch_engine.tiling import pyramid
from retouch_engine.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Any, Self

__all__ = [
    "CORRECTIONS_SCHEMA",
    "PERMANENT",
    "PHOTO_SUFFIXES",
    "RECORD_SCHEMA",
    "Agree",
    "Body",
    "Candidate",
    "Compression",
    "Correction",
    "Corrections",
    "Decision",
    "EditWish",
    "Editing",
    "Engine",
    "EngineError",
    "Finish",
    "Followed",
    "Kind",
    "Layers",
    "Limits",
    "Mark",
    "Model",
    "Order",
    "Pair",
    "Recipe",
    "Remembered",
    "Rendered",
    "Role",
    "Signing",
    "Sitting",
    "Stock",
    "Viewer",
    "Vote",
    "Wish",
    "__version__",
    "checked_calibration",
    "errors",
    "estimated_bytes",
    "explain",
    "learn",
    "missing_extra",
    "open_editing",
    "open_engine",
    "open_viewer",
    "placed_on",
    "pyramid",
    "remembered",
    "signing_trouble",
    "write_pairs",
]

PHOTO_SUFFIXES = photo_suffixes()
"""Endings, lower case, of the files that are offered to the engine: an extra's where it is installed."""


@dataclass(frozen=True, slots=True)
class Order:
    """One photo to do. ``source`` is only ever opened for reading; ``staging`` is an empty local folder."""

    source: Path
    staging: Path
    recipe: Recipe
    finish: Finish = field(default_factory=Finish)
    corrections: Corrections = field(default_factory=Corrections)
    """What a person decided about this photo."""
    sitting: Sitting = field(default_factory=Sitting)
    """What is remembered of other photos of the sitting. The record's ``followed`` names what it changed."""
    painted_mask: Path | None = None
    """What a person painted: 255 heals, 0 keeps, 128 leaves to a person. Same size as the photo. What it says
    beyond ``corrections`` is in the record's ``corrections`` afterwards, so that a mask is read once."""
    before: Path | None = None
    """The heal layer of the photo's last result, untouched since: with it only what changed is healed, and by
    the recipe that the photo was begun with."""
    before_lost: str = ""
    """Why there is no ``before``, where there should be one: the record says it."""
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


def signing_trouble(signing: Signing) -> str:
    """What keeps results from being signed; empty when nothing does. A picture of some bytes is signed."""
    from retouch_engine.codec.provenance import signing_trouble as trouble

    return trouble(signing)


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


@dataclass(frozen=True, slots=True)
class EditWish:
    """What a single-pass edit is asked for."""

    model: str
    """The id of a FLUX.2 klein in the stock."""
    lora: str
    """The id of the edit LoRA in the stock."""
    prompt: str
    """The words that the LoRA was trained with."""
    seeds: tuple[int, ...]
    """One candidate for each."""
    steps: int = 4
    on_processor: bool = False
    """Without a card, however long it takes."""


class Editing(Protocol):
    """What :func:`open_editing` returns. Holds the model; use it as a context manager."""

    def candidates(self, source: Path, staging: Path) -> Iterator[Candidate]:
        """Edit a photo once for each seed; each candidate is staged as a whole TIFF, proved, with its record.

        Raises:
            EngineError: one subclass for each way to fail; nothing outside ``staging`` was written.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_editing(wish: EditWish, stock: Stock, limits: Limits | None = None) -> Editing:
    """Plan a single-pass edit; the model is loaded at the first photo. Imports the array libraries.

    Raises:
        ModelUnusable: the model or its LoRA is not in the stock.
        NoRoomForModel: it does not fit on the card, or there is none.
    """
    from retouch_engine.candidates import Editing as Loaded

    return Loaded(wish, stock, limits or Limits())


def write_pairs(
    source: Path, result: Path, boxes: Sequence[tuple[int, int, int, int]], out: Path, size: int
) -> Iterator[Pair]:
    """Cut windows of ``size`` px around spots out of a photo and its result, as 8-bit PNGs, to learn from.

    Args:
        source: the photo.
        result: what became of it.
        boxes: the spots that were healed, ``[x, y, width, height]``.
        out: where ``before``, ``after`` and ``mask`` (255 where the two differ) are written.
        size: side of a window in pixels; smaller only where the photo is.

    Raises:
        EngineError: a file cannot be read, or the two are not of one size.
    """
    from retouch_engine.pairs import write_pairs as write

    return write(source, result, boxes, out, size, Limits())


def learn(
    pairs: Iterable[tuple[Path, Path]],
    corrected: Iterable[tuple[str, Mapping[str, Any]]] = (),
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Fit a studio's own taste to photos before and after a retoucher had them, and to corrections by hand.

    Args:
        pairs: the same photo before and after, of the same size.
        corrected: the photo's name and what is remembered of one spot that a person decided about.
        limits: what is accepted at all.

    Returns:
        ``calibration`` (for a recipe), ``learned_from`` (counts), ``before`` and ``after`` (precision, recall
        and log loss of what would be healed unasked, of photos that the fit has not seen), ``better`` and
        ``left_out`` (pairs that teach nothing, with the reason).

    Raises:
        EngineError: there is too little to learn from.
    """
    from retouch_engine.taste import learn as fit

    return fit(pairs, corrected, limits or Limits())


def explain(
    source: Path,
    out: Path,
    *,
    maps: bool = False,
    limits: Limits | None = None,
    stock: Stock | None = None,
    recipe: Recipe | None = None,
    sitting: Sitting | None = None,
) -> dict[str, Any]:
    """Draw what the engine knows of a photo, and what it would do to it.

    ``recipe`` is the default one unless given, ``sitting`` what is remembered of other photos.

    Writes ``NAME-explained.png`` into ``out``, and with ``maps`` also ``NAME-protected.png`` and
    ``NAME-skin.png`` (8-bit, 255 = yes, as large as the photo), each marked as no photo. Of ``stock`` only
    second opinions are asked.

    Returns:
        ``files`` (the paths written), ``faces``, ``scale``, ``skin_share``, ``causes`` (the share of the
        photo that each protects), ``spots`` and ``notes``.

    Raises:
        EngineError: the photo cannot be read, or another file has the name of a drawing.
    """
    from retouch_engine.overlay import Looking, draw

    wish = Looking(limits or Limits(), stock or Stock(), recipe or Recipe(), sitting or Sitting(), maps)
    return draw(source, out, wish)
