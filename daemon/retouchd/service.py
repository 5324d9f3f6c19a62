"""Installing the service: the unit files of the project, fitted to this machine, written and checked.

The files in ``systemd/`` are the one source. Fitting replaces single lines: where the program lies, which
configuration it reads, which folders it may write. The variant for a user's own systemd keeps only what
that can enforce without privileges.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retouchd.config import Settings
from retouchd.errors import ConfigExists

UNIT = "retouchd.service"
TEMPLATE = "retouchd@.service"
_STATE = Path("/var/lib/retouchd")
_PROGRAM = "/usr/local/bin/retouchd run --config /etc/retouchd/config.toml"
_NO_NETWORK = "IPAddressDeny=any\nRestrictAddressFamilies=AF_UNIX\nPrivateNetwork=yes\n"
_BY_ITSELF = "With [http] listen `retouchd install-service` lets this machine ask. By hand, and for hooks"
_BY_HAND = "For a page at [http] listen, in a drop-in for the instance, and for hooks"
"""An instance reads settings that nobody knows when its unit is written."""
_OF_ONE = (
    "# Folders of one instance alone: another ReadWritePaths= in a drop-in, `systemctl edit retouchd@NAME`.\n"
)
_LISTENS = """# But for the page at [http] listen, which this machine may ask.
IPAddressDeny=any
IPAddressAllow=localhost
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
"""
"""Without families of addresses the port cannot be had, and the service ends at its start."""
_LISTENS_TO_OTHERS = f"{_LISTENS}# ADAPT: the network that may ask as well.\n#IPAddressAllow=192.168.1.0/24\n"
_WORST_SCORE = 16
"""Tenths, of systemd-analyze security: 16 is 1.6."""
_FOR_USERS = frozenset(
    {
        *(
            "Type",
            "NotifyAccess",
            "ExecStart",
            "ExecReload",
            "Restart",
            "RestartSec",
            "WatchdogSec",
            "KillMode",
        ),
        *("RestartPreventExitStatus", "TimeoutStartSec", "TimeoutStopSec", "UMask", "Nice"),
        *("IOSchedulingClass", "IOSchedulingPriority", "RestrictAddressFamilies", "LockPersonality"),
        *("NoNewPrivileges", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
        *("SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber"),
    }
)
"""What the systemd of a user can do: all of it works through seccomp, and needs no mount of its own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which files go where."""

    files: dict[Path, str]
    unit: Path


def sources() -> Path:
    """The folder with the unit files: inside an installed package, or beside it in a checkout."""
    inside = Path(__file__).parent / "systemd"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "systemd"


def read(name: str) -> str:
    """One of the project's files."""
    return (sources() / name).read_text("utf-8")


def instance(unit: str) -> str:
    """The unit with one instance for each studio: its settings and its state carry the instance's name."""
    head, _, rest = unit.partition("[Unit]")
    text = head.replace("# retouchd as a system service.", "# One retouchd for each configuration.")
    text = text.replace("enable --now retouchd", "enable --now retouchd@NAME")
    text += (
        f"#   NAME is that of a configuration: /etc/retouchd/NAME.toml, with state_dir = {_STATE}/NAME\n\n"
    )
    text = text.replace("\n\n#   NAME", "\n#   NAME") + "[Unit]" + rest
    text = text.replace(_BY_ITSELF, _BY_HAND).replace("ReadWritePaths=", f"{_OF_ONE}ReadWritePaths=")
    text = text.replace("/etc/retouchd/config.toml", "/etc/retouchd/%i.toml")
    text = text.replace("in watched folders\n", "in watched folders (%i)\n")
    return text.replace("StateDirectory=retouchd\n", "StateDirectory=retouchd/%i\n")


def quoted(path: Path) -> str:
    """A path as one word of a unit file (systemd.syntax(7))."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if re.search(r"[\s\"';\\]", text) else text


def program() -> str:
    """How this very installation is started."""
    beside = Path(sys.executable).parent / "retouchd"
    found = str(beside) if beside.is_file() else shutil.which("retouchd")
    return quoted(Path(found)) if found else f"{quoted(Path(sys.executable))} -m retouchd"


def fitted(unit: str, settings: Settings, config_path: Path) -> str:
    """A unit for this machine and these settings."""
    command = f"{program()} run --config {quoted(config_path)}"
    text = unit.replace(_PROGRAM, command).replace("# ADAPT: where retouchd is installed.\n", "")
    writable = " ".join(f"-{quoted(p)}" for p in written_to(settings))
    text = text.replace("ReadWritePaths=-/srv/photos\n", f"ReadWritePaths={writable}\n")
    if any(p.is_relative_to("/home") for p in written_to(settings)):
        # ReadWritePaths opens what lies below a read-only home; nothing more is needed.
        text = text.replace("# ADAPT: the watched folders.", "# The watched folders, some below a home.")
    if settings.http.listen:
        text = text.replace(_NO_NETWORK, _LISTENS if settings.http.local else _LISTENS_TO_OTHERS)
    return text.replace("# ADAPT: the watched folders.", "# The watched folders.")


def written_to(settings: Settings) -> list[Path]:
    """Every folder that the service writes to, but for the state folder that systemd makes itself."""
    places = [w.mirror or w.path for w in settings.watch]
    return [*places, *([] if settings.state_dir == _STATE else [settings.state_dir])]


def for_user(unit: str) -> str:
    """The unit without what the systemd of a user cannot enforce."""
    kept = "\n".join(_kept(unit.splitlines())).replace("multi-user.target", "default.target")
    return re.sub(r"\n{3,}", "\n\n", kept) + "\n"


def _kept(lines: Iterable[str]) -> Iterator[str]:
    section = ""
    yield "# retouchd as a service of one user, written by: retouchd install-service --user"
    for line in lines:
        if line.startswith("["):
            section = line
            yield ""
        key = line.partition("=")[0]
        is_setting = line and line[0] not in "#["
        wanted = key in _FOR_USERS if section == "[Service]" else key != "After"
        if line.startswith("[") or (is_setting and wanted):
            yield line


def plan(settings: Settings, config_path: Path, *, user: bool, root: Path) -> Plan:
    """The files to write."""
    unit = fitted(read(UNIT), settings, config_path)
    if user:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        place = root / (home / "systemd/user").relative_to("/")
        return Plan({place / UNIT: for_user(unit)}, place / UNIT)
    place = root / "etc/systemd/system"
    files = {
        place / UNIT: unit,
        root / "etc/sysusers.d/retouchd.conf": read("sysusers.d/retouchd.conf"),
        root / "etc/tmpfiles.d/retouchd.conf": read("tmpfiles.d/retouchd.conf"),
    }
    # The template reads other configurations, so its folders are for a person to name.
    files[place / TEMPLATE] = read(TEMPLATE).replace("/usr/local/bin/retouchd", program())
    return Plan(files, place / UNIT)


def write(made: Plan, *, replace: bool) -> None:
    """Write the files.

    Raises:
        ConfigExists: one is there and differs; nothing was written.
    """
    for path, text in made.files.items():
        if not replace and path.exists() and path.read_text("utf-8", "replace") != text:
            raise ConfigExists(path, "give --replace to overwrite it")
    for path, text in made.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def check(unit: Path, *, user: bool) -> Iterator[str]:
    """What systemd says against a unit; nothing when it is fine or there is no systemd to ask."""
    if shutil.which("systemd-analyze") is None:
        return
    mode = ["--user"] if user else []
    verified = _run("systemd-analyze", *mode, "verify", "--man=no", str(unit))
    yield from (line for line in verified.stderr.splitlines() if unit.name in line)
    if user:
        return
    judged = _run("systemd-analyze", "security", "--offline=true", f"--threshold={_WORST_SCORE}", str(unit))
    if judged.returncode and "unrecognized option" not in judged.stderr:
        yield (judged.stdout.strip().splitlines() or ["not judged"])[-1]


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
