"""The external editor: retouches the very file that an editor made for it, and gives it back under its name.

The one place where a file that we did not write is replaced: because its owner handed it to us for that. It
is replaced by a rename, whole or not at all, and only if nobody wrote to it meanwhile; as it was it stays
in ``_retouchd/before``, which costs no copy. A second run starts from there, so that heals never lie on
heals; not when somebody worked on the file since, because that would be lost.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retouchd import batch, naming, ours, presence
from retouchd.config import Settings
from retouchd.errors import RetouchdError
from retouchd.jobs import Signature
from retouchd.naming import OWN_FOLDER
from retouchd.results import publish, record
from retouchd.text import shown
from retouchd.work import protocol

BEFORE_FOLDER = "before"
GIVEN_SCHEMA = "retouchd.given/1"
"""Of the small file beside each file as it was, with the digests of what was given back for it."""
_MOST_BYTES = 1 << 16
_OWN_OUTPUT = "own-output"
"""The engine's code for a result of ours."""
_TIFF = frozenset({".tif", ".tiff"})


class NotEditable(RetouchdError):
    """A file that cannot be given back under its own name."""

    exit_code = 1

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{shown(path)} is left as it was: {why}")


@dataclass(frozen=True, slots=True)
class Edited:
    """A file that was replaced."""

    path: Path
    before: Path
    record: dict[str, Any]


def edit(
    path: Path,
    settings: Settings,
    preset: str,
    stage: Callable[[str], None],
    engine: str = protocol.ENGINE_FACTORY,
) -> Edited:
    """Retouch a TIFF and put the result in its place.

    Raises:
        NotEditable: it was not replaced, and why.
        EngineUnavailable: no worker can be started at all.
    """
    _check(path, settings)
    before = path.parent / OWN_FOLDER / BEFORE_FOLDER / path.name
    signature = Signature.of(path.stat())
    with tempfile.TemporaryDirectory(prefix="retouchd-edit-") as scratch:
        report = _done(path, Path(scratch), settings, preset, stage, engine)
        again = report.failure is not None and report.failure.code == _OWN_OUTPUT and presence.file(before)
        if again:
            _check_untouched(path, before)
            report = _done(before, Path(scratch), settings, preset, stage, engine)
        if report.failure or report.result is None or report.record is None:
            raise NotEditable(path, report.failure.message if report.failure else "no result")
        try:
            _replace(path, report.result, before, signature, keep=not again)
        except OSError as error:
            raise NotEditable(path, error.strerror or str(error)) from None
    return Edited(path, before, report.record)


def _check(path: Path, settings: Settings) -> None:
    if path.suffix.lower() not in _TIFF:
        raise NotEditable(path, "only a TIFF can hold the result; have the editor make a 16-bit TIFF")
    if not presence.plain(path):
        raise NotEditable(path, "it is no file, or a link to one")
    if any(path.is_relative_to(w.path) for w in settings.watch):
        raise NotEditable(path, "its folder is watched, so the service does it already")
    if presence.link(path.parent / OWN_FOLDER) or presence.link(path.parent / OWN_FOLDER / BEFORE_FOLDER):
        raise NotEditable(path, f"{OWN_FOLDER} is a link")


def _given(before: Path) -> list[str]:
    """The digests of the last two results that were given back for a file as it was, if it is known."""
    try:
        told = ours.read(_note(before), GIVEN_SCHEMA, _MOST_BYTES) or {}
    except ours.NotOurs:
        return []  # nobody knows: it is written anew with the next result
    found = told.get("results")
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _note(before: Path) -> Path:
    return before.with_name(f"{before.name}.json")


def _check_untouched(path: Path, before: Path) -> None:
    """Starting anew from the file as it was must not cost what somebody did to it since.

    Raises:
        NotEditable: it is not what we gave back.
    """
    try:
        ours_still = record.digest_of(path) in _given(before)
    except OSError:
        ours_still = False
    if not ours_still:
        why = f"it was changed since it was healed; to start anew put {shown(before)} in its place"
        raise NotEditable(path, why)


def _done(
    source: Path, scratch: Path, settings: Settings, preset: str, stage: Callable[[str], None], engine: str
) -> batch.Report:
    wish = batch.Wish(preset=preset, out=scratch)
    with batch.Batch(settings, wish, engine) as work:
        return work.do(batch.Item(source, scratch, Path(source.anchor)), stage)


def _replace(path: Path, result: Path, before: Path, signature: Signature, *, keep: bool) -> None:
    """Put the result in the file's place; the file as it was keeps existing under another name."""
    part = path.parent / naming.part_name(f"edit-{os.getpid()}", "result")
    try:
        publish.copy_whole(result, part)
        with contextlib.suppress(PermissionError):  # on a share that gives all files to one user, see ours
            shutil.copymode(path, part)
        if not Signature.of(path.stat()).same_file(signature):
            raise NotEditable(path, "it was written to meanwhile; try again")
        if keep:
            _keep(path, before)
        # The one before as well: it is what lies there should we end here.
        given = [str(record.digest_of(part)), *_given(before)[:1]]
        ours.write(_note(before), {"schema": GIVEN_SCHEMA, "results": given})
        # The name of the file as it was, before that of the result: no power cut leaves neither.
        for folder in (before.parent, before.parent.parent, path.parent):
            publish.sync_folder(folder)
        part.replace(path)
        publish.sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _keep(path: Path, before: Path) -> None:
    """A second name for the file as it is; a copy where the file system has no second names.

    What an earlier file of this name was makes room: a second run would give back the older picture.
    """
    before.parent.mkdir(parents=True, exist_ok=True)
    if presence.anything(before):
        if record.digest_of(before) == record.digest_of(path):
            return
        before.replace(_free(before))
        _note(before).unlink(missing_ok=True)
    try:
        os.link(path, before)
    except OSError:
        part = before.parent / naming.part_name(f"edit-{os.getpid()}", "before")
        try:
            publish.copy_whole(path, part)
            with contextlib.suppress(PermissionError):
                shutil.copystat(path, part)
            part.replace(before)
        finally:
            part.unlink(missing_ok=True)


def _free(before: Path) -> Path:
    names = (before.with_name(f"{before.stem}-older-{n}{before.suffix}") for n in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))
