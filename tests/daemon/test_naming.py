"""Names of results."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouch_engine import Role
from retouchd import ignores, naming
from retouchd.errors import BadName, NameTooLong
from retouchd.naming import RECORD, ResultSet, first_set

OUT = Path("/c")


@pytest.mark.parametrize(
    ("role", "plain", "second"),
    [
        (Role.RESULT, "IMG-retouched.tif", "IMG-retouched-2.tif"),
        (Role.XMP, "IMG-retouched.xmp", "IMG-retouched-2.xmp"),
        (Role.HEAL, "_retouchd/IMG-heal.tif", "_retouchd/IMG-heal-2.tif"),
        (Role.MASK, "_retouchd/IMG-mask.tif", "_retouchd/IMG-mask-2.tif"),
        (Role.CONTACT, "_retouchd/contact/IMG.jpeg", "_retouchd/contact/IMG-2.jpeg"),
        (Role.PSD, "_retouchd/IMG.psd", "_retouchd/IMG-2.psd"),
        (Role.VIEW, "_retouchd/contact/IMG.jpg", "_retouchd/contact/IMG-2.jpg"),
        (RECORD, "_retouchd/IMG.json", "_retouchd/IMG-2.json"),
    ],
)
def test_the_table_of_names(role: str, plain: str, second: str) -> None:
    names = first_set(Path("/c/IMG.tif"), OUT)

    assert names.path(role) == OUT / plain
    assert names.next().path(role) == OUT / second


def test_every_role_is_published_and_the_main_file_is_the_last() -> None:
    assert set(naming.PUBLISH_ORDER) == {*Role, RECORD}
    assert naming.PUBLISH_ORDER[-1] == Role.RESULT
    assert naming.PUBLISH_ORDER[0] == RECORD


@pytest.mark.parametrize("stem", ["-x", "--help", "%s", "a b", "{n}", "{stem}", "a;b", "\udcff", "ü", "a'\""])
def test_odd_stems_stay_as_they_are(stem: str) -> None:
    assert first_set(Path(f"/c/{stem}.tif"), OUT).path(Role.RESULT) == OUT / f"{stem}-retouched.tif"


@pytest.mark.parametrize("name", ["a\nb.tif", "a\x7f.tif", "\x1b[2J.tif", "d\ne/a.tif", "a\x85.tif"])
def test_control_characters_are_refused(name: str) -> None:
    with pytest.raises(BadName, match="control characters") as caught:
        first_set(Path("/c") / name, OUT)

    assert str(caught.value).isprintable()


def test_a_name_that_leaves_no_room_for_the_suffix_is_refused_by_bytes() -> None:
    assert first_set(Path("/c") / ("x" * 238 + ".tif"), OUT) == ResultSet(OUT, "x" * 238)
    with pytest.raises(NameTooLong, match="at most 255"):
        first_set(Path("/c") / ("ü" * 120 + ".tif"), OUT)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("a-retouched.tif", True),
        ("a-retouched-3.tif", True),
        ("a-retouched.xmp", True),
        ("retouched.tif", False),
    ],
)
def test_own_results_are_known_by_name(name: str, own: bool) -> None:
    assert naming.is_own_result(name) is own


@given(
    st.sampled_from(
        ["", ".", "~", "._", "LRAB12CD.tmp", "a", "a-retouched", "a-RETOUCHED-3", ".nfs", "~syncthing~"]
    ),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        [".tif", ".TIFF", ".jpg", ".png", ".tmp", "", ".tif_exiftool_tmp", ".sync-conflict-1.jpg", ".part"]
    ),
)
def test_the_quick_answer_for_big_folders_agrees_with_the_rules(head: str, middle: str, tail: str) -> None:
    name = os.fsencode(head + middle + tail)
    assert ignores.is_candidate(name) == (ignores.file_ignored(os.fsdecode(name)) is None)
