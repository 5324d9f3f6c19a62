"""Keeping processes small that run for weeks: what the C library's allocator is told."""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""From <malloc.h> of glibc."""
_LARGE_BYTES = 128 * 1024


def give_back_large_blocks() -> None:
    """Have every block of 128 KiB and more mapped on its own, for this process and as long as it lives.

    glibc begins so, and then raises the limit to the size of each such block that is freed. Python's table of
    interned strings, 1.9 MB, is made anew every few hundred photos, because every part of every path passes
    through it. From the second time on it came from the heap, small things settled in the gap it left, and
    the service grew by as much each time (seen with mallinfo2 and tracemalloc). Setting the limit ends that,
    see mallopt(3). For the worker it would be wrong: arrays would be mapped, and zeroed, again and again.
    """
    with contextlib.suppress(AttributeError):  # another C library has no such habit
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def keep_one_arena() -> None:
    """Have all threads share one heap; to be asked before any thread begins.

    glibc gives each thread a heap of its own, and ours come and go with every photo: what one left behind,
    the next could not use. The worker took 182 MB after 200 small photos and 194 after 700; with one heap,
    in the same time, 150 and 150.
    """
    with contextlib.suppress(AttributeError):  # another C library has no such habit
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
