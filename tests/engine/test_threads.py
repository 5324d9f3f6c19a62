"""Threads that stay: the same ones each time, nothing left running, and no results held back."""

import gc
import threading
import weakref
from concurrent.futures import Future

import numpy as np
import pytest

from retouch_engine.threads import Borrowed, borrowed


def _name(_given: object = None) -> str:
    return threading.current_thread().name


def test_the_same_threads_work_for_every_photo() -> None:
    names: set[str] = set()
    for _ in range(20):
        with borrowed("test again", 2) as hands:
            names |= set(hands.map(_name, range(8)))
    assert len(names) <= 2


def test_kinds_do_not_share_threads_so_that_one_may_wait_for_the_other() -> None:
    def outer(_given: object) -> list[str]:
        with borrowed("test inner", 1) as inner:
            return inner.map(_name, range(3))

    with borrowed("test outer", 1) as hands:
        assert all(name.startswith("test inner") for names in hands.map(outer, range(3)) for name in names)


def test_results_come_in_the_order_of_what_was_given() -> None:
    with borrowed("test order", 2) as hands:
        assert hands.map(lambda n: n * n, range(50)) == [n * n for n in range(50)]


def test_no_more_is_begun_than_may_wait() -> None:
    begun: list[int] = []

    def act(number: int) -> int:
        begun.append(number)
        return -number

    with borrowed("test ahead", 2) as hands:
        for count, (number, made) in enumerate(hands.in_order(act, range(20), 3)):
            assert (number, made) == (count, -count)
            assert len(begun) <= count + 4
    assert sorted(begun) == list(range(20))


def test_after_the_block_nothing_runs_and_nothing_begins() -> None:
    goes_on, ended = threading.Event(), threading.Event()
    begun: list[Future[None]] = []

    def long() -> None:
        goes_on.wait(30)
        ended.set()

    def fail(hands: Borrowed) -> None:
        hands.submit(long)
        begun.append(hands.submit(lambda: None))
        threading.Timer(0.1, goes_on.set).start()
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"), borrowed("test end", 1) as hands:
        fail(hands)
    assert ended.is_set()
    assert begun[0].cancelled()


def test_what_a_thread_raised_is_raised_for_who_asked() -> None:
    def refuse(_given: int) -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), borrowed("test raise", 2) as hands:
        hands.map(refuse, range(3))


def test_results_are_not_kept_when_nobody_else_keeps_them() -> None:
    with borrowed("test forget", 1) as hands:
        array = hands.submit(np.zeros, 1000).result()
        kept = weakref.ref(array)
        hands.submit(_name).result()
        del array
        gc.collect()
        assert kept() is None
