"""A service is one user's; what others, who sit at the same machine, are told when they ask.

The unit gives the state folder to its user alone, and tests may run as root, who may everything. So the
refusals of the kernel are put in by hand here.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.daemon.conftest import Hot, environment

from retouchd import control, models
from retouchd.config import Settings
from retouchd.errors import StateDirUnusable
from retouchd.state import schema
from retouchd.state.journal import FILE_NAME, Journal
from retouchd.state.lock import NotItsUser

PROGRAM = """
import sys
from retouchd import config
def find(named):
    raise PermissionError(13, "Permission denied", "/etc/retouchd/config.toml")
config.find = find
sys.argv = ["retouchd", "status"]
from retouchd.cli import main
main()
"""


def refused(path: Any, *_: object, **__: object) -> Any:
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    Journal.create(made).close()
    return made


def test_a_daemon_of_another_user_is_not_taken_for_none(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert control.ask(state, "drain") is None
    monkeypatch.setattr(control, "_short", refused)
    with pytest.raises(NotItsUser, match=r"belongs to .*; do it as that user: sudo -u ") as caught:
        control.ask(state, "drain")
    assert caught.value.exit_code == 77


def test_a_journal_in_a_closed_folder_is_another_users(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Path.lstat
    monkeypatch.setattr(Path, "is_file", lambda _: False)  # as of Python 3.14
    monkeypatch.setattr(Path, "lstat", lambda path: refused(path) if path.name == FILE_NAME else asked(path))
    with pytest.raises(NotItsUser):
        Journal.attach(state)


def test_a_journal_that_only_its_user_may_write_is_another_users(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readonly = OSError("attempt to write a readonly database")
    assert isinstance(schema.unusable(state, readonly), StateDirUnusable)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert isinstance(schema.unusable(state, readonly), NotItsUser)
    assert isinstance(schema.unusable(state / "gone", readonly), StateDirUnusable)
    with pytest.raises(NotItsUser), schema.opened(state / FILE_NAME, "rw"):
        raise readonly


def test_a_disk_that_is_mounted_read_only_is_nobodys_fault(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel does so with a disk that broke; to do it as the folder's user helped nobody."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NOSUID))
    assert isinstance(schema.unusable(state, OSError("unable to open database file")), StateDirUnusable)


def test_what_a_command_may_not_read_is_one_line() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment(), capture_output=True, text=True, check=False
    )
    assert told.returncode == 77
    assert told.stderr == "retouchd: Permission denied: /etc/retouchd/config.toml\n"


@pytest.mark.parametrize("closed", ["state", "models"])
def test_models_that_only_the_service_may_see_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    """A photographer's own ``retouchd edit`` ended because the models of the service are not his."""
    settings = Settings.model_validate({"state_dir": str(tmp_path), "watch": [{"path": "/nowhere"}]})
    settings.models_dir.mkdir()
    assert models.offer(settings).left_out == ()
    if closed == "models":
        monkeypatch.setattr(os, "access", lambda *_: False)
    else:
        monkeypatch.setattr(Path, "stat", refused)
    offered = models.offer(settings)
    assert offered.stock.models == ()
    assert [line.startswith(str(settings.models_dir)) for line in offered.left_out] == [True]


def test_process_works_beside_a_service_of_another_user(hot: Hot) -> None:
    """The whole of it, where the kernel lets us give a folder away and forget that we are root."""
    without = "-dac_override,-dac_read_search"
    inside = ["setpriv", "--bounding-set", without, "--inh-caps", without]
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can give a folder to another user")
    hot.state.mkdir()
    os.chown(hot.state, 65534, 65534)
    hot.state.chmod(0o700)
    runs, enters = (
        subprocess.run([*inside, *words], capture_output=True, check=False).returncode == 0
        for words in (["true"], ["ls", str(hot.state)])
    )
    if enters or not runs:
        pytest.skip("root cannot drop its rights in this container")
    photo = hot.base / "own/IMG.tif"
    photo.parent.mkdir()
    photo.write_bytes(b"photo")

    def asked(*words: str) -> subprocess.CompletedProcess[str]:
        line = [*inside, sys.executable, "-m", "retouchd", *words, "--config", str(hot.config)]
        return subprocess.run(line, env=hot.env, capture_output=True, text=True, check=False)

    assert asked("process", str(photo), "--engine", "fake_engine:open_engine").returncode == 0
    for command in ("status", "list", "pause", "drain"):
        told = asked(command)
        assert (told.returncode, told.stdout) == (77, "")
        assert f"{hot.state} belongs to " in told.stderr
