"""Settling, scanning and ignoring: pure parts, with a clock that the test turns."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd import ignores, mounts, text
from retouchd.jobs import Signature
from retouchd.watch import scanner
from retouchd.watch.intake import has_writer
from retouchd.watch.settle import SettleTracker

SIG = Signature(1, 2, 100, 10, 10)


def sig(**changes: int) -> Signature:
    return Signature(
        **{**{k: getattr(SIG, k) for k in ("dev", "ino", "size", "mtime_ns", "ctime_ns")}, **changes}
    )


def test_a_file_settles_when_it_stood_still_for_long_enough() -> None:
    tracker = SettleTracker()
    tracker.observe(b"a", SIG, 0.0)
    tracker.observe(b"a", SIG, 1.0)

    assert not tracker.settled(b"a", 1.9, 2.0)
    assert tracker.settled(b"a", 2.0, 2.0)
    assert tracker.next_due(1.0, 2.0) == 2.0
    assert tracker.next_due(2.0, 2.0) is None
    tracker.observe(b"b", SIG, 0.5)
    assert tracker.next_due(1.0, 2.0) == 2.0


def test_a_growing_file_starts_anew_and_says_so() -> None:
    tracker = SettleTracker()
    for second in range(600):
        watched = tracker.observe(b"a", sig(size=100 + second), float(second))

    assert watched.why == "size still grows (699 B so far)"
    assert not tracker.settled(b"a", 600.0, 2.0)
    tracker.observe(b"a", sig(size=699), 601.0)
    assert tracker.settled(b"a", 601.0, 2.0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"size": 99}, "size shrank to 99 B"),
        ({"ino": 3}, "replaced by a new file"),
        ({"mtime_ns": 11, "ctime_ns": 11}, "still being written"),
        ({"ctime_ns": 11}, "rewritten with its old time"),
    ],
)
def test_whatever_changes_is_waited_for_and_named(changes: dict[str, int], why: str) -> None:
    tracker = SettleTracker()
    tracker.observe(b"a", SIG, 0.0)
    watched = tracker.observe(b"a", sig(**changes), 1.0)

    assert watched.why == why
    assert not tracker.settled(b"a", 2.5, 2.0)


def test_what_was_taken_is_watched_anew() -> None:
    tracker = SettleTracker()
    tracker.observe(b"a", SIG, 0.0)
    tracker.forget(b"a")
    assert not tracker.settled(b"a", 9.0, 2.0)
    assert tracker.observe(b"a", SIG, 9.0).since_s == 9.0


@given(st.builds(Signature, *[st.integers(0, 2**64 - 1)] * 5))
def test_a_signature_survives_the_journal(signature: Signature) -> None:
    assert Signature.parse(str(signature)) == signature


def test_a_new_device_number_is_the_same_file() -> None:
    assert SIG.same_file(sig(dev=99))
    assert not SIG.same_file(sig(ctime_ns=11))


@pytest.mark.parametrize(
    "name",
    [
        "._a.tif",
        ".a.tif",
        "a.tif.tmp",
        "a.tif.part",
        ".nfs000000000123.tif",
        ".smbdeleteAAA001.tif",
        ".syncthing.a.tif.tmp",
        "~syncthing~a.tif.tmp",
        ".a.tif.Xy12Zz",
        "a.tif_exiftool_tmp",
        ".retouchd-1-2-result.part",
        "a-retouched.tif",
        "a-retouched-12.tif",
        "a-RETOUCHED.TIF",
        "a.xmp",
        "a.raf",
        "a",
    ],
)
def test_files_that_are_never_taken(name: str) -> None:
    assert ignores.file_ignored(name)


@pytest.mark.parametrize(
    "name",
    ["a.tif", "A.TIFF", "a.jpg", "a.JPEG", "a.png", "-x.tif", "a-retouched-x.tif", "a\nb.tif", "%s.tif"],
)
def test_files_that_are_taken(name: str) -> None:
    assert ignores.file_ignored(name) is None


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", "#recycle", "@Recycle", "@Recently-Snapshot", "@__thumb", "@tmp", "Network Trash Folder"),
        *("$RECYCLE.BIN", "RECYCLER", "lost+found", "Temporary Items", "__MACOSX", ".Trashes", "~snapshot"),
    ],
)
def test_no_bin_of_a_nas_or_a_system_is_entered(name: str) -> None:
    """A photo that was thrown away is not worked on, nor a NAS's own thumbnail of one."""
    assert ignores.folder_ignored(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        *("Photos Library.photoslibrary", "Lightroom Library.lrlibrary", "Night Smart Previews.lrdata"),
        *("Night.cocatalog", "Old.aplibrary"),
    ],
)
def test_no_library_of_another_program_is_entered(name: str) -> None:
    """On a Mac such a folder looks like one file: what we wrote into it, its program would not know."""
    assert ignores.folder_ignored(name) is not None


@pytest.mark.parametrize("name", ["Client", "@client", "recycle", "tmp", "lost and found", "photoslibrary"])
def test_folders_that_are_entered(name: str) -> None:
    assert ignores.folder_ignored(name) is None


def test_the_scan_finds_photos_depth_first_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        "b.tif",
        "a/z.tif",
        "a/k/y.jpg",
        "_retouchd/a-heal.tif",
        "@eaDir/a.tif",
        ".hid/a.tif",
        "a/n.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link.tif").symlink_to(tmp_path / "b.tif")
    (tmp_path / "out").symlink_to("/")
    odd = os.fsencode(tmp_path) + b"/\xff\xfe.tif"
    Path(os.fsdecode(odd)).write_bytes(b"x")
    root = os.fsencode(tmp_path)

    found = [path[len(root) + 1 :] for path in scanner.scan(root).files]
    flat = [path[len(root) + 1 :] for path in scanner.scan(root, scanner.Bounds(recursive=False)).files]

    assert found == [b"b.tif", b"\xff\xfe.tif", b"a/z.tif", b"a/k/y.jpg"]
    assert flat == [b"b.tif", b"\xff\xfe.tif"]


def test_a_folder_that_cannot_be_listed_hides_nothing_from_us() -> None:
    found = scanner.scan(b"/nowhere/at/all")

    assert not found.covers(b"/nowhere/at/all/a.tif")
    assert found.covers(b"/elsewhere/a.tif")


def test_a_writer_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with path.open("wb"):
        writing = has_writer(os.fsencode(path))

    assert writing
    assert not has_writer(os.fsencode(path))
    assert not has_writer(b"/nowhere")


def test_the_mount_table_is_read_with_its_escapes() -> None:
    table = (
        b"36 35 98:0 / /mnt/a\\040b rw,noatime master:1 - nfs4 nas:/x rw\n"
        b"27 1 254:0 / / rw - ext4 /dev/a rw\n"
    )

    found = mounts.parse(table)

    assert mounts.covering(Path("/mnt/a b/c"), found).network
    assert not mounts.covering(Path("/mnt/a"), found).network


@given(st.binary(max_size=40))
def test_any_name_is_shown_as_one_printable_line(name: bytes) -> None:
    shown = text.shown(name)

    assert shown.isprintable()
    assert text.ascii_line(os.fsdecode(name)).isascii()
    shown.encode("utf-8")


def test_one_photo_that_cannot_be_looked_at_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / f"{name}.tif").write_bytes(b"x")
    real, root = os.lstat, os.fsencode(tmp_path)

    def lstat(path: bytes) -> os.stat_result:
        if path.endswith(b"/a.tif"):
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(path)

    monkeypatch.setattr(os, "lstat", lstat)
    found = scanner.scan(root)

    assert list(found.files) == [root + b"/b.tif", root + b"/c.tif"]
    assert found.unreadable == {root: "Stale file handle"}
    assert not found.covers(root + b"/a.tif")


class Unsaid:
    """An entry of a listing that does not say what it is."""

    def __init__(self, entry: os.DirEntry[bytes]) -> None:
        self.name, self.path = entry.name, entry.path

    def is_file(self, **_: bool) -> bool:
        if self.name == b"broken.tif":
            raise OSError(errno.EIO, "Input/output error")
        return Path(os.fsdecode(self.path)).is_file()

    def is_dir(self, **_: bool) -> bool:
        return Path(os.fsdecode(self.path)).is_dir()


def test_one_broken_entry_of_a_listing_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that does not tell files from folders has each of them asked; the whole folder was left out."""
    for name in ("a.tif", "broken.tif", "c.tif", "inside/d.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    listing, root = os.scandir, os.fsencode(tmp_path)

    @contextlib.contextmanager
    def unsaid(folder: bytes) -> Iterator[Iterator[Unsaid]]:
        with listing(folder) as entries:
            yield map(Unsaid, entries)

    monkeypatch.setattr(os, "scandir", unsaid)
    found = scanner.scan(root)

    assert list(found.files) == [root + b"/a.tif", root + b"/c.tif", root + b"/inside/d.tif"]
    assert found.unreadable == {root: "Input/output error"}


def test_a_slow_look_tells_of_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share may take 200 ms for each photo, and systemd ends a service that is silent for 120 s."""
    for i in range(500):
        (tmp_path / f"{i}.tif").write_bytes(b"x")
    real, told = os.lstat, [0]

    def lstat(path: bytes) -> os.stat_result:
        told[-1] += 1
        return real(path)

    monkeypatch.setattr(os, "lstat", lstat)
    scanner.scan(os.fsencode(tmp_path), alive=lambda: told.append(0))

    assert sum(told) == 500
    assert max(told) <= 100


@pytest.mark.parametrize(
    ("before", "now", "gone"),
    [
        (("/mnt", "cifs", "//nas/x", 1), ("/", "ext4", "a", 1), True),
        (("/mnt", "cifs", "//nas/x", 2), ("/mnt", "ext4", "a", 1), True),
        (("/mnt", "cifs", "//nas/x", 2), ("/mnt", "cifs", "//nas/x", 1), False),
        (("/mnt", "ext4", "a", 1), ("/mnt", "cifs", "//nas/x", 2), False),
        (("/mnt", "cifs", "//nas/x", 1), ("/mnt", "cifs", "//new/x", 1), False),
        (("/", "ext4", "a", 1), ("/mnt", "cifs", "//nas/x", 1), False),
    ],
)
def test_a_mount_is_gone_when_what_lay_below_it_comes_to_light(
    before: tuple[str, str, str, int], now: tuple[str, str, str, int], gone: bool
) -> None:
    was, is_now = (mounts.Mount(Path(m[0]), *m[1:]) for m in (before, now))
    assert mounts.gone(was, is_now) is gone


def test_of_mounts_at_one_point_the_last_lies_on_top() -> None:
    line = b"36 35 98:0 / /mnt rw,noatime shared:1 - %s none rw\n"
    found = mounts.covering(Path("/mnt"), mounts.parse(line % b"ext4" + line % b"cifs"))
    assert (found.fstype, found.layer) == ("cifs", 2)
