"""Which files may enter the store: weights that cannot carry code, and the plain text beside them.

A pickle runs whatever it holds when it is opened, so none is taken, whatever it calls itself: the first bytes
of every weights file are looked at, not only its name.
"""

from __future__ import annotations

import json
from pathlib import Path

from retouchd.models.errors import UnsafeModelFile

WEIGHTS = frozenset({".safetensors", ".onnx", ".gguf"})
TEXT = frozenset({".json", ".txt", ".jinja", ".md", ".toml"})
_VOCABULARIES = frozenset({"spiece.model", "tokenizer.model", "sentencepiece.bpe.model"})
"""SentencePiece's: a protocol buffer of words, no code."""
_LARGEST_HEADER = 100_000_000
"""The limit of the safetensors format itself."""
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
"""A pickle of protocol 2 to 5, and the archive that ``torch.save`` makes of one."""


def check(path: Path, name: str) -> None:
    """Look at a file before it is taken in.

    Args:
        path: where it lies.
        name: what it is called in the repository.

    Raises:
        UnsafeModelFile: of a kind that may hold code, or not what its name says.
    """
    suffix = Path(name).suffix.lower()
    allowed = suffix in WEIGHTS | TEXT or Path(name).name in _VOCABULARIES
    if not allowed:
        raise UnsafeModelFile(name, f"the ending {suffix or 'none'!r}")
    if path.is_symlink() or not path.is_file():
        raise UnsafeModelFile(name, "no plain file")
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(_PICKLES):
        raise UnsafeModelFile(name, "a pickle, which runs code when it is opened")
    if suffix == ".safetensors":
        _check_safetensors(path, name)
    elif suffix == ".gguf" and not head.startswith(b"GGUF"):
        raise UnsafeModelFile(name, "no GGUF signature")
    elif suffix == ".onnx" and not head.startswith(b"\x08"):
        # ModelProto begins with its ir_version: field 1, a varint.
        raise UnsafeModelFile(name, "no ONNX model")


def _check_safetensors(path: Path, name: str) -> None:
    """An 8-byte length, then that much JSON (https://github.com/huggingface/safetensors)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_LARGEST_HEADER, path.stat().st_size - 8):
            raise UnsafeModelFile(name, "no safetensors header")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError):
            raise UnsafeModelFile(name, "a broken safetensors header") from None
    if not isinstance(header, dict):
        raise UnsafeModelFile(name, "a safetensors header that is no table")


def wanted(name: str) -> bool:
    """Whether a file of a repository could enter the store, by its name alone."""
    path = Path(name)
    plain = not path.is_absolute() and ".." not in path.parts and all(c.isprintable() for c in name)
    return plain and (path.suffix.lower() in WEIGHTS | TEXT or path.name in _VOCABULARIES)
