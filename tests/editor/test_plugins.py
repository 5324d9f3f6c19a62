"""The editors' plug-ins, run in the editors' own language against stubs of their interfaces."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EDITOR = HERE.parents[1] / "editor"
LUAS = [name for name in ("lua5.1", "lua5.4") if shutil.which(name)]
NAMES = ("plain.jpg", 'it\'s "$(touch pwned)" `id`.tif', "-rf.tif", "Ünï cødé.tif")


@pytest.fixture(params=["lua5.1", "lua5.4"])
def lua(request: pytest.FixtureRequest) -> str:
    if request.param not in LUAS:
        pytest.skip(f"no {request.param} on this machine (apt install {request.param})")
    return str(request.param)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A retouchd that says how it was called, and leaves a result unless the name says that it fails."""
    path = tmp_path / "re touch'd"
    path.write_text(
        "#!/bin/sh\nset -e\ncommand=$1\nfor last; do :; done\n"
        'echo "$@" >> "$(dirname "$0")/calls"\n'
        "case $last in *broken*) exit 1;; *lazy*) exit 0;; esac\n"
        'if [ "$command" != edit ]; then last="${last%.*}-retouched.tif"; fi\necho healed > "$last"\n'
    )
    path.chmod(0o755)
    return path


def run(lua: str, program: Path, script: Path, *words: str | Path, version: str = "5.0") -> list[list[str]]:
    done = subprocess.run(
        [lua, HERE / script, *words],
        env={**os.environ, "PROGRAM": str(program), "DARKTABLE": version},
        cwd=program.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def lightroom(lua: str, program: Path, *renditions: str) -> list[list[str]]:
    return run(lua, program, Path("lightroom.lua"), EDITOR / "retouchd.lrplugin", *renditions)


@pytest.mark.parametrize("name", NAMES)
def test_lightroom_gets_the_result_above_its_photo(
    lua: str, program: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    path = folder / name
    path.write_bytes(b"photo")
    result = folder / f"{path.stem}-retouched.tif"
    told = lightroom(lua, program, f"ok:{path}")
    assert told == [["added", str(result), str(path), "above"], ["done", str(path), ""]]
    assert result.read_text() == "healed\n"
    assert not (tmp_path / "pwned").exists()
    assert (tmp_path / "calls").read_text() == f"process -- {path}\n"


def test_lightroom_names_a_preset_only_when_the_user_does(
    lua: str, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESET", "our school's")
    path = tmp_path / "a.tif"
    path.write_bytes(b"photo")
    lightroom(lua, program, f"ok:{path}")
    assert (tmp_path / "calls").read_text() == f"process --preset our school's -- {path}\n"


def test_in_lightroom_one_failure_stops_nothing_and_says_why(lua: str, program: Path, tmp_path: Path) -> None:
    for name in ("broken.tif", "lazy.tif", "refused.tif", "known.tif", "good.tif"):
        (tmp_path / name).write_bytes(b"photo")
    names = ("broken", "lazy", "refused", "known", "good")
    told = lightroom(lua, program, "failed:disk full", *(f"ok:{tmp_path}/{n}.tif" for n in names))
    ends = [line for line in told if line[0] != "added"]
    assert [line[0] for line in ends] == ["failed", "failed", "failed", "failed", "done", "done"]
    whys = [line[2] for line in ends]
    assert whys[0] == "disk full"
    assert "retouchd ended with" in whys[1]
    assert "no result" in whys[2]
    assert "the catalogue says no" in whys[3]
    # What the catalogue knows already is not added twice.
    assert [Path(line[1]).name for line in told if line[0] == "added"] == ["good-retouched.tif"]


@pytest.mark.parametrize("version", ["4.2", "5.0"])
@pytest.mark.parametrize("name", NAMES)
def test_darktable_gets_the_result_in_the_group_of_its_image(
    lua: str, program: Path, tmp_path: Path, name: str, version: str
) -> None:
    """In darktable 4.2.1 none came back: what tells success there was taken for failure."""
    folder = tmp_path / "roll"
    folder.mkdir()
    (folder / name).write_bytes(b"raw")
    (folder / f"{Path(name).stem}-heal.tif").write_bytes(b"somebody's")
    script, image = EDITOR / "darktable/retouchd.lua", f"{folder}|{name}"
    told = run(lua, program, Path("darktable.lua"), script, image, version=version)
    result = folder / f"{Path(name).stem}-heal-1.tif"
    assert told == [["grouped", str(result), name], ["said", "retouchd: 1 of 1 healed"]]
    assert result.read_text() == "healed\n"
    assert (folder / name).read_bytes() == b"raw"
    assert (folder / f"{Path(name).stem}-heal.tif").read_bytes() == b"somebody's"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("version", ["4.2", "5.0"])
def test_in_darktable_one_failure_stops_nothing_and_leaves_nothing(
    lua: str, program: Path, tmp_path: Path, version: str
) -> None:
    names = ("unrenderable.nef", "broken.nef", "good.nef")
    images = [f"{tmp_path}|{name}" for name in names]
    script = EDITOR / "darktable/retouchd.lua"
    told = run(lua, program, Path("darktable.lua"), script, *images, version=version)
    assert [line[0] for line in told] == ["said", "said", "grouped", "said"]
    assert told[-1][1] == "retouchd: 1 of 3 healed"
    assert [p.name for p in tmp_path.glob("*.tif")] == ["good-heal.tif"]


def test_luacheck_has_nothing_to_say() -> None:
    luacheck = shutil.which("luacheck")
    if luacheck is None:
        pytest.skip("no luacheck on this machine (apt install lua-check)")
    done = subprocess.run(
        [luacheck, "--no-color", "--config", EDITOR / ".luacheckrc", EDITOR],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
