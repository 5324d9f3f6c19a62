"""Who holds the device: models are lent inside ``with``, loaded once, and let go when room or time demands.

A model is lent to one borrower at a time, so its peak memory is counted once. Nothing that is lent is ever
let go. One load at a time on each device. A borrower who finds no room waits for what is lent to come back,
so that the same photo gives the same pixels however the threads fall; only when nothing is lent and there is
still no room does it fail. The clock, the loader and the gauge are passed in (as in ollama's scheduler), so
that all of this is tested without a card.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from retouch_engine.budget import CPU, Use
from retouch_engine.errors import NoRoomForModel

_T = TypeVar("_T")
_PATIENCE_S = 600.0
"""A borrower who keeps a model longer than this has lost it."""


@dataclass(slots=True)
class _Entry:
    use: Use
    model: Any = None
    lent_to: int | None = None
    pinned: bool = False
    used_s: float = 0.0


@dataclass(slots=True)
class _Figures:
    loads: int = 0
    load_s: float = 0.0
    lends: int = 0
    let_go: int = 0
    out_of_memory: int = 0


@dataclass(frozen=True, slots=True)
class Hands:
    """What the pool works with."""

    load: Callable[[Use], Any]
    """Loads a model; what it returns may have a ``close``."""
    free_mb: Callable[[str], int | None]
    """What a device has left, 10^6 bytes; None where nobody can say."""
    clock: Callable[[], float]
    """Seconds, monotonic."""
    released: Callable[[str], None] = field(default=lambda _: None)
    """Told a device after something was let go there, to give cached memory back."""


class Pool:
    """The models of one worker."""

    def __init__(self, hands: Hands, capacity_mb: int, idle_s: float) -> None:
        self._hands, self._capacity_mb, self._idle_s = hands, capacity_mb, idle_s
        self._entries: dict[tuple[str, ...], _Entry] = {}
        self._loading: set[str] = set()
        self._figures: dict[str, _Figures] = {}
        self._turn = threading.Condition(threading.RLock())

    @contextmanager
    def lend(self, use: Use) -> Iterator[Any]:
        """A loaded model, for as long as the block lasts.

        Raises:
            NoRoomForModel: it does not fit, even with everything else let go.
            RuntimeError: this thread has a model in hand already; two such borrowers would wait for ever.
        """
        entry = self._borrowed(use)
        try:
            yield entry.model
        finally:
            with self._turn:
                entry.lent_to, entry.used_s = None, self._hands.clock()
                self._turn.notify_all()

    def use(self, use: Use, work: Callable[[Any], _T]) -> _T:
        """Do some work with a model. Out of memory: let go of what can be let go, and try once more.

        Raises:
            NoRoomForModel: it ran out of memory twice.
        """
        for last in (False, True):
            try:
                with self.lend(use) as model:
                    return work(model)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                with self._turn:
                    self._of(use).out_of_memory += 1
                self._free(use.device)
                if last:
                    raise NoRoomForModel(use.model.id, f"out of memory twice: {error}") from None
        raise AssertionError

    def pin(self, use: Use) -> None:
        """Load a model now, and keep it.

        Raises:
            NoRoomForModel: there is no room for it.
        """
        with self.lend(use):
            self._entries[use.key].pinned = True

    def sweep(self) -> None:
        """Let go of what nobody borrowed for long."""
        with self._turn:
            now = self._hands.clock()
            for key, entry in list(self._entries.items()):
                idle = self._can_go(entry) and now - entry.used_s >= self._idle_s
                if idle:
                    self._let_go(key)

    def figures(self) -> dict[str, dict[str, Any]]:
        """By model id: whether it is resident, its memory, how often it was loaded, lent and let go."""
        with self._turn:
            here = {e.use.model.id: e for e in self._entries.values() if e.model is not None}
            return {
                name: {
                    "resident": name in here,
                    "resident_mb": here[name].use.rest_mb if name in here else 0,
                    "pinned": name in here and here[name].pinned,
                    "loads": f.loads,
                    "load_s": round(f.load_s, 3),
                    "lends": f.lends,
                    "let_go": f.let_go,
                    "out_of_memory": f.out_of_memory,
                }
                for name, f in sorted(self._figures.items())
            }

    def close(self) -> None:
        """Let go of everything that is not lent."""
        with self._turn:
            for key, entry in list(self._entries.items()):
                entry.pinned = False
                if self._can_go(entry):
                    self._let_go(key)

    def _of(self, use: Use) -> _Figures:
        return self._figures.setdefault(use.model.id, _Figures())

    def _borrowed(self, use: Use) -> _Entry:
        me = threading.get_ident()
        with self._turn:
            if any(e.lent_to == me for e in self._entries.values()):
                raise RuntimeError(f"this thread has a model in hand already and asks for {use.model.id}")
            self.sweep()
            while True:
                entry = self._entries.get(use.key)
                if entry is not None and entry.model is not None and entry.lent_to is None:
                    entry.lent_to = me
                    self._of(use).lends += 1
                    return entry
                if entry is None and use.device not in self._loading and self._make_room(use):
                    break
                if not self._turn.wait(_PATIENCE_S):
                    raise NoRoomForModel(
                        use.model.id, f"another borrower kept the device {_PATIENCE_S:.0f} s"
                    )
            entry = self._entries[use.key] = _Entry(use)
            self._loading.add(use.device)
        return self._loaded(entry, me)

    def _loaded(self, entry: _Entry, me: int) -> _Entry:
        """Load outside of the lock: others may go on borrowing what is there."""
        use, start = entry.use, self._hands.clock()
        try:
            model = self._hands.load(use)
        except BaseException:
            with self._turn:
                del self._entries[use.key]
                self._loading.discard(use.device)
                self._turn.notify_all()
            raise
        with self._turn:
            entry.model, entry.lent_to, entry.used_s = model, me, self._hands.clock()
            figures = self._of(use)
            figures.loads, figures.lends = figures.loads + 1, figures.lends + 1
            figures.load_s += entry.used_s - start
            self._loading.discard(use.device)
            self._turn.notify_all()
        return entry

    def _make_room(self, use: Use) -> bool:
        """Whether there is room now; what can go goes, longest unused first.

        Raises:
            NoRoomForModel: nothing is lent that could come back, and it still does not fit.
        """
        if use.device == CPU:
            return True
        while not self._fits(use):
            others = [(k, e) for k, e in self._entries.items() if e.use.device == use.device]
            idle = sorted((e.used_s, k) for k, e in others if self._can_go(e))
            if idle:
                self._let_go(idle[0][1])
            elif any(e.lent_to is not None for _, e in others):
                return False
            else:
                held = sum(e.use.rest_mb for _, e in others)
                raise NoRoomForModel(
                    use.model.id, f"it needs {use.peak_mb} MB of {self._capacity_mb}; {held} are pinned"
                )
        return True

    def _fits(self, use: Use) -> bool:
        there = [e for e in self._entries.values() if e.use.device == use.device]
        # What is lent may be at its worst moment just now; the rest only lies there.
        held = sum(e.use.rest_mb if e.lent_to is None else e.use.peak_mb for e in there)
        if held + use.peak_mb > self._capacity_mb:
            return False
        free = self._hands.free_mb(use.device)
        return free is None or use.rest_mb <= free

    @staticmethod
    def _can_go(entry: _Entry) -> bool:
        return entry.model is not None and entry.lent_to is None and not entry.pinned

    def _let_go(self, key: tuple[str, ...]) -> None:
        entry = self._entries.pop(key)
        self._of(entry.use).let_go += 1
        close = getattr(entry.model, "close", None)
        with suppress(Exception):  # a model that does not close well is gone all the same
            if close is not None:
                close()
        entry.model = None
        self._hands.released(entry.use.device)
        self._turn.notify_all()

    def _free(self, device: str) -> None:
        with self._turn:
            for key, entry in list(self._entries.items()):
                if entry.use.device == device and self._can_go(entry):
                    self._let_go(key)
            self._hands.released(device)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device has no memory left, whichever library says so."""
    if isinstance(error, NoRoomForModel):
        return False
    names = {c.__name__ for c in type(error).__mro__}
    said = str(error).lower()
    return bool(
        {"OutOfMemoryError", "MemoryError"} & names
        or "out of memory" in said
        or ("onnxruntime" in type(error).__module__ and "failed to allocate memory" in said)
    )
