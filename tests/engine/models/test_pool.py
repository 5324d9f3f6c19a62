"""The pool, with a clock, a loader and a gauge that a test holds in its hands."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from retouch_engine.budget import CPU, CUDA, Use
from retouch_engine.errors import NoRoomForModel
from retouch_engine.pool import Hands, Pool, out_of_memory
from retouch_engine.stock import Model


def use(name: str, rest_mb: int = 1000, peak_mb: int = 0, device: str = CUDA, precision: str = "bf16") -> Use:
    peak = peak_mb or rest_mb
    model = Model(name, "lama", Path("/nowhere"), "0" * 64, "MIT", True, precision, rest_mb, peak, ())
    return Use(model, device, precision, False, rest_mb, peak)


@dataclass
class World:
    """Time, memory and loads of a machine that does not exist."""

    now: float = 0.0
    free: int | None = None
    loaded: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    released: int = 0
    fail: list[BaseException] = field(default_factory=list)
    gate: threading.Event | None = None
    at_once: int = 0
    most_at_once: int = 0

    def load(self, wanted: Use) -> Thing:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate:
                self.gate.wait(5)
            if self.fail:
                raise self.fail.pop(0)
            self.now += 2.0
            self.loaded.append(wanted.model.id)
            return Thing(wanted.model.id, self)
        finally:
            self.at_once -= 1

    def note(self, _device: str) -> None:
        self.released += 1

    def pool(self, capacity_mb: int = 10_000, idle_s: float = 100.0) -> Pool:
        return Pool(Hands(self.load, lambda _: self.free, lambda: self.now, self.note), capacity_mb, idle_s)


@dataclass
class Thing:
    name: str
    world: World

    def close(self) -> None:
        self.world.closed.append(self.name)


def test_a_model_is_loaded_once_and_lent_again() -> None:
    world = World()
    pool = world.pool()
    for _ in range(3):
        with pool.lend(use("a")) as model:
            assert model.name == "a"
    assert world.loaded == ["a"]
    assert pool.figures()["a"] == {
        "resident": True,
        "resident_mb": 1000,
        "pinned": False,
        "loads": 1,
        "load_s": 2.0,
        "lends": 3,
        "let_go": 0,
        "out_of_memory": 0,
    }


def test_another_precision_is_another_model() -> None:
    world = World()
    pool = world.pool()
    for precision in ("bf16", "fp8", "bf16"):
        with pool.lend(use("a", precision=precision)):
            pass
    assert world.loaded == ["a", "a"]


def test_time_lets_go_but_never_what_is_lent_or_pinned() -> None:
    world = World()
    pool = world.pool(idle_s=100)
    pool.pin(use("pinned"))
    with pool.lend(use("idle")):
        pass
    with pool.lend(use("lent")):
        world.now += 1000
        pool.sweep()
        assert world.closed == ["idle"]
    pool.sweep()
    assert world.closed == ["idle"]
    world.now += 100
    pool.sweep()
    assert world.closed == ["idle", "lent"]


def test_a_borrow_starts_the_time_anew() -> None:
    world = World()
    pool = world.pool(idle_s=100)
    for _ in range(5):
        with pool.lend(use("a")):
            world.now += 90
        world.now += 50
        pool.sweep()
    assert world.loaded == ["a"]


def test_room_is_made_by_the_longest_unused() -> None:
    world = World()
    pool = world.pool(capacity_mb=3000)
    for name in ("a", "b", "c", "a"):
        with pool.lend(use(name)):
            world.now += 1
    with pool.lend(use("d", 2000)):
        assert world.closed == ["b", "c"]


def test_room_counts_the_peak_of_the_one_that_comes() -> None:
    world = World()
    pool = world.pool(capacity_mb=3000)
    with pool.lend(use("a")):
        pass
    with pool.lend(use("b", 1000, 2500)):
        assert world.closed == ["a"]


def test_the_gauge_is_believed_when_others_use_the_card() -> None:
    world = World()
    pool = world.pool()
    with pool.lend(use("a")):
        pass
    world.free = 500
    with pytest.raises(NoRoomForModel), pool.lend(use("b")):
        pass
    assert world.closed == ["a"]


def test_what_is_pinned_leaves_no_room_and_that_is_said() -> None:
    world = World()
    pool = world.pool(capacity_mb=3000)
    pool.pin(use("a", 2000))
    with pytest.raises(NoRoomForModel, match="2000 are pinned"), pool.lend(use("b", 2000)):
        pass
    assert world.closed == []


def test_a_borrower_waits_for_what_is_lent_instead_of_failing() -> None:
    world = World()
    pool = world.pool(capacity_mb=1500)
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait(5)
        with pool.lend(use("b")):
            order.append("b")

    thread = threading.Thread(target=second)
    thread.start()
    with pool.lend(use("a")):
        inside.set()
        thread.join(0.2)
        assert thread.is_alive()
        order.append("a")
    thread.join(5)
    assert order == ["a", "b"]
    assert world.closed == ["a"]


def test_one_load_at_a_time_on_a_device_and_the_same_model_once() -> None:
    world = World(gate=threading.Event())
    pool = world.pool()

    def borrow(name: str) -> None:
        with pool.lend(use(name)):
            pass

    threads = [threading.Thread(target=borrow, args=(name,)) for name in ("a", "b", "a", "c")]
    for thread in threads:
        thread.start()
    assert world.gate is not None
    world.gate.set()
    for thread in threads:
        thread.join(5)
    assert world.most_at_once == 1
    assert sorted(world.loaded) == ["a", "b", "c"]


def test_one_model_is_in_one_hand_at_a_time() -> None:
    pool = World().pool()
    at_once: list[int] = []
    busy = threading.Lock()

    def work(_: object) -> None:
        at_once.append(busy.acquire(blocking=False))
        threading.Event().wait(0.01)
        busy.release()

    threads = [threading.Thread(target=pool.use, args=(use("a"), work)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert at_once == [True] * 6


def test_two_models_in_one_hand_are_refused() -> None:
    pool = World().pool()
    with pool.lend(use("a")), pytest.raises(RuntimeError, match="in hand already"), pool.lend(use("b")):
        pass


def test_a_load_that_fails_leaves_nothing_behind() -> None:
    world = World(fail=[ValueError("broken file")])
    pool = world.pool()
    with pytest.raises(ValueError, match="broken file"), pool.lend(use("a")):
        pass
    with pool.lend(use("a")) as model:
        assert model.name == "a"


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


def test_out_of_memory_lets_go_and_tries_once_more() -> None:
    world = World()
    pool = world.pool()
    with pool.lend(use("other")):
        pass
    tries: list[int] = []

    def work(_: object) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OutOfMemoryError("CUDA out of memory")
        return "done"

    assert pool.use(use("a"), work) == "done"
    assert set(world.closed) == {"other", "a"}
    assert world.loaded == ["other", "a", "a"]
    assert world.released > 0
    assert pool.figures()["a"]["out_of_memory"] == 1


def test_out_of_memory_twice_is_a_failure_that_says_so() -> None:
    world = World()
    pool = world.pool()

    def work(_: object) -> None:
        raise OutOfMemoryError("CUDA out of memory")

    with pytest.raises(NoRoomForModel, match="twice"):
        pool.use(use("a"), work)
    assert world.loaded == ["a", "a"]


def test_out_of_memory_while_loading_counts_as_well() -> None:
    world = World(fail=[OutOfMemoryError("CUDA out of memory")])
    assert world.pool().use(use("a"), lambda model: model.name) == "a"


def test_other_errors_are_not_tried_again() -> None:
    world = World()

    def work(_: object) -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        world.pool().use(use("a"), work)
    assert world.loaded == ["a"]


def test_main_memory_has_no_capacity_of_the_card() -> None:
    world = World()
    pool = world.pool(capacity_mb=0)
    with pool.lend(use("a", device=CPU)):
        pass
    assert world.loaded == ["a"]


def test_close_lets_go_of_everything() -> None:
    world = World()
    pool = world.pool()
    pool.pin(use("a"))
    with pool.lend(use("b")):
        pass
    pool.close()
    assert sorted(world.closed) == ["a", "b"]


def test_what_counts_as_out_of_memory() -> None:
    assert out_of_memory(MemoryError())
    assert out_of_memory(OutOfMemoryError())
    assert out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert not out_of_memory(ValueError("x"))
    assert not out_of_memory(NoRoomForModel("a", "out of memory twice"))
