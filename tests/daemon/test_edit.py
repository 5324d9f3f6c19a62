"""The external editor: the file it was given, whole and under its name, and the file as it was."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import psdtags
import pytest
import tifffile
from benchmarks.chart import Chart
from benchmarks.files import write_photo
from tests.daemon.conftest import FAKE, Hot
from tests.daemon.fake_engine import MARK

from retouchd import edit as edit_module
from retouchd.jobs import Signature


def edit(hot: Hot, *words: str | Path) -> tuple[int, str]:
    done = hot.cli("edit", "--wait", *words, "--engine", FAKE)
    return done.returncode, done.stdout + done.stderr


def given(hot: Hot, name: str = "IMG-Edit.tif", data: bytes = b"photo") -> Path:
    path = hot.base / "catalogue" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def test_the_file_is_replaced_and_stays_as_it_was_elsewhere(hot: Hot) -> None:
    path = given(hot)
    path.chmod(0o640)
    was = path.stat().st_ino
    code, told = edit(hot, path)
    assert (code, told) == (0, f"{path}: 1 healed\n")
    assert path.read_bytes().startswith(MARK)
    assert path.stat().st_mode & 0o777 == 0o640
    before = path.parent / "_retouchd/before/IMG-Edit.tif"
    assert (before.read_bytes(), before.stat().st_ino) == (b"photo", was)
    assert sorted(p.name for p in path.parent.rglob("*")) == [
        "IMG-Edit.tif",
        "IMG-Edit.tif",
        "IMG-Edit.tif.json",
        "_retouchd",
        "before",
    ]


def test_a_second_run_starts_from_the_file_as_it_was(hot: Hot) -> None:
    path = given(hot)
    assert edit(hot, path)[0] == 0
    once = path.read_bytes()
    assert edit(hot, path)[0] == 0
    assert path.read_bytes() == once
    assert (path.parent / "_retouchd/before/IMG-Edit.tif").read_bytes() == b"photo"


def test_what_somebody_did_since_is_not_lost(hot: Hot) -> None:
    """An hour of dodging in Photoshop, saved into the healed file, and then retouchd once more."""
    path = given(hot)
    assert edit(hot, path)[0] == 0
    worked_on = path.read_bytes() + b" and an hour of work"
    path.write_bytes(worked_on)
    code, told = edit(hot, path)
    before = path.parent / "_retouchd/before/IMG-Edit.tif"
    assert (code, path.read_bytes()) == (1, worked_on)
    assert f"it was changed since it was healed; to start anew put {before} in its place" in told
    before.with_name("IMG-Edit.tif.json").unlink()  # as an earlier version left it: nobody knows
    assert edit(hot, path)[0] == 1
    assert path.read_bytes() == worked_on


def test_a_damaged_note_does_not_keep_a_file_from_being_started_anew(hot: Hot) -> None:
    path = given(hot)
    assert edit(hot, path)[0] == 0
    healed, before = path.read_bytes(), path.parent / "_retouchd/before/IMG-Edit.tif"
    before.with_name("IMG-Edit.tif.json").write_bytes(b"{")
    code, told = edit(hot, path)
    assert (code, path.read_bytes()) == (1, healed)
    assert f"put {before} in its place" in told
    path.write_bytes(before.read_bytes())  # done as told
    for _ in range(2):
        assert edit(hot, path) == (0, f"{path}: 1 healed\n")


def test_another_file_of_the_same_name_is_not_healed_from_the_older_one(hot: Hot) -> None:
    path = given(hot, data=b"first crop")
    assert edit(hot, path)[0] == 0
    given(hot, data=b"second crop")
    for _ in range(2):
        assert edit(hot, path)[0] == 0
        assert b"second crop" in path.read_bytes()
    kept = path.parent / "_retouchd/before"
    assert (kept / "IMG-Edit.tif").read_bytes() == b"second crop"
    assert (kept / "IMG-Edit-older-1.tif").read_bytes() == b"first crop"
    given(hot, data=b"second crop")
    assert edit(hot, path)[0] == 0
    assert not (kept / "IMG-Edit-older-2.tif").exists()


@pytest.fixture
def without_links(hot: Hot, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A file and its place as it was, on an SMB share: no second names."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", refused)
    path = given(hot)
    return path, path.parent / "_retouchd/before/IMG-Edit.tif"


def test_a_file_on_a_share_where_every_file_is_anothers_is_edited(
    without_links: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SMB and FAT mounts say whose all files are: others may write, but change neither rights nor times."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refused)
    monkeypatch.setattr(os, "utime", refused)
    path, before = without_links
    result = path.with_name("healed.tif")
    result.write_bytes(b"healed")
    edit_module._replace(path, result, before, Signature.of(path.stat()), keep=True)
    assert (path.read_bytes(), before.read_bytes()) == (b"healed", b"photo")


def test_the_copy_as_it_was_is_on_the_disk_before_the_file_is_replaced(
    without_links: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, before = without_links
    synced, sync = [], os.fsync

    def fsync(fd: int) -> None:
        synced.append(os.fstat(fd).st_ino)
        sync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    edit_module._keep(path, before)
    assert before.read_bytes() == b"photo"
    assert synced == [before.stat().st_ino]


def test_the_name_of_the_file_as_it_was_is_on_the_disk_before_the_file_is_replaced(
    hot: Hot, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = given(hot)
    before = path.parent / "_retouchd/before/IMG-Edit.tif"
    result = path.with_name("result.tif")
    result.write_bytes(b"healed")
    events: list[object] = []
    sync, replace = os.fsync, Path.replace

    def fsync(fd: int) -> None:
        sync(fd)
        events.append(os.fstat(fd).st_ino)

    def replacing(part: Path, target: Path) -> Path:
        events.append(target)
        return replace(part, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replacing)
    edit_module._replace(path, result, before, Signature.of(path.stat()), keep=True)
    replaced = events.index(path)
    folders = [folder.stat().st_ino for folder in (before.parent, before.parent.parent, path.parent)]
    assert events[replaced - 3 : replaced] == folders
    assert events[replaced + 1 :] == [path.parent.stat().st_ino]
    assert (path.read_bytes(), before.read_bytes()) == (b"healed", b"photo")


def test_a_copy_that_does_not_fit_leaves_nothing_behind(
    without_links: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, before = without_links

    def full(_: Path, part: Path, **__: object) -> None:
        part.write_bytes(b"pho")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        edit_module._keep(path, before)
    assert list(before.parent.iterdir()) == []


def test_what_fails_leaves_the_file_alone(hot: Hot) -> None:
    bad, good = given(hot, "bad.tif", b"DAMAGED"), given(hot, "good.tif")
    code, told = edit(hot, bad, good)
    assert code == 1
    assert "bad.tif is left as it was" in told
    assert bad.read_bytes() == b"DAMAGED"
    assert good.read_bytes().startswith(MARK)
    assert not (bad.parent / "_retouchd/before/bad.tif").exists()


def test_what_is_no_tiff_a_link_or_watched_is_refused(hot: Hot) -> None:
    jpeg, link = given(hot, "a.jpg"), hot.base / "catalogue/link.tif"
    link.symlink_to(given(hot, "real.tif"))
    watched = hot.drop("b.tif")
    for path, why in (
        (jpeg, "16-bit TIFF"),
        (link, "link"),
        (watched, "watched"),
        (hot.base / "no.tif", "no file"),
    ):
        done = hot.about("edit", path, "--engine", FAKE)
        assert done.returncode == 1, path
        assert why in done.stderr
    assert jpeg.read_bytes() == watched.read_bytes() == b"photo"
    assert link.is_symlink()


def test_layers_of_the_real_engine_arrive_in_the_file(chart: Chart, tmp_path: Path, hot: Hot) -> None:
    path = tmp_path / "IMG-Edit.tif"
    write_photo(path, chart.pixels)
    done = hot.cli("edit", path, "--layers", "embedded")
    assert done.returncode == 0, done.stderr
    assert np.asarray(tifffile.imread(path)).shape == chart.pixels.shape
    names = [layer.name for layer in psdtags.TiffImageSourceData.fromtiff(str(path)).layers]
    assert names[0] == "Background"
    assert "Review marks" in names
