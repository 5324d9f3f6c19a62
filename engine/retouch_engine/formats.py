"""Which endings are photos, and which of them need an extra. Asks whether a library is there, loads none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

TIFF = (".tif", ".tiff")
JPEG = (".jpg", ".jpeg", ".jpe")
PNG = (".png",)
PHOTOSHOP = (".psd", ".psb")
HEIF = (".heic", ".heif", ".hif")
RAW = (".dng", ".nef", ".arw", ".cr2", ".cr3", ".pef")
"""Of raw files those whose ends we can tell from a copy under way: TIFF and ISO structures."""


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional library and what it reads."""

    name: str
    """Of the extra, as ``pip install "retouchd[name]"`` takes it."""
    library: str
    kind: str

    @property
    def installed(self) -> bool:
        """Whether the library can be imported; it is not."""
        return find_spec(self.library) is not None


HEIF_EXTRA = Extra("heif", "pillow_heif", "a HEIF")
RAW_EXTRA = Extra("raw", "rawpy", "a raw file")
EXTRAS: Mapping[str, Extra] = {**dict.fromkeys(HEIF, HEIF_EXTRA), **dict.fromkeys(RAW, RAW_EXTRA)}
"""Ending: what it needs."""


def photo_suffixes() -> frozenset[str]:
    """Endings, lower case, of the files that are photos on this machine."""
    here = {suffix for suffix, extra in EXTRAS.items() if extra.installed}
    return frozenset({*TIFF, ".jpg", ".jpeg", *PNG, *PHOTOSHOP, *here})


def missing_extra(suffix: str) -> Extra | None:
    """The extra that files with this ending (lower case) need and that is not installed."""
    extra = EXTRAS.get(suffix)
    return extra if extra is not None and not extra.installed else None
