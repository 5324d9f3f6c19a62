"""The decision record: what was found in one photo, what was done about it and why.

Plain frozen data that turns into JSON. The schema's name carries its version; a field is added freely,
renamed or removed only with a new version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

RECORD_SCHEMA = "retouchd.record/1"


class Decision(StrEnum):
    """What became of a spot."""

    HEALED = "healed"
    KEPT = "kept"
    REVIEW = "review"
    FAILED = "failed"


class Role(StrEnum):
    """What a staged file is for. The publisher decides the names."""

    RESULT = "result"
    HEAL = "heal"
    MASK = "mask"
    XMP = "xmp"
    CONTACT = "contact"
    VIEW = "view"
    PSD = "psd"


@dataclass(frozen=True, slots=True)
class SpotRecord:
    """One spot: where, what, what was decided, by whom, with which figures.

    ``box`` is ``[x, y, width, height]`` in pixels of the photo as stored (no rotation applied).
    """

    id: int
    box: tuple[int, int, int, int]
    diameter_px: float
    diameter_mm: float | None
    kind: str
    score: float
    decision: Decision
    reason: str
    healer: str | None = None
    guard: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)
    tried: tuple[str, ...] = ()
    model: Mapping[str, Any] | None = None
    """The neural model that had a hand in the heal: id, digest, licence, precision, seed, steps."""
    wish: str = ""
    """What a person said about it, empty when nobody did: heal, keep, reject or review."""
    sure: bool = False
    """Whether it was to be healed unasked, by detector and place; recipe and guard may have said no."""
    place: Mapping[str, Any] | None = None
    """``face`` (its id), ``x_mm`` along the line of the eyes from their middle, ``y_mm`` down from it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the engine hands to the publisher: staged files by role, and the record as JSON values.

    ``record`` holds everything but the published names, which the publisher adds under
    ``record["outputs"][role]["name"]`` before it writes the record beside the mask.
    """

    files: Mapping[Role, Path]
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One staged single-pass edit; without a path when the model changed nothing that is believed."""

    path: Path | None
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """Three pictures of one window of a photo: as it was, as it became, and where the two differ."""

    before: Path
    after: Path
    mask: Path


def counts(spots: tuple[SpotRecord, ...]) -> dict[str, int]:
    """How many spots were found, and how many of each decision."""
    totals = {d.value: sum(s.decision == d for s in spots) for d in Decision}
    return {"found": len(spots), **totals}
