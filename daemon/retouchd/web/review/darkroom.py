"""The process that decodes photos and makes tiles of them; asked over its pipes, and ended with them.

question  one JSON object a line: {"do": "about" | "tile", "source", "heal", "level", "column", "row"}
answer    one line with a JSON object, {"bytes": N} or {"about": ...} or {"failed": ...}, then N bytes
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from retouch_engine import EngineError, Limits, Viewer, open_viewer


def serve(viewer: Viewer, lines: BinaryIO, out: BinaryIO) -> None:
    """Answer until there are no more questions."""
    for line in lines:
        answer, data = _answer(viewer, json.loads(line))
        out.write(json.dumps(answer).encode("ascii") + b"\n" + data)
        out.flush()


def _answer(viewer: Viewer, asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    source = Path(asked["source"])
    try:
        if asked["do"] == "about":
            return {"about": viewer.about(source)}, b""
        heal = Path(asked["heal"]) if asked["heal"] else None
        data = viewer.tile(source, heal, asked["level"], asked["column"], asked["row"])
    except IndexError:
        return {"failed": "no such tile"}, b""
    except (EngineError, OSError, MemoryError) as error:
        return {"failed": str(error)}, b""
    return {"bytes": len(data)}, data


def main(opened: Callable[[Limits], Viewer] = open_viewer) -> None:
    """Serve the process that started us; what libraries print goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started us
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        serve(opened(Limits(max_megapixels=float(sys.argv[1]))), sys.stdin.buffer, out)


if __name__ == "__main__":
    main()
