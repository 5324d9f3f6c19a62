"""Small files of ours where others may write."""

import errno
import json
import os
from pathlib import Path

import pytest

from retouchd import ours

SCHEMA = "retouchd.test/1"
MOST = 1000


def _put(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_what_was_written_is_read_and_no_part_stays(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    ours.write(path, {"schema": SCHEMA, "name": "\N{SNOWMAN} \udcff"}, 0o640)
    assert ours.read(path, SCHEMA, MOST) == {"schema": SCHEMA, "name": "\N{SNOWMAN} \udcff"}
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["kept.json"]


def test_it_is_whole_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = {}, os.fsync

    def fsync(fd: int) -> None:
        found = os.fstat(fd)
        synced[found.st_ino] = (found.st_size, (tmp_path / "x.json").exists())
        sync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    ours.write(tmp_path / "x.json", {"schema": "a"})
    found = (tmp_path / "x.json").stat()
    assert synced[found.st_ino] == (found.st_size, False)


def test_the_file_before_is_kept_when_asked_for(tmp_path: Path) -> None:
    path, before = tmp_path / "now.json", tmp_path / "before.json"
    ours.write(path, {"schema": SCHEMA, "n": 1}, before=before)
    assert not before.exists()
    ours.write(path, {"schema": SCHEMA, "n": 2}, before=before)
    assert (ours.read(path, SCHEMA, MOST) or {})["n"] == 2
    assert (ours.read(before, SCHEMA, MOST) or {})["n"] == 1


def test_what_cannot_be_written_leaves_the_old_and_no_part(tmp_path: Path) -> None:
    path = _put(tmp_path / "kept.json", {"schema": SCHEMA})
    with pytest.raises(TypeError):
        ours.write(path, {"schema": SCHEMA, "what": object()})
    assert ours.read(path, SCHEMA, MOST) == {"schema": SCHEMA}
    assert [p.name for p in tmp_path.iterdir()] == ["kept.json"]


def test_a_share_on_which_every_file_is_anothers_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an SMB or FAT mount says whose all files are, the others that may write may not change rights."""

    def chmod(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", chmod)
    ours.write(tmp_path / "kept.json", {"schema": SCHEMA}, 0o664)
    assert ours.read(tmp_path / "kept.json", SCHEMA, MOST) == {"schema": SCHEMA}


def test_no_file_is_nothing(tmp_path: Path) -> None:
    assert ours.read(tmp_path / "none.json", SCHEMA, MOST) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 999, "no JSON"),
        (b"[" * 1001, "not a file of ours"),
        (b'{"n": ' + b"1" * 900 + b"}", "its schema is not"),
        (b"[]", "its schema is not"),
        (b"{}", "its schema is not"),
        (b'{"schema": ["retouchd.test/1"]}', "its schema is not"),
    ],
)
def test_what_is_not_ours_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(content)
    with pytest.raises(ours.NotOurs, match=why):
        ours.read(path, SCHEMA, MOST)


def test_a_number_of_5000_digits_is_no_json_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(b'{"n": ' + b"1" * 5000 + b"}")
    with pytest.raises(ours.NotOurs, match="no JSON"):
        ours.read(path, SCHEMA, 10_000)


def test_what_would_block_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kept.json")
    with pytest.raises(ours.NotOurs, match="not a file of ours"):
        ours.read(tmp_path / "kept.json", SCHEMA, MOST)


def test_symlinks_are_followed_only_where_only_the_administrator_writes(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = _put(tmp_path / "real" / "kept.json", {"schema": SCHEMA})
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "file.json").symlink_to(real)
    for path in (tmp_path / "file.json", tmp_path / "folder" / "kept.json"):
        with pytest.raises(ours.NotOurs, match="not a file of ours"):
            ours.read(path, SCHEMA, MOST)
        assert ours.read(path, SCHEMA, MOST, links=True) == {"schema": SCHEMA}
