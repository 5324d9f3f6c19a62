"""The contact sprite: one row a spot, before | after | marked, upright, in sRGB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from retouch_engine.codec.contact import MOST_ROWS, write_contact
from retouch_engine.codec.metadata import SourceMetadata
from retouch_engine.codec.preview import write_overview
from retouch_engine.codec.read import read_photo
from retouch_engine.errors import OwnOutput
from retouch_engine.recipe import Limits
from retouch_engine.record import Decision
from retouch_engine.types import Box, Patch, Photo


@dataclass(frozen=True)
class Shown:
    id: int
    box: tuple[int, int, int, int]
    decision: Decision


def _flat(value: tuple[int, int, int] = (40_000, 30_000, 25_000), side: int = 600) -> Photo:
    return Photo(pixels=np.broadcast_to(np.array(value, np.uint16), (side, side, 3)).copy())


def _patch(y: int, x: int, size: int, value: int = 60_000) -> Patch:
    mask = np.zeros((size, size), np.bool_)
    mask[size // 4 : -size // 4, size // 4 : -size // 4] = True
    return Patch(1, Box(y, x, y + size, x + size), np.full((size, size, 3), value, np.uint16), mask)


def test_rows_show_healed_first_and_decode(tmp_path: Path) -> None:
    spots = [
        Shown(1, (300, 300, 20, 20), Decision.REVIEW),
        Shown(2, (100, 100, 40, 40), Decision.HEALED),
        Shown(3, (10, 10, 5, 5), Decision.KEPT),
        Shown(4, (200, 200, 250, 200), Decision.REVIEW),
    ]
    path = tmp_path / "c.jpg"
    rows = write_contact(path, _flat(), [_patch(100, 100, 40)], spots)
    assert [(r["spot"], r["decision"]) for r in rows] == [(2, "healed"), (1, "review"), (4, "review")]
    assert [r["tile"] for r in rows] == [160, 160, 400]
    assert [r["y"] for r in rows] == [0, 160, 320]
    sheet = imagecodecs.jpeg_decode(path.read_bytes())
    assert sheet.shape[:2] == (720, 1200)
    centre = slice(72, 88)
    before, after, marked = (sheet[centre, i * 160 + 72 : i * 160 + 88, :3].mean((0, 1)) for i in range(3))
    np.testing.assert_allclose(before, [155.6, 116.7, 97.3], atol=4)
    np.testing.assert_allclose(after, [233.5] * 3, atol=4)
    np.testing.assert_allclose(marked, before, atol=4)
    outline = sheet[0:160, 320:480, :3].astype(int)
    magenta = (outline[..., 0] > 170) & (outline[..., 1] < 90) & (outline[..., 2] > 110)
    assert magenta.sum() > 40
    amber = sheet[160:320, 320:480, :3].astype(int)
    assert ((amber[..., 0] > 190) & (amber[..., 2] < 80)).sum() > 20


def test_a_large_spot_is_scaled_and_says_so(tmp_path: Path) -> None:
    rows = write_contact(
        tmp_path / "c.jpg", _flat(side=1200), [], [Shown(1, (100, 100, 600, 500), Decision.REVIEW)]
    )
    assert rows[0]["tile"] == 480
    assert rows[0]["scale"] == 0.5


def test_a_spot_at_the_edge_of_a_small_photo_has_a_row(tmp_path: Path) -> None:
    photo = _flat(side=50)
    rows = write_contact(tmp_path / "c.jpg", photo, [], [Shown(1, (45, 0, 5, 5), Decision.REVIEW)])
    assert rows[0]["tile"] == 160
    assert imagecodecs.jpeg_decode((tmp_path / "c.jpg").read_bytes()).shape[:2] == (160, 480)


def test_many_large_spots_stay_within_what_a_tablet_holds(tmp_path: Path) -> None:
    spots = [Shown(i, (100, 100, 400, 400), Decision.REVIEW) for i in range(MOST_ROWS + 20)]
    rows = write_contact(tmp_path / "c.jpg", _flat(side=700), [], spots)
    assert len(rows) == MOST_ROWS
    assert imagecodecs.jpeg_decode((tmp_path / "c.jpg").read_bytes()).shape[0] <= 16_383


def test_nothing_to_show_writes_nothing(tmp_path: Path) -> None:
    assert write_contact(tmp_path / "c.jpg", _flat(), [], [Shown(1, (1, 1, 5, 5), Decision.KEPT)]) == []
    assert not list(tmp_path.iterdir())


def test_a_wide_profile_is_turned_into_srgb(tmp_path: Path) -> None:
    spot = [Shown(1, (300, 300, 20, 20), Decision.REVIEW)]
    shown = []
    for profile in (None, bytes(imagecodecs.cms_profile("adobergb")), b"broken profile"):
        photo = replace(_flat((20_000, 45_000, 20_000)), profile=profile)
        write_contact(tmp_path / "c.jpg", photo, [], spot)
        shown.append(imagecodecs.jpeg_decode((tmp_path / "c.jpg").read_bytes())[5:60, 5:60, :3].mean((0, 1)))
    assert shown[1][0] < shown[0][0] - 20  # a green of Adobe RGB has less red in sRGB
    np.testing.assert_allclose(shown[2], shown[0], atol=1)


def test_a_grey_profile_is_turned_into_srgb(tmp_path: Path) -> None:
    profile = bytes(imagecodecs.cms_profile("gray", gamma=1.0))
    grey = np.broadcast_to(np.full((300, 300, 1), 14_000, np.uint16), (300, 300, 3))
    photo = Photo(pixels=grey, grey=True, profile=profile)
    write_contact(tmp_path / "c.jpg", photo, [], [Shown(1, (100, 100, 10, 10), Decision.REVIEW)])
    got = imagecodecs.jpeg_decode((tmp_path / "c.jpg").read_bytes())[5:60, 5:60, :3].mean((0, 1))
    assert np.ptp(got) < 2
    assert 118 < got[0] < 136  # 0.214 linear is about half in sRGB


def test_our_pictures_are_known_for_ours_wherever_they_are_copied(tmp_path: Path) -> None:
    """In ``_retouchd 2``, as a sync program called its copy, they were healed and published as photos."""
    sheet, view = tmp_path / "sheet.jpg", tmp_path / "view.jpg"
    photo = _flat()
    write_contact(sheet, photo, [], [Shown(1, (100, 100, 10, 10), Decision.REVIEW)])
    write_overview(view, photo, [])

    for path in (sheet, view):
        with pytest.raises(OwnOutput, match="is a result of retouchd, its skin"):
            read_photo(path, Limits())
        assert path.read_bytes()[2:4] == b"\xff\xe0", "JFIF comes first"
    colour = imagecodecs.jpeg_decode(view.read_bytes())[300, 300]
    np.testing.assert_allclose(colour, [155.6, 116.7, 97.3], atol=4)


def test_rows_are_upright(tmp_path: Path) -> None:
    pixels = np.zeros((400, 400, 3), np.uint16)
    pixels[:200] = 65535
    photo = Photo(pixels=pixels, metadata=SourceMetadata(orientation=6))
    write_contact(tmp_path / "c.jpg", photo, [], [Shown(1, (195, 195, 10, 10), Decision.REVIEW)])
    sheet = imagecodecs.jpeg_decode((tmp_path / "c.jpg").read_bytes())
    assert sheet[80, 150, 0] > 200  # the stored top is on the right
    assert sheet[80, 10, 0] < 50
