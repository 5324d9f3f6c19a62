"""The learned files that this installation decides with: networks, tables of trees; and what runs the former.

They decide pixels as much as a recipe does: with onnxruntime a face's lashes are known, without it they are
not. So their digest is part of every recipe's digest: when they change, what is asked for is done anew.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_HOME = Path(__file__).parent


def networks_run() -> bool:
    """Whether onnxruntime is installed, so that the networks among them are used at all."""
    return find_spec("onnxruntime") is not None


@cache
def onnxruntime() -> Any:
    """The library, told to be silent before it is loaded: nothing may leave this machine.

    Since 1.29 its wheels for Linux count what they run and how often, and send that to their maker
    (microsoft/onnxruntime#27379). Asked to stop once it is loaded it has told of itself already, and given
    the machine a lasting number in the user's folder of caches; this variable it reads once.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as library

    library.disable_telemetry_events()  # of use where somebody else in this process loaded it first
    return library


def session(path: Path) -> Any:
    """A small network of this project, ready to run on the processor. Needs onnxruntime.

    A run takes one thread, and whoever has two things to look at looks at both at once. Two threads that
    share one look take up to twice the processor's time for it and are no sooner done: 24 ms instead of 13
    for a face of 416 px, 58 instead of 50 for a photo of 896.
    """
    library = onnxruntime()
    options = library.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # With it each size of picture takes its memory twice: once to learn the pattern, once by the pattern.
    options.enable_mem_pattern = False
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    return library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@cache
def _share_memory() -> None:
    """Have all networks of this process work in the same memory, whichever runs.

    Each keeps what its largest picture took: 196 MB for the three of a face by themselves, 115 together.
    """
    library = onnxruntime()
    kinds = library.OrtAllocatorType.ORT_ARENA_ALLOCATOR, library.OrtMemType.DEFAULT
    place = library.OrtMemoryInfo("Cpu", kinds[0], 0, kinds[1])
    # What onnxruntime does by default: no bound, and growing by doubling.
    usual = dict.fromkeys(
        ("max_dead_bytes_per_chunk", "initial_chunk_size_bytes", "arena_extend_strategy"), -1
    )
    library.create_and_register_allocator(place, library.OrtArenaCfg({"max_mem": 0, **usual}))


@cache
def learned_files() -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of each learned file in use, in the order of their names."""
    suffixes = {".json", ".onnx"} if networks_run() else {".json"}
    files = sorted(p for p in _HOME.rglob("*") if p.suffix in suffixes)
    return tuple((p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files)
