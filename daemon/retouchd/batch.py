"""The same work once, without a daemon: ``retouchd process``.

Uses the same worker process, recipes, names and publisher as the service, so that a file gets the same
result whichever way it came; it only keeps no journal. What it remembers lies in the decision records.
"""

from __future__ import annotations

import os
import select
import tempfile
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from retouch_engine import Order, Recipe
from retouchd import models, naming, presence
from retouchd.config import Settings, overrides
from retouchd.errors import EngineUnavailable, JobError, SourceGone, TargetUnavailable
from retouchd.jobs import Digest, Failure, Outcome, Signature
from retouchd.results import corrections, publish, record, sittings
from retouchd.results.contact import ContactPages
from retouchd.results.corrections import LastRun, Memory
from retouchd.results.publish import Parcel
from retouchd.watch import scanner
from retouchd.work import protocol
from retouchd.work.crew import cards_of
from retouchd.work.supervisor import Supervisor, WorkerPlan

_START_FAILURES = 2


@dataclass(frozen=True, slots=True)
class Item:
    """One file to do: where from, where to, and how far up a ``retouch.toml`` counts."""

    source: Path
    folder: Path
    top: Path
    barred: str = ""
    """Why ``source``, a folder, cannot be listed: there may be photos in it, and none of them is done."""

    @property
    def named(self) -> bool:
        """Whether it was named itself, and not found in a folder."""
        return self.top == Path(self.source.anchor)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for."""

    preset: str | None = None
    """None: that of the watched folder. A photo done by another one than is named here is done anew."""
    out: Path | None = None
    mask: Path | None = None
    dry_run: bool = False
    force: bool = False
    """Whether a result of ours is healed once more."""
    only_corrections: bool = False
    """Whether what is done stays as it is, under whichever settings, but for what a person corrected."""


@dataclass(frozen=True, slots=True)
class Report:
    """How one file ended."""

    source: Path
    record: dict[str, Any] | None = None
    result: Path | None = None
    adopted: bool = False
    failure: Failure | None = None


def items(paths: Iterable[Path], out: Path | None, settings: Settings) -> list[Item]:
    """The files to do: the named ones, and the photos below the named folders, each once.

    Without ``out`` results go where the service puts them: of a folder with a mirror they lay beside the
    photos, and what a person had corrected in the mirror was not seen.
    """
    found: dict[Path, Item] = {}
    for given in paths:
        path = Path(os.path.abspath(given))  # noqa: PTH100 - resolve() would follow symlinks
        if _is_folder(path):
            look = scanner.scan(os.fsencode(path))
            for name in look.files:
                source = Path(os.fsdecode(name))
                folder = out / source.parent.relative_to(path) if out else settings.results_of(source)
                found.setdefault(source, Item(source, folder, path))
            for name, why in look.unreadable.items():
                place = Path(os.fsdecode(name))
                found.setdefault(place, Item(place, place, path, barred=why))
        else:
            found.setdefault(path, Item(path, out or settings.results_of(path), Path(path.anchor)))
    return list(found.values())


def _is_folder(path: Path) -> bool:
    try:
        return presence.folder(path)
    except OSError:
        return False  # what is wrong with it is told when its turn comes, and the others are done


class Batch:
    """Does files one after another. Use as a context manager."""

    def __init__(self, settings: Settings, wish: Wish, engine: str = protocol.ENGINE_FACTORY) -> None:
        self._settings, self._wish = settings, wish
        self._scratch = tempfile.TemporaryDirectory(prefix="retouchd-")
        scratch = Path(self._scratch.name)
        self._stock = models.offer(settings).stock
        plan = WorkerPlan(engine, settings.limits.max_megapixels, scratch, settings.memory_bytes, self._stock)
        plan = replace(plan, card=cards_of(settings, self._stock)[0])
        self._keeper = Supervisor(plan, settings.limits.job_seconds)
        self._pages = ContactPages()

    def __enter__(self) -> Self:
        """Nothing is started before the first file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the worker, write the pages, remove what was staged."""
        self._keeper.stop()
        self._pages.step(everything=True)
        self._scratch.cleanup()

    def do(self, item: Item, stage: Callable[[str], None] = lambda _: None) -> Report:
        """Do one file; failures are values.

        Raises:
            EngineUnavailable: no worker can be started at all.
        """
        if item.barred:
            return Report(item.source, failure=Failure("folder", f"cannot be listed: {item.barred}", True))
        try:
            return self._attempt(item, stage)
        except JobError as error:
            return Report(item.source, failure=Failure.of(error))
        except OSError as error:
            return Report(item.source, failure=Failure.of_system(error))

    def _attempt(self, item: Item, stage: Callable[[str], None]) -> Report:
        naming.first_set(item.source, item.folder)
        self._check_mirror(item)
        try:
            signature = Signature.of(item.source.stat())
        except FileNotFoundError:
            raise SourceGone(item.source, "is not there") from None
        preset = self._settings.preset_of(item.source, self._wish.preset)
        plain = overrides.recipe_for(item.source, item.top, preset, self._settings)
        recipe = replace(plain, models=self._stock.names)
        answer = self._talk({"op": "digest", "source": str(item.source)}, lambda _: None)
        if isinstance(answer, Outcome):
            return Report(item.source, failure=answer.failure)
        if not self._wish.dry_run:
            record.take_over(item.source, item.folder, answer["sha256"])
        memory = corrections.read(item.source, item.folder, answer["sha256"])
        edited = self._mask(item, memory)
        if not edited and not self._wish.dry_run and (done := self._done_before(item, memory, recipe)):
            return done
        outcome = self._ask(item, recipe, memory, edited[0] if edited else None, stage)
        if outcome.failure:
            return Report(item.source, failure=outcome.failure)
        if self._wish.dry_run:
            return Report(item.source, record=outcome.record)
        if edited:
            memory = corrections.learned(memory, outcome.record, "mask")
            memory = replace(memory, masks=(*memory.masks, edited[1]), approved="")
            corrections.write(item.source, item.folder, memory)
        return self._publish(item, memory, signature, outcome)

    def _check_mirror(self, item: Item) -> None:
        """A mirror whose share is away is waited for by the service; made here, it would fill the disk below.

        Raises:
            TargetUnavailable: it is not there.
        """
        tops = [w.mirror for w in self._settings.watch if w.mirror and not self._wish.out]
        for top in tops:
            if item.folder.is_relative_to(top) and not presence.folder(top):
                raise TargetUnavailable(top, "it is not there")

    def _mask(self, item: Item, memory: Memory) -> tuple[Path, Digest] | None:
        """The mask to read: the one that was named, or one of ours that somebody edited."""
        if self._wish.mask:
            return self._wish.mask, record.digest_of(self._wish.mask)
        return corrections.edited_mask(item.source, item.folder, memory.masks)

    def _done_before(self, item: Item, memory: Memory, recipe: Recipe) -> Report | None:
        """The result that already lies there for this very work, untouched."""
        digest, key = Digest(memory.sha256), Digest(memory.decided.key(recipe.digest))
        done = publish.find_done(item.source, item.folder, digest, key)
        if done is None and self._wish.only_corrections:
            done = corrections.done_before(item.source, item.folder, digest)
        if done is None:
            return None
        self._touch(done.names.folder)
        return Report(item.source, done.record, done.names.path("result"), adopted=True)

    def _ask(
        self, item: Item, recipe: Recipe, memory: Memory, mask: Path | None, stage: Callable[[str], None]
    ) -> Outcome:
        staging = Path(tempfile.mkdtemp(dir=self._scratch.name, prefix="job-"))
        op = "preview" if self._wish.dry_run else "retouch"
        finish, own = self._settings.finish, self._wish.force
        last = self._last_run(item, memory, painted=mask is not None)
        sitting = sittings.recalled(item.source, item.folder, memory.sha256, recipe)
        order = Order(
            item.source, staging, recipe, finish, memory.decided, sitting, mask, last.heal, last.lost, own
        )
        answer = self._talk(protocol.order(op, order), stage)
        assert isinstance(answer, Outcome)
        return answer

    def _last_run(self, item: Item, memory: Memory, *, painted: bool) -> LastRun:
        last = corrections.last_run(item.source, item.folder, memory, painted=painted)
        by_another = self._wish.preset not in {None, last.preset} and not self._wish.only_corrections
        return LastRun() if last.heal and by_another else last

    def _talk(self, order: dict[str, Any], stage: Callable[[str], None]) -> dict[str, Any] | Outcome:
        """Send one order and wait for its end."""
        while not self._keeper.ready:
            self._listen()
        self._keeper.send(order)
        while True:
            for message in self._listen():
                if isinstance(message, Outcome) or message["event"] == "digest":
                    return message
                if message["event"] == "stage":
                    stage(message["name"])

    def _listen(self) -> list[dict[str, Any] | Outcome]:
        """What the worker says next; a worker that died is started again."""
        self._keeper.keep_running()
        if self._keeper.fd is not None:
            select.select([self._keeper.fd], [], [], 0.5)
        messages = list(self._keeper.poll())
        if self._keeper.failures >= _START_FAILURES:
            raise EngineUnavailable(self._keeper.why_not_ready)
        return messages

    def _publish(self, item: Item, memory: Memory, signature: Signature, outcome: Outcome) -> Report:
        item.folder.mkdir(parents=True, exist_ok=True)
        parcel = Parcel(
            source=item.source,
            signature=signature,
            folder=item.folder,
            token=f"p{os.getpid()}-{uuid.uuid4().hex[:8]}",
            record=outcome.record,
            files=record.staged_files(outcome, self._settings),
            recipe=record.recipe_digest(outcome.record),
            reserve_bytes=self._settings.limits.free_space_mb * 1_000_000,
            collected=item.folder != item.source.parent,
            read_masks=memory.masks,
        )
        published = publish.publish(parcel)
        for staged in parcel.files.values():
            staged.path.unlink(missing_ok=True)
        self._touch(published.names.folder)
        return Report(
            item.source, published.record, published.names.path("result"), adopted=published.adopted
        )

    def _touch(self, folder: Path) -> None:
        if self._settings.output.contact_sheet:
            self._pages.touch(folder)
            self._pages.step()
