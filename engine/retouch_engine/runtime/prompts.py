"""Prompts as a model hears them, kept on disk: text encoders are large and answer the same every time.

One safetensors file for each model (by its digest), pipeline, precision and prompt. What is read is checked
against all of these and against a digest of its own; anything odd counts as not there, and is made again. So
the encoders are loaded once in a model's life, and from then on need not even lie on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SCHEMA = "retouchd.prompt/1"
_RANKS = {"prompt_embeds": 3, "pooled_prompt_embeds": 2}
"""What there may be, with its dimensions; the first of them is always one."""

Embeddings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Words:
    """What was said to which model."""

    prompt: str
    model_digest: str
    pipeline: str
    precision: str

    @property
    def file_name(self) -> str:
        """Another name for whatever changes the embeddings."""
        plain = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(plain.encode("ascii")).hexdigest() + ".safetensors"

    @property
    def told(self) -> dict[str, str]:
        """What the file says of itself."""
        return {"schema": _SCHEMA, **asdict(self)}


def heard(words: Words, folder: Path | None, encode: Callable[[], Embeddings]) -> Embeddings:
    """The embeddings of a prompt: read where they are kept, else made and kept.

    Args:
        words: what is said to which model.
        folder: where embeddings are kept; None for nowhere.
        encode: makes them; loads the text encoders.

    Returns:
        ``prompt_embeds`` ``(1, words, width)``, and for FLUX.1 ``pooled_prompt_embeds`` ``(1, width)``.
    """
    if folder is None:
        return encode()
    path = folder / words.file_name
    known = _read(path, words)
    if known is None:
        known = encode()
        # A folder that cannot be written costs the encoders' time at the next start, and nothing else.
        with contextlib.suppress(OSError):
            _write(path, words, known)
    return known


def _read(path: Path, words: Words) -> Embeddings | None:
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            told, found = dict(file.metadata() or {}), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    whole = told.pop("digest", "") == _digest(found) and told == words.told
    shaped = "prompt_embeds" in found and all(
        v.ndim == _RANKS.get(name) and v.shape[0] == 1 and bool(torch.isfinite(v).all())
        for name, v in found.items()
    )
    return found if whole and shaped else None


def _write(path: Path, words: Words, made: Embeddings) -> None:
    """Whole or not at all."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: values.detach().cpu().contiguous() for name, values in made.items()}
    part = path.with_name(f".{path.stem}-{os.getpid()}.part")
    try:
        save_file(plain, part, metadata={**words.told, "digest": _digest(plain)})
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _digest(found: Embeddings) -> str:
    """SHA-256 over names and bytes."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(found):
        values = found[name].contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
