"""The models that this engine may use, as plain data: whoever opens the engine says what lies where.

Nothing here loads a model or knows where models come from. The daemon keeps the files; the engine is handed
their paths, their licences and what they need, and decides with :mod:`retouch_engine.budget` what to do
with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Model:
    """One installed model, complete and verified by whoever hands it over."""

    id: str
    healer: str
    """Which healer runs it; for parts of another model (a LoRA, a quantised transformer) what it is."""
    folder: Path
    digest: str
    """SHA-256 over the names and digests of its files, hex."""
    licence: str
    commercial: bool
    precision: str
    rest_mb: int
    """Device memory while nothing is computed, 10^6 bytes."""
    peak_mb: int
    """Device memory at the worst moment of a 1024 x 1024 crop, 10^6 bytes."""
    files: tuple[str, ...]
    """Relative to ``folder``, sorted."""
    needs: tuple[str, ...] = ()
    """Models without which it does not run."""
    extras: tuple[str, ...] = ()
    """Models that it uses where they are installed."""
    contract: Mapping[str, Any] = field(default_factory=dict)
    """What its inputs and outputs are: sizes, ranges, steps."""

    @property
    def name(self) -> str:
        """What recipes call it: the id and the digest, so that another file is another recipe."""
        return f"{self.id}@{self.digest}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "folder": str(self.folder), "contract": dict(self.contract)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Model:
        """What :meth:`as_json` wrote."""
        lists = {k: tuple(values.get(k, ())) for k in ("files", "needs", "extras")}
        return cls(**{**values, **lists, "folder": Path(values["folder"])})


@dataclass(frozen=True, slots=True)
class Stock:
    """Everything that is handed over with the models."""

    models: tuple[Model, ...] = ()
    budget_gb: float = -1.0
    """Device memory to use, 10^9 bytes; negative for what is free, 0 for none."""
    pinned: tuple[str, ...] = ()
    """Models, by id, that are loaded before the engine is ready, and stay."""
    idle_s: float = 900.0
    """Seconds after which a model that nobody borrowed is let go."""
    compile: bool = False
    """Whether transformers are compiled: minutes at the first photo for a quicker rest."""
    prompts: Path | None = None
    """Where the embeddings of prompts are kept; None for nowhere."""

    @property
    def names(self) -> tuple[str, ...]:
        """What recipes call the models, sorted."""
        return tuple(sorted(m.name for m in self.models))

    def named(self, model_id: str) -> Model | None:
        """A model by its id."""
        return next((m for m in self.models if m.id == model_id), None)

    def only(self, names: tuple[str, ...]) -> Stock:
        """The same stock with no other models than those that a recipe names."""
        return replace(self, models=tuple(m for m in self.models if m.name in names))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"models", "prompts"}}
        prompts = str(self.prompts) if self.prompts else None
        return {**plain, "models": [m.as_json() for m in self.models], "prompts": prompts}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Stock:
        """What :meth:`as_json` wrote."""
        models = tuple(Model.from_json(m) for m in values.get("models", ()))
        prompts = Path(values["prompts"]) if values.get("prompts") else None
        pinned = tuple(values.get("pinned", ()))
        return cls(**{**values, "models": models, "pinned": pinned, "prompts": prompts})
