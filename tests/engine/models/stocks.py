"""The program's own manifests as if their files were all here."""

from __future__ import annotations

from pathlib import Path

from retouch_engine.stock import Model, Stock
from retouchd.models import manifests


def stock(*ids: str, budget_gb: float = -1.0, compile_too: bool = False) -> Stock:
    """A stock of the named models; of all without a name."""
    models = tuple(
        Model(
            id=m.id,
            healer=m.healer,
            folder=Path("/nowhere") / m.id,
            digest="0" * 64,
            licence=m.licence,
            commercial=m.commercial,
            precision=m.precision,
            rest_mb=m.rest_mb,
            peak_mb=m.peak_mb,
            files=(),
            needs=m.needs,
            extras=m.extras,
            contract=m.contract,
        )
        for m in manifests()
        if not ids or m.id in ids
    )
    return Stock(models, budget_gb, compile=compile_too)
