"""The engine as the front door hands it out: a source file in, staged files and a record out.

Retouch, write, carry the metadata, and only then prove: what is proved is the file that will be published,
after every program that touched it. Nothing is ever written outside the staging folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np

from retouch_engine.budget import Plan
from retouch_engine.codec.carried import CarryReport, said_otherwise
from retouch_engine.codec.contact import write_contact
from retouch_engine.codec.exiftool import MetadataCarrier, linked
from retouch_engine.codec.layers import Marks
from retouch_engine.codec.metadata import metadata_of
from retouch_engine.codec.painted import read_painted_mask
from retouch_engine.codec.preview import write_overview
from retouch_engine.codec.provenance import sign
from retouch_engine.codec.psd import document_exif, document_packet, write_psd
from retouch_engine.codec.read import read_photo
from retouch_engine.codec.write import write_heal_layer, write_mask, write_result
from retouch_engine.codec.xmp import (
    XmpFacts,
    build_packet,
    names_credentials,
    packet_trouble,
    source_type,
)
from retouch_engine.errors import UnusableName, shown
from retouch_engine.pipeline import Beside, Crew, Progress, Retouched, Stopwatch, retouch
from retouch_engine.prove import prove_heal_layer, prove_merged, prove_result
from retouch_engine.recipe import Limits, Recipe
from retouch_engine.record import RECORD_SCHEMA, Decision, Rendered, Role, SpotRecord, counts
from retouch_engine.resident import Residency, opinions_told, told, warnings
from retouch_engine.resume import NotResumable, Standing, packed, resumed
from retouch_engine.sitting import Sitting
from retouch_engine.stock import Stock
from retouch_engine.survey import Face, knows_faces
from retouch_engine.threads import borrowed
from retouch_engine.types import HealerId, Photo
from retouch_engine.version import __version__

if TYPE_CHECKING:
    from types import TracebackType

    from retouch_engine import Order

_NAMES = {
    Role.RESULT: "result.tif",
    Role.HEAL: "heal.tif",
    Role.MASK: "mask.tif",
    Role.XMP: "result.xmp",
    Role.CONTACT: "contact.jpg",
    Role.VIEW: "view.jpg",
    Role.PSD: "layers.psd",
}

_NO_CREDENTIALS = (
    "the source's content credentials (C2PA) were left behind: they hold for its pixels alone. "
    "A signed result keeps inside its own those that lie in a TIFF, JPEG, PNG or HEIF"
)


class RetouchEngine:
    """Holds what stays loaded between photos: one exiftool, and later the models."""

    def __init__(self, limits: Limits, stock: Stock, residency: Residency | None = None) -> None:
        self._limits = limits
        self._residency = residency or Residency(stock)
        self._carrier = MetadataCarrier()

    def retouch(self, order: Order, progress: Progress) -> Rendered:
        """See :class:`retouch_engine.Engine`."""
        clock = Stopwatch(progress)
        self._carrier.start()
        photo, done, made = self._pixels(order, clock)
        files = {role: order.staging / name for role, name in _NAMES.items()}
        facts = self._facts(photo, done)
        packet = build_packet(metadata_of(photo.metadata).xmp, facts)
        with clock.stage("write"):
            rows = _written(files, photo, done, order, packet, facts)
        link = linked(order.source, order.staging)
        document = self._carried_into_document(files[Role.PSD], link, photo, clock)
        with borrowed("prove", 2) as hands:
            # Exiftool is a process of its own and touches the result alone: the layers are proved meanwhile.
            layers = hands.submit(_prove_layers, files, photo, done, order)
            recorded = hands.submit(self._recorded, order, photo, done, made)
            compare, signed = self._carried(files[Role.RESULT], link, photo, done, order, clock)
            carried = hands.submit(compare)
            staged = {role: path for role, path in files.items() if path.exists()}
            digests = hands.submit(_digests, staged)
            with clock.stage("prove"):
                proof = prove_result(files[Role.RESULT], photo, done.patches, order.finish, packet)
                layers.result()
            record = recorded.result()
            with clock.stage("digest"):
                record["outputs"] = digests.result()
            arrived = carried.result()
        record["seconds"] = done.seconds | clock.seconds
        record["outside_unchanged"] = proof.outside_unchanged
        record["proof"] = asdict(proof)
        record["metadata"] = asdict(arrived)
        record |= signed
        record["notes"] += _metadata_notes(photo, arrived, signed) + document + warnings(made)
        record["contact"] = {"rows": rows}
        return Rendered(staged, record)

    def preview(self, order: Order, progress: Progress) -> dict[str, Any]:
        """See :class:`retouch_engine.Engine`."""
        clock = Stopwatch(progress)
        photo, done, made = self._pixels(order, clock)
        record = self._recorded(order, photo, done, made)
        record["seconds"] = done.seconds | clock.seconds
        record["notes"] += warnings(made)
        return record

    def about(self) -> dict[str, str]:
        """See :class:`retouch_engine.Engine`."""
        return {
            "engine": __version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "exiftool": self._carrier.version or "not found: essential tags are carried without it",
            "face parts": "known" if knows_faces() else "not known without onnxruntime (extra: cpu)",
            **self._residency.about(),
        }

    def residency(self) -> dict[str, dict[str, Any]]:
        """See :class:`retouch_engine.Engine`."""
        return self._residency.figures()

    def close(self) -> None:
        """See :class:`retouch_engine.Engine`."""
        self._carrier.close()
        self._residency.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pixels(self, order: Order, clock: Stopwatch) -> tuple[Photo, Retouched, Plan]:
        _check_name(order.source)
        made = self._residency.plan_for(order.recipe)
        crew = Crew(
            self._residency.healers(made), order.finish.threads, self._residency.opinions(order.recipe)
        )
        with clock.stage("decode"):
            photo = read_photo(order.source, self._limits, order.finish.threads, ours=order.own_output)
            mask = None
            if order.painted_mask is not None:
                mask = read_painted_mask(order.painted_mask, photo, self._limits)
        last = _last_run(photo, order, crew.healers)
        beside = Beside(mask, order.sitting, last.standing)
        done = retouch(photo, last.recipe, clock.tell, order.corrections, beside, crew)
        return photo, replace(done, notes=(*done.notes, *last.notes), last_run=last.told), made

    def _carried_into_document(self, path: Path, link: Path, photo: Photo, clock: Stopwatch) -> list[str]:
        """The source's metadata into the Photoshop document, where there is one; what to note of that."""
        if not path.exists():
            return []
        with clock.stage("metadata"):
            note = self._carrier.carry(link, path, document_exif(photo)).note
        return [f"Photoshop document: {note}"] if note else []

    def _carried(
        self, result: Path, link: Path, photo: Photo, done: Retouched, order: Order, clock: Stopwatch
    ) -> tuple[Callable[[], CarryReport], dict[str, Any]]:
        """The source's metadata into the result, and its signature; what finds out what became of both."""
        source = metadata_of(photo.metadata)
        with clock.stage("metadata"):
            copied = self._carrier.copy(link, result, said_otherwise(source, source.turn))
        compare = partial(self._carrier.compare, link, result, copied)
        if order.finish.signing is None:
            return compare, {}
        with clock.stage("sign"):
            return compare, {"c2pa": _signed(link, result, done, order)}

    def _recorded(self, order: Order, photo: Photo, done: Retouched, made: Plan) -> dict[str, Any]:
        """The record, without what is known only when all is done."""
        asked = opinions_told(self._residency.opinions(order.recipe))
        return _record(order, photo, done) | told(made, done.spots) | asked

    def _facts(self, photo: Photo, done: Retouched) -> XmpFacts:
        source = metadata_of(photo.metadata)
        totals = counts(done.spots)
        return XmpFacts(
            source_digest=photo.digest,
            recipe_digest=done.corrections.key(done.standing.begun.digest),
            when=datetime.now(UTC),
            found=totals["found"],
            healed=totals["healed"],
            kept=totals["kept"],
            review=totals["review"] + totals["failed"],
            generative=sum(spot.model is not None for spot in done.spots),
            orientation=source.orientation,
            turn=source.turn,
            fallback={} if self._carrier.available else source.fallback,
        )


def _check_name(source: Path) -> None:
    """Control characters in a name are refused before any other program can see them."""
    if any(ord(c) < 32 or ord(c) == 127 for c in source.name):
        raise UnusableName(source, "it holds control characters")


@dataclass(frozen=True, slots=True)
class _LastRun:
    """What a photo's last run leaves: the recipe to go on by, and what stands where it can be taken up."""

    recipe: Recipe
    standing: Standing | None = None
    notes: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


def _last_run(photo: Photo, order: Order, healers: Collection[HealerId]) -> _LastRun:
    """What stands since the last run; without it, a note when there should have been one."""
    if order.before is None:
        return _LastRun(order.recipe) if not order.before_lost else _lost(order.before_lost, order.recipe)
    try:
        standing = resumed(order.before, photo, order.recipe, order.corrections, healers)
    except NotResumable as error:
        return _lost(str(error), error.recipe or order.recipe)
    begun = standing.begun
    other = begun.digest != order.recipe.digest
    note = f"what was decided by version {begun.version} with the settings of then stands; only what a"
    notes = (f"{note} person changed was done again",) if other else ()
    return _LastRun(begun.recipe, standing, notes, {"taken_up": True, "other_settings": other})


def _lost(why: str, recipe: Recipe) -> _LastRun:
    note = f"done from the beginning: {why}"
    return _LastRun(recipe, notes=(note,), told={"taken_up": False, "why": why})


def _signed(link: Path, result: Path, done: Retouched, order: Order) -> dict[str, Any]:
    """Sign the result as the order asks; what the record says of it."""
    assert order.finish.signing is not None
    facts = {
        "title": f"{shown(order.source.stem)}-retouched.tif",
        "source_title": shown(order.source.name),
        "source_type": source_type(generative=any(spot.model is not None for spot in done.spots)),
        "healed": counts(done.spots)["healed"],
    }
    return sign(result, link, order.finish.signing, facts)


def _written(
    files: Mapping[Role, Path],
    photo: Photo,
    done: Retouched,
    order: Order,
    packet: bytes,
    facts: XmpFacts,
) -> list[dict[str, Any]]:
    """Write every staged file; the sprite's rows. The small ones are written beside the large one."""
    review = [(s.spot.box, s.spot.mask) for s in _offered(done)]
    marks = Marks(review, {s.id for s in done.spots if s.model is not None})
    with borrowed("write", 2) as hands:
        layer = hands.submit(_write_layer, files[Role.HEAL], photo, done, order, marks)
        mask = hands.submit(write_mask, files[Role.MASK], photo, done.patches, review)
        sheet = hands.submit(write_contact, files[Role.CONTACT], photo, done.patches, done.spots)
        view = hands.submit(write_overview, files[Role.VIEW], photo, done.patches)
        if order.finish.psd:
            write_psd(files[Role.PSD], photo, done.patches, marks, document_packet(photo, facts))
        write_result(files[Role.RESULT], photo, done.patches, order.finish, packet, marks)
        layer.result()
        mask.result()
        view.result()
        files[Role.XMP].write_bytes(packet)
        return sheet.result()


def _write_layer(path: Path, photo: Photo, done: Retouched, order: Order, marks: Marks) -> None:
    memo = packed(done.standing, photo, done.corrections.applied(done.standing.begun.recipe))
    write_heal_layer(path, photo, done.patches, order.finish, marks, memo)


def _offered(done: Retouched) -> list[Any]:
    """Steps whose spot a person is asked to look at."""
    asked = {s.id for s in done.spots if s.decision in (Decision.REVIEW, Decision.FAILED)}
    return [step for step in done.steps if step.spot.id in asked]


def _prove_layers(files: Mapping[Role, Path], photo: Photo, done: Retouched, order: Order) -> None:
    if order.finish.psd:
        prove_merged(files[Role.PSD], photo, done.patches)
    prove_heal_layer(files[Role.HEAL], photo, done.patches, order.finish)


def _digests(staged: Mapping[Role, Path]) -> dict[str, dict[str, Any]]:
    def one(path: Path) -> dict[str, Any]:
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        return {"sha256": digest, "bytes": path.stat().st_size}

    return {role.value: one(path) for role, path in staged.items()}


def _record(order: Order, photo: Photo, done: Retouched) -> dict[str, Any]:
    source, begun = metadata_of(photo.metadata), done.standing.begun
    return {
        "schema": RECORD_SCHEMA,
        "engine": {
            "version": __version__,
            "decided_by": begun.version,
            "recipe": begun.recipe.as_json(),
            "recipe_digest": done.corrections.key(begun.digest),
            "seed": begun.recipe.seed,
            "detector": done.standing.detector,
        },
        "source": {
            "name": order.source.name,
            "sha256": photo.digest,
            "width": photo.width,
            "height": photo.height,
            "bit_depth": photo.bit_depth,
            "grey": photo.grey,
            "extra_channels": 0 if photo.extra is None else int(photo.extra.shape[2]),
            "profile_bytes": len(photo.profile or b""),
            "orientation": source.orientation,
        },
        "scale": asdict(done.scene.scale),
        "faces": [_face(face) for face in done.scene.faces],
        "skin_share": round(done.scene.skin_share, 4),
        "counts": counts(done.spots),
        "seconds": {},
        "notes": list(done.notes),
        "corrections": done.corrections.as_json(),
        "last_run": dict(done.last_run),
        "followed": _followed(order, done),
        "spots": [_plain(spot) for spot in done.spots],
    }


def _followed(order: Order, done: Retouched) -> dict[str, Any]:
    """What other photos had a say. In a run that was taken up nobody is asked again."""
    followed = done.standing.followed
    sitting = Sitting(settled=followed) if done.last_run.get("taken_up") else order.sitting
    return {
        "recipe": done.standing.begun.digest,
        "sitting": sitting.digest,
        "photos": [face.photo for face in sitting.faces],
        "spots": [asdict(one) for one in followed],
    }


def _face(face: Face) -> dict[str, Any]:
    """Where a face lies, for whoever has to find a place on it."""
    eyes = [[round(x, 1), round(y, 1)] for x, y in face.eyes]
    box = face.box
    return {
        "id": face.id,
        "box": [box.x0, box.y0, box.width, box.height],
        "eyes": eyes,
        "px_per_mm": face.scale.px_per_mm,
    }


def _plain(spot: SpotRecord) -> dict[str, Any]:
    """A spot as JSON values; of models only where there was one."""
    # What asdict says, which looks into each of a spot's forty numbers: 7 ms of a small photo.
    told = ((field.name, getattr(spot, field.name)) for field in fields(spot))
    values = {name: dict(value) if isinstance(value, Mapping) else value for name, value in told}
    return values if spot.model else {k: v for k, v in values.items() if k != "model"}


def _metadata_notes(photo: Photo, carried: CarryReport, signed: Mapping[str, Any]) -> list[str]:
    source = metadata_of(photo.metadata)
    told = source.credentials or names_credentials(source.xmp)
    # A signed result keeps them, as those of the photo that it was made from.
    left = told and not signed.get("c2pa", {}).get("source")
    notes = [*source.notes, packet_trouble(source.xmp), carried.note, _NO_CREDENTIALS if left else ""]
    return [note for note in notes if note]
