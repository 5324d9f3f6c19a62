"""A single-pass edit on its way to a person: candidates in a folder to choose from, and pairs to train on.

Candidates are put where no watched folder is looked at (``_retouchd``), under names that were free, and carry
the mark of our own results: nothing here is ever published, and no service takes one for a photo. Pairs are
cut from results that lie there as this program left them, so that nobody else's edits are learned.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retouch_engine import Decision, Editing, Role, write_pairs
from retouchd import batch, naming
from retouchd.config import Settings
from retouchd.naming import OWN_FOLDER
from retouchd.results import corrections, publish, record

CANDIDATES_FOLDER = "candidates"
PROMPT = "retouch the skin: remove blemishes, keep pores, moles and freckles"
"""What pairs are captioned with, and so what their LoRA is asked for."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """One candidate on disk; without a path when the model changed nothing that is believed."""

    path: Path | None
    record: dict[str, Any]


def propose(editing: Editing, source: Path, out: Path | None) -> Iterator[Proposed]:
    """Have a photo edited and put each candidate, with its record, beside it or into ``out``.

    Raises:
        EngineError: the photo cannot be read, or the model cannot be used.
        BadName, NameTooLong: its name leaves no room for ours.
        OSError: the folder cannot be written.
    """
    naming.first_set(source, source.parent)
    folder = out or source.parent / OWN_FOLDER / CANDIDATES_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="retouchd-edit-lora-") as scratch:
        for candidate in editing.candidates(source, Path(scratch)):
            if candidate.path is None:
                yield Proposed(None, candidate.record)
                continue
            path = _placed(candidate.path, folder, source.stem)
            told = json.dumps(candidate.record, indent=1, ensure_ascii=True, default=str)
            path.with_suffix(".json").write_text(told + "\n", "ascii")
            candidate.path.unlink()
            yield Proposed(path, candidate.record)


def _placed(staged: Path, folder: Path, stem: str) -> Path:
    """Copy a file in, whole or not at all, under the next name that nobody has."""
    part = folder / naming.part_name(f"{os.getpid()}", "candidate")
    try:
        publish.copy_whole(staged, part)
        number = 1
        while True:
            path = folder / f"{stem}-candidate-{number}.tif"
            with contextlib.suppress(FileExistsError):
                # A reservation first: rename alone would replace what is there; some shares have no links.
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
                part.replace(path)
                return path
            number += 1
    finally:
        part.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Exported:
    """How many pairs a photo gave, and why it gave none."""

    source: Path
    pairs: int
    why: str = ""


def export(
    paths: Iterable[Path], out: Path, size: int, settings: Settings, *, approved: bool
) -> Iterator[Exported]:
    """Cut pairs out of every photo that has an untouched result, and list them for training.

    ``out`` becomes a folder of images with ``metadata.jsonl``, as the ``datasets`` library loads it:
    ``image`` is the retouched window, ``before`` the window as it was, ``text`` what to ask for.

    Args:
        paths: photos, and folders of them.
        out: where to write.
        size: side of the windows in pixels.
        settings: tell where results lie that are not beside their photos.
        approved: only photos that a person has approved.

    Raises:
        EngineError: a photo or a result cannot be read.
        OSError: the folder cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / "metadata.jsonl").open("w", encoding="ascii") as listing:
        for item in batch.items(paths, None, settings):
            found = item.barred or _result(item.source, item.folder)
            if isinstance(found, str):
                yield Exported(item.source, 0, found)
                continue
            result, told = found
            if approved and not _approved(item.source, result.parent, told):
                yield Exported(item.source, 0, "nobody has approved it")
                continue
            boxes = [_box(s) for s in told["spots"] if s.get("decision") == Decision.HEALED]
            made = list(write_pairs(item.source, result, boxes, out, size))
            for pair in made:
                line = {
                    "file_name": str(pair.after.relative_to(out)),
                    "before_file_name": str(pair.before.relative_to(out)),
                    "mask_file_name": str(pair.mask.relative_to(out)),
                    "text": PROMPT,
                }
                listing.write(json.dumps(line) + "\n")
            yield Exported(item.source, len(made), "" if made else "nothing was healed in it")


def _result(source: Path, folder: Path) -> tuple[Path, dict[str, Any]] | str:
    """The result of these very bytes, untouched, with its record; or why there is none."""
    digest, why = None, "it has no result"
    for names, told in record.sets_of(source, folder):
        digest = digest or record.digest_of(source)
        if record.source_digest(told) != digest:
            why = "its result is that of other bytes"
        elif not record.is_complete(told, names, lambda: None):
            why = "its result was changed since, or is gone"
        else:
            return names.path(Role.RESULT), told
    return why


def _approved(source: Path, folder: Path, told: dict[str, Any]) -> bool:
    return corrections.read(source, folder, record.source_digest(told)).approves(told)


def _box(spot: dict[str, Any]) -> tuple[int, int, int, int]:
    x, y, width, height = (int(n) for n in spot["box"])
    return x, y, width, height
