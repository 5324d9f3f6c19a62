"""The service, put together: what lives how long, and the loop that drives it.

One thread, one loop: look at folders, move jobs, write pages, tell systemd. Signal handlers only set a flag
and wake the loop. Nothing in the loop waits for long, so each turn is the progress that feeds the watchdog.
"""

from __future__ import annotations

import contextlib
import os
import select
import sqlite3
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retouchd import actions, config, log, models, signals
from retouchd.config import Settings
from retouchd.control import Control
from retouchd.errors import EngineUnavailable, RetouchdError
from retouchd.hooks import Hooks
from retouchd.jobs import InstanceId, State
from retouchd.notify import Notifier
from retouchd.results.pages import Pages
from retouchd.signals import Alarm, Flags
from retouchd.state import lock, schema
from retouchd.state.journal import FILE_NAME, Journal, holding
from retouchd.text import shown, size
from retouchd.watch.amends import Amends
from retouchd.watch.intake import Intake
from retouchd.watch.wake import Wake
from retouchd.web.server import Web
from retouchd.work import heap, protocol
from retouchd.work.crew import Crew, cards_of
from retouchd.work.desk import Desk
from retouchd.work.dispatch import SCRATCH, Dispatcher
from retouchd.work.room import Room
from retouchd.work.supervisor import WorkerPlan

_TURN_S = 1.0
"""The longest sleep: the watchdog is fed and time limits are kept even when nothing happens."""
_BEAT_S = 5.0
_EXTEND_S = 30.0
_START_FAILURES = 3
_COMPILED = "compiled"
"""In the state folder: the loops that the engine compiled for this machine."""


@dataclass(slots=True)
class Service:
    """The running service. :meth:`run` returns when it was told to stop."""

    path: Path
    settings: Settings
    engine: str = protocol.ENGINE_FACTORY
    clock: Callable[[], float] = time.monotonic
    flags: Flags = field(default_factory=Flags)
    alarm: Alarm = field(default_factory=Alarm)
    instance: InstanceId = field(default_factory=lambda: InstanceId(uuid.uuid4().hex))
    notifier: Notifier = field(default_factory=Notifier)
    journal: Journal = field(init=False)
    pages: Pages = field(init=False)
    crew: Crew = field(init=False)
    intake: Intake = field(init=False)
    dispatcher: Dispatcher = field(init=False)
    control: Control = field(init=False)
    hooks: Hooks = field(init=False)
    room: Room = field(init=False)
    trouble: log.Trouble = field(init=False)
    """With writing the journal."""
    amends: Amends = field(init=False)
    web: Web | None = None
    _told_ready: bool = False
    _more: bool = False
    """Whether there may be jobs to move at once."""
    _beat_s: float = 0.0
    _extended_s: float = 0.0

    def run(self) -> None:
        """Serve until a signal says stop.

        Raises:
            RetouchdError: the service cannot start.
        """
        heap.give_back_large_blocks()
        # First: who is told to stop while it starts ends as calmly as later on.
        signals.listen(self.flags, self.alarm)
        held = lock.hold(self.settings.state_dir)
        if not self._has_room():
            os.close(held)
            return
        self.journal = Journal.create(self.settings.state_dir)
        wake = Wake(self._poked)
        try:
            with schema.readable(self.settings.state_dir / FILE_NAME):
                self._put_together(wake)
            log.get().info("started", config=self.path, watching=len(self.settings.watch))
            while not self._finished():
                self._turn_calmly()
                self._sleep()
        finally:
            self._close(wake, held)

    def _has_room(self) -> bool:
        """Wait while the disk of the state folder is full; False when told to stop meanwhile.

        A disk that was full when the machine came back in the night ended the service with the code of a
        mistake in the settings, after which systemd never starts it again, however much is freed.
        """
        self.room = Room(self.settings.state_dir, self.clock)
        while not self.room.is_there() and not self.flags.stops:
            self.notifier.status(self.room.lacking)
            self.notifier.extend(_EXTEND_S)
            time.sleep(_TURN_S)
        return not self.flags.stops

    def _put_together(self, wake: Wake) -> None:
        plan = self._plan()
        self.crew = Crew(
            plan, self.settings.limits.job_seconds, cards_of(self.settings, plan.stock), self.clock
        )
        self.intake = Intake(
            self.settings,
            self.journal,
            clock=self.clock,
            wake=wake,
            moved=self._published,
            alive=self._alive,
        )
        self.hooks = Hooks(self.settings.hooks, self.clock)
        self.trouble = log.Trouble("journal", self.clock)
        self.amends = Amends(self.settings, self.journal, self.clock, self._alive, self.intake.well)
        self.pages = Pages(self.journal.id, self.clock)
        desk = Desk(
            journal=self.journal,
            crew=self.crew,
            instance=self.instance,
            state_dir=self.settings.state_dir,
            room=self.room,
            online=self.intake.online,
            there=self.intake.there,
            away=self.intake.away,
            answers=self.intake.answers,
            published=self._published,
            alive=self._alive,
            done=self.hooks.done,
            failed=self._failed,
            clock=self.clock,
        )
        self.dispatcher = Dispatcher(self.settings, desk)
        self.dispatcher.recover()
        self.control = Control(self.settings.state_dir)
        if address := self.settings.http.address:
            self.web = Web(self.settings, address, self._hurry)

    def _plan(self) -> WorkerPlan:
        limits = self.settings.limits
        scratch = self.settings.state_dir / SCRATCH
        offered = models.offer(self.settings)
        for line in offered.damaged:
            log.get().error("model left out", why=line)
        return WorkerPlan(
            self.engine,
            limits.max_megapixels,
            scratch,
            self.settings.memory_bytes,
            offered.stock,
            compiled=self.settings.state_dir / _COMPILED,
        )

    def _published(self, folder: Path) -> None:
        self.amends.touch(folder)
        if self.settings.output.contact_sheet:
            self.pages.touch(folder)

    def _failed(self, facts: dict[str, Any]) -> None:
        self.hooks.failed(facts)
        self.amends.touch(self.settings.results_of(Path(facts["file"])))

    def _hurry(self) -> None:
        """A page changed something: look soon. Called from other threads."""
        self.amends.poke()
        self.alarm.ring()

    def _poked(self, root: Path) -> None:
        self.intake.poke(root)
        self.alarm.ring()

    def _asked(self, what: str, about: str) -> str:
        """Do what a command asks for. Each answer is followed by a look, so that it takes effect at once."""
        if what == "says":
            return self._status()
        if what == "drain":
            self.flags.drain = True
            return "draining: what is queued is finished, then the service stops"
        said = "" if what == "look" else actions.perform(self.settings, self.journal, what, about)
        self.amends.poke()
        for path in self.intake.roots:
            self.intake.poke(path)
        log.get().info("asked", what=what, about=about)
        return said

    def _turn_calmly(self) -> None:
        """One turn; a journal that cannot be written (a full disk) pauses the work and is tried again."""
        try:
            with schema.readable(self.settings.state_dir / FILE_NAME):
                self._turn()
        except sqlite3.OperationalError as error:
            self.trouble.met(f"{error}; work waits until {shown(self.settings.state_dir)} can be written")
            self.notifier.status(f"degraded: {error}")
            self.notifier.alive()
            time.sleep(_TURN_S)

    def _turn(self) -> None:
        if self.flags.reload:
            self.flags.reload = False
            self._reload()
        if self.flags.stops and not self.dispatcher.draining:
            self._begin_to_stop()
        self._keep_worker()
        self.control.step(self._asked)
        if not self.dispatcher.draining and not self.flags.drain:
            self.amends.step()
            self.intake.look()
        self._work_on()
        self.pages.step()
        self._tell()
        self._tell_others()
        if self.flags.drain and not self.flags.stops and self._nothing_left() and self.hooks.told_all():
            self.flags.stops = 1

    def _work_on(self) -> None:
        """Move jobs while there are any to move, for a turn.

        Until there were none, as it was: where a share took each result more slowly than the next was
        rendered, one turn lasted the night. Nobody was answered, no photo was seen, and no stop heeded.
        """
        until_s, self._more = self.clock() + _TURN_S, True
        while self._more and self.flags.stops < 2 and self.clock() < until_s:
            self._more = self.dispatcher.step()
            self._alive()

    def _tell_others(self) -> None:
        online = self.intake.online()
        self.hooks.step(idle=self._nothing_left() or not online)
        if self.web:
            self.web.step(self._asked, ready=self.crew.ready and bool(online), status=self._status())

    def _nothing_left(self) -> bool:
        online = self.intake.online()
        left = (self.journal.next_queued(online), self.journal.next_rendered(online))
        return self.crew.ready and not self.dispatcher.current and left == (None, None)

    def _keep_worker(self) -> None:
        self.crew.renew()
        if not self.dispatcher.draining:
            self.crew.keep_running()
        if not self._told_ready and self.crew.failures >= _START_FAILURES:
            raise EngineUnavailable(self.crew.why_not_ready)

    def _tell(self) -> None:
        """Beat in the journal, then tell systemd: so the watchdog vouches for the journal."""
        now = self.clock()
        status = self._status()
        if now - self._beat_s >= _BEAT_S:
            self._beat_s = now
            self.journal.requeue_lost(self.instance, [row.id for _, row in self.dispatcher.current])
            self.journal.beat(self.instance, os.getpid(), status)
            self.trouble.absent()
        if self.crew.ready and not self._told_ready and not self.dispatcher.draining:
            self._told_ready = True
            self.notifier.ready(status)
            log.get().info("ready", engine=self.engine)
        self.notifier.status(status)
        self._alive()

    def _alive(self) -> None:
        """Tell systemd of progress, in the middle of long steps as well; ask for time to start or to stop.

        On a NAS that took 20 ms to tell of a photo, a look at 6,000 lasted as long as the watchdog waits.
        systemd ended the service in the middle of each look, and no photo was ever done.
        """
        now = self.clock()
        if (self.dispatcher.draining or not self._told_ready) and now - self._extended_s >= _EXTEND_S / 3:
            self._extended_s = now
            self.notifier.extend(_EXTEND_S)
        self.notifier.alive()

    def _status(self) -> str:
        if self.dispatcher.draining:
            return "stopping after the current photo"
        if not any(k.ready for k in self.crew.keepers):
            return "loading the engine"
        counts = self.journal.counts(self.settings.roots)
        pauses = self.journal.paused()
        paused = "paused, " * (bool(pauses) and all(holding(pauses, r) for r in self.settings.roots))
        waiting = sum(counts[s] for s in (State.SETTLING, State.QUEUED, State.RETRY))
        unwritten = counts[State.RENDERED] + counts[State.PUBLISHING]
        parts = [f"{waiting} waiting", f"{counts[State.DONE]} done"]
        parts += [f"{unwritten} rendered and not yet written"] * bool(unwritten)
        for keeper, row in self.dispatcher.current:
            parts.append(f"{_on(keeper.plan.card)}{shown(row.file.name)}: {keeper.stage or 'starting'}")
        full = self.room.lacking and f"{self.room.lacking}, "
        parts[0] = ("draining: " * self.flags.drain) + full + paused + parts[0]
        offline = [shown(p) for p, root in self.intake.roots.items() if root.offline]
        parts += [_on(card) + held for card, its in self.crew.models.items() if (held := _held(its))]
        parts += [
            f"{_on(k.plan.card)}does not load: {shown(k.why_not_ready)}"
            for k in self.crew.keepers
            if k.failures
        ]
        return ", ".join(parts) + (f"; offline: {', '.join(offline)}" if offline else "")

    def _sleep(self) -> None:
        wait = 0.0 if self._more else min(_TURN_S, max(0.0, self.intake.next_due_s() - self.clock()))
        if self.dispatcher.draining and not self._more:
            wait = _TURN_S / 5
        select.select([self.alarm.read_fd, self.control.fd, *self.crew.fds], [], [], wait)
        self.alarm.clear()

    def _begin_to_stop(self) -> None:
        self.dispatcher.draining = True
        self._extended_s = -_EXTEND_S  # ask for time at once
        self.notifier.stopping("stopping after the current photo")
        log.get().info("stopping", in_work=bool(self.dispatcher.current))

    def _finished(self) -> bool:
        if self.flags.stops >= 2:
            return True
        draining = self.flags.stops == 1 and self.dispatcher.draining
        return (
            draining
            and not self.dispatcher.current
            and self.journal.next_rendered(self.intake.online()) is None
        )

    def _reload(self) -> None:
        """Take over a changed configuration; a broken one is reported and the old one stays."""
        self.notifier.reloading()
        try:
            fresh = config.load(self.path)
        except RetouchdError as error:
            log.get().error("configuration kept", why=str(error))
        else:
            self._take_over(fresh)
        self.notifier.ready(self._status())

    def _take_over(self, fresh: Settings) -> None:
        for name in ("state_dir", "http"):  # held open since the start
            if getattr(fresh, name) != getattr(self.settings, name):
                log.get().warning(f"{name} changes with the next start")
                fresh = fresh.model_copy(update={name: getattr(self.settings, name)})
        self.settings = self.dispatcher.settings = self.amends.settings = fresh
        self.hooks.settings = fresh.hooks
        if self.web:
            self.web.watch(fresh)
        plan = self._plan()
        self.crew.replan(plan, fresh.limits.job_seconds, cards_of(self.settings, plan.stock))
        self.intake.reconfigure(fresh)
        log.configure(fresh.log.level, fresh.log.format)
        log.get().info("reloaded", watching=len(fresh.watch))

    def _close(self, wake: Wake, held: int) -> None:
        self.notifier.stopping("stopped")
        wake.close()
        if hasattr(self, "control"):
            self.control.close()
            if self.web:
                self.web.close()
            if self.flags.stops >= 2:
                self.crew.kill()
            self.crew.stop()
            # A journal that cannot take it now has it told by the next start, see Dispatcher.recover.
            with contextlib.suppress(sqlite3.Error):
                self.dispatcher.abandon()
            self.pages.close()
            self.hooks.close()
        self.journal.close()
        os.close(held)
        log.get().info("stopped")


def _on(card: str) -> str:
    """Whom a part of the status line is about, where there are several."""
    return f"card {card}: " if card else ""


def _held(models: dict[str, dict[str, Any]]) -> str:
    """The models as one part of the status line: which are loaded, how large, how often lent."""
    told = []
    for name, m in models.items():
        failed = f", {m['out_of_memory']} times out of memory" if m["out_of_memory"] else ""
        if m["resident"] or failed:
            told.append(
                f"{name} {size(1e6 * m['resident_mb'])}, loaded {m['loads']}, lent {m['lends']}{failed}"
            )
    return f"models: {'; '.join(told)}" if told else ""
