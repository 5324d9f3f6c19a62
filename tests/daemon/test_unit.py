"""The systemd units: verified by systemd itself where there is one, as they are and as they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.daemon.conftest import Hot

from retouchd import config, service
from retouchd.errors import ConfigMistakes

UNITS = ("retouchd.service", "retouchd@.service")


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest, project: Path, tmp_path: Path) -> Path:
    name: str = request.param
    text = (project / "systemd" / name).read_text("utf-8")
    path = tmp_path / name.replace("@", "@studio")
    path.write_text(text.replace("/usr/local/bin/retouchd run", f"{sys.executable} -m retouchd run"))
    return path


def test_systemd_accepts_the_unit_without_a_word(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)

    assert (done.returncode, [x for x in done.stderr.splitlines() if "retouchd" in x]) == (0, [])


def test_systemd_would_not_stay_silent_about_a_mistake(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("Nice=10", "Nicer=10"))

    assert list(service.check(unit, user=False)) or shutil.which("systemd-analyze") is None


def test_the_unit_is_hardened(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--threshold=16", unit)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd cannot judge a unit offline")

    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("name", UNITS)
def test_the_unit_says_what_the_service_relies_on(project: Path, name: str) -> None:
    text = (project / "systemd" / name).read_text("utf-8")

    assert f"RestartPreventExitStatus={ConfigMistakes.exit_code}\n" in text
    for line in (
        "Type=notify",
        "NotifyAccess=main",
        "IPAddressDeny=any",
        "KillMode=mixed",
        "WatchdogSec=120",
    ):
        assert f"\n{line}\n" in text
    assert "Documentation=" not in text
    assert "#RequiresMountsFor=" in text


def test_the_unit_for_instances_follows_from_the_other(project: Path) -> None:
    single, many = ((project / "systemd" / name).read_text("utf-8") for name in UNITS)

    assert many == service.instance(single)
    assert "--config /etc/retouchd/%i.toml\n" in many
    assert "install-service` lets" in single
    assert "install-service` lets" not in many  # it fits one configuration, not those of instances
    assert "StateDirectory=retouchd/%i\n" in many
    assert "systemctl edit retouchd@NAME" in many
    assert "systemctl edit" not in single


@pytest.mark.parametrize("user", [False, True])
def test_install_service_writes_units_that_systemd_accepts(
    hot: Hot, user: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = hot.base / 'a b%"c'
    odd.mkdir()
    hot.configure(more=f"\n[[watch]]\npath = '{odd}'\n")
    hot.env["XDG_CONFIG_HOME"] = "/srv/x/.config"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/srv/x/.config")
    root = hot.base / "root"
    words: list[str | Path] = ["--root", root, *(["--user"] if user else [])]
    done = hot.about("install-service", *words)

    assert (done.returncode, done.stderr) == (0, "")
    assert f"settings: {hot.config}, 2 watched" in done.stdout
    assert ("enable-linger" in done.stdout) == user
    place = "srv/x/.config/systemd/user" if user else "etc/systemd/system"
    text = (root / place / "retouchd.service").read_text()
    assert str(hot.config) in text
    assert "ADAPT: where retouchd" not in text
    assert ("User=retouchd" in text) == (not user)
    if not user:
        assert 'a b%%\\"c"' in text
        assert f"-{hot.state}" in text
        assert (root / "etc/sysusers.d/retouchd.conf").is_file()
        assert (root / "etc/systemd/system/retouchd@.service").is_file()
    assert hot.about("install-service", *words).returncode == 0
    (root / place / "retouchd.service").write_text("# mine\n" + text)
    assert hot.about("install-service", *words).returncode == 73
    assert (root / place / "retouchd.service").read_text().startswith("# mine")
    assert hot.about("install-service", "--replace", *words).returncode == 0


@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize(
    ("listen", "others"),
    [("", False), ("127.0.0.1:8712", False), ("[::1]:8712", False), ("0.0.0.0:8712", True)],
)
def test_a_unit_for_a_page_has_the_network_that_it_needs(
    hot: Hot, listen: str, *, user: bool, others: bool
) -> None:
    """By the unit without one the service ended at its start: address family not supported by protocol."""
    hot.configure(more=f'[http]\nlisten = "{listen}"\ntoken = "0123456789abcdef"\n')
    settings = config.load(hot.config)
    made = service.plan(settings, hot.config, user=user, root=hot.base / "root")
    service.write(made, replace=False)
    text = made.unit.read_text()
    allowed = {line for line in text.splitlines() if line.startswith(("Restrict", "IPAddress", "PrivateNet"))}
    families = "RestrictAddressFamilies=AF_UNIX" + " AF_INET AF_INET6" * bool(listen)
    assert families in allowed
    assert ("PrivateNetwork=yes" in allowed) is (not listen and not user)
    assert ("IPAddressAllow=localhost" in allowed) is (bool(listen) and not user)
    assert ("# ADAPT: the network" in text) is (others and not user)
    assert list(service.check(made.unit, user=user)) == []
    words: list[str | Path] = ["--root", hot.base / "root", *(["--user"] if user else [])]
    assert ("IPAddressAllow" in hot.about("install-service", *words).stdout) is (others and not user)


@pytest.mark.parametrize(
    ("tool", "name"), [("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")]
)
def test_systemd_accepts_the_user_and_the_folders(
    project: Path, tmp_path: Path, tool: str, name: str
) -> None:
    if shutil.which(tool) is None or os.geteuid() != 0:
        pytest.skip(f"{tool} is not installed here, or may not write users")
    (tmp_path / "etc").mkdir()
    words = ["--create"] if "tmpfiles" in tool else []
    path = project / "systemd" / name / "retouchd.conf"
    done = subprocess.run(
        [tool, f"--root={tmp_path}", *words, path], capture_output=True, text=True, check=False
    )

    assert (done.returncode, [x for x in done.stderr.splitlines() if "retouchd.conf" in x]) == (0, [])
    if "tmpfiles" in tool:
        assert (tmp_path / "etc/retouchd").is_dir()
    else:
        assert "retouchd:" in (tmp_path / "etc/passwd").read_text()
