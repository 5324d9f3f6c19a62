"""Photos stored on their sides: what stands upright says so, and places go along with the pixels."""

from __future__ import annotations

import io
import json
import struct
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from tests.engine.codec.test_codec_exiftool import needs_exiftool
from tests.engine.codec.test_codec_layers import HEALS, REVIEW, laid, layers_of

from retouch_engine import errors
from retouch_engine.codec.exiftool import MetadataCarrier
from retouch_engine.codec.healed import heal_strips, read_heals
from retouch_engine.codec.ifd import Span, StructureError
from retouch_engine.codec.iso import orientation_of
from retouch_engine.codec.layers import NO_MARKS
from retouch_engine.codec.metadata import SourceMetadata, metadata_of
from retouch_engine.codec.photoshop import read_photoshop
from retouch_engine.codec.places import Turn, turn_packet, turned_exif
from retouch_engine.codec.psd import document_exif, document_packet, write_psd
from retouch_engine.codec.rdf import Packet, field_of
from retouch_engine.codec.read import read_photo
from retouch_engine.codec.rows import compose_box
from retouch_engine.codec.write import write_heal_layer
from retouch_engine.codec.xmp import XmpFacts, build_packet
from retouch_engine.imaging.turning import back, turned, turned_size
from retouch_engine.prove import prove_heal_layer, prove_merged
from retouch_engine.recipe import Finish, Limits
from retouch_engine.types import Photo
from retouch_engine.view import Viewer

ALL = range(1, 9)
SIZE = (600, 500)
FACTS = XmpFacts("ab" * 32, "cd" * 32, datetime(2026, 5, 1, tzinfo=UTC), healed=1)
PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
  xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
  xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
  tiff:Orientation="6" tiff:ImageWidth="500" tiff:ImageLength="600" exif:PixelXDimension="500"
  exif:PixelYDimension="600">
 <mwg-rs:Regions rdf:parseType="Resource">
  <mwg-rs:AppliedToDimensions stDim:w="{width}" stDim:h="{height}" stDim:unit="pixel"/>
  <mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name="Anna" mwg-rs:Type="Face">
   <mwg-rs:Area stArea:x="0.3" stArea:y="0.25" stArea:w="0.2" stArea:h="0.1" stArea:unit="normalized"/>
  </rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList>
 </mwg-rs:Regions>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
  xmlns:MP="http://ns.microsoft.com/photo/1.2/" xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#">
 <MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag><rdf:li rdf:parseType="Resource">
  <MPReg:Rectangle>0.2, 0.2, 0.2, 0.1</MPReg:Rectangle></rdf:li></rdf:Bag></MPRI:Regions></MP:RegionInfo>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
 <Iptc4xmpExt:ImageRegion><rdf:Bag>
  <rdf:li rdf:parseType="Resource"><Iptc4xmpExt:RegionBoundary rdf:parseType="Resource">
   <Iptc4xmpExt:rbShape>rectangle</Iptc4xmpExt:rbShape><Iptc4xmpExt:rbUnit>pixel</Iptc4xmpExt:rbUnit>
   <Iptc4xmpExt:rbX>100</Iptc4xmpExt:rbX><Iptc4xmpExt:rbY>120</Iptc4xmpExt:rbY>
   <Iptc4xmpExt:rbW>100</Iptc4xmpExt:rbW><Iptc4xmpExt:rbH>60</Iptc4xmpExt:rbH>
  </Iptc4xmpExt:RegionBoundary></rdf:li>
  <rdf:li rdf:parseType="Resource"><Iptc4xmpExt:RegionBoundary rdf:parseType="Resource">
   <Iptc4xmpExt:rbShape>circle</Iptc4xmpExt:rbShape><Iptc4xmpExt:rbUnit>relative</Iptc4xmpExt:rbUnit>
   <Iptc4xmpExt:rbX>0.3</Iptc4xmpExt:rbX><Iptc4xmpExt:rbY>0.25</Iptc4xmpExt:rbY>
   <Iptc4xmpExt:rbRx>0.1</Iptc4xmpExt:rbRx>
  </Iptc4xmpExt:RegionBoundary></rdf:li>
 </rdf:Bag></Iptc4xmpExt:ImageRegion>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def packet(width: object = 500, height: object = 600) -> bytes:
    return PACKET.replace("{width}", str(width)).replace("{height}", str(height)).encode()


def lying(orientation: int, **metadata: Any) -> Photo:
    """A photo with heals as it is stored: 500 px wide, 600 px high."""
    pixels = np.random.default_rng(1).integers(0, 65535, (*SIZE, 3)).astype(np.uint16)
    return Photo(pixels, metadata=SourceMetadata(orientation=orientation, **metadata))


def told(data: Packet, *shorts: str) -> list[list[float]]:
    """These fields of every structure that has all of them."""
    found = [[field_of(element, short) for short in shorts] for element in data.elements()]
    return [[float(v) for v in values if v] for values in found if all(values)]


def framed(left: float, top: float, width: float, height: float, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A picture of ``size`` in which a frame, in fractions, is filled."""
    high, wide = size
    out = np.zeros(size, np.bool_)
    rows = slice(round(top * high), round((top + height) * high))
    out[rows, round(left * wide) : round((left + width) * wide)] = True
    return out


@pytest.mark.parametrize("orientation", ALL)
def test_a_face_is_framed_where_it_is_seen(orientation: int) -> None:
    """MWG's, Microsoft's and IPTC's regions, all of them the same frame."""
    after = turned_size(SIZE, orientation)
    seen = turned(framed(0.2, 0.2, 0.2, 0.1, SIZE), orientation)
    made = Packet(packet())
    turn_packet(made, Turn(orientation, SIZE))
    ((x, y, w, h),) = told(made, "stArea:x", "stArea:y", "stArea:w", "stArea:h")
    assert np.array_equal(framed(x - w / 2, y - h / 2, w, h, after), seen)
    (rectangle,) = [t for e in made.elements() if (t := field_of(e, "MPReg:Rectangle"))]
    left, top, wide, high = map(float, rectangle.split(","))
    assert np.array_equal(framed(left, top, wide, high, after), seen)
    ((left, top, wide, high),) = told(made, *(f"Iptc4xmpExt:rb{which}" for which in "XYWH"))
    share = (left / after[1], top / after[0], wide / after[1], high / after[0])
    assert np.array_equal(framed(*share, after), seen)
    circle = told(made, "Iptc4xmpExt:rbX", "Iptc4xmpExt:rbY", "Iptc4xmpExt:rbRx")
    assert circle == [[x, y, pytest.approx(0.1 * SIZE[1] / after[1])]]
    assert told(made, "stDim:w", "stDim:h") == [[after[1], after[0]]]
    assert (made.text("tiff:ImageWidth"), made.text("tiff:ImageLength")) == (str(after[1]), str(after[0]))


def test_regions_of_the_upright_picture_are_right_already() -> None:
    made = Packet(packet(600, 500))
    turn_packet(made, Turn(6, SIZE))
    assert told(made, "stArea:x", "stArea:y") == [[0.3, 0.25]]
    assert told(made, "stDim:w", "stDim:h") == [[600, 500]]


def test_a_region_that_cannot_be_read_stays() -> None:
    broken = packet().replace(b'stArea:x="0.3"', b'stArea:x="left"').replace(b"0.2, 0.2, 0.2", b"0.2, 0.2")
    made = Packet(broken)
    turn_packet(made, Turn(6, SIZE))
    assert [field_of(e, "stArea:x") for e in made.elements() if field_of(e, "stArea:y")] == ["left"]
    assert [t for e in made.elements() if (t := field_of(e, "MPReg:Rectangle"))] == ["0.2, 0.2, 0.1"]


def test_of_a_photo_as_it_is_stored_no_place_moves() -> None:
    """Pixels and orientation are the source's: so are its places."""
    made = Packet(build_packet(packet(), XmpFacts("ab" * 32, "cd" * 32, FACTS.when, orientation=6)))
    assert told(made, "stArea:x", "stArea:y", "stArea:w", "stArea:h") == [[0.3, 0.25, 0.2, 0.1]]


@pytest.mark.parametrize("orientation", ALL)
def test_the_focus_is_where_it_was(orientation: int) -> None:
    at = np.zeros(SIZE, np.bool_)
    at[25, 10] = True
    row, column = np.argwhere(turned(at, orientation))[0]
    instead = turned_exif((10, 25, 4, 6), Turn(orientation, SIZE))
    quarter = orientation >= 5
    if orientation == 1:
        assert instead == {}
    else:
        size = "6 4" if quarter else "4 6"
        assert instead["ExifIFD:SubjectArea"] == f"={column} {row} {size}"
        assert ("ExifIFD:ExifImageWidth" in instead) is quarter


@pytest.mark.parametrize("orientation", ALL)
def test_a_document_stands_upright_whatever_reads_it(tmp_path: Path, orientation: int) -> None:
    path, photo = tmp_path / "layers.psd", lying(orientation, xmp=packet())
    write_psd(path, photo, HEALS, REVIEW, document_packet(photo, FACTS))
    prove_merged(path, photo, HEALS)
    with pytest.raises(errors.ProofFailed):
        prove_merged(path, photo, HEALS[:1])
    seen = turned(compose_box(photo, HEALS, photo.frame), orientation)
    with path.open("rb") as handle:
        read = read_photoshop(path, handle, Limits())
    assert np.array_equal(read.samples, seen)
    assert read.metadata.orientation == 1
    made = Packet(read.metadata.xmp)
    assert (made.text("tiff:Orientation"), made.text("dc:format")) == ("1", "application/vnd.adobe.photoshop")
    ((x, y),) = told(made, "stArea:x", "stArea:y")
    assert turned(framed(0.2, 0.2, 0.2, 0.1, SIZE), orientation)[
        round(y * len(seen)), round(x * seen.shape[1])
    ]


def test_a_documents_resolution_goes_along(tmp_path: Path) -> None:
    path = tmp_path / "layers.psd"
    photo = lying(6, resolution=((300, 1), (150, 1)), resolution_unit=2)
    write_psd(path, photo, (), NO_MARKS, b"")
    with path.open("rb") as handle:
        density = read_photoshop(path, handle, Limits()).metadata.resolution
    assert density == ((150 << 16, 1 << 16), (300 << 16, 1 << 16))


@pytest.mark.parametrize("orientation", ALL)
def test_a_heal_layer_stands_upright_and_is_read_back_as_stored(tmp_path: Path, orientation: int) -> None:
    path, photo = tmp_path / "heal.tif", lying(orientation)
    write_heal_layer(path, photo, HEALS, Finish(), REVIEW, b"a plan")
    prove_heal_layer(path, photo, HEALS, Finish())
    with pytest.raises(errors.ProofFailed):
        prove_heal_layer(path, photo, HEALS[:1], Finish())
    result = compose_box(photo, HEALS, photo.frame)
    with tifffile.TiffFile(path) as tif:
        assert tif.pages[0].tags.valueof(274, 1) == 1
        flat = tif.pages[0].asarray()
    seen, under = turned(result, orientation), turned(photo.pixels, orientation)
    assert np.array_equal(np.where(flat[..., 3:] > 0, flat[..., :3], under), seen)
    assert np.abs(laid(layers_of(path), under) - seen).max() <= 1
    memo, within = read_heals(path, photo)
    assert memo == b"a plan"
    for heal in HEALS:
        assert np.array_equal(within(heal.box)[heal.changed], heal.pixels[heal.changed])
    for box, strip in heal_strips(path, photo):
        healed = strip[..., -1] > 0
        assert np.array_equal(strip[healed][:, :3], result[box.slices][healed])


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_the_review_page_lays_a_standing_layer_where_it_belongs(tmp_path: Path, orientation: int) -> None:
    photo = lying(orientation)
    for name, pixels in (("photo", photo.pixels), ("result", compose_box(photo, HEALS, photo.frame))):
        tag = (274, 3, 1, orientation, True)
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric="rgb", extratags=[tag])
    write_heal_layer(tmp_path / "heal.tif", photo, HEALS, Finish())
    viewer = Viewer(Limits())
    for row in (0, 1):
        after = viewer.tile(tmp_path / "photo.tif", tmp_path / "heal.tif", 0, 0, row)
        assert after == viewer.tile(tmp_path / "result.tif", None, 0, 0, row)
        assert after != viewer.tile(tmp_path / "photo.tif", None, 0, 0, row)


def test_a_heal_layer_of_an_earlier_version_is_read_as_it_lies(tmp_path: Path) -> None:
    """Those were written as the photo is stored, and said so."""
    path, photo = tmp_path / "heal.tif", lying(6)
    write_heal_layer(path, lying(1), HEALS, Finish())
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags[274].overwrite(6)
    _, within = read_heals(path, photo)
    assert np.array_equal(within(HEALS[1].box)[HEALS[1].changed], HEALS[1].pixels[HEALS[1].changed])
    with pytest.raises(errors.DamagedPhoto):
        read_heals(path, Photo(np.zeros((600, 600, 3), np.uint16)))


def test_the_name_of_a_layer_fills_four_bytes(tmp_path: Path) -> None:
    """As Photoshop writes it: exiftool took the layer behind *Small heals* for one of 24 million pixels."""
    path, photo = tmp_path / "layers.psd", lying(1)
    write_psd(path, photo, HEALS, REVIEW, b"")
    data, sizes, at = path.read_bytes(), [], 0
    while (at := data.find(b"8BIMluni", at) + 8) > 8:
        sizes.append(struct.unpack_from(">II", data, at))
    assert [letters for _, letters in sizes] == [10, 12, 11, 12]
    assert all(size % 4 == 0 for size, _ in sizes)
    heal = tmp_path / "heal.tif"
    write_heal_layer(heal, photo, HEALS, Finish(), REVIEW)
    assert [layer.name for layer in layers_of(heal)] == ["Medium heals", "Small heals", "Review marks"]


@pytest.mark.parametrize("orientation", ALL)
def test_a_heif_tells_how_it_was_turned(tmp_path: Path, orientation: int) -> None:
    library = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    stored = np.zeros((96, 128, 3), np.uint8)
    stored[:32, :64] = 255
    made = library.from_bytes(mode="RGB", size=(128, 96), data=stored.tobytes())
    exif = io.BytesIO()
    tifffile.imwrite(exif, np.zeros((1, 1), np.uint8), extratags=[(274, 3, 1, orientation, True)])
    made.info["exif"] = b"Exif\0\0" + exif.getvalue()
    path = tmp_path / "a.heic"
    made.save(path, quality=-1, chroma=444)
    photo = read_photo(path, Limits())
    source = metadata_of(photo.metadata)
    assert source.turn == Turn(orientation, (96, 128))
    assert np.abs(turned(photo.pixels.astype(int), back(orientation)) - stored).max() <= 3
    assert source.orientation == 1


@needs_exiftool
def test_a_document_has_the_metadata_of_the_photo(tmp_path: Path) -> None:
    source, path = tmp_path / "source.tif", tmp_path / "layers.psd"
    tifffile.imwrite(source, lying(1).pixels, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    tags = ("-ExifIFD:FNumber=2.8", "-GPS:GPSLatitude=47.5", "-IPTC:City=Kraków", "-SubjectArea=100 200")
    sizes = ("-ExifImageWidth=500", "-ExifImageHeight=600", "-ColorSpace=")
    _run("-q", "-overwrite_original", "-codedcharacterset=utf8", *tags, *sizes, str(source))
    photo = read_photo(source, Limits())
    write_psd(path, photo, HEALS, REVIEW, document_packet(photo, FACTS))
    with MetadataCarrier() as carrier:
        report = carrier.carry(source, path, document_exif(photo))
    assert (report.missing, report.note) == ((), "")
    prove_merged(path, photo, HEALS)
    found = json.loads(_run("-j", "-G1", "-n", str(path)))[0]
    wanted = {"ExifIFD:FNumber": 2.8, "IPTC:City": "Kraków", "ExifIFD:SubjectArea": "399 100"}
    wanted |= {"ExifIFD:ExifImageWidth": 600, "ExifIFD:ExifImageHeight": 500, "GPS:GPSLatitude": 47.5}
    assert {key: found.get(key) for key in wanted} == wanted
    untrue = {"IFD0:Orientation", "IFD0:XResolution", "ExifIFD:ComponentsConfiguration", "ExifIFD:ColorSpace"}
    assert not untrue & found.keys()


def _run(*words: str) -> str:
    return subprocess.run(["exiftool", *words], capture_output=True, text=True, check=True).stdout


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def turned_by(properties: bytes) -> int:
    """The orientation of a HEIF whose first property is a quarter turn; ``properties`` is its list (ipma)."""
    shared = box(b"ipco", box(b"irot", b"\1")) + box(b"ipma", properties)
    inside = box(b"pitm", bytes([0, 0, 0, 0, 0, 1])) + box(b"iprp", shared)
    content = box(b"ftyp", b"heic") + box(b"meta", bytes(4) + inside) + box(b"mdat")
    return orientation_of(Span(io.BytesIO(content), 0, len(content)))


def test_a_heif_whose_list_of_properties_is_cut_off_is_damaged_and_nothing_worse() -> None:
    whole = bytes([0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1])
    assert turned_by(whole) == 8
    for length in range(8):
        with pytest.raises(StructureError, match="list of properties"):
            turned_by(whole[:length])
    assert {turned_by(whole[:length]) for length in range(8, len(whole))} == {1}
