"""What goes wrong around the service and must not end it: rights, dying shares, full disks, new settings."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import IO, Any

import pytest
from tests.daemon.conftest import Hot, wait_for

from retouchd import presence
from retouchd.config import Settings, Watch
from retouchd.config.settings import HookSettings
from retouchd.hooks import Hooks
from retouchd.mounts import Mount
from retouchd.results.contact import ContactPages
from retouchd.state.journal import Journal
from retouchd.watch.intake import Intake
from retouchd.watch.roots import Root
from retouchd.web.review.album import Album, Place
from retouchd.work.supervisor import Supervisor

DENIED = """
from retouchd.results import record
read = record.digest_of
def digest_of(path, *more):
    if path.name == "IMG-mask.tif" and not path.with_name("readable").exists():
        raise PermissionError(13, "Permission denied", str(path))
    return read(path, *more)
record.digest_of = digest_of
"""
"""A mask that somebody saved for himself alone. Root, as whom tests may run, reads everything."""


def test_a_mask_that_the_service_may_not_read_waits_and_says_so(hot: Hot) -> None:
    photo, own = hot.drop("IMG.tif"), hot.folder / "_retouchd"
    process = hot.start(before=DENIED)
    wait_for(lambda: hot.rows("done"), "done")
    (own / "IMG-mask.tif").write_bytes(b"\x05 painted")
    wait_for(lambda: hot.rows("retry"), f"a retry; {hot.log()}")
    assert "Permission denied" in hot.about("why", photo).stdout
    (own / "readable").touch()
    hot.about("retry", photo)
    wait_for(lambda: hot.rows("done") and (own / "corrections/IMG.tif.json").exists(), hot.log())
    assert process.poll() is None


@pytest.mark.parametrize("why", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: int
) -> None:
    journal = Journal.create(tmp_path / "state")
    client = tmp_path / "hot/Client B"
    client.mkdir(parents=True)
    listed = os.scandir

    def scandir(path: Any) -> Any:
        if path == os.fsencode(client):
            raise OSError(why, os.strerror(why))
        return listed(path)

    made = {"state_dir": str(tmp_path), "watch": [{"path": str(client.parent)}]}
    table = [Mount(Path("/"), "ext4", "a")]
    intake = Intake(Settings.model_validate(made), journal, clock=lambda: 0.0, table=lambda: table)
    monkeypatch.setattr(os, "scandir", scandir)
    intake.look()
    (root,) = journal.roots()
    assert f"cannot be listed: {client} ({os.strerror(why)})" in root.note
    monkeypatch.undo()
    intake.reconfigure(Settings.model_validate(made))
    intake.look()
    assert "cannot be listed" not in journal.roots()[0].note
    journal.close()


def test_a_marker_behind_a_dying_share_is_a_folder_that_is_offline(tmp_path: Path) -> None:
    root = Root(Watch(path=tmp_path, marker="é" * 200))  # what no file system takes is no "no such file"
    root.check(lambda: [Mount(Path("/"), "ext4", "a")])
    assert root.offline.endswith(os.strerror(errno.ENAMETOOLONG))


def test_a_page_that_may_not_be_looked_at_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(presence, "folder", refused)
    pages = ContactPages()
    pages.touch(tmp_path)
    pages.step(everything=True)
    assert "no contact sheet" in [line["event"] for line in logged]


@pytest.mark.parametrize("barred", ["corrections/a.tif.json", "../a.tif", "."])
def test_one_file_that_may_not_be_looked_at_does_not_close_the_review_page(
    hot: Hot, monkeypatch: pytest.MonkeyPatch, barred: str
) -> None:
    assert hot.process(hot.drop("A/a.tif", b"one")).returncode == 0
    assert hot.process(hot.drop("B/b.tif", b"two")).returncode == 0
    looked, refused = os.stat, (hot.folder / "A/_retouchd" / barred).resolve()

    def stat(path: Any, **more: Any) -> os.stat_result:
        if not isinstance(path, int) and Path(os.fsdecode(path)) == refused:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return looked(path, **more)

    album = Album([Place(hot.folder, hot.folder)])
    monkeypatch.setattr(os, "stat", stat)
    assert "B" in {shoot.folder.name for shoot in album.shoots()}
    monkeypatch.undo()
    album.forget()
    assert {shoot.folder.name for shoot in album.shoots()} == {"A", "B"}


def test_records_that_anybody_could_have_written_do_not_close_the_review_page(hot: Hot) -> None:
    assert hot.process(hot.drop("a.tif", b"one")).returncode == 0
    told = json.loads((hot.folder / "_retouchd/a.json").read_bytes())
    for number, name in enumerate((None, 5, "", "..", "../a.tif", "b/c.tif")):
        hostile = {**told, "source": {**told["source"], "name": name}}
        (hot.folder / f"_retouchd/{number}.json").write_text(json.dumps(hostile))
    (hot.folder / "_retouchd/6.json").write_text(json.dumps({**told, "counts": [1]}))
    (hot.folder / "_retouchd/7.json").write_text(json.dumps({**told, "source": "a.tif"}))
    (shoot,) = Album([Place(hot.folder, hot.folder)]).shoots()
    assert [photo.name for photo in shoot.photos] == ["a.tif"]
    (hot.folder / "_retouchd/a.json").unlink()
    assert shoot.photos[0].told() == {}


def test_a_photo_in_work_whose_folder_is_watched_no_longer_is_let_go_of(hot: Hot) -> None:
    photo, other = hot.drop("IMG.tif", b"SLEEP=3"), hot.base / "other"
    other.mkdir()
    process = hot.start()
    wait_for(lambda: hot.rows("running"), "the photo in work")
    before = hot.config.read_text()
    hot.config.write_text(before.replace(f'path = "{hot.folder}"', f'path = "{other}"'))
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: hot.rows("queued"), f"the photo let go of; {hot.log()}")
    (other / "b.tif").write_bytes(b"another")
    wait_for((other / "b-retouched.tif").exists, f"the other folder; {hot.log()}")
    assert "queued: its folder is no longer watched" in hot.about("why", photo).stdout
    assert sorted(p.name for p in hot.folder.iterdir()) == ["IMG.tif"]
    assert list((hot.state / "staging").iterdir()) == [], "what was made for nobody"

    hot.config.write_text(before)
    process.send_signal(signal.SIGHUP)
    wait_for((hot.folder / "IMG-retouched.tif").exists, f"the photo taken up again; {hot.log()}")
    assert process.poll() is None


def test_a_reload_says_what_it_does_not_take_over(hot: Hot) -> None:
    """A token that is in the settings and not asked for is worse than none."""
    process = hot.start()
    wait_for(lambda: '"ready"' in hot.log())
    hot.config.write_text(hot.config.read_text() + '\n[http]\ntoken = "0123456789abcdef"\n')
    for reloads in (1, 2):
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: hot.log().count('"reloaded"') == reloads, hot.log())  # noqa: B023 - waited for at once
    assert hot.log().count("http changes with the next start") == 2


def test_why_tells_of_a_pause(hot: Hot) -> None:
    hot.start()
    wait_for(lambda: '"ready"' in hot.log())
    assert hot.about("pause").returncode == 0
    photo = hot.drop("IMG.tif")
    wait_for(lambda: hot.rows("queued"), "queued")
    assert "queued: its folder is paused (go on with: retouchd resume)" in hot.about("why", photo).stdout


def test_a_worker_whose_program_is_being_replaced_is_tried_again(
    keeper: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/no/such/python")
        keeper.keep_running()
    assert (keeper.failures, keeper.pid) == (1, None)
    assert "No such file" in keeper.why_not_ready
    while not keeper.ready:
        keeper.keep_running()
        list(keeper.poll())
    assert (keeper.failures, keeper.why_not_ready) == (0, "")


def test_a_hook_that_was_taken_out_of_the_settings_is_not_started() -> None:
    hooks = Hooks(HookSettings(on_done=("false",)))
    hooks.done({})
    hooks.settings = HookSettings()
    hooks.step(idle=True)
    assert not hooks._running
    assert not hooks._waiting


def test_a_hook_with_a_nul_is_a_line(logged: list[MutableMapping[str, Any]]) -> None:
    hooks = Hooks(HookSettings(on_done=("tr\0ue",)))
    hooks.done({})
    hooks.step(idle=True)
    assert "hook does not start" in [line["event"] for line in logged]


def test_a_folder_that_is_not_there_yet_is_told_of_once(
    tmp_path: Path, logged: list[MutableMapping[str, Any]]
) -> None:
    """A share that was not mounted all night was a line every two seconds."""
    journal = Journal.create(tmp_path / "state")
    made = {"state_dir": str(tmp_path / "state"), "watch": [{"path": str(tmp_path / "hot")}]}
    now, table = [0.0], [Mount(Path("/"), "ext4", "a")]
    intake = Intake(Settings.model_validate(made), journal, clock=lambda: now[0], table=lambda: table)
    for _ in range(5):
        now[0] += 60
        intake.look()
    assert [line["event"] for line in logged].count("root offline") == 1
    (tmp_path / "hot").mkdir()
    for _ in range(2):
        now[0] += 60
        intake.look()
    assert [line["event"] for line in logged].count("root online") == 1
    journal.close()


def test_a_hook_without_room_for_its_facts_is_a_line(
    monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
) -> None:
    def full() -> IO[bytes]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    hooks = Hooks(HookSettings(on_done=("true",)))
    hooks.done({})
    hooks.step(idle=True)
    assert "hook does not start" in [line["event"] for line in logged]


@pytest.mark.parametrize("how", ["repaired", "removed"])
@pytest.mark.parametrize("what", ["IMG-mask.tif", "corrections/IMG.tif.json", "corrections/keep.json"])
def test_what_kept_a_photo_from_being_done_and_is_gone_lets_it_be_done(hot: Hot, what: str, how: str) -> None:
    """The message says: repair or remove it. Whoever did had to know of ``retry`` as well."""
    bad = hot.folder / "_retouchd" / what
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"")  # no mask, and no JSON
    photo = hot.drop("IMG.tif")
    hot.start()
    wait_for(lambda: hot.log().count('"event": "skipped"') == 2 and hot.rows("skipped"), hot.log())
    if how == "removed":
        bad.unlink()
    elif bad.suffix == ".tif":
        bad.write_bytes(b"\x07 painted")
    else:
        digest = hashlib.sha256(photo.read_bytes()).hexdigest()
        told = {"source": {"sha256": digest}, "kept": []}
        schema = "keep" if bad.name == "keep.json" else "corrections"
        bad.write_text(json.dumps({"schema": f"retouchd.{schema}/1", **told}))
    wait_for(lambda: hot.rows("done"), hot.log())
