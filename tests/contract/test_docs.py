"""The README and config.toml tell the whole truth: every command, every setting, the two targets."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_the_readmes_targets_exist() -> None:
    named = set(re.findall(r"`?make ([a-z]+)", README))
    assert {"demo", "test", "setup"} <= named <= _targets()


def test_setup_is_part_of_both_commands() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    for target in ("demo", "test"):
        assert re.search(rf"^{target}: setup\b", text, re.MULTILINE)


def test_the_readmes_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_readmes_modules_exist() -> None:
    for name in re.findall(r"python -m (benchmarks\.[a-z]+)", README):
        assert (ROOT / (name.replace(".", "/") + ".py")).is_file(), name


def _cli() -> click.Group:
    cli = pytest.importorskip("retouchd.cli", reason="the command line is not built yet")
    found = next(v for v in vars(cli).values() if isinstance(v, click.Group))
    assert isinstance(found, click.Group)
    return found


def test_the_readme_names_every_command() -> None:
    for name, command in _cli().commands.items():
        if not command.hidden:
            assert re.search(rf"retouchd {re.escape(name)}\b", README), name


def test_the_readme_names_every_option_of_process() -> None:
    section = README[README.index("## Commands") :]
    for parameter in _cli().commands["process"].params:
        if isinstance(parameter, click.Option):
            assert any(o in section for o in parameter.opts), parameter.opts


def test_the_continuous_check_is_sound_shell() -> None:
    for script in ("run", "system-package"):
        shell = "bash" if script == "run" else "sh"
        subprocess.run([shell, "-n", str(ROOT / ".ci" / script)], check=True)
