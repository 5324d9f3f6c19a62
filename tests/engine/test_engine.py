"""The engine from file to staged files: every promise of the record, checked on what lies in the folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from benchmarks.chart import Chart
from benchmarks.files import write_photo

from retouch_engine import Order, Recipe, Rendered, Role, errors, open_engine, threads
from retouch_engine.codec.read import read_samples
from retouch_engine.imaging.turning import turned
from retouch_engine.recipe import Finish, Limits
from retouch_engine.threads import Borrowed


def done(source: Path, staging: Path, recipe: Recipe | None = None, mask: Path | None = None) -> Rendered:
    staging.mkdir()
    stages: list[str] = []
    with open_engine() as engine:
        order = Order(source, staging, recipe or Recipe(), painted_mask=mask)
        rendered = engine.retouch(order, stages.append)
    assert stages[0] == "decode"
    assert stages[-1] == "digest"
    return rendered


@pytest.fixture(scope="module")
def rendered(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> tuple[Rendered, Path]:
    folder = tmp_path_factory.mktemp("engine")
    source = folder / "photos" / "chart.tif"
    write_photo(source, chart.pixels)
    return done(source, folder / "staging"), source


def read(rendered: Rendered, role: Role) -> np.ndarray:
    return np.asarray(tifffile.imread(rendered.files[role]))


class Tardy(Borrowed):
    """Hands that begin only what somebody waits for: the slowest that threads can be."""

    def submit(self, act: Callable[..., Any], *arguments: object) -> Future[Any]:
        future: Future[Any] = Future()

        def result(timeout: float | None = None) -> Any:
            if future.set_running_or_notify_cancel():
                future.set_result(act(*arguments))
            return Future.result(future, timeout)

        self._open.add(future)
        future.result = result  # type: ignore[method-assign]
        return future

    def end(self) -> None:
        for future in self._open:
            if future.cancel():
                future.set_running_or_notify_cancel()


def test_each_result_is_waited_for_before_what_makes_it_is_ended(
    chart_tiff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside small photos the comparison of metadata had not begun, was given up, and the photo failed."""
    monkeypatch.setattr(threads, "Borrowed", Tardy)
    rendered = done(chart_tiff, tmp_path / "staging")
    assert set(rendered.record["outputs"]) == set(rendered.files)


def test_every_role_is_staged_and_its_digest_is_in_the_record(rendered: tuple[Rendered, Path]) -> None:
    import hashlib

    files, record = rendered[0].files, rendered[0].record
    assert set(files) == set(Role) - {Role.PSD}
    for role, path in files.items():
        assert record["outputs"][role]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert record["outputs"][role]["bytes"] == path.stat().st_size


def test_something_is_healed_and_every_mole_stays(rendered: tuple[Rendered, Path], chart: Chart) -> None:
    mask = read(rendered[0], Role.MASK)
    assert rendered[0].record["counts"]["healed"] > 0
    for spot in chart.permanent:
        assert mask[round(spot.cy), round(spot.cx)] != 255
    blemished = chart.blemished
    assert (mask[~blemished] == 255).sum() < 0.5 * (mask == 255).sum()


def test_every_sample_outside_the_mask_is_the_sources(rendered: tuple[Rendered, Path], chart: Chart) -> None:
    result, mask = read(rendered[0], Role.RESULT), read(rendered[0], Role.MASK)
    assert result.dtype == np.uint16
    assert result.shape == chart.pixels.shape
    assert np.array_equal(result[mask != 255], chart.pixels[mask != 255])
    assert (result[mask == 255] != chart.pixels[mask == 255]).any()
    assert rendered[0].record["outside_unchanged"] is True


def test_the_layer_over_the_original_is_the_result(rendered: tuple[Rendered, Path], chart: Chart) -> None:
    layer, result = read(rendered[0], Role.HEAL), read(rendered[0], Role.RESULT)
    alpha = layer[..., 3:].astype(np.float64) / 65535
    laid = layer[..., :3] * alpha + chart.pixels * (1 - alpha)
    assert np.abs(laid - result).max() <= 1


def test_a_grey_profile_says_nothing_of_colours(
    rendered: tuple[Rendered, Path], chart: Chart, tmp_path: Path
) -> None:
    """It was believed, and the photo looked at by its red channel alone."""
    grey, source = bytes(imagecodecs.cms_profile("gray", gamma=2.2)), tmp_path / "grey.tif"
    tifffile.imwrite(source, chart.pixels, photometric="rgb", iccprofile=grey)
    made = done(source, tmp_path / "staging")
    assert made.record["counts"] == rendered[0].record["counts"]
    assert np.array_equal(read(made, Role.RESULT), read(rendered[0], Role.RESULT))
    assert any("profile is one for grey pictures" in note for note in made.record["notes"])
    with tifffile.TiffFile(made.files[Role.RESULT]) as tif:
        assert tif.pages[0].tags.valueof(34675) == grey, "the source's profile stays, whatever it is"


def test_layers_of_a_photo_on_its_side_stand_upright_beside_it(chart: Chart, tmp_path: Path) -> None:
    """Heal layer and document; the result lies as the photo does, and says so."""
    source, staging = tmp_path / "chart.tif", tmp_path / "staging"
    tifffile.imwrite(source, turned(chart.pixels, 8), photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    staging.mkdir()
    with open_engine() as engine:
        made = engine.retouch(Order(source, staging, Recipe(), finish=Finish(psd=True)), lambda _: None)
    upright = turned(read(made, Role.RESULT), 6)
    healed = turned(read(made, Role.MASK), 6) == 255
    layer = read(made, Role.HEAL)
    assert healed.any()
    assert np.array_equal(layer[..., 3] > 0, healed)
    assert np.array_equal(layer[healed][:, :3], upright[healed])
    document = read_samples(made.files[Role.PSD], Limits())
    assert np.array_equal(document.samples, upright)
    assert made.record["outside_unchanged"] is True


def test_the_record_is_json_and_accounts_for_every_spot(rendered: tuple[Rendered, Path]) -> None:
    record: dict[str, Any] = json.loads(json.dumps(rendered[0].record))
    assert record["schema"] == "retouchd.record/1"
    assert len(record["spots"]) == record["counts"]["found"]
    for spot in record["spots"]:
        assert spot["decision"] in {"healed", "kept", "review", "failed"}
        assert spot["reason"]
        assert (spot["healer"] is not None) == (spot["decision"] == "healed")
        assert spot["diameter_mm"] is None
        if spot["decision"] == "healed":
            assert spot["guard"]["null_places"] >= 8
    assert record["scale"]["px_per_mm"] is None
    assert record["scale"]["source"]
    assert record["engine"]["recipe_digest"] == Recipe().digest
    assert all(seconds >= 0 for seconds in record["seconds"].values())


def test_what_is_for_review_is_half_grey_and_not_healed(rendered: tuple[Rendered, Path]) -> None:
    mask = read(rendered[0], Role.MASK)
    assert set(np.unique(mask)) <= {0, 128, 255}
    for spot in rendered[0].record["spots"]:
        x, y, w, h = spot["box"]
        inside = mask[y : y + h, x : x + w]
        if spot["decision"] == "review":
            assert (inside == 128).any()
        if spot["decision"] == "kept":
            assert not (inside == 128).any()


def test_the_same_photo_and_recipe_give_the_same_pixels(
    rendered: tuple[Rendered, Path], tmp_path: Path
) -> None:
    again = done(rendered[1], tmp_path / "again")
    for role in (Role.RESULT, Role.HEAL, Role.MASK):
        assert np.array_equal(read(again, role), read(rendered[0], role))
    assert again.files[Role.MASK].read_bytes() == rendered[0].files[Role.MASK].read_bytes()


def test_strength_zero_gives_the_source_back(chart_tiff: Path, chart: Chart, tmp_path: Path) -> None:
    rendered = done(chart_tiff, tmp_path / "s", Recipe(strength=0))
    assert np.array_equal(read(rendered, Role.RESULT), chart.pixels)
    assert rendered.record["counts"]["healed"] == 0


def test_too_much_healing_heals_nothing_and_says_so(chart_tiff: Path, chart: Chart, tmp_path: Path) -> None:
    rendered = done(chart_tiff, tmp_path / "s", Recipe(largest_healed_share=1e-6))
    assert rendered.record["counts"]["healed"] == 0
    assert rendered.record["counts"]["review"] > 0
    assert "nothing healed" in rendered.record["notes"][0]
    assert np.array_equal(read(rendered, Role.RESULT), chart.pixels)


def test_a_recipe_that_removes_nothing_heals_nothing(chart_tiff: Path, tmp_path: Path) -> None:
    rendered = done(chart_tiff, tmp_path / "s", Recipe(remove=(), review=()))
    assert rendered.record["counts"]["healed"] == 0
    assert rendered.record["counts"]["review"] == 0


def test_a_painted_mask_decides(chart_tiff: Path, chart: Chart, tmp_path: Path) -> None:
    spot = chart.blemishes[0]
    y, x = np.ogrid[: chart.pixels.shape[0], : chart.pixels.shape[1]]
    disc = (y - spot.cy) ** 2 + (x - spot.cx) ** 2 <= (spot.r + 2) ** 2
    painted = np.where(disc, 255, 0).astype(np.uint8)
    painted[:20, :20] = 128
    mask = tmp_path / "mask.png"
    mask.write_bytes(imagecodecs.png_encode(painted))
    rendered = done(chart_tiff, tmp_path / "s", mask=mask)
    assert {s["decision"] for s in rendered.record["spots"] if s["wish"] == "heal"} == {"healed"}
    for other in rendered.record["spots"]:
        left, top, wide, high = other["box"]
        assert other["decision"] != "healed" or disc[top + high // 2, left + wide // 2]
    healed = read(rendered, Role.MASK) == 255
    assert healed[disc].mean() > 0.9
    assert not healed[:20, :20].any()


def test_a_painted_spot_is_healed_where_no_skin_was_recognised(chart: Chart, tmp_path: Path) -> None:
    grey = np.ascontiguousarray(chart.clean[..., 1])
    source = tmp_path / "grey.tif"
    tifffile.imwrite(source, grey, photometric="minisblack")
    painted = np.zeros(grey.shape, np.uint8)
    cy, cx = 450, 250  # plain skin, clear of the chart's eye
    painted[cy - 8 : cy + 8, cx - 8 : cx + 8] = 255
    mask = tmp_path / "mask.png"
    mask.write_bytes(imagecodecs.png_encode(painted))
    rendered = done(source, tmp_path / "s", mask=mask)
    result = read(rendered, Role.RESULT)
    assert rendered.record["counts"]["healed"] == 1
    assert np.array_equal(result[..., 0], result[..., 2])


def test_a_painted_mask_of_another_size_is_refused(chart_tiff: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    mask.write_bytes(imagecodecs.png_encode(np.zeros((30, 30), np.uint8)))
    with pytest.raises(errors.MaskMismatch, match="30 x 30"):
        done(chart_tiff, tmp_path / "s", mask=mask)


def test_a_result_offered_back_is_refused(rendered: tuple[Rendered, Path], tmp_path: Path) -> None:
    copy = tmp_path / "renamed.tif"
    copy.write_bytes(rendered[0].files[Role.RESULT].read_bytes())
    with pytest.raises(errors.OwnOutput):
        done(copy, tmp_path / "s")


def test_a_name_with_a_newline_is_refused_before_anything_opens_it(tmp_path: Path) -> None:
    with pytest.raises(errors.UnusableName) as caught:
        done(tmp_path / "a\nb.tif", tmp_path / "s")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["-rf.tif", b"caf\xe9.tif".decode("utf-8", "surrogateescape"), "a b'\"$(x).tif"]
)
def test_odd_names_that_are_no_danger_are_retouched(chart_tiff: Path, tmp_path: Path, name: str) -> None:
    source = chart_tiff.with_name(name)
    chart_tiff.rename(source)
    assert done(source, tmp_path / "s").record["outside_unchanged"] is True


def test_grey_photos_come_back_as_rgb_untouched(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 65536, (64, 80)).astype(np.uint16)
    source = tmp_path / "grey.tif"
    tifffile.imwrite(source, grey, photometric="minisblack")
    rendered = done(source, tmp_path / "s")
    assert np.array_equal(read(rendered, Role.RESULT), np.repeat(grey[..., None], 3, axis=2))


def test_a_preview_writes_nothing(chart_tiff: Path, tmp_path: Path) -> None:
    staging = tmp_path / "s"
    staging.mkdir()
    with open_engine() as engine:
        record = engine.preview(Order(chart_tiff, staging, Recipe()), lambda _: None)
    assert record["counts"]["found"] > 0
    assert list(staging.iterdir()) == []


def test_the_source_is_not_touched(chart_tiff: Path, tmp_path: Path) -> None:
    before = chart_tiff.read_bytes(), chart_tiff.stat().st_mtime_ns
    chart_tiff.chmod(0o400)
    done(chart_tiff, tmp_path / "s")
    assert (chart_tiff.read_bytes(), chart_tiff.stat().st_mtime_ns) == before
