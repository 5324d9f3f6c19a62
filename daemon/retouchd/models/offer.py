"""What the engine is handed: the models that are here, whole, and allowed.

Which licence a studio accepts is its decision. A model that is damaged or not allowed is left out and said
so; the night goes on with what is left.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retouch_engine import Model, Stock
from retouchd.config import Settings
from retouchd.models.errors import ModelDamaged, NoncommercialModel
from retouchd.models.manifest import Manifest, manifests
from retouchd.models.store import Receipt, Store
from retouchd.text import shown


@dataclass(frozen=True, slots=True)
class Offer:
    """The stock, and a line for each model that is here and not in it."""

    stock: Stock
    left_out: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


def offer(settings: Settings) -> Offer:
    """What the engine gets under these settings. Reads receipts and sizes, not the weights themselves."""
    store = Store.of(settings)
    hidden = _hidden(store.folder)
    models, left_out, damaged = [], [*hidden], []
    for known in () if hidden else manifests():
        if why := refused(known, settings):
            if store.place(known.id).is_dir():
                left_out.append(f"{known.id}: {why}")
            continue
        try:
            receipt = store.receipt(known.id)
            if receipt:
                _check_sizes(known, receipt, store.place(known.id))
                models.append(_model(known, receipt, store.place(known.id)))
        except ModelDamaged as error:
            damaged.append(str(error))
    chosen = settings.models
    strangers = {*chosen.use, *chosen.pinned} - {m.id for m in manifests()}
    left_out += [f"{name}: no model that is known" for name in sorted(strangers)]
    prompts = settings.state_dir / "prompts"
    stock = Stock(tuple(models), chosen.budget_gb, chosen.pinned, chosen.idle_s, chosen.compile, prompts)
    return Offer(stock, tuple(left_out), tuple(damaged))


def _hidden(folder: Path) -> tuple[str, ...]:
    """Why a user of ``process`` or ``edit`` does not see the models of a service that is another user's."""
    try:
        folder.stat()
    except PermissionError as error:
        return (f"{shown(folder)}: {error.strerror}",)
    except OSError:
        return ()  # there is none
    return () if os.access(folder, os.R_OK | os.X_OK) else (f"{shown(folder)}: not yours to look into",)


def refused(known: Manifest, settings: Settings) -> str:
    """Why a model is not used under these settings; empty when it is."""
    if settings.models.use and known.id not in settings.models.use:
        return "not named in models.use"
    if not known.commercial and not settings.models.accept_noncommercial:
        return str(NoncommercialModel(known.id, known.licence))
    return ""


def _check_sizes(known: Manifest, receipt: Receipt, place: Path) -> None:
    """Sizes tell of a file that was cut or is gone; ``retouchd models verify`` reads every byte."""
    wrong = [n for n, (size, _) in receipt.files.items() if _size(place / n) != size]
    if wrong:
        raise ModelDamaged(known.id, [f"{n}: missing or of another size" for n in wrong])


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _model(known: Manifest, receipt: Receipt, place: Path) -> Model:
    shared: dict[str, Any] = known.model_dump(
        include={"id", "healer", "licence", "commercial", "precision", "rest_mb", "peak_mb", "contract"}
    )
    files = tuple(sorted(receipt.files))
    return Model(
        folder=place, digest=receipt.digest, files=files, needs=known.needs, extras=known.extras, **shared
    )
