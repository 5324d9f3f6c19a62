"""The result's XMP packet: all that the source says, minus what is no longer true, plus what was done."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from retouch_engine.codec.metadata import GAIN_MAP_NAMESPACE, MOST_PACKET_BYTES, not_carried, too_long
from retouch_engine.codec.places import AS_IT_LIES, Turn, turn_packet
from retouch_engine.codec.rdf import Packet, PacketError
from retouch_engine.codec.sniff import OWN_NAMESPACE
from retouch_engine.version import __version__

ALGORITHMIC = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_KEYWORD_HEALED, _KEYWORD_REVIEW = "retouchd|healed", "retouchd|review"
_IDS = uuid.UUID("5b8b2b0e-6d0a-5f0c-9a38-2f6f2f1c7a11")
"""Namespace of our uuid5 identifiers."""

_DEVELOP_SETTINGS = (
    "http://ns.adobe.com/camera-raw-settings/1.0/",
    "http://ns.adobe.com/camera-raw-saved-settings/1.0/",
    "http://ns.adobe.com/camera-raw-defaults/1.0/",
)
"""The pixels contain them already; an editor that reads them would apply them twice."""

_LEFT_BEHIND = (
    GAIN_MAP_NAMESPACE,
    "http://ns.google.com/photos/1.0/container/",  # further pictures behind the photo
    "http://ns.google.com/photos/1.0/image/",  # the face as it was, before the camera blurred its background
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/audio/",
    "http://ns.google.com/photos/1.0/camera/",  # the film behind the photo, and the camera's own notes
)
"""Of what lay in the source's file beside the photo or as megabytes in its packet: not in ours."""

_STALE = (
    "photoshop:SidecarForExtension",
    "xmp:Thumbnails",  # shows the face as it was
    "xmpNote:HasExtendedXMP",  # what it names is part of this packet now
    "dcterms:provenance",  # where the source's content credentials are: of this file they would not be true
    "tiff:NativeDigest",
    "exif:NativeDigest",
    "tiff:BitsPerSample",
    "tiff:Compression",
    "tiff:PhotometricInterpretation",
    "tiff:SamplesPerPixel",
    "tiff:PlanarConfiguration",
    "tiff:YCbCrSubSampling",
    "tiff:YCbCrPositioning",
)
"""True of the source's encoding, not of ours."""


def source_type(*, generative: bool) -> str:
    """IPTC's word for how a result came about: whether a trained model had a hand in it."""
    return COMPOSITE if generative else ALGORITHMIC


@dataclass(frozen=True, slots=True)
class XmpFacts:
    """What the packet is to say about this run. Equal facts give an equal packet."""

    source_digest: str
    """SHA-256 of the source file, hex."""
    recipe_digest: str
    when: datetime
    """With its time zone."""
    found: int = 0
    healed: int = 0
    kept: int = 0
    review: int = 0
    generative: int = 0
    """How many of the healed regions a trained model had a hand in; with none healed, 1 for a whole edit."""
    orientation: int = 1
    """Of the result file, so that packet and tag agree."""
    turn: Turn = AS_IT_LIES
    """How the result's pixels were turned since the source's packet was written."""
    media_type: str = "image/tiff"
    fallback: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Properties to add where the source's packet lacks them: ``SourceMetadata.fallback``."""

    def __post_init__(self) -> None:
        """A date without a zone means another instant on another machine."""
        if self.when.tzinfo is None:
            raise ValueError(f"when is {self.when!r}, expected a date with its time zone")


def packet_trouble(source_xmp: bytes | None) -> str | None:
    """Why the source's packet cannot be carried on, or None when it can or there is none."""
    try:
        _parse(source_xmp)
    except PacketError as error:
        return not_carried("XMP", error)
    return None


def names_credentials(source_xmp: bytes | None) -> bool:
    """Whether the source's packet says where content credentials are: in the file, or on a server."""
    try:
        return _parse(source_xmp).has("dcterms:provenance")
    except PacketError:
        return False


def build_packet(source_xmp: bytes | None, facts: XmpFacts) -> bytes:
    """The result's packet, UTF-8 with its wrapper. A broken source packet counts as none.

    Args:
        source_xmp: the packet embedded in the source, or None.
        facts: what was done.
    """
    try:
        packet = _parse(source_xmp)
    except PacketError:
        packet = Packet()
    packet.drop_namespace(*_DEVELOP_SETTINGS, *_LEFT_BEHIND, OWN_NAMESPACE)
    for short in _STALE:
        packet.drop(short)
    turn_packet(packet, facts.turn)
    _identify(packet, facts)
    _mark(packet, facts)
    stamp = facts.when.isoformat(timespec="seconds")
    packet.put("dc:format", facts.media_type)
    packet.put("xmp:MetadataDate", stamp)
    packet.put("xmp:ModifyDate", stamp)
    if packet.has("tiff:Orientation"):
        packet.put("tiff:Orientation", str(facts.orientation))
    for short, value in facts.fallback.items():
        if not packet.has(short):
            packet.put(short, value)
    return packet.as_bytes()


def _parse(source: bytes | None) -> Packet:
    if source is not None and len(source) > MOST_PACKET_BYTES:
        raise PacketError(too_long(len(source)))
    return Packet(source)


def _identify(packet: Packet, facts: XmpFacts) -> None:
    """New identifiers, where the result comes from, and one more line of history."""
    unknown = f"sha256:{facts.source_digest}"
    document = packet.text("xmpMM:DocumentID") or unknown
    instance = packet.text("xmpMM:InstanceID") or unknown
    original = packet.text("xmpMM:OriginalDocumentID") or document
    key = f"{facts.source_digest} {facts.recipe_digest}"
    new_instance = f"xmp.iid:{uuid.uuid5(_IDS, 'instance ' + key)}"
    packet.put("xmpMM:DocumentID", f"xmp.did:{uuid.uuid5(_IDS, 'document ' + key)}")
    packet.put("xmpMM:InstanceID", new_instance)
    packet.put("xmpMM:OriginalDocumentID", original)
    packet.put_struct(
        "xmpMM:DerivedFrom",
        {
            "stRef:instanceID": instance,
            "stRef:documentID": document,
            "stRef:originalDocumentID": original,
        },
    )
    regions = "1 region" if facts.healed == 1 else f"{facts.healed} regions"
    whole = facts.generative and not facts.healed
    packet.append_struct(
        "xmpMM:History",
        {
            "stEvt:action": "edited",
            "stEvt:instanceID": new_instance,
            "stEvt:when": facts.when.isoformat(timespec="seconds"),
            "stEvt:softwareAgent": f"retouchd {__version__}",
            "stEvt:changed": "/",
            "stEvt:parameters": "single-pass edit" if whole else f"blemish heal, {regions}",
        },
    )


def _mark(packet: Packet, facts: XmpFacts) -> None:
    """Keywords, the IPTC source type and our own properties."""
    words = [_KEYWORD_HEALED] * (facts.healed > 0) + [_KEYWORD_REVIEW] * (facts.review > 0)
    if words:
        packet.add_to_bag("dc:subject", words)
        packet.add_to_bag("lr:hierarchicalSubject", words)
    before = packet.text("Iptc4xmpExt:DigitalSourceType") or ""
    # A picture that came out of a trained model stays declared as one.
    if (facts.healed or facts.generative) and "trainedalgorithmic" not in before.lower():
        packet.put("Iptc4xmpExt:DigitalSourceType", source_type(generative=facts.generative > 0))
    for short, value in {
        "SourceDigest": facts.source_digest,
        "RecipeDigest": facts.recipe_digest,
        "EngineVersion": __version__,
        "Found": facts.found,
        "Healed": facts.healed,
        "Kept": facts.kept,
        "Review": facts.review,
    }.items():
        packet.put(f"retouchd:{short}", str(value))
