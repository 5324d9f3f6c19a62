"""Publishing: whole files only, nobody's work overwritten, the main TIFF last."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from retouch_engine import RECORD_SCHEMA, Role
from retouchd import naming
from retouchd.errors import (
    SourceChanged,
    SourceGone,
    UnsafeFolder,
)
from retouchd.jobs import Digest, Signature, Staged
from retouchd.results import publish, record
from retouchd.results.publish import Parcel


def sha(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


class Maker:
    """Makes parcels the way the engine and the dispatcher do."""

    def __init__(self, base: Path) -> None:
        self.folder = base / "Client"
        self.staging = base / "staging"
        self.folder.mkdir()
        self.staging.mkdir()

    def __call__(
        self, name: str = "IMG.tif", data: bytes = b"v1", stamp: bytes = b"", **changes: Any
    ) -> Parcel:
        source = self.folder / name
        if not source.exists() or source.read_bytes() != data:
            source.write_bytes(data)
        files = {}
        for role in Role:
            path = self.staging / f"{name}-{role}"
            path.write_bytes(b"%s of %s %s" % (role.encode(), data, stamp))
            files[str(role)] = Staged(path, sha(path.read_bytes()), path.stat().st_size)
        told = {
            "schema": RECORD_SCHEMA,
            "source": {"sha256": sha(data)},
            "counts": {},
            "contact": {"rows": []},
        }
        parcel = Parcel(
            source, Signature.of(source.stat()), self.folder, "j-1", told, files, Digest("recipe")
        )
        return replace(parcel, **changes)

    def listing(self) -> list[str]:
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file())


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


SET_1 = [
    "IMG-retouched.tif",
    "IMG-retouched.xmp",
    "IMG.tif",
    "_retouchd/IMG-heal.tif",
    "_retouchd/IMG-mask.tif",
    "_retouchd/IMG.json",
    "_retouchd/IMG.psd",
    "_retouchd/contact/IMG.jpeg",
    "_retouchd/contact/IMG.jpg",
]


def test_the_whole_set_appears_with_its_record(maker: Maker) -> None:
    done = publish.publish(maker())

    assert maker.listing() == SET_1
    told = json.loads((maker.folder / "_retouchd/IMG.json").read_bytes())
    assert told["source"] == {"sha256": sha(b"v1"), "name": "IMG.tif"}
    assert told["contact"] == {"rows": []}
    assert told["outputs"]["heal"]["name"] == "_retouchd/IMG-heal.tif"
    for entry in told["outputs"].values():
        data = (maker.folder / entry["name"]).read_bytes()
        assert (sha(data), len(data)) == (entry["sha256"], entry["bytes"])
    assert not done.adopted


def test_results_have_the_permissions_of_the_photos_folder(maker: Maker) -> None:
    parcel = maker()
    parcel.files["result"].path.chmod(0o600)
    maker.folder.chmod(0o3770)
    mask = os.umask(0o027)
    try:
        publish.publish(parcel)
    finally:
        left = os.umask(mask)

    assert left == 0o027
    mode = (maker.folder / "IMG-retouched.tif").stat().st_mode
    assert stat.S_IMODE(mode) == 0o660
    assert stat.S_IMODE((maker.folder / "_retouchd").stat().st_mode) == 0o3770


def test_the_main_file_is_the_last_to_appear(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    take = publish._take_name

    def noting(part: Path, target: Path, *, may_replace: bool) -> None:
        seen.append(target.name)
        take(part, target, may_replace=may_replace)

    monkeypatch.setattr(publish, "_take_name", noting)

    publish.publish(maker())

    assert seen[0] == "IMG.json"
    assert seen[-1] == "IMG-retouched.tif"


@pytest.mark.parametrize("taken", SET_1[:2] + SET_1[3:])
def test_a_file_of_somebody_else_is_never_overwritten(maker: Maker, taken: str) -> None:
    parcel = maker()
    other = maker.folder / taken
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(b"somebody's work")

    done = publish.publish(parcel)

    assert other.read_bytes() == b"somebody's work"
    assert done.names.number == 2
    assert (maker.folder / "IMG-retouched-2.tif").exists()
    assert (maker.folder / "_retouchd/IMG-2.json").exists()


def test_two_photos_of_one_stem_do_not_fight(maker: Maker) -> None:
    for turn in range(3):
        publish.publish(maker("IMG.tif", b"tif%d" % turn))
        publish.publish(maker("IMG.jpg", b"jpg%d" % turn))

    assert [n for n in maker.listing() if "retouched" in n and n.endswith("tif")] == [
        "IMG-retouched-2.tif",
        "IMG-retouched.tif",
    ]
    assert json.loads((maker.folder / "_retouchd/IMG-2.json").read_bytes())["source"]["name"] == "IMG.jpg"


def test_a_new_export_replaces_our_own_untouched_result(maker: Maker) -> None:
    publish.publish(maker(data=b"v1"))
    publish.publish(maker(data=b"v2"))

    assert maker.listing() == SET_1
    assert b"v2" in (maker.folder / "IMG-retouched.tif").read_bytes()


def test_files_that_a_newer_result_does_not_have_are_removed(maker: Maker) -> None:
    publish.publish(maker(data=b"v1"))
    parcel = maker(data=b"v2")
    fewer = {role: f for role, f in parcel.files.items() if role not in {Role.CONTACT, Role.VIEW, Role.XMP}}
    assert "contact" not in publish.publish(replace(parcel, files=fewer)).record
    assert maker.listing() == [n for n in SET_1 if not n.endswith(("jpg", "jpeg", "xmp"))]
    publish.publish(maker(data=b"v3"))

    assert maker.listing() == SET_1


def test_a_photo_behind_a_symlink_is_published(maker: Maker, tmp_path: Path) -> None:
    parcel = maker("real.tif")
    (maker.folder / "IMG.tif").symlink_to(parcel.source)
    publish.publish(replace(parcel, source=maker.folder / "IMG.tif"))

    assert "IMG-retouched.tif" in maker.listing()


@pytest.mark.parametrize("edited", ["IMG-retouched.tif", "_retouchd/IMG-mask.tif"])
def test_a_result_that_was_edited_is_left_alone(maker: Maker, edited: str) -> None:
    publish.publish(maker(data=b"v1"))
    (maker.folder / edited).write_bytes(b"edited by hand")
    publish.publish(maker(data=b"v2"))
    publish.publish(maker(data=b"v3"))

    assert (maker.folder / edited).read_bytes() == b"edited by hand"
    assert b"v3" in (maker.folder / "IMG-retouched-2.tif").read_bytes()
    assert not (maker.folder / "IMG-retouched-3.tif").exists()


def test_a_link_in_the_place_of_a_result_is_somebodys(maker: Maker, tmp_path: Path) -> None:
    result = publish.publish(maker(data=b"v1")).names.path(Role.RESULT)
    result.rename(tmp_path / "archived.tif")
    result.symlink_to(tmp_path / "archived.tif")
    done = publish.publish(maker(data=b"v2"))

    assert result.is_symlink()
    assert done.names.number == 2


def test_a_result_that_we_may_not_read_is_somebodys(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor's user saved it as his own: the next export waited for ever, for rights that nobody gives."""
    publish.publish(maker(data=b"v1"))
    result, read = maker.folder / "IMG-retouched.tif", record.digest_of

    def digest_of(path: Path, *more: Any) -> Digest:
        if path == result:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path, *more)

    monkeypatch.setattr(record, "digest_of", digest_of)
    done = publish.publish(maker(data=b"v2"))
    assert done.names.path(Role.RESULT).name == "IMG-retouched-2.tif"


def test_work_done_already_is_adopted(maker: Maker) -> None:
    publish.publish(maker(stamp=b"first"))
    done = publish.publish(maker(stamp=b"second"))

    assert done.adopted
    assert b"first" in (maker.folder / "IMG-retouched.tif").read_bytes()
    found = publish.find_done(maker.folder / "IMG.tif", maker.folder, sha(b"v1"), Digest("recipe"))
    assert found is not None
    assert publish.find_done(maker.folder / "IMG.tif", maker.folder, sha(b"v2"), Digest("recipe")) is None
    assert publish.find_done(maker.folder / "IMG.tif", maker.folder, sha(b"v1"), Digest("other")) is None


def test_an_edited_result_counts_as_done_only_when_asked(maker: Maker) -> None:
    publish.publish(maker())
    (maker.folder / "IMG-retouched.tif").write_bytes(b"metadata added by an editor")
    work = (maker.folder / "IMG.tif", maker.folder, sha(b"v1"), Digest("recipe"))

    assert publish.find_done(*work) is None
    assert publish.find_done(*work, edited=True) is not None


def test_a_source_that_changed_is_not_published(maker: Maker) -> None:
    parcel = maker()
    parcel.source.write_bytes(b"saved again")

    with pytest.raises(SourceChanged):
        publish.publish(parcel)

    assert maker.listing() == ["IMG.tif"]


def test_a_source_that_changes_while_we_copy_never_gets_a_main_file(maker: Maker) -> None:
    parcel = maker()

    def saved_again() -> None:
        parcel.source.write_bytes(b"saved during the copy")

    with pytest.raises(SourceChanged):
        publish.publish(replace(parcel, alive=saved_again))

    assert "IMG-retouched.tif" not in maker.listing()
    assert not any(naming.is_part(Path(n).name) for n in maker.listing())


@pytest.mark.parametrize("done_before", [False, True])
def test_of_a_source_that_goes_while_we_copy_nothing_new_is_left(maker: Maker, *, done_before: bool) -> None:
    """A record, a mask and a heal layer lay beside no photo and no result, for ever."""
    before = publish.publish(maker()).names.path(Role.RESULT).read_bytes() if done_before else b""
    parcel = maker(data=b"v2")
    left = [name for name in maker.listing() if name != "IMG.tif"]

    def removed() -> None:
        parcel.source.unlink(missing_ok=True)

    with pytest.raises(SourceGone):
        publish.publish(replace(parcel, alive=removed))

    assert maker.listing() == left
    if done_before:
        assert (maker.folder / "IMG-retouched.tif").read_bytes() == before


def test_a_source_that_is_gone_says_so(maker: Maker) -> None:
    parcel = maker()
    parcel.source.unlink()

    with pytest.raises(SourceGone):
        publish.publish(parcel)


def test_a_folder_that_was_renamed_is_not_made_anew(maker: Maker) -> None:
    parcel = maker()
    parcel.folder.rename(parcel.folder.with_name("wedding"))

    with pytest.raises(SourceGone):
        publish.publish(parcel)
    assert not parcel.folder.exists()


def test_a_symlink_in_the_place_of_our_folder_is_not_followed(maker: Maker, tmp_path: Path) -> None:
    (maker.folder / "_retouchd").symlink_to(tmp_path)

    with pytest.raises(UnsafeFolder):
        publish.publish(maker())


def test_results_of_two_folders_in_one_place_do_not_replace_each_other(maker: Maker, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for client in ("a", "b"):
        source = tmp_path / client / "IMG.tif"
        source.parent.mkdir()
        source.write_bytes(client.encode())
        parcel = maker(data=client.encode(), source=source, folder=out, collected=True)
        publish.publish(replace(parcel, signature=Signature.of(source.stat())))

    assert (out / "IMG-retouched.tif").exists()
    assert (out / "IMG-retouched-2.tif").exists()


def test_sweeping_takes_our_own_leftovers_and_old_ones_only(maker: Maker) -> None:
    own = maker.folder / naming.OWN_FOLDER
    own.mkdir()
    mine, other, old = (own / naming.part_name(t, "heal") for t in ("abc-1", "xyz-1", "old-1"))
    for path in (mine, other, old):
        path.touch()
    os.utime(old, (1, 1))

    gone = publish.sweep(maker.folder, "abc", other.stat().st_mtime + 5)

    assert sorted(gone) == sorted([mine, old])
    assert list(own.iterdir()) == [other]
