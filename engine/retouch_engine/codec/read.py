"""A file in, a :class:`~retouch_engine.types.Photo` out, or one class that says why not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from retouch_engine.codec.decoded import Decoded
from retouch_engine.codec.drawn import is_drawn
from retouch_engine.codec.heif import read_heif
from retouch_engine.codec.ifd import StructureError
from retouch_engine.codec.jpeg import read_jpeg
from retouch_engine.codec.photoshop import read_photoshop
from retouch_engine.codec.png import read_png
from retouch_engine.codec.raw import read_raw
from retouch_engine.codec.sniff import OWN_NAMESPACE, Format, identify, open_source
from retouch_engine.codec.taken import signature
from retouch_engine.codec.tiff import read_tiff
from retouch_engine.errors import DamagedPhoto, EngineError, IncompletePhoto, OwnOutput, SourceMissing
from retouch_engine.recipe import Limits
from retouch_engine.threads import borrowed
from retouch_engine.types import Photo

_PIECE_BYTES = 1 << 18
_OTHER_PROFILE = (
    "its profile is one for {pictures} and says nothing of its colours, which were taken for sRGB; "
    "the result carries it on: assign the right one in your editor"
)
_READERS: Mapping[Format, Callable[[Path, BinaryIO, Limits], Decoded]] = {
    Format.JPEG: read_jpeg,
    Format.PNG: read_png,
    Format.PHOTOSHOP: read_photoshop,
    Format.HEIF: read_heif,
    Format.RAW: read_raw,
}


def read_photo(
    path: Path, limits: Limits, threads: int = 2, *, ours: bool = False, digest: str | None = None
) -> Photo:
    """Decode the photo at ``path``; opened for reading only, judged before it is decoded.

    With a ``digest`` that one is taken, and the file is not read a second time to make it.

    Raises:
        SourceMissing: not there, not readable, or gone while it was read.
        OwnOutput: a result of ours, also when an editor saved it again in whatever format; ``ours`` takes it.
        UnreadablePhoto: one subclass for each reason.
    """
    with open_source(path) as handle:
        before = signature(handle)
        with _digested(path, handle, digest) as told:
            decoded = decode(path, handle, limits, threads, ours=ours)
            digest = told()
        if signature(handle) != before:
            raise IncompletePhoto(path, "it changed while it was being read")
    packet = decoded.metadata.xmp or b""
    if not ours and OWN_NAMESPACE.encode() in packet:  # a JPEG of our TIFF, say
        raise OwnOutput(path, "" if is_drawn(packet) else "another program")
    return _photo(decoded, digest)


def read_samples(path: Path, limits: Limits, threads: int = 2) -> Decoded:
    """Any picture that we decode, results of ours too: for masks.

    Raises:
        EngineError: as :func:`read_photo`, but never OwnOutput.
    """
    with open_source(path) as handle:
        return decode(path, handle, limits, threads, ours=True)


def decode(
    path: Path, handle: BufferedReader, limits: Limits, threads: int, *, ours: bool = False
) -> Decoded:
    """The samples of an open file; every foreign exception becomes one of ours.

    Raises:
        EngineError: one subclass for each reason.
    """
    try:
        kind = identify(path, handle)
        if kind is Format.TIFF:
            return read_tiff(path, handle, limits, threads, ours=ours)
        return _READERS[kind](path, handle, limits)
    except EngineError:
        raise
    except StructureError as trouble:
        # The file became shorter between its header and its samples.
        raise IncompletePhoto(path, str(trouble)) from trouble
    except OSError as error:
        raise SourceMissing(path, error.strerror or str(error)) from error
    except MemoryError as error:
        raise DamagedPhoto(path, "it asks for more memory than there is") from error
    except Exception as error:
        # Decoders raise whatever their C libraries say; the first line of it is the reason.
        raise DamagedPhoto(path, _one_line(error)) from error


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    text = "".join(c for c in (lines[0] if lines else "") if c.isprintable())
    return f"{type(error).__name__}: {text[:160]}" if text else type(error).__name__


@contextmanager
def _digested(path: Path, handle: BufferedReader, known: str | None) -> Iterator[Callable[[], str]]:
    """What tells the digest of an open file, which is made while others read from it; given up with them."""
    if known is not None:
        yield lambda: known
        return
    enough = Event()
    with borrowed("digest", 1) as hands:
        made = hands.submit(_digest, path, handle.fileno(), enough)
        try:
            yield made.result
        finally:
            enough.set()


def _digest(path: Path, number: int, enough: Event) -> str:
    digest, buffer, at = hashlib.sha256(), memoryview(bytearray(_PIECE_BYTES)), 0
    try:
        # With a place of its own: the handle's is moved about by the decoder.
        while not enough.is_set() and (count := os.preadv(number, [buffer], at)):
            digest.update(buffer[:count])
            at += count
    except OSError as error:
        raise SourceMissing(path, error.strerror or str(error)) from error
    return digest.hexdigest()


def _photo(decoded: Decoded, digest: str) -> Photo:
    samples, colours = decoded.samples, decoded.colours
    height, width, count = samples.shape
    pixels: NDArray[Any]
    if colours == 1:
        # A view: three channels for the memory of one.
        pixels = np.broadcast_to(np.ascontiguousarray(samples[..., :1]), (height, width, 3))
    else:
        pixels = np.ascontiguousarray(samples[..., :3])
    metadata = decoded.metadata
    photo = Photo(
        pixels=pixels,
        grey=colours == 1,
        extra=np.ascontiguousarray(samples[..., colours:]) if count > colours else None,
        extra_meaning=decoded.extra_meaning,
        profile=decoded.profile,
        digest=digest,
        lossy=decoded.lossy,
        halved_colour=decoded.halved_colour,
        metadata=metadata,
        strips=decoded.strips,
    )
    if photo.profile is None or photo.colour_profile is not None:
        return photo
    space = photo.profile[16:20].decode("ascii", "backslashreplace").strip()
    note = _OTHER_PROFILE.format(pictures="grey pictures" if space == "GRAY" else f"{space} pictures")
    return replace(photo, metadata=replace(metadata, notes=(*metadata.notes, note)))
