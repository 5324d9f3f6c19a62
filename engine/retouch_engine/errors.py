"""Every way the engine can fail, one class each.

The class writes its own message: what was found, what was expected, what to do. ``retryable`` says
whether the same file may succeed later without anyone touching it (a copy still under way, a full
disk); ``code`` is the short stable word that the journal and ``retouchd why`` show.

    EngineError
    ├── OwnOutput                 a result of ours, offered back to us
    ├── SourceMissing             the file went away                            (retryable)
    ├── UnreadablePhoto
    │   ├── NotAPhoto             empty, or no known signature
    │   ├── ExtraNeeded           a format that an extra reads which is not installed
    │   ├── MislabelledPhoto      the name says one format, the bytes another
    │   ├── IncompletePhoto       the end is missing: a copy still under way?   (retryable)
    │   ├── DamagedPhoto          complete by its structure, but does not decode
    │   ├── UnsupportedPhoto      CMYK, Lab, float, palette, several pages ...
    │   ├── PhotoTooLarge         over max_megapixels or 65,000 px a side
    │   └── PhotoTooSmall         nothing to heal in so few pixels
    ├── UnusableName              control characters in the name
    ├── MaskMismatch              a painted mask of another size or kind
    ├── CorrectionsMistake        corrections that are none, or do not fit the photo
    ├── SittingMistake            what is remembered of a sitting cannot be used
    ├── PairMismatch              a photo before and one after that are not the same picture
    ├── NotEnoughToLearn          too few photos, or too few spots, to learn a taste from
    ├── NotOurDrawing             another file has the name of a drawing
    ├── RecipeMistake             a recipe with values out of range
    ├── ResultTooLarge            more than a classic TIFF can hold
    ├── ProofFailed               the encoded file is not what was promised
    ├── NotSigned                 content credentials were asked for and did not come about (retryable)
    ├── StagingFull               no room to write the result                   (retryable)
    ├── ModelUnusable             an installed model does not load, or not as its manifest says
    └── NoRoomForModel            a model does not fit on the device; the next healer takes over
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar


def shown(path: Path | str) -> str:
    """A path as one printable line: control characters and undecodable bytes are escaped."""
    text = str(path).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class EngineError(Exception):
    """Anything the engine refuses or cannot do."""

    retryable: ClassVar[bool] = False
    code: ClassVar[str] = "engine"


class OwnOutput(EngineError):
    """A result of ours, offered as if it were a photo; also after an editor saved it under another name."""

    code = "own-output"

    def __init__(self, path: Path, editor: str = "") -> None:
        again = f" that {shown(editor[:60])} saved again" if editor else ""
        super().__init__(
            f"own output: {shown(path.name)} is a result of retouchd{again}, its skin was healed already;"
            " offer the original, or have it done all the same: retouchd requeue --force, process --force"
        )


class SourceMissing(EngineError):
    """The file went away between being seen and being opened."""

    retryable = True
    code = "missing"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"cannot open {shown(path.name)}: {why}")


class UnreadablePhoto(EngineError):
    """The bytes are not a photo that the engine can take."""

    code = "unreadable"


class NotAPhoto(UnreadablePhoto):
    """Empty, or without the signature of any format we read."""

    code = "not-a-photo"

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(
            f"{shown(path.name)} is not a photo that retouchd reads: found {found}, expected TIFF, JPEG,"
            " PNG or PSD; export it as a 16-bit TIFF"
        )


class ExtraNeeded(UnreadablePhoto):
    """A format that is read by an extra which is not installed."""

    code = "extra"

    def __init__(self, path: Path, kind: str, extra: str) -> None:
        super().__init__(
            f"{shown(path.name)} is {kind}, which retouchd reads only with its extra {extra}:"
            f' pip install "retouchd[{extra}]"; or export it as a 16-bit TIFF'
        )


class MislabelledPhoto(UnreadablePhoto):
    """The name says one format, the bytes another."""

    code = "mislabelled"

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(
            f"{shown(path.name)} is mislabelled: its bytes are {found}, its name says"
            f" {path.suffix.lower() or 'nothing'}; give it the right ending"
        )


class IncompletePhoto(UnreadablePhoto):
    """The structure points past the end of the file."""

    retryable = True
    code = "incomplete"

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{shown(path.name)} is incomplete: {what}; copy or export it again")


class DamagedPhoto(UnreadablePhoto):
    """Complete by its structure, but it does not decode."""

    code = "damaged"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{shown(path.name)} does not decode: {why}; export it again")


class UnsupportedPhoto(UnreadablePhoto):
    """A kind of picture the engine does not take."""

    code = "unsupported"

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(
            f"{shown(path.name)} is {found}; expected 8- or 16-bit RGB or grey; export it as RGB TIFF"
        )


class PhotoTooLarge(UnreadablePhoto):
    """Over the size limit, read from the header before anything is decoded."""

    code = "too-large"

    def __init__(self, path: Path, width: int, height: int, limit: str) -> None:
        super().__init__(
            f"{shown(path.name)} claims {width} x {height} px ({width * height / 1e6:.1f} MP); the limit is"
            f" {limit}; raise max_megapixels if this is a real photo"
        )


class PhotoTooSmall(UnreadablePhoto):
    """Too few pixels to hold skin."""

    code = "too-small"

    def __init__(self, path: Path, width: int, height: int, least: int) -> None:
        super().__init__(
            f"{shown(path.name)} is {width} x {height} px; a photo has at least {least} px on each side"
        )


class UnusableName(EngineError):
    """A name that must never reach another program."""

    code = "bad-name"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"unusable name {shown(path.name)}: {why}; rename the file")


class MaskMismatch(EngineError):
    """A painted mask that does not fit its photo."""

    code = "mask"

    def __init__(self, path: Path, found: str, expected: str) -> None:
        super().__init__(f"mask {shown(path.name)} is {found}; expected {expected}")


class CorrectionsMistake(EngineError):
    """Corrections of a person that cannot be read, or that lie outside of the photo."""

    code = "corrections"

    def __init__(self, field: str, found: object, allowed: str) -> None:
        super().__init__(
            f"a correction's {field} is {shown(repr(found)[:80])}; allowed: {allowed};"
            " remove the photo's file in _retouchd/corrections to start over"
        )


class SittingMistake(EngineError):
    """What is remembered of other photos, or a list of kept marks, that cannot be read."""

    code = "sitting"

    def __init__(self, field: str, found: object, allowed: str) -> None:
        super().__init__(f"a remembered mark's {field} is {shown(repr(found)[:80])}; allowed: {allowed}")


class PairMismatch(EngineError):
    """A photo before and one after that are not the same picture at the same size."""

    code = "pair"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{shown(path.name)}: {why}")


class NotEnoughToLearn(EngineError):
    """Too little was seen for a taste that holds on other photos."""

    code = "learn"

    def __init__(self, seen: Mapping[str, int], least: tuple[int, int], left_out: Mapping[str, str]) -> None:
        self.left_out = dict(left_out)
        super().__init__(
            f"too little to learn from: {seen['photos']} photos with {seen['healed']} healed spots and"
            f" {seen['left']} that were left; at least {least[0]} photos and {least[1]} of each are needed"
            + (f"; {len(left_out)} pairs could not be used" if left_out else "")
        )


class NotOurDrawing(EngineError):
    """A file stands where a drawing for a person goes, and is none of ours."""

    code = "taken"

    def __init__(self, path: Path) -> None:
        what = "is there already, without the mark of a drawing of retouchd"
        super().__init__(f"{shown(path)} {what}; move it away, or choose another --out")


class RecipeMistake(EngineError):
    """A recipe with a value out of range."""

    code = "recipe"

    def __init__(self, field: str, found: object, allowed: str) -> None:
        super().__init__(f"{field} is {found!r}; allowed: {allowed}")


class ResultTooLarge(EngineError):
    """More than a classic TIFF can hold; BigTIFF is never written."""

    code = "result-too-large"

    def __init__(self, path: Path, size: int) -> None:
        super().__init__(
            f"the result of {shown(path.name)} would take {size / 1e9:.2f} GB; a TIFF that editors open"
            " holds at most 4 GB; export a smaller size"
        )


class ProofFailed(EngineError):
    """The encoded file is not what was promised, so nothing is published."""

    code = "proof"

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"refused to publish the result of {shown(path.name)}: {what}; please report this")


class NotSigned(EngineError):
    """Content credentials were asked for and did not come about, so nothing is published."""

    retryable = True
    code = "not-signed"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"not signed: {shown(why)}; mend [signing], or empty it to publish without a signature"
        )


class StagingFull(EngineError):
    """No room where the result is staged; nothing was published."""

    retryable = True
    code = "disk-full"

    def __init__(self, where: Path, why: str) -> None:
        super().__init__(f"no room in {shown(where)}: {why}; free some space")


class ModelUnusable(EngineError):
    """An installed model that does not load, or does not take and give what its manifest says."""

    code = "model"

    def __init__(self, model_id: str, why: str) -> None:
        super().__init__(f"{model_id} cannot be used: {why}; see retouchd models verify {model_id}")


class NoRoomForModel(EngineError):
    """A model that does not fit on the device now."""

    code = "model-room"
    retryable = True

    def __init__(self, model_id: str, why: str) -> None:
        super().__init__(f"no room for {model_id}: {why}; a smaller one, or less in models.pinned, may fit")
