"""The systemd unit: verified by systemd itself where there is one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from retouchd.errors import ConfigMistakes


@pytest.fixture
def unit(project: Path, tmp_path: Path) -> Path:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    text = (project / "systemd/retouchd.service").read_text("utf-8")
    path = tmp_path / "retouchd.service"
    path.write_text(text.replace("/usr/local/bin/retouchd run", f"{sys.executable} -m retouchd run"))
    return path


def test_systemd_accepts_the_unit_without_a_word(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    words = [line for line in done.stderr.splitlines() if "retouchd" in line]

    assert (done.returncode, words) == (0, [])


def test_the_unit_is_hardened(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=16", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd cannot judge a unit offline")

    assert done.returncode == 0, done.stdout[-300:]


def test_the_unit_knows_the_exit_code_of_a_broken_configuration(project: Path) -> None:
    text = (project / "systemd/retouchd.service").read_text("utf-8")

    assert f"RestartPreventExitStatus={ConfigMistakes.exit_code}\n" in text
    assert "Type=notify\n" in text
