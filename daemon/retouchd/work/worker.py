"""The worker process: keeps the engine loaded and does one order after another.

It raises nothing at the daemon: an order ends in a value with a code, a message and whether trying again
helps. It dies with the daemon, and nothing that a library prints can break the protocol: the real standard
output is kept aside and standard output becomes standard error.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from retouch_engine import (
    Compression,
    Corrections,
    Engine,
    EngineError,
    Finish,
    Layers,
    Limits,
    Order,
    Recipe,
    Signing,
    Sitting,
    Stock,
    estimated_bytes,
)
from retouchd.errors import JobError, MemoryShort, OverBudget
from retouchd.jobs import Failure
from retouchd.results import record
from retouchd.text import complaint, shown
from retouchd.work import heap, protocol

_PR_SET_PDEATHSIG = 1
_BEAT_S = 5.0

Say = Callable[[dict[str, Any]], None]


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill us when the daemon is gone: the end of our input is not seen while we compute."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        raise SystemExit(1)


def _reserve_stdout() -> Say:
    """Keep the pipe for ourselves; whatever libraries print goes to standard error."""
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    one_at_a_time = threading.Lock()

    def say(message: dict[str, Any]) -> None:
        data = memoryview(protocol.encode(message))
        with one_at_a_time:
            while data:  # an unbuffered file writes what fits
                data = data[pipe.write(data) :]

    return say


def _beat(say: Say, loaded: list[Engine]) -> None:
    """Show now and then that this process runs at all, and which models it holds.

    What it works on has a time limit of its own. Asking for the models also lets go of idle ones.
    """

    def beat() -> None:
        while True:
            say({"event": "beat", "models": loaded[0].residency() if loaded else {}})
            time.sleep(_BEAT_S)

    threading.Thread(target=beat, daemon=True).start()


def _free_bytes() -> int | None:
    """The memory that the kernel could give now."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def admit(source: Path, budget_bytes: int) -> None:
    """Let a photo in by the memory that its header says it needs, before a byte of it is decoded.

    Raises:
        OverBudget: it needs more than the worker may use.
        MemoryShort: it needs more than is free now.
    """
    needed = estimated_bytes(source) if budget_bytes else None
    if needed is None:
        return
    if needed > budget_bytes:
        raise OverBudget(source, needed, budget_bytes)
    free = _free_bytes()
    if free is not None and needed > free:
        raise MemoryShort(source, needed, free)


def _orders() -> Iterator[dict[str, Any]]:
    """The orders until the daemon closes the pipe."""
    for line in sys.stdin.buffer:
        yield protocol.decode(line)


def _order(message: dict[str, Any]) -> Order:
    finish = message["finish"]
    return Order(
        source=Path(message["source"]),
        staging=Path(message["staging"]),
        recipe=Recipe.from_json(message["recipe"]),
        finish=Finish(
            Compression(finish["compression"]),
            finish["threads"],
            Layers(finish["layers"]),
            finish["psd"],
            Signing(**finish["signing"]) if finish["signing"] else None,
        ),
        corrections=Corrections.from_json(message["corrections"]),
        sitting=Sitting.from_json(message["sitting"]),
        painted_mask=Path(message["mask"]) if message["mask"] else None,
        before=Path(message["before"]) if message["before"] else None,
        before_lost=message["before_lost"],
        own_output=message["own_output"],
    )


def _answer(engine: Engine, message: dict[str, Any], say: Say, budget_bytes: int) -> dict[str, Any]:
    """Do one order; the answer is its last message."""

    def progress(stage: str) -> None:
        say({"event": "stage", "name": stage})

    if message["op"] in {"retouch", "preview"}:
        admit(Path(message["source"]), budget_bytes)
    match message["op"]:
        case "retouch":
            rendered = engine.retouch(_order(message), progress)
            files = {str(role): str(path) for role, path in rendered.files.items()}
            return {"event": "done", "record": rendered.record, "files": files}
        case "preview":
            return {"event": "done", "record": engine.preview(_order(message), progress), "files": {}}
        case "digest":
            return {"event": "digest", "sha256": record.digest_of(Path(message["source"]))}
        case "about":
            return {"event": "about", "about": engine.about()}
        case other:
            return failed("internal", f"unknown order {other!r}")


def failed(code: str, message: str, *, retryable: bool = False) -> dict[str, Any]:
    """The message that an order failed."""
    return {"event": "failed", "code": code, "message": shown(message), "retryable": retryable}


def attempt(engine: Engine, message: dict[str, Any], say: Say, budget_bytes: int = 0) -> dict[str, Any]:
    """Do one order; whatever happens, the answer is a message."""
    try:
        return _answer(engine, message, say, budget_bytes)
    except (EngineError, JobError) as error:
        return failed(error.code, str(error), retryable=error.retryable)
    except MemoryError:
        return failed("memory", "out of memory", retryable=True)
    except OSError as error:
        # What a library wrote beside the result met the full disk: as a broken reading, after four tries the
        # photo was set aside.
        full = Failure.of_system(error).code == "disk-full"
        return failed("disk-full" if full else "io", complaint(error), retryable=True)
    except Exception as error:  # noqa: BLE001 - one photo must not end the worker; the class says what it was
        return failed("internal", f"{type(error).__name__}: {error}")


def load_factory(name: str) -> Callable[..., Engine]:
    """The function behind ``module:function``."""
    module, _, function = name.partition(":")
    factory: Callable[..., Engine] = getattr(importlib.import_module(module), function)
    return factory


@click.command()
@click.option("--engine", default=protocol.ENGINE_FACTORY)
@click.option("--megapixels", type=float, default=Limits().max_megapixels)
@click.option("--memory", type=int, default=0)
@click.option("--scratch", type=click.Path(path_type=Path))
@click.option("--stock", default="")
@click.option("--parent", type=int, required=True)
def main(
    *, engine: str, megapixels: float, memory: int, scratch: Path | None, stock: str, parent: int
) -> None:
    """Serve the daemon whose process id is PARENT."""
    # Ctrl-C reaches the whole foreground group; the daemon alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent(parent)
    heap.keep_one_heap()
    say = _reserve_stdout()
    engines: list[Engine] = []
    _beat(say, engines)
    if scratch:
        tempfile.tempdir = str(scratch)  # what libraries put aside lies where we sweep
    try:
        # Models are handed over only where there are any: an engine without them need not know of them.
        models = (Stock.from_json(json.loads(stock)),) if stock else ()
        loaded = load_factory(engine)(Limits(max_megapixels=megapixels), *models)
    except Exception as error:  # noqa: BLE001 - told to the daemon, which decides
        say(failed("engine", f"{type(error).__name__}: {error}"))
        raise SystemExit(1) from None
    heap.keep_what_is_loaded()
    with loaded:
        if stock:
            engines.append(loaded)
        say({"event": "ready", "engine": engine})
        for message in _orders():
            answer = attempt(loaded, message, say, memory)
            if answer["event"] == "failed":
                # What was raised in another thread is held by what holds it, and with it the whole photo.
                gc.collect()
            say(answer)


if __name__ == "__main__":
    main()
