"""Publishing on disks that fill up, fail or cannot link, and when process or power end in between."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest
from tests.daemon.test_publish import SET_1, Maker, sha

from retouch_engine import Role
from retouchd import naming
from retouchd.errors import NameRefused, StagedDamaged, TargetFull, TargetUnavailable
from retouchd.results import publish
from retouchd.work.verdicts import WAIT_S


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def test_a_power_cut_at_any_time_leaves_whole_files(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is on the disk before it has its name, and its name before the next file has one."""
    on_disk: dict[int, int] = {}
    named: list[Path] = []
    sync, take = os.fsync, publish._take_name

    def fsync(fd: int) -> None:
        sync(fd)
        on_disk[os.fstat(fd).st_ino] = os.fstat(fd).st_size

    def taking(part: Path, target: Path, *, may_replace: bool) -> None:
        assert on_disk.get(part.stat().st_ino) == part.stat().st_size
        assert all(path.parent.stat().st_ino in on_disk for path in named)
        take(part, target, may_replace=may_replace)
        on_disk.pop(target.parent.stat().st_ino, None)
        named.append(target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(publish, "_take_name", taking)
    done = publish.publish(maker())

    assert named == [done.names.path(role) for role in naming.PUBLISH_ORDER]
    assert all(path.parent.stat().st_ino in on_disk for path in named)


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(len(naming.PUBLISH_ORDER) + 1))
@pytest.mark.parametrize("earlier", [False, True])
def test_after_a_crash_at_any_step_one_whole_set_is_left(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, step: int, earlier: bool
) -> None:
    if earlier:
        publish.publish(maker(data=b"v0", stamp=b"older"))
    named: list[Path] = []
    take = publish._take_name

    def crashing(part: Path, target: Path, *, may_replace: bool) -> None:
        if len(named) < step:
            take(part, target, may_replace=may_replace)
            named.append(target)
        if len(named) == step:
            raise Crash

    monkeypatch.setattr(publish, "_take_name", crashing)
    with pytest.raises(Crash):
        publish.publish(maker(stamp=b"before the crash"))
    monkeypatch.setattr(publish, "_take_name", take)
    if earlier:  # each file is there, the older or the newer
        assert maker.listing() == SET_1

    done = publish.publish(maker(stamp=b"after the crash"))

    assert maker.listing() == SET_1
    assert done.adopted is (step == len(naming.PUBLISH_ORDER))
    for role in Role:
        path = done.names.path(role)
        assert sha(path.read_bytes()) == done.record["outputs"][role]["sha256"]


def test_a_staged_file_that_rotted_is_not_published(maker: Maker) -> None:
    parcel = maker()
    parcel.files["result"].path.write_bytes(b"half")

    with pytest.raises(StagedDamaged):
        publish.publish(parcel)

    assert "IMG-retouched.tif" not in maker.listing()


@pytest.fixture
def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("without_links")
def test_without_hard_links_a_name_is_reserved(maker: Maker) -> None:
    publish.publish(maker())

    assert maker.listing() == SET_1
    assert (maker.folder / "IMG-retouched.tif").stat().st_size


@pytest.mark.usefixtures("without_links")
def test_a_name_that_a_crash_left_reserved_is_taken_for_ours(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crashing(part: Path, target: Path) -> None:
        if target.name == "IMG-retouched.tif":
            raise Crash
        shutil.move(part, target)

    parcel = maker()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crashing)
        with pytest.raises(Crash):
            publish.publish(parcel)
    assert (maker.folder / "IMG-retouched.tif").stat().st_size == 0
    publish.publish(maker())

    assert maker.listing() == SET_1
    assert (maker.folder / "IMG-retouched.tif").stat().st_size


@pytest.mark.usefixtures("without_links")
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOENT])
def test_a_name_that_the_disk_does_not_take_is_told_from_a_folder_that_does_not_answer(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """As ``a:b`` on FAT and exFAT, where the photo comes from another disk: it was tried for ever."""
    opened = os.open

    def refusing(path: str | Path, *more: int, **named: int) -> int:
        if str(path).endswith("/IMG.json"):
            raise OSError(code, os.strerror(code))
        return opened(path, *more, **named)

    parcel = maker()
    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(NameRefused, match="rename the photo") as caught:
        publish.publish(parcel)
    assert caught.value.code not in WAIT_S
    monkeypatch.undo()
    assert not list((maker.folder / "_retouchd").iterdir())


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EILSEQ])
def test_a_name_that_a_disk_with_links_does_not_take_is_not_tried_for_ever(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """An encrypted folder of a NAS takes 143 bytes: four such results kept all others of it waiting."""

    def refusing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    parcel = maker()
    monkeypatch.setattr(os, "link", refusing)
    with pytest.raises(NameRefused, match="rename the photo") as caught:
        publish.publish(parcel)
    assert caught.value.code not in WAIT_S


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_full_disk(maker: Maker, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(code, "full")

    monkeypatch.setattr(publish, "_write", full)
    with pytest.raises(TargetFull):
        publish.publish(maker())


def test_where_there_is_no_room_nothing_is_begun(maker: Maker) -> None:
    with pytest.raises(TargetFull):
        publish.publish(maker(reserve_bytes=1 << 62))
    assert maker.listing() == ["IMG.tif"]


def test_a_folder_that_does_not_answer_is_waited_for(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(*_: object, **__: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(publish, "_write", stale)
    with pytest.raises(TargetUnavailable, match="Stale") as caught:
        publish.publish(maker())

    assert caught.value.retryable


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_overwritten(
    maker: Maker, request: pytest.FixtureRequest, links: bool
) -> None:
    if not links:
        request.getfixturevalue("without_links")
    result = maker.folder / "IMG-retouched.tif"
    with pytest.raises(TargetUnavailable):
        publish.publish(maker(alive=lambda: result.write_bytes(b"somebody's work")))
    assert result.read_bytes() == b"somebody's work"


def test_a_disk_that_fails_is_not_taken_for_a_share_that_cannot_sync_folders(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, code = os.fsync, errno.EINVAL

    def fsync(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(code, os.strerror(code))
        sync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    publish.publish(maker(data=b"v1"))
    assert maker.listing() == SET_1
    code = errno.EIO
    with pytest.raises(TargetUnavailable):
        publish.publish(maker(data=b"v2"))
