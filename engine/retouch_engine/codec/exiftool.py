"""EXIF, GPS, IPTC and maker notes carried over by exiftool, which keeps running between files.

exiftool takes its arguments one to a line, so a name with a newline in it is a command of its own. Hence no
name that a person chose ever reaches it: both paths are staged ones of ours, and are refused otherwise.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import exiftool

from retouch_engine.codec.carried import CarryReport, report_of
from retouch_engine.codec.ifd import Span, StructureError, directories

LEAST_VERSION = (12, 38)
"""Before it, a name with a pipe in it is run (CVE-2022-23935)."""
CARRY_TIMEOUT_S = 120.0
"""A rewrite of 200 MB takes half a second; a share that hangs must not hang the service."""
BUILT_IN = "built-in"
_TRIES = 3
"""How often an exiftool that ended is started again for one command."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9._-]+")
_FIRST_DIRECTORY = (
    *("Make", "Model", "UniqueCameraModel", "HostComputer", "ModifyDate", "TimeZoneOffset"),
    *("Artist", "Copyright", "ImageDescription", "DocumentName", "Rating", "RatingPercent"),
    *("XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject", "ProcessingSoftware"),
    # Where scanners, GIMP, and programs that know TIFF/EP, write what belongs into EXIF's own directory.
    *("DateTimeOriginal", "CreateDate", "ExposureTime", "FNumber", "ExposureProgram", "ISO", "SerialNumber"),
    *("ShutterSpeedValue", "ApertureValue", "ExposureCompensation", "MeteringMode", "LightSource", "Flash"),
    *("FocalLength", "FocalLengthIn35mmFormat", "DigitalZoomRatio", "MaxApertureValue", "LensInfo"),
    *("CustomRendered", "ExposureMode", "WhiteBalance", "SceneCaptureType", "GainControl", "Contrast"),
    *("Saturation", "Sharpness", "SubjectDistanceRange", "SensingMethod", "FileSource", "SceneType"),
    *("SensitivityType", "RecommendedExposureIndex", "UserComment", "Gamma", "LensModel"),
    *("CameraSerialNumber", "OriginalRawFileName"),
    # All that a file without a profile says about its colours.
    *("WhitePoint", "PrimaryChromaticities"),
)
"""Of the first directory only what describes: the rest says how samples are stored, and is not the source's.
Not Software, which names us; not ImageSourceData, which holds Photoshop's unhealed layers."""
_INTEROPERABILITY = (
    *("InteropIndex", "InteropVersion"),
    *("RelatedImageFileFormat", "RelatedImageWidth", "RelatedImageHeight"),
)
_GROUPS = ("ExifIFD:all", "InteropIFD:all", "GPS:all", "IPTC:all")
_TEXTS_OF_PNG = (
    "-IFD0:DocumentName<PNG:Title",
    "-IFD0:ImageDescription<PNG:Description",
    "-IFD0:Artist<PNG:Author",
    "-IFD0:Copyright<PNG:Copyright",
    "-ExifIFD:UserComment<PNG:Comment",
)
"""PNG's own words for what EXIF says too, whose own follow: a later argument stands."""
_COPY = (
    *_TEXTS_OF_PNG,
    *("-ExifIFD:all", "-InteropIFD:all", "-GPS:all"),
    # None of these is part of its group's "all".
    *(f"-InteropIFD:{tag}" for tag in _INTEROPERABILITY),
    "-MakerNotes",
    "-Photoshop:all",
    *(f"-IFD0:{tag}" for tag in _FIRST_DIRECTORY),
    # Each of these shows the face as it was.
    *("--ThumbnailImage", "--PhotoshopThumbnail", "--PreviewImage"),
    *("--Photoshop:XResolution", "--Photoshop:YResolution"),
    *("--Photoshop:DisplayedUnitsX", "--Photoshop:DisplayedUnitsY"),
    # How a JPEG holds its colours: not allowed in a TIFF (EXIF 2.32, 4.6.5). Exiftool makes up the first.
    "-ExifIFD:ComponentsConfiguration=",
    "-ExifIFD:CompressedBitsPerPixel=",
)
_COPY_IPTC = ("-IPTC:all", "-IPTC:CodedCharacterSet")
"""Without the second, which is not part of "all", a name in UTF-8 becomes question marks."""
_IPTC_TAG = 33723
_COMPARE = (
    *(f"-{group}" for group in _GROUPS),
    "-MakerNotes:all",
    *(f"-IFD0:{tag}" for tag in _FIRST_DIRECTORY),
)
NOTHING: Mapping[str, str] = MappingProxyType({})
_WITHOUT_EXIFTOOL = ("ExifIFD", "GPS", "MakerNotes", "Photoshop")


class ExiftoolError(Exception):
    """exiftool is gone, too slow, too old or refuses; the caller goes on without it."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What exiftool said when it copied."""

    said: str = ""
    trouble: str = ""
    """Why it could not; empty when it could."""
    changed: tuple[str, ...] = ()
    """The tags that had to be another than the source's, by group and name."""


class _Tool(exiftool.ExifTool):  # type: ignore[misc]  # the library is untyped
    """pyexiftool with an end to every wait.

    The library's own ``execute`` reads for ever, and grows for ever, once exiftool is killed.
    """

    _serial = count(1)
    told_version = ""
    """The library's ``version`` raises once the process was killed: this is what it said at its start."""

    def execute(self, *params: str, raw_bytes: bool = False) -> str:
        """Run one command and return what it prints; its complaints are in ``complaints``.

        Raises:
            ExiftoolError: it is gone, or takes longer than :data:`CARRY_TIMEOUT_S`.
            ValueError: a parameter holds a line break.
        """
        assert not raw_bytes
        if any(c in p for p in params for c in "\r\n\0"):
            raise ValueError("a parameter for exiftool holds a line break")
        mark = next(self._serial)
        lines = [*params, "-echo4", f"=${{status}}=post{mark}", f"-execute{mark}\n"]
        try:
            self._process.stdin.write("\n".join(lines).encode("utf-8"))
            self._process.stdin.flush()
        except OSError as error:
            raise ExiftoolError("it has ended") from error
        out, err = self._read_until(f"{{ready{mark}}}".encode(), f"=post{mark}".encode())
        text, _, status = err.rpartition("=")
        self._last_status = int(status) if status.isdigit() else 1
        self.complaints = " ".join(text.split())
        return out

    def _read_until(self, end_of_out: bytes, end_of_err: bytes) -> tuple[str, str]:
        """What came on both pipes up to the marks that end a command."""
        waiting = {self._process.stdout.fileno(): end_of_out, self._process.stderr.fileno(): end_of_err}
        order, got = list(waiting), dict.fromkeys(waiting, b"")
        deadline = time.monotonic() + CARRY_TIMEOUT_S
        while waiting:
            ready, _, _ = select.select(list(waiting), [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise ExiftoolError(f"it did not answer within {CARRY_TIMEOUT_S:.0f} s")
            for fd in ready:
                piece = os.read(fd, 1 << 16)
                if not piece:
                    raise ExiftoolError("it has ended")
                got[fd] += piece
                if got[fd].rstrip().endswith(waiting[fd]):
                    got[fd] = got[fd].rstrip()[: -len(waiting.pop(fd))]
        out, err = (got[fd].decode("utf-8", "replace") for fd in order)
        return out, err

    @property
    def alive(self) -> bool:
        """Whether the process runs. The library's ``running`` warns on standard error when it does not."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End the process now, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._flag_running_false()


def linked(source: Path, staging: Path) -> Path:
    """A name of ours for the source: exiftool never sees a name that came from outside."""
    link = staging / f"source{source.suffix.lower()}"
    link.symlink_to(os.path.abspath(source))  # noqa: PTH100 - resolve() would follow the user's links
    return link


class MetadataCarrier:
    """One exiftool, started when first needed, started again when it was killed. Use it in a ``with``."""

    def __init__(self, executable: str = "exiftool") -> None:
        self._executable = executable
        self._tool: _Tool | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End exiftool. Safe to call twice."""
        with self._lock:
            self._stop()

    def start(self) -> None:
        """Start exiftool if it does not run; without a usable one nothing happens.

        To be called before there is a photo: a process that is copied while it holds hundreds of megabytes
        touches each page of them anew afterwards, 0.15 s of processor time in the photo that follows.
        """
        with self._lock, suppress(ExiftoolError):
            self._running()

    @property
    def available(self) -> bool:
        """Whether an exiftool that we trust can be started."""
        return self.version is not None

    @property
    def version(self) -> str | None:
        """Exiftool's version, or None without a usable one."""
        with self._lock:
            try:
                return self._running().told_version
            except ExiftoolError:
                return None

    def carry(self, source: Path, result: Path, instead: Mapping[str, str] = NOTHING) -> CarryReport:
        """:meth:`copy`, then :meth:`compare`."""
        return self.compare(source, result, self.copy(source, result, instead))

    def copy(self, source: Path, result: Path, instead: Mapping[str, str] = NOTHING) -> Copied:
        """Copy what describes the photo from ``source`` into ``result``, a TIFF or a Photoshop document.

        Structure, orientation, profile, XMP and Software of the result stay, and so does the source's IPTC
        block where it is there byte for byte; no thumbnail comes along.

        Args:
            source: a staged name of ours, usually a symbolic link to the photo.
            result: the staged result; rewritten through a temporary file beside it.
            instead: what :func:`~retouch_engine.codec.carried.said_otherwise` gave: ``=value`` or ``<tag``.

        Raises:
            ValueError: a path that we cannot have made.
        """
        # Without -n values pass through their printed form: a lens of 4.25 mm arrived as one of 4.2.
        how = ("-m", "-n", "-overwrite_original", "-tagsFromFile")
        # Exiftool gives a time without a zone one, and takes fractions of seconds away.
        iptc = () if _holds(result, _IPTC_TAG) else _COPY_IPTC
        others = [f"-{tag}{value}" for tag, value in instead.items()]
        command = (*how, _staged(source), *iptc, *_COPY, *others, _staged(result))
        try:
            (said,), _ = self._asked(command)
            return Copied(said, changed=tuple(instead))
        except ExiftoolError as error:
            Path(f"{result}_exiftool_tmp").unlink(missing_ok=True)
            return Copied(trouble=str(error))

    def compare(self, source: Path, result: Path, copied: Copied) -> CarryReport:
        """Read both files and say what became of the metadata. Changes neither, so others may read as well.

        Args:
            source: as for :meth:`copy`.
            result: as for :meth:`copy`.
            copied: its answer.

        Raises:
            ValueError: a path that we cannot have made.
        """
        trouble = copied.trouble
        if not trouble:
            commands = [(*_COMPARE, "-j", "-n", "-G1", _staged(path)) for path in (source, result)]
            try:
                answers, version = self._asked(*commands)
                before, after = map(_tags, answers)
                kept = {tag: value for tag, value in before.items() if tag not in copied.changed}
                return report_of(kept, after, copied.said, version)
            except ExiftoolError as error:
                trouble = str(error)
        note = f"exiftool: {trouble}; exposure, date and place are carried as XMP only"
        return CarryReport(BUILT_IN, _WITHOUT_EXIFTOOL, note)

    def _asked(self, *commands: tuple[str, ...]) -> tuple[list[str], str]:
        """The answers to a few commands, and the version of what answered.

        Raises:
            ExiftoolError: one of them failed; then the process was ended.
        """
        with self._lock:
            try:
                return [self._ask(*command) for command in commands], self._running().told_version
            except ExiftoolError:
                self._stop(at_once=True)
                raise

    def _ask(self, *params: str) -> str:
        """One command; again with a fresh exiftool when the old one was killed, before or in the middle.

        Raises:
            ExiftoolError: it is gone again and again, too slow, or complains.
        """
        for left in reversed(range(_TRIES)):
            tool = self._running()
            try:
                answer = tool.execute(*params)
                break
            except ExiftoolError as error:
                if not left or "ended" not in str(error):
                    raise
                self._stop(at_once=True)
                # What it left half written would keep the next one from writing.
                Path(f"{params[-1]}_exiftool_tmp").unlink(missing_ok=True)
        if tool.last_status and "Error" in tool.complaints:
            raise ExiftoolError(tool.complaints[:200])
        return answer

    def _running(self) -> _Tool:
        """The process, started if need be.

        Raises:
            ExiftoolError: there is none, or none that we trust.
        """
        if self._tool is not None and self._tool.alive:
            return self._tool
        self._stop(at_once=True)
        if shutil.which(self._executable) is None:
            raise ExiftoolError("it is not installed")
        for left in reversed(range(_TRIES)):
            try:
                tool = self._started()
                break
            except ExiftoolError:
                if not left:
                    raise
        if _version(tool.told_version) < LEAST_VERSION:
            tool.kill()
            least = ".".join(map(str, LEAST_VERSION))
            raise ExiftoolError(f"version {tool.told_version} is older than {least}")
        self._tool = tool
        return tool

    def _started(self) -> _Tool:
        # An empty config file name keeps a user's own file, which is Perl, from being run.
        tool = _Tool(
            self._executable, common_args=["-charset", "filename=utf8"], config_file="", encoding="utf-8"
        )
        try:
            tool.run()
            tool.told_version = str(tool.version)
        except Exception as error:
            tool.kill()
            raise ExiftoolError(f"it does not start: {error}") from error
        return tool

    def _stop(self, *, at_once: bool = False) -> None:
        tool, self._tool = self._tool, None
        if tool is None:
            return
        if at_once or not tool.alive:
            tool.kill()
        else:
            tool.terminate(timeout=5)


def _staged(path: Path) -> str:
    """The path as text, if it is one that we can have made.

    Raises:
        ValueError: it is not.
    """
    text = str(path)
    if not path.is_absolute() or not text.isprintable() or not _SAFE_NAME.fullmatch(path.name):
        raise ValueError(f"not a staged name of ours: {text!a}")
    return text


def _holds(result: Path, code: int) -> bool:
    """Whether a TIFF of ours has the tag already, as the source has it."""
    try:
        with result.open("rb") as handle:
            return code in next(directories(Span.of_file(handle)))
    except (OSError, StructureError):
        return False


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _tags(answer: str) -> dict[str, Any]:
    """The tags of one file from ``-j -G1``.

    Raises:
        ExiftoolError: it printed something else.
    """
    try:
        (tags,) = json.loads(answer or "[{}]")
        return {str(name): value for name, value in tags.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ExiftoolError(f"its answer is not the JSON of one file: {answer[:80]!r}") from error
