"""Keeping processes small that run for weeks: what the C library's allocator is told."""

from __future__ import annotations

import contextlib
import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""From <malloc.h> of glibc."""
_LARGE_BYTES = 128 * 1024
_LARGE_ARRAY_BYTES = 16 << 20
_KEPT_BYTES = 48 << 20


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


def keep_one_heap() -> None:
    """Have all threads share one heap whose end stays where it is; to be asked before any thread begins.

    glibc gives each thread a heap of its own, and ours come and go with every photo: what one left behind,
    the next could not use. The worker took 182 MB after 200 small photos and 194 after 700; with one heap,
    in the same time, 150 and 150.

    It also gives back the heap's end, and asks for it again, as often as a limit is passed that follows the
    largest array freed so far. Every page that comes back is zeroed by the kernel first: with 16 MB kept and
    arrays of 8 MB and more mapped on their own a photo of 2 MP took 16,000 such pages and a portrait of
    2.4 MP 25,000, which was a tenth of all its processor time. With 48 MB kept and 16 MB they take hardly
    any. The peak is the same (449 and 455 MB for 2 MP, 830 and 820 for 24); after 24 MP 421 MB are resident
    and not 371. With the limits that glibc would come to, 32 and 64 MB, it was 200 MB more.
    """
    with contextlib.suppress(AttributeError):  # another C library has no such habit
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, 1)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_ARRAY_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def keep_what_is_loaded() -> None:
    """Have Python's collector pass over all that is there now; to be asked once the libraries are loaded.

    They leave 128,000 objects that live as long as the process. Each full collection looked at all of them
    again: 61 ms, in a photo whose whole job takes a second.
    """
    gc.collect()
    gc.freeze()
