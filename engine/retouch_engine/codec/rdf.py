"""An XMP packet as a tree: parsed without entities or document types, changed by property, written again.

ElementTree forgets prefixes and invents ``ns0``; readers do not mind, people and some plug-ins do, so the
source's own prefixes are remembered and written back.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain, count
from xml.etree.ElementTree import Element, ParseError, SubElement

import defusedxml.ElementTree as Safe
from defusedxml.common import DefusedXmlException

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
META = "adobe:ns:meta/"
XML = "http://www.w3.org/XML/1998/namespace"
PREFIXES = {
    "x": META,
    "rdf": RDF,
    "xml": XML,
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "stRef": "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "exifEX": "http://cipa.jp/exif/1.0/",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "retouchd": "http://ns.retouchd.org/1.0/",
}
DEEPEST = 64
_WIDE = (
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", "utf-32"),
    (rb"\0{3}<\0{3}[^\0]", "utf-32-be"),
    (rb"<\0{3}[^\0]\0{3}", "utf-32-le"),
    (rb"\xff\xfe|\xfe\xff", "utf-16"),
    (rb"\0<\0[^\0]", "utf-16-be"),
    (rb"<\0[^\0]\0", "utf-16-le"),
)
"""How a packet begins, two letters of it, that is written in wide ones; a zero alone is padding."""
_CONTROL = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f]")
_NO_UTF_8 = re.compile("[\udc80-\udcff]+")
_DECLARED = re.compile(r"\s*<\?xml\s.*?\?>", re.DOTALL)
_PADDING = (" " * 99 + "\n") * 20


class PacketError(Exception):
    """A packet that cannot be read, in words."""


def name(short: str) -> str:
    """``dc:subject`` as ElementTree writes it."""
    prefix, _, local = short.partition(":")
    return f"{{{PREFIXES[prefix]}}}{local}"


def space_of(tag: str) -> str:
    """The namespace of an ElementTree name."""
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def _bare(source: bytes) -> bytes:
    """A packet without its padding, in UTF-8. Other tools write UTF-16 and 32, whose zeros are no padding."""
    for start, encoding in _WIDE:
        if re.match(start, source):
            # A declaration would name what it is no longer written in.
            source = _DECLARED.sub("", source.decode(encoding, "replace"), count=1).encode()
            break
    source = source.strip(b"\0 \r\n\t")
    if source.startswith(b"<?xml "):
        return source  # may say what it is written in
    # As Adobe's XMP Toolkit reads it: some programs write the letters of Western Europe as they are, others
    # blank with zeros what they take out.
    text = source.decode("utf-8", "surrogateescape")
    return _CONTROL.sub(" ", _NO_UTF_8.sub(_western, text)).encode()


def _western(stray: re.Match[str]) -> str:
    return stray.group().encode("utf-8", "surrogateescape").decode("cp1252", "replace")


def packet_of_one(short: str, text: str) -> bytes:
    """A packet with one property and no room to grow: ``text`` has no letter that XML would have escaped."""
    prefix, _, _ = short.partition(":")
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="{META}">'
        f'<rdf:RDF xmlns:rdf="{RDF}">'
        f'<rdf:Description rdf:about="" xmlns:{prefix}="{PREFIXES[prefix]}" {short}="{text}"/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


class Packet:
    """The properties of one resource, and the prefixes they were written with."""

    def __init__(self, source: bytes | None = None) -> None:
        """Parse ``source``, or begin empty without one.

        Raises:
            PacketError: it does not parse, holds entities or a document type, or is nested absurdly.
        """
        self._prefixes: dict[str, str] = {}
        self._rdf = Element(name("rdf:RDF"))
        if source is not None:
            self._rdf = self._parse(source)
        self._tops = [e for e in self._rdf if e.tag == name("rdf:Description")]
        if not self._tops:
            self._tops = [SubElement(self._rdf, name("rdf:Description"), {name("rdf:about"): ""})]

    def _parse(self, source: bytes) -> Element:
        depth, root = 0, None
        try:
            events = ("start-ns", "start", "end")
            for event, value in Safe.iterparse(io.BytesIO(_bare(source)), events, forbid_dtd=True):
                if event == "start-ns":
                    prefix, uri = value
                    self._prefixes.setdefault(uri, prefix)
                    continue
                depth += 1 if event == "start" else -1
                if depth > DEEPEST:
                    raise PacketError(f"it is nested deeper than {DEEPEST}")
                if root is None and value.tag == name("rdf:RDF"):
                    root = value
        except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
            # Programs that write a shorter packet over a longer one leave that one's end behind theirs.
            if root is None or depth or not isinstance(error, ParseError):
                raise PacketError(f"{type(error).__name__}: {str(error).splitlines()[0][:120]}") from error
        if not isinstance(root, Element):
            raise PacketError("it holds no rdf:RDF")
        return root

    def absorb(self, other: Packet) -> None:
        """Take over the properties of ``other`` that are not here yet, with their prefixes."""
        mine = {key for top in self._tops for key in (*top.attrib, *(child.tag for child in top))}
        for uri, prefix in other._prefixes.items():
            self._prefixes.setdefault(uri, prefix)
        for top in other._tops:
            for key, value in top.attrib.items():
                if key not in mine:
                    self._tops[0].set(key, value)
            self._tops[0].extend(child for child in top if child.tag not in mine)

    def elements(self) -> Iterator[Element]:
        """Every element, however deep."""
        return self._rdf.iter()

    def drop(self, short: str) -> None:
        """Remove a property, as attribute and as element."""
        full = name(short)
        for top in self._tops:
            top.attrib.pop(full, None)
            for child in [c for c in top if c.tag == full]:
                top.remove(child)

    def drop_namespace(self, *uris: str) -> None:
        """Remove everything of these namespaces, however deep."""
        waiting = [self._rdf]
        while waiting:
            element = waiting.pop()
            for key in [k for k in element.attrib if space_of(k) in uris]:
                del element.attrib[key]
            for child in list(element):
                if space_of(child.tag) in uris:
                    element.remove(child)
                else:
                    waiting.append(child)

    def find(self, short: str) -> Element | None:
        """A property written as an element, or None."""
        found = (top.find(name(short)) for top in self._tops)
        return next((e for e in found if e is not None), None)

    def text(self, short: str) -> str | None:
        """The value of a simple property, or None."""
        full = name(short)
        for top in self._tops:
            if full in top.attrib:
                return top.attrib[full]
        element = self.find(short)
        if element is None or len(element):
            return None
        return element.get(name("rdf:resource")) or (element.text or "").strip() or None

    def has(self, short: str) -> bool:
        """Whether the property is there in any form."""
        return self.find(short) is not None or any(name(short) in top.attrib for top in self._tops)

    def put(self, short: str, value: str) -> None:
        """Set a simple property, replacing every earlier form of it."""
        self.drop(short)
        SubElement(self._tops[0], name(short)).text = clean(value)

    def put_struct(self, short: str, fields: dict[str, str]) -> None:
        """Set a property to a structure."""
        self.drop(short)
        _fill(SubElement(self._tops[0], name(short)), fields)

    def _container(self, short: str, kind: str) -> Element:
        element = self.find(short)
        if element is None:
            self.drop(short)
            element = SubElement(self._tops[0], name(short))
        kinds = {name(f"rdf:{k}") for k in ("Bag", "Seq", "Alt")}
        found = next((c for c in element if c.tag in kinds), None)
        return found if found is not None else SubElement(element, name(f"rdf:{kind}"))

    def add_to_bag(self, short: str, words: Iterable[str]) -> None:
        """Append words that are not there yet to an unordered list."""
        bag = self._container(short, "Bag")
        have = {(li.text or "").strip() for li in bag}
        for word in words:
            if word not in have:
                SubElement(bag, name("rdf:li")).text = clean(word)
                have.add(word)

    def append_struct(self, short: str, fields: dict[str, str]) -> None:
        """Append a structure to an ordered list."""
        _fill(SubElement(self._container(short, "Seq"), name("rdf:li")), fields)

    def as_bytes(self) -> bytes:
        """The whole packet, wrapped and padded as the XMP specification asks, UTF-8."""
        prefixes = self._assign()
        body = "".join(_lines(self._rdf, prefixes, 1))
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
            f'<x:xmpmeta xmlns:x="{META}">\n{body}</x:xmpmeta>\n{_PADDING}<?xpacket end="w"?>'
        ).encode("utf-8", "replace")

    def _assign(self) -> dict[str, str]:
        """One prefix for each namespace in use: the source's own, else the usual one, else a number."""
        used = {space_of(e.tag) for e in self._rdf.iter()}
        used |= {space_of(k) for e in self._rdf.iter() for k in e.attrib}
        usual = {uri: prefix for prefix, uri in PREFIXES.items()}
        taken: dict[str, str] = {"rdf": RDF, "x": META, "xml": XML}
        # One run of numbers for all: begun anew for each, 8,000 namespaces took ten seconds.
        numbered = (f"ns{i}" for i in count())
        for uri in sorted(used - {"", *taken.values()}):
            wanted = chain(filter(None, (self._prefixes.get(uri), usual.get(uri))), numbered)
            taken[next(p for p in wanted if p not in taken)] = uri
        return {uri: prefix for prefix, uri in taken.items()}


def field_of(element: Element, short: str) -> str | None:
    """A simple field of a structure, or None."""
    full = name(short)
    if full in element.attrib:
        return element.attrib[full]
    child = element.find(full)
    return None if child is None or len(child) else (child.text or "").strip()


def put_field(element: Element, short: str, value: str) -> None:
    """Set a field that is there, in the form that it has."""
    full = name(short)
    if full in element.attrib:
        element.set(full, clean(value))
    elif (child := element.find(full)) is not None:
        child.text = clean(value)


def clean(text: str) -> str:
    """Without the characters that XML cannot hold at all."""
    return "".join(c for c in text if c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff"))


def _fill(element: Element, fields: dict[str, str]) -> None:
    element.set(name("rdf:parseType"), "Resource")
    for short, value in fields.items():
        SubElement(element, name(short)).text = clean(value)


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#13;")


def _attribute(text: str) -> str:
    return _escaped(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")


def _qualified(tag: str, prefixes: dict[str, str]) -> str:
    uri = space_of(tag)
    return f"{prefixes[uri]}:{tag.rpartition('}')[2]}" if uri else tag


def _lines(element: Element, prefixes: dict[str, str], depth: int) -> Iterable[str]:
    """The element and what is in it, one line each."""
    tag, indent = _qualified(element.tag, prefixes), " " * depth
    attributes = "".join(
        f' {_qualified(key, prefixes)}="{_attribute(value)}"' for key, value in element.attrib.items()
    )
    if element.tag == name("rdf:RDF"):
        attributes += "".join(
            f' xmlns:{prefix}="{_attribute(uri)}"'
            for uri, prefix in prefixes.items()
            if prefix not in {"x", "xml"}
        )
    if len(element):
        yield f"{indent}<{tag}{attributes}>\n"
        for child in element:
            yield from _lines(child, prefixes, depth + 1)
        yield f"{indent}</{tag}>\n"
    elif element.text:
        yield f"{indent}<{tag}{attributes}>{_escaped(element.text)}</{tag}>\n"
    else:
        yield f"{indent}<{tag}{attributes}/>\n"
