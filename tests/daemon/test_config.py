"""Settings: all mistakes at once, each with file, key, what was found and what is allowed."""

from __future__ import annotations

import importlib
import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from retouch_engine import PERMANENT, Kind, Signing
from retouchd import config
from retouchd.config.overrides import nearest, recipe_for
from retouchd.config.settings import Settings
from retouchd.config.watches import Watch
from retouchd.config.write import example
from retouchd.errors import ConfigMistakes, ConfigNotFound, FolderMistake
from retouchd.mounts import Mount

loading = importlib.import_module("retouchd.config.load")
"""The module; the package's own name for it is the function."""

LOCAL = [Mount(Path("/"), "ext4", "/dev/sda1")]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def mistakes_of(path: Path, table: list[Mount] | None = None) -> dict[str, str]:
    with pytest.raises(ConfigMistakes) as caught:
        config.load(path, table or LOCAL)
    return {m.key: str(m) for m in caught.value.mistakes}


def trees(tree: type[BaseModel] = Settings) -> Iterator[type[BaseModel]]:
    yield tree
    for field in tree.model_fields.values():
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from trees(inner)


def test_the_documented_default_is_what_the_typed_settings_generate(request: pytest.FixtureRequest) -> None:
    text = (request.config.rootpath / "config.toml").read_text("utf-8")

    assert config.documented() == text


def test_the_documented_default_reads_back_as_the_settings_it_shows() -> None:
    assert Settings.model_validate(tomllib.loads(config.documented())) == example()


def test_every_setting_has_a_description() -> None:
    for tree in trees():
        assert tree.__doc__, tree
        for name, field in tree.model_fields.items():
            inner = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
            assert inner or field.description, f"{tree.__name__}.{name}"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = """
        state_dir = "/srv/a/state"
        colour = "red"
        [[watch]]
        path = "/srv/a"
        preset = "wedding"
        [[watch]]
        path = "/srv/a/b"
        recursiv = true
        [scan]
        interval_local_s = -1
        [limits]
        max_megapixels = "many"
        [presets.soft]
        sensitivity = 101
        remove = ["mole", "spot"]
        [presets.odd]
        remove = ["mole"]
        review = ["mole"]
    """
    path = write(tmp_path / "config.toml", text)

    told = mistakes_of(path)

    assert set(told) == {
        "state_dir",
        "colour",
        "watch[1].preset",
        "watch[2].path",
        "watch[2].recursiv",
        "scan.interval_local_s",
        "limits.max_megapixels",
        "presets.soft.sensitivity",
        "presets.soft.remove[2]",
        "presets.odd.review",
    }
    assert told["watch[2].recursiv"] == (
        f"{path}: watch[2].recursiv: found an unknown key; allowed: one of ignore, marker, max_depth, output,"
        " path, preset, recursive"
    )
    assert "found 101; allowed: less than or equal to 100" in told["presets.soft.sensitivity"]
    assert "found '/srv/a/state'; allowed: a folder outside of watch[1]" in told["state_dir"]
    assert all("\n" not in line for line in told.values())


@pytest.mark.parametrize("fstype", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_a_state_folder_on_a_network_file_system_is_refused(tmp_path: Path, fstype: str) -> None:
    path = write(tmp_path / "c.toml", 'state_dir = "/mnt/nas/state"')

    told = mistakes_of(path, [*LOCAL, Mount(Path("/mnt/nas"), fstype, "nas:/x")])

    assert "a folder on a local disk" in told["state_dir"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("= 3", "file"),
        ('watch = "x"', "watch"),
        ("watch = [3]", "watch[1]"),
        ('state_dir = "here"', "state_dir"),
        ('state_dir = "/a\\u0000b"', "state_dir"),
        ('state_dir = "~nobody-here/x"', "state_dir"),
        ('[[watch]]\npath = "/a\\nb"', "watch[1].path"),
    ],
)
def test_any_shape_of_nonsense_is_a_mistake_and_not_a_crash(tmp_path: Path, text: str, key: str) -> None:
    assert key in mistakes_of(write(tmp_path / "c.toml", text))


def test_a_line_where_words_are_wanted_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[hooks]\non_done = "notify-send done"\n')
    with pytest.raises(ConfigMistakes, match=r"hooks\.on_done: found 'notify-send done'; allowed: a list"):
        config.load(path)


def test_settings_that_windows_wrote_are_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'\xef\xbb\xbfstate_dir = "/var/lib/retouchd"\r\n')
    assert config.load(path).state_dir == Path("/var/lib/retouchd")


def test_the_configuration_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RETOUCHD_CONFIG", raising=False)
    home = tmp_path / "home/retouchd/config.toml"
    home.parent.mkdir(parents=True)
    write(tmp_path / "config.toml", "")
    assert config.find(None) == Path("config.toml")
    write(home, "")
    assert config.find(None) == home, "a clone's own default was taken for the settings of who calls in it"
    monkeypatch.setenv("RETOUCHD_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(ConfigNotFound, match=r"gone\.toml"):
        config.find(None)
    assert config.find(home) == home


def settings(**presets: dict[str, object]) -> Settings:
    return Settings.model_validate({"presets": presets})


def test_the_nearest_retouch_toml_wins_and_is_not_merged(tmp_path: Path) -> None:
    photo = tmp_path / "client" / "day" / "a.tif"
    photo.parent.mkdir(parents=True)
    write(tmp_path / "retouch.toml", "sensitivity = 10")
    write(tmp_path / "client" / "retouch.toml", 'preset = "soft"\nstrength = 40')

    recipe = recipe_for(photo, tmp_path, "studio", settings(soft={"sensitivity": 20}))

    assert (recipe.preset, recipe.sensitivity, recipe.strength) == ("soft", 20, 40)


def test_no_retouch_toml_above_the_watched_folder_counts(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    write(tmp_path / "retouch.toml", "strength = 1")

    assert nearest(root / "a.tif", root) is None
    assert nearest(root / "a.tif", tmp_path) == tmp_path / "retouch.toml"


def test_a_kind_that_a_folder_removes_is_no_longer_for_review(tmp_path: Path) -> None:
    write(tmp_path / "retouch.toml", 'remove = ["comedo"]')

    recipe = recipe_for(tmp_path / "a.tif", tmp_path, "studio", settings())

    assert recipe.remove == (Kind.COMEDO,)
    assert Kind.COMEDO not in recipe.review


@pytest.mark.parametrize("text", ["sensitivity = 400", 'preset = "x"', "colour = 1", "=", 'remove = "mole"'])
def test_a_mistake_in_retouch_toml_is_the_photos_reason(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "retouch.toml", text)

    with pytest.raises(FolderMistake, match="allowed") as caught:
        recipe_for(tmp_path / "a.tif", tmp_path, "studio", settings())

    assert str(path) in str(caught.value)
    assert caught.value.retryable


def test_a_built_in_preset_is_changed_not_replaced() -> None:
    made = settings(school={"strength": 80}).presets["school"]
    assert made.strength == 80
    assert Kind.MOLE not in (*made.remove, *made.review)
    assert Kind.BROWN_SPOT not in (*made.remove, *made.review)
    asked = settings(beauty={"review": ["pimple"]}).presets["beauty"]
    assert asked.review == (Kind.PIMPLE,)
    assert Kind.PIMPLE not in asked.remove


def test_presets_heal_ever_less() -> None:
    presets = settings().presets
    removed = [set(presets[name].remove) for name in ("beauty", "studio", "school", "minimal")]
    assert all(more > less for more, less in itertools.pairwise(removed))
    assert not any(kinds & PERMANENT for kinds in removed)
    assert all(preset.recipe(name).preset == name for name, preset in presets.items())


def test_odd_paths_survive_the_generator(tmp_path: Path) -> None:
    odd = tmp_path / 'a "b" \\ c'
    made = Settings(state_dir=tmp_path, watch=(Watch(path=odd, preset="studio"),))

    assert Settings.model_validate(tomllib.loads(config.documented(made))) == made


_KEYS = st.sampled_from(
    ["state_dir", "watch", "path", "preset", "presets", "scan", "limits", "remove", "review", "x", "studio"]
)

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_no_shape_of_settings_ends_in_anything_but_mistakes(raw: dict[str, object]) -> None:
    path = Path("c.toml")
    settings, mistakes = loading.validated(Settings, raw, path)
    mistakes += loading._recipe_mistakes(raw, path) + loading._place_mistakes(raw, path, LOCAL)

    assert settings or mistakes
    assert all(str(m).isprintable() for m in mistakes)


def test_results_are_signed_only_with_a_certificate_and_its_key() -> None:
    assert Settings().finish.signing is None
    both = {"certificate": "/etc/retouchd/chain.pem", "key": "/etc/retouchd/key.pem"}
    signing = Settings.model_validate({"signing": both}).finish.signing
    assert signing == Signing(both["certificate"], both["key"], "es256", "")
    assert signing.timestamp_url == "", "nobody is asked for the time"
    for one, path in both.items():
        with pytest.raises(ValidationError, match="certificate and key, or neither"):
            Settings.model_validate({"signing": {one: path}})
    with pytest.raises(ValidationError):
        Settings.model_validate({"signing": {**both, "timestamp_url": "file:///etc/passwd"}})
