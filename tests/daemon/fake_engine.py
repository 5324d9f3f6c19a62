"""An engine without pixels: the words in a file say what becomes of it. Workers load it by name."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from retouch_engine import (
    RECORD_SCHEMA,
    Correction,
    Corrections,
    Limits,
    Order,
    Rendered,
    Role,
    Wish,
    errors,
)

MARK = b"made by retouchd"


def _refuse(path: Path, data: bytes, *, own_output: bool) -> None:
    if MARK in data and not own_output:
        raise errors.OwnOutput(path)
    if not data:
        raise errors.NotAPhoto(path, "an empty file")
    if b"INCOMPLETE" in data:
        raise errors.IncompletePhoto(path, "strip 3 of 9 lies past the end")
    if b"FULL" in data:
        raise errors.StagingFull(path.parent, "no space left")
    if b"DAMAGED" in data:
        raise errors.DamagedPhoto(path, "bad block")
    if b"RAISE" in data:
        raise RuntimeError("a bug\nof ours")
    if b"KILL" in data:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"PRINT" in data:
        os.write(1, b"noise of a C library\n")
        sys.stdout.write('{"event": "done"}\n')
    _take_time(path, data)


def _take_time(path: Path, data: bytes) -> None:
    for word in data.split():
        if word.startswith(b"SLEEP="):
            time.sleep(float(word[6:]))
        if word.startswith(b"HOG="):
            hog = bytearray(int(word[4:]) << 20)
            hog[::4096] = b"x" * len(hog[::4096])
            time.sleep(60)
        if word.startswith(b"MEET="):
            _meet(Path(os.fsdecode(word[5:])), path.name)


def _meet(place: Path, name: str) -> None:
    """Wait until another worker is here too; each leaves the name of its card."""
    place.mkdir(exist_ok=True)
    (place / name).write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
    end = time.monotonic() + 60
    while len(list(place.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.05)


def _decided(order: Order) -> Corrections:
    """A mask says one thing here: its first byte is where something is to be healed."""
    if order.painted_mask is None:
        return order.corrections
    mask = order.painted_mask.read_bytes()
    if not mask:
        raise errors.NotAPhoto(order.painted_mask, "an empty file")
    x = mask[0]
    return order.corrections.and_then([Correction((x, 0, 5, 5), Wish.HEAL)])


def _begun(order: Order) -> str:
    """The digest of the recipe that a photo was begun with: the heal layer holds it."""
    before = order.before.read_bytes() if order.before else b""
    found = re.search(rb"begun=(\w{64})", before)
    return found[1].decode("ascii") if found else order.recipe.digest


def _last_run(order: Order) -> dict[str, Any]:
    if order.before:
        return {"taken_up": True, "other_settings": _begun(order) != order.recipe.digest}
    return {"taken_up": False, "why": order.before_lost} if order.before_lost else {}


def record_of(order: Order, data: bytes) -> dict[str, Any]:
    review = int(b"REVIEW" in data)
    spots: list[dict[str, Any]] = [
        {
            "id": 1,
            "box": [1, 2, 3, 4],
            "diameter_px": 12.0,
            "diameter_mm": None,
            "kind": "pimple",
            "score": 0.9,
            "decision": "healed",
            "reason": "sure <b>indeed</b>",
        },
        *(
            [{"id": 2, "diameter_px": 9.0, "kind": "unknown", "decision": "review", "reason": "unsure"}]
            * review
        ),
    ]
    return {
        "schema": RECORD_SCHEMA,
        "source": {"name": order.source.name, "sha256": hashlib.sha256(data).hexdigest()},
        "engine": {
            "version": "0",
            "recipe_digest": _decided(order).key(_begun(order)),
            "recipe": order.recipe.as_json(),
        },
        "counts": {"found": 1 + review, "healed": 1, "kept": 0, "review": review, "failed": 0},
        "corrections": _decided(order).as_json(),
        "last_run": _last_run(order),
        "before": order.before.name if order.before else None,
        "seconds": {"decode": 0.1, "heal": 0.2},
        "spots": spots,
        "outputs": {},
        "contact": {
            "width": 96,
            "height": 32 * (1 + review),
            "rows": [{"spot": s["id"], "y": 32 * i, "tile": 32} for i, s in enumerate(spots)],
        },
    }


class FakeEngine:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def retouch(self, order: Order, progress: Callable[[str], None]) -> Rendered:
        progress("decode")
        data = order.source.read_bytes()
        if "FAKE_CALLS" in os.environ:
            with Path(os.environ["FAKE_CALLS"]).open("ab") as calls:
                calls.write(order.source.name.encode() + b"\n")
        _refuse(order.source, data, own_output=order.own_output)
        progress("heal")
        record = record_of(order, data)
        files = {}
        for role in (r for r in Role if r is not Role.PSD or order.finish.psd):
            path = order.staging / f"{role}.bin"
            work = f" begun={_begun(order)} {order.corrections.key(_begun(order))}"
            path.write_bytes(MARK + b" " + role.encode() + b" of " + data + work.encode())
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            record["outputs"][str(role)] = {"sha256": digest, "bytes": path.stat().st_size}
            files[role] = path
        return Rendered(files, record)

    def preview(self, order: Order, progress: Callable[[str], None]) -> dict[str, Any]:
        progress("decode")
        data = order.source.read_bytes()
        _refuse(order.source, data, own_output=order.own_output)
        return record_of(order, data)

    def about(self) -> dict[str, str]:
        seen, by = (os.environ.get(n) for n in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"))
        return {"numpy": "none", "cards": f"{seen or 'all'} by {by or 'default'}", "pid": str(os.getpid())}

    def residency(self) -> dict[str, dict[str, Any]]:
        return {"klein": {"resident": True, "resident_mb": 9, "loads": 1, "lends": 2, "out_of_memory": 0}}

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_engine(limits: Limits, stock: object = None) -> FakeEngine:
    return FakeEngine(limits)


def broken(limits: Limits, stock: object = None) -> FakeEngine:
    raise ImportError("no module named pixels")
