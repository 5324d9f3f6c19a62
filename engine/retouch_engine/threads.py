"""Threads that stay: one set for each kind of work and number of threads, for as long as the process lives.

OpenCV keeps some 760 bytes for every thread that ever called it and does not give them back when the thread
ends (opencv/opencv#9745, #23252). With new threads for each photo the worker grew by 3 kB a photo, 6 MB over
a night of 2,000.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait  # noqa: TID251 - these stay
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@cache
def _staying(kind: str, count: int) -> ThreadPoolExecutor:
    # One set for each kind, because one kind of work waits for another: who writes a file for its strips.
    return ThreadPoolExecutor(count, kind)


class Borrowed:
    """The threads of one kind of work, lent for one piece of it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._open: set[Future[Any]] = set()

    def submit(self, act: Callable[..., _Made], *arguments: object) -> Future[_Made]:
        """Have one thing done; what it raises is raised by the future's ``result``."""
        future = self._pool.submit(act, *arguments)
        self._open.add(future)
        # Futures that are done hold their results, every strip of a file: only the others are remembered.
        future.add_done_callback(self._open.discard)
        return future

    def map(self, act: Callable[[_Given], _Made], given: Iterable[_Given]) -> list[_Made]:
        """Have it done for each of the given; the results in their order."""
        return [future.result() for future in [self.submit(act, one) for one in given]]

    def in_order(
        self, act: Callable[[_Given], _Made], given: Iterable[_Given], ahead: int
    ) -> Iterator[tuple[_Given, _Made]]:
        """Each of the given with its result, at most ``ahead`` more of them begun or done and waiting.

        A future holds its result for as long as it lives: for large ones :meth:`map` holds them all.
        """
        pending: deque[tuple[_Given, Future[_Made]]] = deque()

        def first() -> tuple[_Given, _Made]:
            one, future = pending.popleft()
            return one, future.result()

        for one in given:
            pending.append((one, self.submit(act, one)))
            if len(pending) > ahead:
                yield first()
        while pending:
            yield first()

    def end(self) -> None:
        """Give up what has not begun and wait for the rest: nothing may write where its caller cleans up."""
        left = tuple(self._open)
        for future in left:
            future.cancel()
        wait(left)


@contextmanager
def borrowed(kind: str, count: int) -> Iterator[Borrowed]:
    """At most ``count`` threads, shared with whoever does the same kind of work at the same time.

    At the end of the block nothing of it runs any more. Work must not borrow the kind it runs in: it would
    wait for itself.
    """
    lent = Borrowed(_staying(kind, max(1, count)))
    try:
        yield lent
    finally:
        lent.end()
