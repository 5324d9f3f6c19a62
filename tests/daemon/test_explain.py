"""``retouchd explain``: what it prints, what it writes and where, and that the photo is only read."""

from __future__ import annotations

import json
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from benchmarks.chart import render
from skimage import data
from tests.daemon.conftest import Hot

from retouch_engine import Limits
from retouch_engine.codec.read import read_photo
from retouch_engine.errors import OwnOutput

SIZE = (512, 512)


@pytest.fixture
def astronaut(hot: Hot) -> Path:
    """A public-domain portrait that comes with scikit-image."""
    path = hot.folder / "day" / "eileen.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(data.astronaut())))
    return path


def test_it_draws_beside_the_photo_and_says_what_it_knows(hot: Hot, astronaut: Path) -> None:
    before = astronaut.read_bytes()
    done = hot.cli("explain", astronaut)

    assert done.returncode == 0, done.stderr
    drawn = astronaut.with_name("eileen-explained.png")
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["faces", "scale", "skin"]
    assert lines[0] == "faces: 1"
    assert "px/mm" in lines[1]
    assert lines[-1] == f"wrote {drawn}"
    assert np.asarray(imagecodecs.png_decode(drawn.read_bytes())).shape == (*SIZE, 3)
    assert sorted(p.name for p in astronaut.parent.iterdir()) == ["eileen-explained.png", "eileen.png"]
    assert astronaut.read_bytes() == before


def test_maps_lie_on_the_photo_pixel_for_pixel(hot: Hot, astronaut: Path) -> None:
    out = hot.base / "look"
    done = hot.cli("explain", astronaut, "--out", out, "--maps", "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    names = ["eileen-explained.png", "eileen-protected.png", "eileen-skin.png"]
    assert [Path(f).name for f in told["files"]] == names
    assert sorted(p.name for p in out.iterdir()) == names
    for name in names:  # drawn into a watched folder, they were healed and published as photos
        with pytest.raises(OwnOutput):
            read_photo(out / name, Limits())
    protected, skin = (np.asarray(imagecodecs.png_decode((out / n).read_bytes())) for n in names[1:])
    for yes in (protected, skin):
        assert yes.shape == SIZE
        assert yes.dtype == np.uint8
        assert set(np.unique(yes)) == {0, 255}
    assert not ((protected > 0) & (skin > 0)).any()
    (face,) = told["faces"]
    eyes = [(round(x), round(y)) for x, y in face["eyes"]]
    assert len(eyes) == 2
    assert all(protected[y, x] == 255 for x, y in eyes)
    assert told["scale"]["px_per_mm"] == pytest.approx(face["scale"]["px_per_mm"])
    assert told["causes"]["eye"] > 0
    assert told["causes"]["clothing"] > told["causes"]["eye"]


def test_what_is_no_photo_is_named(hot: Hot) -> None:
    path = hot.drop("notes.tif", b"not a photo")
    done = hot.cli("explain", path)

    assert done.returncode == 1
    assert done.stderr.startswith("retouchd: ")
    assert "Traceback" not in done.stderr
    assert [p.name for p in hot.folder.iterdir()] == ["notes.tif"]


def decisions(hot: Hot, photo: Path, *more: str) -> list[str]:
    """What would become of each find."""
    done = hot.cli("explain", photo, "--out", hot.base / "look", "--json", *more)
    assert done.returncode == 0, done.stderr
    return [spot["decision"] for spot in json.loads(done.stdout)["spots"]]


def test_it_decides_by_the_preset_and_the_retouch_toml_above_the_photo(hot: Hot) -> None:
    photo = hot.folder / "day" / "chart.png"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(imagecodecs.png_encode(render(600, 400, seed=7, px_per_mm=12.0).eight_bit()))
    assert "healed" in decisions(hot, photo)
    (photo.parent / "retouch.toml").write_text("remove = []\n")
    assert "healed" not in decisions(hot, photo)
    assert hot.cli("explain", photo, "--preset", "unheard").returncode != 0
    (photo.parent / "retouch.toml").unlink()
    hot.configure(more="[presets.none]\nremove = []\n")
    hot.config.write_text(hot.config.read_text().replace("[scan]", 'preset = "none"\n[scan]', 1))
    assert "healed" not in decisions(hot, photo, "--config", str(hot.config))
    assert "healed" in decisions(hot, photo, "--config", str(hot.config), "--preset", "studio")


def test_a_list_of_kept_marks_that_cannot_be_read_is_named(hot: Hot, astronaut: Path) -> None:
    kept = astronaut.parent / "_retouchd" / "corrections" / "keep.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{")
    done = hot.cli("explain", astronaut)
    assert done.returncode == 1
    assert "keep.json" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["explained", "protected", "skin"])
def test_a_drawing_in_a_watched_folder_is_no_photo(hot: Hot, astronaut: Path, name: str) -> None:
    assert hot.cli("explain", astronaut, "--maps").returncode == 0
    drawn = astronaut.with_name(f"eileen-{name}.png")
    with pytest.raises(OwnOutput):
        read_photo(drawn, Limits())
    assert hot.cli("explain", astronaut, "--maps").returncode == 0


@pytest.mark.parametrize(("name", "words"), [("explained", ()), ("skin", ("--maps",))])
def test_a_photo_by_the_name_of_a_drawing_stays(
    hot: Hot, astronaut: Path, name: str, words: tuple[str, ...]
) -> None:
    taken = astronaut.with_name(f"eileen-{name}.png")
    taken.write_bytes(astronaut.read_bytes())
    done = hot.cli("explain", astronaut, *words)

    assert (done.returncode, done.stdout) == (1, "")
    assert f"{taken} is there already" in done.stderr
    assert taken.read_bytes() == astronaut.read_bytes()
    assert hot.cli("explain", astronaut, *words, "--out", hot.base / "out").returncode == 0
