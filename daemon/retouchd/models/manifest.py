"""What is known of a model before a byte of it is here: read from the package's TOML files.

A digest stands in a manifest only where it is truly known. A file without one is trusted on first use: what
the pull finds is recorded in the receipt, and everything later is held against that.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from retouchd.models.errors import UnknownModel

_HOME = Path(__file__).parent / "manifests"
_SHIPPED = Path(__file__).parent / "shipped"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KnownFile(_Frozen):
    """One file, or a pattern for several as a repository lists them."""

    path: str
    """Relative to the repository; ``*`` stands for any name within one folder."""
    bytes: int | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    @property
    def pinned(self) -> bool:
        """Whether the digest was known before the first pull."""
        return self.sha256 is not None


class Manifest(_Frozen):
    """One model: source, licence, needs."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    healer: str
    """The healer that runs it; for a part of another model what it is: ``lora``, ``gguf``, ``controlnet``."""
    repository: str
    """``owner/name``; empty for what comes with the program, and for files of the studio's own."""
    revision: str
    shipped: bool = False
    """Whether its files come with the program."""
    licence: str
    """SPDX, or ``LicenseRef-`` and a name."""
    licence_url: str = ""
    commercial: bool
    gated: bool
    precision: str
    rest_mb: int
    peak_mb: int
    note: str = ""
    needs: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    contract: dict[str, Any] = {}
    file: tuple[KnownFile, ...]

    @property
    def pinned(self) -> bool:
        """Whether every digest was known before the first pull."""
        return all(f.pinned for f in self.file)

    @property
    def own_copy(self) -> Path | None:
        """The file that comes with the program."""
        return _SHIPPED / self.file[0].path if self.shipped else None

    def fits(self, path: str) -> KnownFile | None:
        """What the manifest says of a file of the repository; None when it is not wanted."""
        return next((f for f in self.file if _matches(path, f.path)), None)


def _matches(path: str, pattern: str) -> bool:
    """A ``*`` does not reach into other folders, as it would in :mod:`fnmatch`."""
    ours, theirs = path.split("/"), pattern.split("/")
    return len(ours) == len(theirs) and all(Path(a).match(b) for a, b in zip(ours, theirs, strict=True))


def manifests() -> tuple[Manifest, ...]:
    """Every model that is known, by id."""
    return _read()


@cache
def _read() -> tuple[Manifest, ...]:
    found = (tomllib.loads(path.read_text("utf-8")) for path in sorted(_HOME.glob("*.toml")))
    return tuple(sorted((Manifest.model_validate(raw) for raw in found), key=lambda m: m.id))


def manifest(model_id: str) -> Manifest:
    """One model.

    Raises:
        UnknownModel: no manifest goes by this name.
    """
    for known in manifests():
        if known.id == model_id:
            return known
    raise UnknownModel(model_id, [m.id for m in manifests()])
