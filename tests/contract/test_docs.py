"""The README, its further pages and config.toml tell the whole truth: every command, setting and target."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest
from pydantic import BaseModel

from retouchd.cli import cli
from retouchd.config.settings import Settings
from retouchd.config.write import documented
from retouchd.errors import RetouchdError

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def _pages(top: Path) -> Iterator[Path]:
    """The pages below a folder; of the very top its own only, for the environment lies there."""
    yield from top.glob("*.md") if top == ROOT else top.rglob("*.md")


def _named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


PAGES = sorted(p for top in (".", "benchmarks", "daemon", "engine") for p in _pages(ROOT / top))


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_the_readmes_targets_exist() -> None:
    named = set(re.findall(r"`?make ([a-z]+)", README))
    assert {"demo", "test", "setup"} <= named <= _targets()


def test_setup_is_part_of_both_commands() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    for target in ("demo", "test"):
        assert re.search(rf"^{target}: setup\b", text, re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """Where links may point to inside a page: its headings as GitHub names them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_a_pages_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#]*)(?:#([^)]+))?\)", page.read_text("utf-8")):
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not anchor or anchor in _anchors(there), anchor


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_a_pages_modules_exist(page: Path) -> None:
    for name in re.findall(r"python -m (benchmarks(?:\.[a-z_]+)+)", page.read_text("utf-8")):
        assert (ROOT / (name.replace(".", "/") + ".py")).is_file(), name


def test_every_benchmark_that_can_be_run_is_on_their_page() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    for module in (ROOT / "benchmarks").glob("*.py"):
        if '__name__ == "__main__"' in module.read_text("utf-8"):
            assert f"benchmarks.{module.stem}" in page, module.stem


def test_the_readme_names_every_command() -> None:
    for name, command in cli.commands.items():
        if not command.hidden:
            assert re.search(rf"retouchd {re.escape(name)}\b", README), name


def test_the_readme_names_every_option_of_process() -> None:
    section = README[README.index("## Commands") :]
    for parameter in cli.commands["process"].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert any(o in section for o in parameter.opts), parameter.opts


def _failures(above: type[RetouchdError] = RetouchdError) -> Iterator[type[RetouchdError]]:
    for kind in above.__subclasses__():
        yield kind
        yield from _failures(kind)


def test_the_exit_codes_of_readme_and_help_are_those_that_commands_end_with() -> None:
    ends = {0, 2, 130, 74, 77} | {k.exit_code for k in _failures() if isinstance(k.exit_code, int)}
    for text in (README[README.index("Exit codes: ") : README.index("130 interrupted")], cli.epilog or ""):
        codes = {int(n) for n in re.findall(r"(?<![\w.])(\d+) [a-z]", text)} | {130}
        assert codes == ends, text


def _settings(tree: type[BaseModel]) -> Iterator[str]:
    """The names of all settings of a tree and of the trees inside it."""
    for name, field in tree.model_fields.items():
        yield name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _settings(kind)


def test_the_default_configuration_shows_every_setting() -> None:
    text = (ROOT / "config.toml").read_text("utf-8")
    names = set(_settings(Settings))
    assert {"sensitivity", "interval_local_s", "path"} <= names
    for name in names:
        assert re.search(rf"^{name} = |^\[+([a-z.]+\.)?{name}[\].]", text, re.MULTILINE), name


def test_the_default_configuration_is_the_built_in_one() -> None:
    assert (ROOT / "config.toml").read_text("utf-8") == documented()


def test_the_continuous_check_is_sound_shell() -> None:
    for script in ("run", "system-package"):
        shell = "bash" if script == "run" else "sh"
        subprocess.run([shell, "-n", str(ROOT / ".ci" / script)], check=True)
