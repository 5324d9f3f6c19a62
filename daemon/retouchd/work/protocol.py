"""What daemon and worker say to each other: one JSON object a line, over pipes.

ASCII only: JSON's escapes carry the lone surrogates that stand for undecodable bytes of a file name.

    order  {"op": "retouch" | "preview", "source", "staging", "recipe", "finish", "mask", "before",
            "before_lost", "corrections", "sitting", "own_output"}
           {"op": "digest", "source"}    {"op": "about"}
    reply  {"event": "ready", "engine"}  {"event": "stage", "name"}  {"event": "beat"}
           {"event": "done", "record", "files"}  {"event": "digest", "sha256"}  {"event": "about", "about"}
           {"event": "failed", "code", "message", "retryable"}
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retouch_engine import Order
from retouchd.jobs import Failure, Outcome

ENGINE_FACTORY = "retouch_engine:open_engine"
"""Who makes the engine, as ``module:function``; tests name another."""


def encode(message: dict[str, Any]) -> bytes:
    """One line."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":"), default=str).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message in a line."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise TypeError(f"not a message: {line[:80]!r}")
    return message


def order(op: str, wanted: Order) -> dict[str, Any]:
    """An order for one photo."""
    finish = wanted.finish
    return {
        "op": op,
        "source": str(wanted.source),
        "staging": str(wanted.staging),
        "recipe": wanted.recipe.as_json(),
        "finish": asdict(finish),
        "mask": str(wanted.painted_mask) if wanted.painted_mask else None,
        "before": str(wanted.before) if wanted.before else None,
        "before_lost": wanted.before_lost,
        "corrections": wanted.corrections.as_json(),
        "sitting": wanted.sitting.as_json(),
        "own_output": wanted.own_output,
    }


def outcome(message: dict[str, Any]) -> Outcome | None:
    """How an order ended, when the message says that it did."""
    if message["event"] == "done":
        files = {role: Path(path) for role, path in message["files"].items()}
        return Outcome(record=message["record"], files=files)
    if message["event"] == "failed":
        return Outcome(failure=Failure(message["code"], message["message"], message["retryable"]))
    return None
