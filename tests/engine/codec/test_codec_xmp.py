"""The packet keeps what is true, drops what is not, and says what was done."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType
from typing import Any
from xml.etree.ElementTree import Element

import defusedxml.ElementTree as Safe
import pytest

from retouch_engine.codec.rdf import PREFIXES, Packet, name
from retouch_engine.codec.xmp import ALGORITHMIC, XmpFacts, build_packet, packet_trouble

FACTS = XmpFacts(
    source_digest="ab" * 32,
    recipe_digest="cd" * 32,
    when=datetime(2026, 5, 1, 10, 20, 30, tzinfo=UTC),
    found=12,
    healed=7,
    kept=3,
    review=2,
    orientation=6,
)

SOURCE = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xap="http://ns.adobe.com/xap/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" xmlns:studio="https://studio.example/ns/"
    xap:Rating="4" xap:CreatorTool="Adobe Lightroom" tiff:Orientation="1" exif:FNumber="28/10"
    photoshop:SidecarForExtension="NEF"
    photoshop:City="Krak\u00f3w" studio:Job="a &quot;b&quot; &lt;c&gt; &amp;"
    xmpMM:DocumentID="xmp.did:source" xmpMM:InstanceID="xmp.iid:source" xmpMM:OriginalDocumentID="original"
    crs:Version="15" crs:Exposure2012="+1.20">
   <crs:ToneCurve><rdf:Seq><rdf:li>0, 0</rdf:li></rdf:Seq></crs:ToneCurve>
   <crs:Look><rdf:Description crs:Name="Portrait">
    <crs:Parameters crs:Clarity2012="10"/></rdf:Description></crs:Look>
   <studio:Nested rdf:parseType="Resource">
    <crs:Tint>4</crs:Tint><studio:Kept>yes</studio:Kept></studio:Nested>
   <dc:subject><rdf:Bag><rdf:li>bride</rdf:li><rdf:li>retouchd|healed</rdf:li></rdf:Bag></dc:subject>
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">Caf\u00e9</rdf:li></rdf:Alt></dc:title>
   <lr:hierarchicalSubject><rdf:Bag><rdf:li>people|bride</rdf:li></rdf:Bag></lr:hierarchicalSubject>
   <xmpMM:History><rdf:Seq>
    <rdf:li stEvt:action="derived" stEvt:parameters="converted from NEF"/>
   </rdf:Seq></xmpMM:History>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>""".encode()


def _rdf(packet: bytes) -> Element:
    root = Safe.fromstring(packet)
    found = root.find(name("rdf:RDF"))
    assert found is not None
    return found


def _value(packet: bytes, short: str) -> str | None:
    for top in _rdf(packet):
        if name(short) in top.attrib:
            return top.attrib[name(short)]
        element = top.find(name(short))
        if element is not None:
            return element.text
    return None


def _items(packet: bytes, short: str) -> list[Element]:
    return [li for top in _rdf(packet) for li in top.findall(f"{name(short)}/*/{name('rdf:li')}")]


def test_develop_settings_go_wherever_they_are() -> None:
    packet = build_packet(SOURCE, FACTS)
    assert b"camera-raw" not in packet
    assert b"crs:" not in packet
    assert b"SidecarForExtension" not in packet


def test_everything_else_stays_with_its_own_prefix() -> None:
    packet = build_packet(SOURCE, FACTS)
    assert b'xmlns:studio="https://studio.example/ns/"' in packet
    assert b'xmlns:xap="http://ns.adobe.com/xap/1.0/"' in packet
    assert b"ns0:" not in packet
    assert _value(packet, "xmp:Rating") == "4"
    assert _value(packet, "xmp:CreatorTool") == "Adobe Lightroom"
    assert _value(packet, "photoshop:City") == "Kraków"
    top = _rdf(packet)[0]
    assert top.attrib["{https://studio.example/ns/}Job"] == 'a "b" <c> &'
    assert top.findtext("{https://studio.example/ns/}Nested/{https://studio.example/ns/}Kept") == "yes"
    (title,) = _items(packet, "dc:title")
    assert title.text == "Café"
    assert title.attrib["{http://www.w3.org/XML/1998/namespace}lang"] == "x-default"


def test_identifiers_are_new_and_point_back() -> None:
    packet = build_packet(SOURCE, FACTS)
    assert (_value(packet, "xmpMM:DocumentID") or "").startswith("xmp.did:")
    assert _value(packet, "xmpMM:DocumentID") != "xmp.did:source"
    assert _value(packet, "xmpMM:InstanceID") != "xmp.iid:source"
    assert _value(packet, "xmpMM:OriginalDocumentID") == "original"
    derived = _rdf(packet)[0].find(name("xmpMM:DerivedFrom"))
    assert derived is not None
    assert derived.findtext(name("stRef:instanceID")) == "xmp.iid:source"
    assert derived.findtext(name("stRef:documentID")) == "xmp.did:source"
    assert derived.findtext(name("stRef:originalDocumentID")) == "original"


def test_a_source_without_identifiers_is_named_by_its_digest() -> None:
    packet = build_packet(None, FACTS)
    derived = _rdf(packet)[0].find(name("xmpMM:DerivedFrom"))
    assert derived is not None
    assert derived.findtext(name("stRef:documentID")) == "sha256:" + "ab" * 32
    assert _value(packet, "xmpMM:OriginalDocumentID") == "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("healed", "generative", "told"),
    [
        (1, 0, "blemish heal, 1 region"),
        (0, 0, "blemish heal, 0 regions"),
        (2, 1, "blemish heal, 2 regions"),
        (0, 1, "single-pass edit"),
    ],
)
def test_the_history_says_what_was_done(healed: int, generative: int, told: str) -> None:
    history = _items(
        build_packet(None, replace(FACTS, healed=healed, generative=generative)), "xmpMM:History"
    )
    assert [line.findtext(name("stEvt:parameters")) for line in history] == [told]


def test_one_line_of_history_is_appended() -> None:
    history = _items(build_packet(SOURCE, FACTS), "xmpMM:History")
    assert len(history) == 2
    assert history[0].attrib[name("stEvt:action")] == "derived"
    assert history[1].findtext(name("stEvt:action")) == "edited"
    assert history[1].findtext(name("stEvt:parameters")) == "blemish heal, 7 regions"
    assert history[1].findtext(name("stEvt:changed")) == "/"
    assert (history[1].findtext(name("stEvt:softwareAgent")) or "").startswith("retouchd ")
    assert history[1].findtext(name("stEvt:instanceID")) == _value(
        build_packet(SOURCE, FACTS), "xmpMM:InstanceID"
    )


def test_keywords_are_added_once_and_only_when_true() -> None:
    packet = build_packet(SOURCE, FACTS)
    assert [li.text for li in _items(packet, "dc:subject")] == ["bride", "retouchd|healed", "retouchd|review"]
    assert [li.text for li in _items(packet, "lr:hierarchicalSubject")] == [
        "people|bride",
        "retouchd|healed",
        "retouchd|review",
    ]
    nothing = build_packet(None, replace(FACTS, healed=0, review=0))
    assert not _items(nothing, "dc:subject")
    assert _value(nothing, "Iptc4xmpExt:DigitalSourceType") is None
    assert _value(packet, "Iptc4xmpExt:DigitalSourceType") == ALGORITHMIC


def test_a_generated_picture_stays_declared_as_generated() -> None:
    generated = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    source = SOURCE.replace(
        b'xap:Rating="4"',
        b'xap:Rating="4" xmlns:i="' + PREFIXES["Iptc4xmpExt"].encode() + b'" i:DigitalSourceType="'
        + generated.encode() + b'"',
    )  # fmt: skip
    assert _value(build_packet(source, FACTS), "Iptc4xmpExt:DigitalSourceType") == generated


def test_own_properties_dates_format_and_orientation_are_set() -> None:
    packet = build_packet(SOURCE, FACTS)
    assert b'xmlns:retouchd="http://ns.retouchd.org/1.0/"' in packet
    for short, value in {
        "SourceDigest": "ab" * 32,
        "RecipeDigest": "cd" * 32,
        "Found": "12",
        "Kept": "3",
    }.items():
        assert _value(packet, f"retouchd:{short}") == value
    assert _value(packet, "xmp:MetadataDate") == "2026-05-01T10:20:30+00:00"
    assert _value(packet, "dc:format") == "image/tiff"
    assert _value(packet, "tiff:Orientation") == "6"


def test_fallback_properties_fill_gaps_only() -> None:
    facts = replace(FACTS, fallback={"exif:FNumber": "4/1", "exif:ExposureTime": "1/200"})
    packet = build_packet(SOURCE, facts)
    assert _value(packet, "exif:FNumber") == "28/10"
    assert _value(packet, "exif:ExposureTime") == "1/200"


def test_equal_facts_give_equal_packets_and_a_second_pass_changes_no_property_twice() -> None:
    once = build_packet(SOURCE, FACTS)
    assert once == build_packet(SOURCE, FACTS)
    twice = build_packet(once, FACTS)
    assert len(_items(twice, "xmpMM:History")) == 3
    assert len(_items(twice, "dc:subject")) == 3
    assert twice.count(b"<retouchd:Found>") == 1


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description>&b;</rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.mark.parametrize(
    "broken",
    [
        BOMB,
        BOMB.replace(b'<!ENTITY a "aaaaaaaaaa">', b'<!ENTITY a SYSTEM "file:///etc/hostname">'),
        SOURCE[: len(SOURCE) // 2],
        b"",
        b"\0" * 100,
        b"not xml",
        b"<a/>",
        b"<?xml version='1.0' encoding='nonsense'?><a/>",
        SOURCE.replace(b"Adobe XMP Core", b"&#1;"),
        b"<a>" * 5000,
        b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        + b"<a>" * 5000
        + b"</a>" * 5000
        + b"</rdf:RDF>",
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_broken_or_hostile_packet_is_reported_and_replaced(broken: bytes) -> None:
    assert "XMP was not carried on" in (packet_trouble(broken) or "")
    assert build_packet(broken, FACTS) == build_packet(None, FACTS)


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-32-be", "utf-32-le", "utf-16", "utf-32"])
def test_a_packet_in_wide_letters_is_read_as_any_other(encoding: str) -> None:
    for start in ("", f'<?xml version="1.0" encoding="{encoding[:6]}"?>\n'):
        wide = (start + SOURCE.decode()).encode(encoding) + b"\0" * 40
        assert build_packet(wide, FACTS) == build_packet(SOURCE, FACTS)


@pytest.mark.parametrize(
    "behind", [b"</rdf:Bag>\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end='r'?>", b"<?xpacket end='w'", b"<x:y/>"]
)
def test_what_a_longer_packet_left_behind_a_shorter_one_is_passed_over(behind: bytes) -> None:
    """Programs of scanners and camera traps write so; keywords and people were lost with the packet."""
    assert packet_trouble(SOURCE + behind) is None
    assert build_packet(SOURCE + behind, FACTS) == build_packet(SOURCE, FACTS)


def test_letters_of_western_europe_are_read_though_they_are_no_utf_8() -> None:
    western = SOURCE.replace("Caf\u00e9".encode(), b"Caf\xe9 \x80")
    assert packet_trouble(western) is None
    mended = SOURCE.replace("Caf\u00e9".encode(), "Caf\u00e9 \u20ac".encode())
    assert build_packet(western, FACTS) == build_packet(mended, FACTS), "what is UTF-8 beside it stays"


def test_what_was_blanked_with_zeros_within_a_packet_is_blank() -> None:
    """An editor had taken a few properties out so; the place, the headline and all others were lost."""
    blanked = SOURCE.replace(b"<dc:title>", b"\0" * 40 + b"\n  \0\0\x1a<dc:title>")
    assert packet_trouble(blanked) is None
    assert build_packet(blanked, FACTS) == build_packet(SOURCE, FACTS)


@pytest.mark.parametrize("padding", [1, 2, 3])
def test_zeros_before_a_packet_are_padding(padding: int) -> None:
    assert build_packet(b"\0" * padding + SOURCE, FACTS) == build_packet(SOURCE, FACTS)


def test_a_good_packet_is_no_trouble() -> None:
    assert packet_trouble(SOURCE) is None
    assert packet_trouble(None) is None


def test_text_that_xml_cannot_hold_does_not_break_the_packet() -> None:
    facts = replace(FACTS, fallback={"exifEX:LensModel": "50mm\0\x01\ud800 <f&1.8>"})
    assert _value(build_packet(None, facts), "exifEX:LensModel") == "50mm <f&1.8>"


def test_a_date_needs_its_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        replace(FACTS, when=datetime(2026, 5, 1))  # noqa: DTZ001


def test_of_what_stays_behind_in_the_source_nothing_is_said() -> None:
    """A gain map, further pictures, content credentials: a file without them must not claim them."""
    told = (
        'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" '
        'xmlns:Container="http://ns.google.com/photos/1.0/container/" Container:Directory="x" '
        'xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="https://credentials.example/1" '
        'dcterms:created="2026" crs:Version="15" '
        'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" GDepth:Data="/9j/4AAQ" '
        'xmlns:GAudio="http://ns.google.com/photos/1.0/audio/" GAudio:Data="AAAA" '
        'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"'
    )
    packet = build_packet(SOURCE.replace(b'crs:Version="15"', told.encode()), FACTS)
    assert _value(packet, "dcterms:created") == "2026"
    for gone in (b"hdrgm", b"Container", b"provenance", b"GDepth", b"GAudio", b"GCamera"):
        assert gone not in packet


def _spaced(count: int) -> bytes:
    """A packet of so many namespaces, all written with the same prefix: each but one needs a number."""
    some = "".join(f'<n:a xmlns:n="https://studio.example/{i:05}/">{i}</n:a>' for i in range(count))
    return SOURCE.replace(b"<crs:ToneCurve>", f"{some}<crs:ToneCurve>".encode())


def _lines_run(packet: Packet) -> int:
    """How many lines of Python it takes to write a packet; unlike a time it is always the same."""
    run, before = [0], sys.gettrace()

    def counted(_frame: FrameType, event: str, _what: object) -> Any:
        run[0] += event == "line"
        return counted

    sys.settrace(counted)
    try:
        packet.as_bytes()
    finally:
        sys.settrace(before)
    return run[0]


def test_many_namespaces_take_one_prefix_each_and_no_more_than_their_share_of_work() -> None:
    packet = build_packet(_spaced(40), FACTS)
    assert [f"ns{i}" in packet.decode() for i in (0, 38, 39)] == [True, True, False]
    tags = [child.tag for child in _rdf(packet)[0] if child.tag.startswith("{https://studio.example/0")]
    assert tags == [f"{{https://studio.example/{i:05}/}}a" for i in range(40)]
    few, many = (_lines_run(Packet(_spaced(count))) for count in (200, 800))
    assert many < 5 * few
