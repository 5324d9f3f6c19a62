"""From queued to done: gives each worker one photo after another and publishes what comes back.

A worker gets its next photo before the last one is published, so that copying to a slow share and
computing overlap. Every step is written to the journal before it is taken, so that a crash at any point
leaves a row from which the work resumes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import stat
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from retouch_engine import Order, Recipe, Role
from retouchd import log, naming, presence
from retouchd.config import Settings, Watch, overrides
from retouchd.errors import FolderWaits, JobError, LoopSuspected, SourceChanged, SourceGone, TargetUnavailable
from retouchd.jobs import AT_REST, GONE, Asked, Digest, Failure, Outcome, Signature, Staged, State
from retouchd.results import corrections, publish, record, sittings
from retouchd.results.corrections import Memory
from retouchd.results.publish import Parcel, Published
from retouchd.state.rows import Row
from retouchd.text import shown
from retouchd.work import protocol
from retouchd.work.desk import Desk, InHand, remembered
from retouchd.work.supervisor import Supervisor
from retouchd.work.twins import Twins
from retouchd.work.verdicts import DEADLY, after_failure, after_publishing_failed

SCRATCH = "scratch"
"""The folder in the state folder where a worker's libraries put their temporary files."""

_MOST_WAITING = 4
"""Finished results of one folder that wait until they can be written there."""
_QUIET_S = 60.0
"""After which a worker is asked about whose share is away: a large photo takes so long in one stage."""


class Dispatcher:
    """One photo in each worker, one render on its way out."""

    def __init__(self, settings: Settings, desk: Desk) -> None:
        self.settings = settings
        self.draining = False
        self._desk = desk
        self._hands: dict[Supervisor, InHand] = {}

    @property
    def _twins(self) -> Twins:
        return Twins(self.settings, self._desk)

    @property
    def current(self) -> list[tuple[Supervisor, Row]]:
        """The photos in work, each with who has it."""
        return [(keeper, hand.row) for keeper, hand in self._hands.items()]

    def step(self) -> bool:
        """Do what can be done now; True when something was."""
        stirred = False
        if self._desk.room.lacking:
            self._desk.room.is_there()  # also with nothing in line: the status said "full" until a photo came
        for keeper in self._desk.crew.everybody:
            self._let_go_of_the_dead(keeper)
            for message in list(keeper.poll()):
                stirred = True
                self._hear(keeper, message)
        for keeper in self._desk.crew.keepers:
            stirred |= not self.draining and self._feed(keeper)
        return self._publish_one() or stirred

    def abandon(self, keeper: Supervisor | None = None) -> None:
        """Queue a worker's photo, or everybody's, again, as if it had never been taken."""
        for one in [keeper] if keeper else list(self._hands):
            if hand := self._hands.pop(one, None):
                self._desk.journal.save(replace(hand.row, state=State.QUEUED, owner="", lease_until=0.0))

    def staging(self, row: Row) -> Path:
        """The folder where the engine writes a photo's files."""
        return self._desk.state_dir / "staging" / str(row.id)

    def recover(self) -> None:
        """After a start: queue what a dead daemon had in hand, and sweep what nobody waits for."""
        self._desk.journal.reclaim(self._desk.instance)
        kept = {str(r.id) for r in self._desk.journal.unpublished()}
        _sweep(self._desk.state_dir / "staging", kept)
        _sweep(self._desk.state_dir / SCRATCH)

    def _feed(self, keeper: Supervisor) -> bool:
        free = keeper.ready and not keeper.busy and not keeper.outdated
        if not free or keeper in self._hands:
            return False
        row = self._desk.journal.next_queued(self._desk.online())
        if row is None or not self._there(row) or not self._desk.room.is_there():
            return False
        try:
            recipe = self._prepare(row)
        except JobError as error:
            self._failed(row, Failure.of(error))
            return True
        except OSError as error:
            self._failed(row, Failure.of_system(error))
            return True
        claimed = self._desk.journal.claim(row, self._desk.instance)
        if claimed:
            self._hands[keeper] = InHand(claimed, recipe)
            self._hear(keeper, {"event": "claimed"})
        return True

    def _prepare(self, row: Row) -> Recipe:
        """Everything that can be wrong before the worker is troubled."""
        naming.first_set(row.file, row.file.parent)
        try:
            found = row.file.lstat()
        except FileNotFoundError:
            raise self._missing(row) from None
        if not stat.S_ISREG(found.st_mode) or not Signature.of(found).same_file(row.sig):
            raise SourceChanged(row.file)
        self._break_circle(row)
        self._mind_the_folder(row)
        watch = self._watch(row)
        recipe = overrides.recipe_for(row.file, watch.path, watch.preset, self.settings)
        return replace(recipe, models=self._desk.crew.plan.stock.names)

    def _missing(self, row: Row) -> JobError:
        """The photo is gone, or the mount below its root is that it lay on."""
        if self._desk.away(row.file):
            return TargetUnavailable(row.file.parent, "no longer mounted")
        return SourceGone(row.file)

    def _break_circle(self, row: Row) -> None:
        """The last guard against taking our own results, when names, marks and journal did not help.

        Raises:
            LoopSuspected: a result of a result by its name, or too many results of one photo.
        """
        if naming.generations(row.file.stem) > 1:
            raise LoopSuspected(row.file, "its name is that of a result of a result")
        if row.made >= self.settings.limits.generations:
            raise LoopSuspected(row.file, f"{row.made} results of this photo within a day")

    def _mind_the_folder(self, row: Row) -> None:
        """Render nothing more for a folder that takes no results.

        A client's folder in which nobody may write had its whole shoot rendered into the state folder. When
        that was full, every other folder stood still as well. One result may wait for itself alone, because
        an editor holds the one before.

        Raises:
            FolderWaits: finished results of that folder wait already.
        """
        folder, rendered = self._folder(row), self._desk.journal.unpublished()
        waiting = [r for r in rendered if r.code and self._watched(r) and self._folder(r) == folder]
        if len(waiting) >= _MOST_WAITING:
            raise FolderWaits(folder, waiting[0].reason)

    def _watched(self, row: Row) -> bool:
        return row.root in self.settings.roots

    def _watch(self, row: Row) -> Watch:
        return self.settings.roots[row.root]

    def _folder(self, row: Row) -> Path:
        return self._twins.folder(row)

    def _order(self, keeper: Supervisor, hand: InHand) -> None:
        """Ask for the digest first when this work may lie there done already: it is cheap, healing is not."""
        source, folder = hand.row.file, self._folder(hand.row)
        known = publish.may_be_done(source, folder) or presence.anything(corrections.path_of(source, folder))
        if known or self._desk.journal.has_twin(hand.row):
            keeper.send({"op": "digest", "source": str(source)})
        else:
            self._retouch(keeper, hand)

    def _retouch(self, keeper: Supervisor, hand: InHand) -> None:
        if not keeper.ready:
            self.abandon(keeper)  # the worker died right after its answer: not because of this photo
            return
        staging = self.staging(hand.row)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        memory = hand.memory or Memory(hand.row.file.name, "")
        decided, source = memory.decided, hand.row.file
        fresh = sittings.on_their_way(self._desk.journal, source)
        sitting = sittings.recalled(source, self._folder(hand.row), memory.sha256, hand.recipe, fresh)
        mask, own = hand.mask[0] if hand.mask else None, hand.row.forced == Asked.EVEN_OURS
        finish = self.settings.finish
        before, lost = hand.last.heal, hand.last.lost
        order = Order(source, staging, hand.recipe, finish, decided, sitting, mask, before, lost, own)
        keeper.send(protocol.order("retouch", order))

    def _hear(self, keeper: Supervisor, message: dict[str, Any] | Outcome) -> None:
        hand = self._hands.get(keeper)
        if hand is None:
            return
        if not self._watched(hand.row):
            if not keeper.busy:  # until then it writes where another would
                self._clean(hand.row)
                self.abandon(keeper)
            return
        try:
            self._heard(keeper, hand, message)
        except (OSError, JobError) as error:
            self._hands.pop(keeper, None)
            failure = Failure.of(error) if isinstance(error, JobError) else Failure.of_system(error)
            self._failed(hand.row, failure)

    def _heard(self, keeper: Supervisor, hand: InHand, message: dict[str, Any] | Outcome) -> None:
        if isinstance(message, Outcome):
            del self._hands[keeper]
            if message.failure:
                self._clean(hand.row)
                if message.failure.code == "disk-full":  # that of the state folder
                    self._desk.room.did_not_suffice()
                self._failed(hand.row, self._whose(hand.row, message.failure))
            else:
                self._rendered(hand, message)
        elif message["event"] == "claimed":
            self._order(keeper, hand)
        elif message["event"] == "digest":
            digest = Digest(message["sha256"])
            memory = self._twins.memory(hand.row, digest)
            mask = self._twins.edited_mask(hand.row, memory)
            last = self._twins.last_run(hand.row, memory, painted=mask is not None)
            self._hands[keeper] = replace(hand, memory=memory, mask=mask, last=last)
            self._known_or_retouch(keeper, digest)

    def _let_go_of_the_dead(self, keeper: Supervisor) -> None:
        """Free a worker that waits for a dead share: all other folders waited with it, for a quarter hour."""
        hand = self._hands.get(keeper)
        if hand and keeper.quiet_s > _QUIET_S and self._watched(hand.row) and not self._there(hand.row):
            keeper.let_go()

    def _there(self, row: Row) -> bool:
        return self._desk.there(row.root)

    def _whose(self, row: Row, failure: Failure) -> Failure:
        """A worker that stood still over a dead share did so because of the share, and not of the photo.

        A NAS that died in the middle of the same photo twice had it set aside.
        """
        if failure.code in DEADLY and not self._there(row):
            return Failure.of(TargetUnavailable(row.file.parent, "it does not answer"))
        return failure

    def _known_or_retouch(self, keeper: Supervisor, digest: Digest) -> None:
        hand = self._hands[keeper]
        row = hand.row
        if hand.mask:
            self._retouch(keeper, hand)
            return
        done = publish.find_done(row.file, self._folder(row), digest, hand.key, edited=True)
        # An update, or what was learned, is no reason to replace what a client has: only a person's word is.
        if done is None and row.forced == Asked.NOTHING:
            done = corrections.done_before(row.file, self._folder(row), digest)
        if done is None:
            self._twin_or_retouch(keeper, hand, digest)
            return
        del self._hands[keeper]
        self._done(replace(row, source_digest=digest, recipe_digest=record.recipe_digest(done.record)), done)

    def _twin_or_retouch(self, keeper: Supervisor, hand: InHand, digest: Digest) -> None:
        """The same pixels under another name were done: their result is copied, and nothing is rendered."""
        for done, renamed in self._twins.done(hand, digest):
            if files := publish.reusable(done, self._desk.alive, renamed=renamed):
                del self._hands[keeper]
                twin, work = record.source_name(done.record), record.recipe_digest(done.record)
                plan = {"files": files, "record": record.renewed(done.record), "same_as": twin}
                self._to_publish(replace(hand.row, source_digest=digest, recipe_digest=work), plan)
                return
        self._retouch(keeper, hand)

    def _failed(self, row: Row, failure: Failure) -> None:
        now = self._desk.journal.now()
        after = after_failure(row, failure, self.settings, now, random.random())  # noqa: S311 - spreads retries
        self._desk.journal.save(after)
        say = log.get().info if after.state in {State.SETTLING, State.SKIPPED} else log.get().warning
        say = log.get().error if failure.code == "loop" else say
        self._tell_failed(after, failure)
        say(str(after.state), file=row.file, job=row.id, code=failure.code, why=failure.message)

    def _tell_failed(self, after: Row, failure: Failure) -> None:
        """Of a photo that came to rest; one that somebody removed or renamed is no failure."""
        if after.state in AT_REST and failure.code != GONE:
            self._desk.failed({**_facts(after), "code": failure.code, "why": failure.message})

    def _rendered(self, hand: InHand, outcome: Outcome) -> None:
        """Write down what is to be published, with digests, before anything is."""
        self._desk.room.sufficed()
        digest, hand = record.source_digest(outcome.record), remembered(hand, outcome, self._folder(hand.row))
        masks = hand.memory.masks if hand.memory else ()
        files = record.staged_files(outcome, self.settings)
        plan = {"files": files, "record": outcome.record, "read_masks": masks}
        work = record.recipe_digest(outcome.record)
        self._to_publish(replace(hand.row, source_digest=digest, recipe_digest=work), plan)

    def _to_publish(self, row: Row, plan: dict[str, Any]) -> None:
        written = {**plan, "files": {r: s.as_json() for r, s in plan["files"].items()}}
        text = json.dumps({**written, "recipe": row.recipe_digest}, default=str)
        self._desk.journal.save(replace(row, state=State.RENDERED, plan=text, not_before=0.0))

    def _publish_one(self) -> bool:
        """Publish the next finished render: of this run, or of a daemon that crashed."""
        row = self._desk.journal.next_rendered(self._desk.online())
        if row is None or not self._there(row):
            return False
        saved = self._desk.journal.save(replace(row, state=State.PUBLISHING))
        if saved is None:
            return True
        try:
            self._done(saved, publish.publish(self._parcel(saved)))
        except JobError as caught:
            error = self._missing(saved) if isinstance(caught, SourceGone) else caught
            after = after_publishing_failed(saved, Failure.of(error), self._desk.journal.now())
            self._desk.journal.save(after)
            log.get().warning("not published", file=row.file, job=row.id, code=error.code, why=str(error))
            self._tell_failed(after, Failure.of(error))
            if after.state != State.RENDERED:
                self._clean(row)
        return True

    def _parcel(self, row: Row) -> Parcel:
        plan = json.loads(row.plan)
        return Parcel(
            source=row.file,
            signature=row.sig,
            folder=self._folder(row),
            token=f"{self._desk.journal.id}-{row.id}",
            record=plan["record"],
            files={role: Staged.from_json(entry) for role, entry in plan["files"].items()},
            recipe=Digest(plan["recipe"]),
            reserve_bytes=self.settings.limits.free_space_mb * 1_000_000,
            collected=self._watch(row).mirror is not None,
            read_masks=tuple(plan.get("read_masks", ())),
            alive=self._desk.alive,
        )

    def _done(self, row: Row, published: Published) -> None:
        names, final = published.names, published.record
        digests = record.published_digests(final)
        # Paths come from the names we give, never from a record that others could have written.
        files = [(names.path(r), digests[r]) for r in naming.PUBLISH_ORDER if r in digests]
        self._desk.journal.note_published(row.id, files)
        self._desk.journal.note_stages({} if published.adopted else record.stages(final))
        reason = _told(row, published)
        after = replace(row, state=State.DONE, reason=reason, code="", plan="", owner="", lease_until=0.0)
        self._desk.journal.save(replace(after, made=row.made + (not published.adopted)))
        self._clean(row)
        self._desk.published(names.folder)
        result, counts = names.path(Role.RESULT), record.counts(final)
        told = {"result": str(result), "summary": reason, "adopted": published.adopted, "counts": counts}
        self._desk.done({**_facts(after), **told})
        log.get().info(
            "done",
            file=row.file,
            job=row.id,
            result=result.name,
            adopted=published.adopted,
            seconds=round(record.seconds(final), 2),
            **counts,
        )

    def _clean(self, row: Row) -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(self.staging(row))


def _sweep(place: Path, kept: Collection[str] = ()) -> None:
    """Empty a folder but for these names. It stays itself: it may be a mount, or a link to a larger disk."""
    place.mkdir(parents=True, exist_ok=True)
    for entry in os.scandir(place):
        if entry.name in kept:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                Path(entry.path).unlink()


def _facts(row: Row) -> dict[str, Any]:
    return {"file": str(row.file), "job": row.id, "state": str(row.state)}


def _told(row: Row, published: Published) -> str:
    """What ``why`` says of a photo that is done."""
    words = record.summary(published.record)
    if published.adopted:
        since = ", with other settings or another version; retouchd requeue does it anew"
        return f"{words} (was done already{since if published.other_settings else ''})"
    twin = json.loads(row.plan).get("same_as")
    if twin:
        return f"{words} (same pixels as {shown(twin)}; its result was copied)"
    return words + record.last_run(published.record)
