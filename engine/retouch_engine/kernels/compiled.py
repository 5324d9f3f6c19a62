"""How kernels are compiled: once for each machine, when they are imported, never in the middle of a photo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba import types

Loop = TypeVar("Loop", bound=Callable[..., Any])


def _seen(kind: Any, axes: int, layout: str = "C") -> Any:
    """An array that is only read: what is frozen fits, and what is not fits too."""
    return types.Array(kind, axes, layout, readonly=True)


MASK = _seen(types.boolean, 2, "A")
"""Bool ``(h, w)``, a view or not."""
BLOCK = _seen(types.boolean, 2)
"""The same, in one block."""
PLANE = _seen(types.float32, 2, "A")
PLANES = _seen(types.float32, 3)
"""Float32 ``(k, h, w)`` or ``(h, w, 3)``, in one block."""
VIEW = _seen(types.float32, 3, "A")
"""The same, a view or not."""
WIDE = _seen(types.uint16, 3, "A")
"""Samples of 16 bits, a view or not."""
PLACES = _seen(types.intp, 2)
"""``(n, 2)``: rows and columns."""
VALUES = _seen(types.float32, 1)
FLAGS = _seen(types.boolean, 1)
ROWS = _seen(types.float32, 2)
"""Float32 ``(n, k)``."""
TABLE = _seen(types.float64, 2)
NUMBERS = _seen(types.float64, 1)
WHOLE = types.intp
REAL = types.float64
UniTuple = types.UniTuple
"""So many of one kind."""


def kernel(*arguments: Any) -> Callable[[Loop], Loop]:
    """Compile a loop for these arguments, at once; what was compiled before is read from numba's cache.

    Where no folder for the cache can be written to (see ``NUMBA_CACHE_DIR``) it is compiled at each start.
    """

    def compile_(loop: Loop) -> Loop:
        options = {"nogil": True, "error_model": "numpy"}
        try:
            return cast("Loop", numba.njit([arguments], cache=True, **options)(loop))
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            return cast("Loop", numba.njit([arguments], **options)(loop))

    return compile_


def part(loop: Loop) -> Loop:
    """A piece of kernels, compiled into each of them."""
    return cast("Loop", numba.njit(nogil=True, error_model="numpy")(loop))
