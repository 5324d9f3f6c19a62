"""A whole edit in one pass: candidates that a person chooses from, never a result.

An edit model is shown no mask and draws the whole picture anew, pores included. So little of it is believed:
where it changes skin by clearly more than it changes everything, its low band; the texture there stays the
photo's own, wide shifts of colour are taken out, and nothing changes that is protected or no skin. What is
left is laid into the photo, written and proved as a result is, and says in its metadata what made it. The
guard is not asked: nobody said where a blemish was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from retouch_engine.budget import CPU, Machine, Use, plan
from retouch_engine.codec.carried import said_otherwise
from retouch_engine.codec.exiftool import MetadataCarrier, linked
from retouch_engine.codec.metadata import metadata_of
from retouch_engine.codec.read import read_photo
from retouch_engine.codec.rows import on_8_bit, on_16_bit
from retouch_engine.codec.write import write_result
from retouch_engine.codec.xmp import XmpFacts, build_packet
from retouch_engine.errors import ModelUnusable, NoRoomForModel
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density, encode
from retouch_engine.pool import Hands, Pool
from retouch_engine.prove import prove_result
from retouch_engine.recipe import Finish, Limits
from retouch_engine.record import Candidate
from retouch_engine.resident import release
from retouch_engine.runtime import look
from retouch_engine.runtime.edit import MOST_PX, MULTIPLE, KleinEditor
from retouch_engine.runtime.machine import free_mb
from retouch_engine.stock import Stock
from retouch_engine.survey import Scene, survey
from retouch_engine.types import Box, Float, Patch, Photo
from retouch_engine.version import __version__

if TYPE_CHECKING:
    from retouch_engine import EditWish

CANDIDATE_SCHEMA = "retouchd.candidate/1"
_OVERLAP_PX = 128
_LEAST_PX = 256
_FINE_PX = 1.5
"""What is finer is the photo's own."""
_WIDE_PX = 48.0
"""What is wider is the model's mood."""
_OUTSTANDING = 4.0
"""Times the change that the model makes anywhere on skin."""
_LEAST_OD = 0.02
_SHOWN = 0.02

Editor = Callable[[NDArray[np.uint8]], Float]


def edited(photo: Photo, scene: Scene, edit: Editor) -> Patch | None:
    """What of a model's edit is believed, as one patch; None when that is nothing.

    Args:
        photo: the photo.
        scene: its skin, and what is protected.
        edit: answers a window ``(h, w, 3)`` uint8 with float32 of the same shape, 0 to 1.
    """
    skin = scene.skin_box
    box = None if skin is None else _fitting(skin, photo.height, photo.width)
    if box is None:
        return None
    delta = _delta(photo, box, edit)
    may = scene.skin_in(box) & ~scene.protected_in(box)
    if not may.any():
        return None
    size = blur(np.abs(delta).max(axis=-1), 2.0)
    least = max(_OUTSTANDING * float(np.median(size[may])), _LEAST_OD)
    share = blur(np.clip((size - least) / least, 0, 1).astype(np.float32), 2.0)
    changed = may & (share > _SHOWN)
    if not changed.any():
        return None
    own = on_16_bit(photo.pixels[box.slices])
    od = density(own) + share[..., None] * delta
    made = np.rint(np.clip(encode(od), 0, 1) * 65535).astype(np.uint16)
    return Patch(0, box, np.where(changed[..., None], made, own), changed)


def _fitting(skin: Box, height: int, width: int) -> Box | None:
    """The box around the skin with sides that the model takes; None in a photo that is too small."""

    def span(start: int, end: int, limit: int) -> tuple[int, int]:
        size = min(-(-max(end - start, _LEAST_PX) // MULTIPLE) * MULTIPLE, limit // MULTIPLE * MULTIPLE)
        first = max(0, min((start + end - size) // 2, limit - size))
        return first, first + size

    if min(height, width) < MULTIPLE:
        return None
    (y0, y1), (x0, x1) = span(skin.y0, skin.y1, height), span(skin.x0, skin.x1, width)
    return Box(y0, x0, y1, x1)


def windows(length: int) -> list[tuple[int, int]]:
    """Overlapping stretches that cover a length, each of at most 1024 px."""
    size = min(length, MOST_PX)
    count = 1 if length <= size else -(-(length - _OVERLAP_PX) // (size - _OVERLAP_PX))
    starts = [round(i * (length - size) / max(1, count - 1)) for i in range(count)]
    return [(start, start + size) for start in starts]


def _delta(photo: Photo, box: Box, edit: Editor) -> Float:
    """The believed part of the change in optical density, ``(h, w, 3)``; windows fade into one another."""
    total = np.zeros((box.height, box.width, 3), np.float32)
    weight = np.zeros((box.height, box.width, 1), np.float32)
    for y0, y1 in windows(box.height):
        for x0, x1 in windows(box.width):
            cut = np.s_[box.y0 + y0 : box.y0 + y1, box.x0 + x0 : box.x0 + x1]
            shown = on_8_bit(photo.pixels[cut])
            answer = density(np.rint(edit(shown) * 65535).astype(np.uint16))
            change = blur(answer - density(shown), _FINE_PX)
            hat = _hat(y1 - y0)[:, None, None] * _hat(x1 - x0)[None, :, None]
            total[y0:y1, x0:x1] += hat * (change - blur(change, _WIDE_PX))
            weight[y0:y1, x0:x1] += hat
    return np.asarray(total / weight, np.float32)


def _hat(length: int) -> Float:
    """1, falling towards both ends within the overlap, never to 0."""
    near = np.minimum(np.arange(length), np.arange(length)[::-1]).astype(np.float32)
    return np.asarray(np.clip((near + 1) / _OVERLAP_PX, 0, 1), np.float32)


class Editing:
    """One loaded model with its LoRA, for as many photos as there are. A context manager."""

    def __init__(self, wish: EditWish, stock: Stock, limits: Limits, machine: Machine | None = None) -> None:
        self._wish, self._limits = wish, limits
        self._use = _planned(wish, stock, machine)
        hands = Hands(
            lambda use: KleinEditor.load(use, wish.prompt, stock.prompts), free_mb, time.monotonic, release
        )
        self._pool = Pool(hands, self._use.peak_mb, stock.idle_s)
        self._carrier = MetadataCarrier()

    def candidates(self, source: Path, staging: Path) -> Iterator[Candidate]:
        """One for each seed; see :class:`retouch_engine.Editing`."""
        photo = read_photo(source, self._limits)
        scene = survey(photo)
        link = linked(source, staging)
        told = metadata_of(photo.metadata)
        otherwise = said_otherwise(told, told.turn)
        for number, seed in enumerate(self._wish.seeds, 1):
            patch = edited(photo, scene, self._editor(seed))
            path = None if patch is None else staging / f"candidate-{number}.tif"
            record = _record(source, photo, self._use, self._wish, seed, patch)
            if path is not None and patch is not None:
                packet = _packet(photo, record, {} if self._carrier.available else None)
                write_result(path, photo, [patch], Finish(), packet)
                self._carrier.carry(link, path, otherwise)
                proof = prove_result(path, photo, [patch], Finish(), packet)
                record["outside_unchanged"] = proof.outside_unchanged
                record["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            yield Candidate(path, record)

    def _editor(self, seed: int) -> Editor:
        return lambda shown: self._pool.use(
            self._use, lambda model: model.edit(shown, seed, self._wish.steps)
        )

    def close(self) -> None:
        """Let go of the model."""
        self._pool.close()
        self._carrier.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _planned(wish: EditWish, stock: Stock, machine: Machine | None) -> Use:
    """How the model is loaded: as the planner says for the card, or as it is on the processor."""
    model, lora = stock.named(wish.model), stock.named(wish.lora)
    if model is None or lora is None:
        missing = wish.model if model is None else wish.lora
        raise ModelUnusable(missing, "it is not installed, or its licence not accepted")
    if wish.on_processor:
        return Use(model, CPU, model.precision, False, model.rest_mb, model.peak_mb, (lora,))
    made = plan(
        machine or look(stock.budget_gb), replace(stock, models=(replace(model, extras=(lora.id,)), lora))
    )
    if not made.uses:
        raise NoRoomForModel(model.id, "; ".join(made.why))
    return made.uses[0]


def _record(
    source: Path, photo: Photo, use: Use, wish: EditWish, seed: int, patch: Patch | None
) -> dict[str, Any]:
    parts = [{"id": p.id, "digest": p.digest, "licence": p.licence} for p in use.parts]
    changed = 0 if patch is None else int(np.count_nonzero(patch.changed))
    return {
        "schema": CANDIDATE_SCHEMA,
        "engine": __version__,
        "source": {"name": source.name, "sha256": photo.digest},
        "model": {
            "id": use.model.id,
            "digest": use.model.digest,
            "licence": use.model.licence,
            "commercial": use.model.commercial and all(p.commercial for p in use.parts),
            "precision": use.precision,
            "device": use.device,
            "parts": parts,
        },
        "prompt": wish.prompt,
        "seed": seed,
        "steps": wish.steps,
        "changed_share": round(changed / (photo.height * photo.width), 6),
    }


def _packet(photo: Photo, record: dict[str, Any], fallback: dict[str, str] | None) -> bytes:
    """Says that a trained model made this, and marks it as ours, so that no service takes it for a photo."""
    source = metadata_of(photo.metadata)
    told = json.dumps({k: record[k] for k in ("model", "prompt", "seed", "steps")}, sort_keys=True)
    facts = XmpFacts(
        source_digest=photo.digest,
        recipe_digest=hashlib.sha256(told.encode("ascii")).hexdigest(),
        when=datetime.now(UTC),
        generative=1,
        orientation=source.orientation,
        turn=source.turn,
        fallback=source.fallback if fallback is None else fallback,
    )
    return build_packet(source.xmp, facts)
