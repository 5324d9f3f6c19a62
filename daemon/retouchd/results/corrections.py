"""What people decided about photos, on disk: ``_retouchd/corrections/IMG_0412.tif.json``, and edited masks.

One file a photo, beside its results and independent of any journal, so that a correction survives a redo, an
``undo`` and another machine. It belongs to the very bytes of its photo: boxes mean nothing on another crop.
A mask that somebody edited is read once into such a file; its digest is kept there, so that it is known as
read. The file is also what ``learn`` learns from: each wish keeps the kind, score and features that it was
given against.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retouch_engine import CORRECTIONS_SCHEMA, Corrections, EngineError, Role
from retouchd import naming, ours, presence
from retouchd.errors import JobError, UnsafeFolder
from retouchd.jobs import Digest
from retouchd.naming import CORRECTIONS_FOLDER, OWN_FOLDER, RECORD
from retouchd.results import publish, record
from retouchd.results.publish import Published
from retouchd.text import shown

_MOST_BYTES = 16 << 20
_FACTS = ("kind", "score", "features", "diameter_px", "diameter_mm", "decision", "reason")
"""What was known of a spot when a person decided about it."""


class BrokenCorrections(JobError):
    """A file of corrections that cannot be used; healing without it would undo what a person did."""

    code = "corrections"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{shown(path)}: {why}")


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one photo."""

    source: str
    """The photo's name."""
    sha256: str
    decided: Corrections = field(default_factory=Corrections)
    facts: tuple[Mapping[str, Any], ...] = ()
    """For each wish, in order: what was known of its spot, by whom and when it was decided."""
    masks: tuple[str, ...] = ()
    """Digests of edited masks that were read."""
    approved: str = ""
    """When a person approved the result, as ISO 8601; empty when nobody did."""
    approved_result: str = ""
    """Digest of the result that was approved; empty for whichever comes of what was decided."""

    def approves(self, told: dict[str, Any]) -> bool:
        """Whether a person approved the result that a record tells of: not one that was made since."""
        return bool(self.approved) and self.approved_result in {"", record.result_digest(told)}

    def as_json(self) -> dict[str, Any]:
        """The file's content."""
        told = self.decided.as_json()
        notes = [*self.facts, *({} for _ in self.decided.spots)]
        spots = [{**note, **spot} for note, spot in zip(notes, told["spots"], strict=False)]
        source = {"name": self.source, "sha256": self.sha256}
        word = {"approved": self.approved, "approved_result": self.approved_result}
        rest = {"masks": list(self.masks), **word, **told, "spots": spots}
        return {"schema": CORRECTIONS_SCHEMA, "source": source, **rest}


def path_of(source: Path, folder: Path) -> Path:
    """Where a photo's corrections lie, in the folder of its results."""
    return folder / OWN_FOLDER / CORRECTIONS_FOLDER / f"{source.name}.json"


def _aside(path: Path, digest: str) -> Path:
    """Where the corrections of other bytes under the same name are kept, so that nobody's are overwritten.

    A long name is cut: asked for a file of more than 255 bytes the disk refuses, and no correction of a photo
    with a name of 240 was ever read.
    """
    name, tail = path.name.removesuffix(".json"), f".{digest[:12]}.json"
    while len(os.fsencode(name + tail)) > naming.NAME_MAX_BYTES:
        name = name[:-1]
    return path.with_name(name + tail)


def read(source: Path, folder: Path, digest: str) -> Memory:
    """What is remembered of a photo with these bytes; an empty memory when there is nothing.

    Raises:
        BrokenCorrections: there is a file, and it cannot be used.
    """
    path = path_of(source, folder)
    fresh = Memory(source.name, digest)
    told = _told(path)
    if _whose(told) != digest:
        path = _aside(path, digest)
        told = _told(path)
    if told is None or _whose(told) != digest:
        return fresh
    try:
        decided = Corrections.from_json(told)
    except EngineError as error:
        raise BrokenCorrections(path, str(error)) from None
    return replace(
        fresh,
        decided=decided,
        facts=tuple(_noted(spot) for spot in told.get("spots", [])),
        masks=tuple(m for m in _listed(told, "masks") if isinstance(m, str)),
        approved=str(told.get("approved") or ""),
        approved_result=str(told.get("approved_result") or ""),
    )


def read_anywhere(source: Path, folder: Path, digest: str, others: Iterable[tuple[Path, Path]]) -> Memory:
    """As :func:`read`; where nothing is remembered, what is of the same bytes under another name.

    It is written down for this name then. A photo that was renamed lost what a person had kept in it.

    Args:
        source: the photo.
        folder: where its results lie.
        digest: SHA-256 of its bytes.
        others: photos of the same bytes, each with the folder of its results.

    Raises:
        BrokenCorrections: there is a file, and it cannot be used.
        UnsafeFolder, OSError: as :func:`write`.
    """
    memory = read(source, folder, digest)
    for photo, place in others if memory == Memory(source.name, digest) else ():
        found = read(photo, place, digest)
        if found.decided != Corrections():
            memory = replace(found, source=source.name, masks=(), approved="")
            write(source, folder, memory)
            break
    return memory


def _told(path: Path) -> dict[str, Any] | None:
    """What a file of corrections says; None when there is none."""
    try:
        return ours.read(path, CORRECTIONS_SCHEMA, _MOST_BYTES)
    except ours.NotOurs as error:
        raise BrokenCorrections(path, f"{error}; repair or remove it") from None


def _whose(told: Mapping[str, Any] | None) -> str:
    """The digest of the photo that a file of corrections belongs to; empty when it does not say."""
    about = (told or {}).get("source")
    return str(about.get("sha256", "")) if isinstance(about, dict) else ""


def write(source: Path, folder: Path, memory: Memory) -> None:
    """Put a photo's corrections in their place, whole.

    Raises:
        UnsafeFolder: a symlink where our folder should be.
        OSError: it cannot be written.
    """
    path = path_of(source, folder)
    with publish.locked(path.parent.parent):
        if presence.link(path.parent) or presence.link(path):
            raise UnsafeFolder(path.parent)
        path.parent.mkdir(exist_ok=True)
        with contextlib.suppress(BrokenCorrections):
            other = _whose(_told(path))
            if other not in {"", memory.sha256}:
                path.replace(_aside(path, other))
        ours.write(path, memory.as_json(), folder.stat().st_mode & 0o666)


def learned(memory: Memory, told: dict[str, Any], by: str) -> Memory:
    """The memory after a render: the wishes that the engine read from a mask, with what is known of each."""
    decided = Corrections.from_json(told.get("corrections", {}))
    fresh = decided.spots[len(memory.decided.spots) :]
    spots = {tuple(s.get("box", ())): s for s in told.get("spots", []) if isinstance(s, dict)}
    facts = tuple(noted(spots.get(spot.box, {}), by) for spot in fresh)
    known = (*memory.facts, *({} for _ in memory.decided.spots))[: len(memory.decided.spots)]
    return replace(memory, decided=decided, facts=(*known, *facts))


def noted(spot: Mapping[str, Any], by: str) -> dict[str, Any]:
    """What to remember of a spot when a person decides about it."""
    facts = {key: spot[key] for key in _FACTS if key in spot}
    return {**facts, "by": by, "at": datetime.now(UTC).isoformat(timespec="seconds")}


def edited_mask(source: Path, folder: Path, masks: tuple[str, ...]) -> tuple[Path, Digest] | None:
    """A mask among this photo's results that somebody edited and nobody has read yet, with its digest."""
    for names, told in reversed(record.sets_of(source, folder)):
        path = names.path(Role.MASK)
        if not record.untouched(told, names, Role.MASK, lambda: None) and not presence.link(path):
            digest = record.digest_of(path)
            if digest not in masks:
                return path, digest
    return _painted_before(source, folder, masks)


def _painted_before(source: Path, folder: Path, masks: tuple[str, ...]) -> tuple[Path, Digest] | None:
    """A mask that lies where this photo's will lie, put there before the photo was ever done."""
    names = naming.first_set(source, folder)
    path = names.path(Role.MASK)
    if os.path.lexists(names.path(RECORD)) or not presence.plain(path):
        return None
    digest = record.digest_of(path)
    return None if digest in masks else (path, digest)


@dataclass(frozen=True, slots=True)
class LastRun:
    """Where a correction goes on: in that run nothing is decided anew but what the person named."""

    heal: Path | None = None
    lost: str = ""
    """Why there is none, of a photo that was done and corrected."""
    preset: str = ""


def last_run(source: Path, folder: Path, memory: Memory, *, painted: bool) -> LastRun:
    """The last run of a photo whose latest result does not show what a person decided.

    Of any other photo nothing: whoever has that done again wants it by what holds now.

    Args:
        source: the photo.
        folder: where its results lie.
        memory: what a person decided about these very bytes.
        painted: whether a painted mask is still to be read.
    """
    sets = record.sets_of(source, folder)
    known = [one for one in sets if record.source_digest(one[1]) == memory.sha256]
    if not known:
        return LastRun(lost="there is no record of an earlier result" if memory.decided.spots else "")
    names, told = known[-1]
    if not painted and shows(told, memory):
        return LastRun()
    path, preset = names.path(Role.HEAL), record.preset(told)
    if not presence.plain(path) or path.stat().st_size == 0:
        return LastRun(lost=f"{shown(path.name)} is not there", preset=preset)
    if not record.untouched(told, names, Role.HEAL, lambda: None):
        return LastRun(lost=f"{shown(path.name)} was changed since", preset=preset)
    return LastRun(path, preset=preset)


def decided_below(top: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Everything that people decided below a folder: the photo, and the wish with what was known of its spot.

    Once each: a photo that was renamed has them under both names. Files that cannot be used are left out:
    nothing is healed because of what is read here.
    """
    known: set[str] = set()
    for place, folders, names in os.walk(top):
        folders.sort()
        if Path(place).name != CORRECTIONS_FOLDER or Path(place).parent.name != OWN_FOLDER:
            continue
        for name in sorted(n for n in names if n.endswith(".json")):
            with contextlib.suppress(BrokenCorrections, OSError):
                told = _told(Path(place, name)) or {}
                whose = _whose(told) or name
                for spot in (s for s in _listed(told, "spots") if isinstance(s, dict)):
                    if (words := json.dumps([whose, spot], sort_keys=True)) not in known:
                        known.add(words)
                        yield whose, spot


def latest(source: Path, folder: Path) -> dict[str, Any] | None:
    """The record of the latest results of a photo; None when there is none."""
    return next((told for _, told in reversed(record.sets_of(source, folder))), None)


def done_before(source: Path, folder: Path, digest: str) -> Published | None:
    """The latest results, when they are of these very bytes and show what a person decided.

    Under whichever settings and version they were made, and edited or not.
    """
    for names, told in reversed(record.sets_of(source, folder)):
        done = Published(names, told, adopted=True, other_settings=True)
        shows = record.source_digest(told) == digest and done.is_there and not outdated(source, folder)
        return done if shows else None
    return None


def outdated(source: Path, folder: Path) -> bool:
    """Whether the latest results do not show what a person decided.

    A file that cannot be used or read counts as outdated: the job then says what is wrong with it.
    """
    try:
        return _shows_less_than_decided(source, folder)
    except (BrokenCorrections, OSError):
        return True


def _shows_less_than_decided(source: Path, folder: Path) -> bool:
    for names, told in reversed(record.sets_of(source, folder)):
        memory = read(source, folder, record.source_digest(told))
        edited = edited_mask(source, folder, memory.masks) is not None
        return edited or (not shows(told, memory) and presence.anything(names.path(Role.RESULT)))
    return False


def shows(told: dict[str, Any], memory: Memory) -> bool:
    """Whether a result shows what a person decided."""
    there: object = told.get("corrections", Corrections().as_json())
    return there == memory.decided.as_json()


def _noted(spot: object) -> dict[str, Any]:
    keys = (*_FACTS, "by", "at")
    return {k: spot[k] for k in keys if k in spot} if isinstance(spot, dict) else {}


def _listed(told: Mapping[str, Any], key: str) -> list[Any]:
    value = told.get(key)
    return value if isinstance(value, list) else []


def photo_of(entry: Path) -> str | None:
    """The name of the photo that a mask or a file of corrections in one of our folders belongs to."""
    if entry.parent.name == CORRECTIONS_FOLDER:
        return entry.name.removesuffix(".json")
    told = record.read(naming.set_of_mask(entry).path(RECORD))
    with contextlib.suppress(AttributeError):
        return str((told or {}).get("source", {}).get("name", "")) or None
    return None
