"""The review page over HTTP: what it shows, what it changes, and whom it refuses."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from benchmarks.chart import Chart
from benchmarks.files import write_photo
from tests.daemon.conftest import Hot, environment, wait_for

from retouch_engine import open_viewer
from retouchd import config
from retouchd.errors import ConfigMistakes
from retouchd.naming import RECORD
from retouchd.web.review.album import Album, places_of
from retouchd.web.review.site import Site
from retouchd.web.review.viewer import NoPicture, Tiles

TOKEN = "a-token-of-some-length"


@dataclass
class Page:
    """A running ``retouchd review``."""

    port: int
    folder: Path

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, Any]:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = json.dumps(body) if body is not None and not isinstance(body, str) else body
        told = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        line.request(method, path, data, told)
        answer = line.getresponse()
        got = answer.read()
        line.close()
        return answer.status, got, answer

    def get(self, path: str, **headers: str) -> str:
        status, data, _ = self.call("GET", path, **headers)
        assert status == 200, (status, data)
        return data.decode()

    def ids(self, kind: str, path: str) -> list[str]:
        return list(dict.fromkeys(re.findall(rf'href="/{kind}/([0-9a-f]+)"', self.get(path))))

    @property
    def photo(self) -> str:
        (shoot,) = self.ids("shoot", "/")
        return self.ids("photo", f"/shoot/{shoot}")[0]

    def record(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / f"_retouchd/{name}.json").read_bytes())
        return told


def serving(folder: Path, *words: str) -> Iterator[Page]:
    command = [sys.executable, "-m", "retouchd", "review", str(folder), "--listen", "127.0.0.1:0", *words]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield Page(int(line.strip().rstrip("/").rpartition(":")[2]), folder)
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def shoot(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two photos that were retouched, one of them to be turned."""
    folder = tmp_path_factory.mktemp("review") / "Smith & <b>Sons"
    folder.mkdir()
    write_photo(folder / "a.tif", chart.pixels)
    write_photo(folder / "0.tif", np.full((300, 400, 3), 30000, np.uint16))
    (folder / "secret.txt").write_text("secret")
    done = [sys.executable, "-m", "retouchd", "process", str(folder)]
    subprocess.run(done, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def page(shoot: Path) -> Iterator[Page]:
    yield from serving(shoot)


def test_shoots_and_photos_are_listed_and_names_are_text(page: Page) -> None:
    text = page.get("/")
    assert "Smith &amp; &lt;b&gt;Sons" in text
    (shoot_id,) = page.ids("shoot", "/")
    text = page.get(f"/shoot/{shoot_id}")
    # What asks for a look comes first.
    assert text.index(">a.tif") < text.index(">0.tif")
    assert len(page.ids("photo", f"/shoot/{shoot_id}")) == 2


def test_a_photo_shows_every_spot_with_its_decision(page: Page) -> None:
    text = page.get(f"/photo/{page.photo}")
    spots = page.record("a")["spots"]
    assert text.count('<li class="spot ') == len(spots)
    for spot in spots:
        assert f'data-box="{spot["box"]}"' in text
        assert f"score {spot['score']:.2f}" in text


def children() -> set[int]:
    return {int(n) for p in Path("/proc/self/task").glob("*/children") for n in p.read_text().split()}


def test_a_photo_that_cannot_be_read_to_its_end_does_not_keep_the_service_from_stopping(
    tmp_path: Path,
) -> None:
    tiles, told = Tiles(1.0), []

    def ask() -> None:
        with pytest.raises(NoPicture) as caught:
            tiles.about(tmp_path / "a.tif")
        told.append(str(caught.value))

    others = children()
    ask()
    (darkroom,) = children() - others
    os.kill(darkroom, signal.SIGSTOP)
    asking, closing = threading.Thread(target=ask), threading.Thread(target=tiles.close, daemon=True)
    asking.start()
    wait_for(tiles._lock.locked)
    closing.start()
    closing.join(60)
    os.kill(darkroom, signal.SIGCONT) if closing.is_alive() else asking.join()
    assert told[1:] == ["the photo could not be decoded"]


def test_tiles_are_the_photo_before_and_after(page: Page, chart: Chart) -> None:
    about = json.loads(page.get(f"/photo/{page.photo}/about"))
    assert (about["width"], about["height"], about["orientation"]) == (900, 600, 1)
    # Told from the record, before anything is decoded; the viewer, which decodes, says the same.
    assert about == open_viewer().about(page.folder / "a.tif")
    tiles = {}
    for which in ("before", "after"):
        status, data, answer = page.call("GET", f"/photo/{page.photo}/{which}/0/1_0.jpg")
        assert (status, answer.getheader("Content-Type")) == (200, "image/jpeg")
        assert answer.getheader("Cache-Control").startswith("private, max-age=")
        tiles[which] = imagecodecs.jpeg_decode(data).astype(int)
    assert np.abs(tiles["before"] - chart.pixels[:512, 512:900] // 257).mean() < 3
    healed = [s["box"] for s in page.record("a")["spots"] if s["decision"] == "healed"]
    x, y, w, h = next(b for b in healed if b[0] > 530 and b[0] + b[2] < 880 and b[1] + b[3] < 500)
    inside = np.zeros(tiles["before"].shape[:2], bool)
    inside[y : y + h, x - 512 : x - 512 + w] = True
    change = np.abs(tiles["before"] - tiles["after"]).max(axis=2)
    assert change[inside].mean() > 4 * change[~inside].mean()
    small = page.call("GET", f"/photo/{page.photo}/after/{about['levels'] - 1}/0_0.jpg")[1]
    assert imagecodecs.jpeg_decode(small).shape == (300, 450, 3)
    view = page.call("GET", f"/photo/{page.photo}/view.jpg")[1]
    assert imagecodecs.jpeg_decode(view).shape == (600, 900, 3)


def test_what_is_not_there_cannot_be_changed(page: Page) -> None:
    for path in ("/nothing", f"/photo/{page.photo}/nothing", "/photo/0000/decide"):
        assert page.call("POST", path, {})[0] == 404


def test_what_changes_is_never_shown_from_a_browsers_store(page: Page) -> None:
    for path in ("/", f"/photo/{page.photo}", f"/photo/{page.photo}/state"):
        assert page.call("GET", path)[2].getheader("Cache-Control") == "no-store"


def test_a_photo_whose_record_tells_no_size_is_measured(page: Page, tmp_path: Path) -> None:
    asked = json.loads(page.get(f"/photo/{page.photo}/about"))
    folder = tmp_path / "older"
    shutil.copytree(page.folder, folder)
    told = page.record("a")
    del told["source"]["width"]
    (folder / "_retouchd/a.json").write_text(json.dumps(told))
    album = Album(places_of([(folder, None)]))
    (photo,) = (one for one in album.shoots()[0].photos if one.name == "a.tif")
    site = Site(album, Tiles(1.0))
    try:
        assert json.loads(site.get(f"/photo/{photo.id}/about").data) == asked
    finally:
        site.tiles.close()


@pytest.mark.parametrize(
    "path",
    [
        "/photo/../../etc/passwd",
        "/photo/%2e%2e/secret.txt",
        "/photo/0000/about",
        "/photo/{}/before/0/9_9.jpg",
        "/photo/{}/before/99/0_0.jpg",
        "/photo/{}/before/0/-1_0.jpg",
        "/photo/{}/before/0/..%2f..%2fsecret.txt",
        "/photo/{}/secret.txt",
        "/static/../site.py",
        "/static/..%2fsite.py",
        "/shoot/",
    ],
)
def test_nothing_else_can_be_asked_for(page: Page, path: str) -> None:
    status, data, _ = page.call("GET", path.format(page.photo))
    assert status in {404, 409}
    assert b"secret" not in data


def test_a_photo_that_is_a_symlink_is_not_shown(shoot: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.tif"
    (shoot / "a.tif").rename(outside)
    (shoot / "a.tif").symlink_to(outside)
    try:
        for page in serving(shoot):
            (shoot_id,) = page.ids("shoot", "/")
            assert len(page.ids("photo", f"/shoot/{shoot_id}")) == 1
    finally:
        (shoot / "a.tif").unlink()
        outside.rename(shoot / "a.tif")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_other_pages_change_nothing(page: Page, headers: dict[str, str], status: int) -> None:
    wish = {"spots": [{"box": [1, 1, 5, 5], "wish": "heal"}]}
    assert page.call("POST", f"/photo/{page.photo}/decide", wish, **headers)[0] == status
    assert page.call("POST", f"/photo/{page.photo}/approve", {"approved": True}, **headers)[0] == status
    assert not (page.folder / "_retouchd/corrections").exists()


@pytest.mark.parametrize(
    "body",
    [
        {"spots": [{"box": [899, 1, 50, 50], "wish": "heal"}]},
        {"spots": [{"box": [1, 1, 5, 5], "wish": "burn"}]},
        {"spots": "all"},
        {"strength": 300},
        {"sensitivity": "much"},
        "[",
        "[]",
        "[" * 30_000,
    ],
)
def test_changes_without_sense_are_refused(page: Page, body: Any) -> None:
    assert page.call("POST", f"/photo/{page.photo}/decide", body)[0] == 400
    assert not (page.folder / "_retouchd/corrections").exists()


def test_every_reply_forbids_what_the_page_does_not_need(page: Page) -> None:
    for path in ("/", f"/photo/{page.photo}", "/nothing"):
        answer = page.call("GET", path, Accept="text/html")[2]
        policy = answer.getheader("Content-Security-Policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.getheader("X-Frame-Options") == "DENY"
    for name in ("review.js", "review.css"):
        text = page.get(f"/static/{name}")
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"spots": [{"box": "here", "tried": 5, "score": {}, "diameter_px": [], "kind": ["<script>"]}]},
        {"spots": [None, 5, {}]},
        {"spots": 7},
        {"engine": 3, "notes": [["<script>alert(1)</script>"]]},
    ],
)
def test_a_record_that_somebody_wrote_costs_its_own_page(page: Page, change: dict[str, Any]) -> None:
    path = page.folder / "_retouchd/a.json"
    honest = path.read_bytes()
    photo = page.photo
    try:
        path.write_text(json.dumps({**json.loads(honest), **change}))
        status, data, _ = page.call("GET", f"/photo/{photo}", Accept="text/html")
        assert status in {200, 409}
        assert b"<script>alert" not in data
        assert b"<script>'" not in data
        assert page.call("GET", "/")[0] == 200
    finally:
        path.write_bytes(honest)


def test_a_wish_is_done_and_remembered_and_a_photo_is_approved(page: Page) -> None:
    # The last test of this file that needs the shared page: it changes the photo.
    spot = next(s for s in page.record("a")["spots"] if s["decision"] == "healed")
    wish = {"spots": [{"box": spot["box"], "wish": "keep"}], "strength": 90}
    before = (page.folder / "a-retouched.tif").read_bytes()
    status, data, _ = page.call(
        "POST", f"/photo/{page.photo}/decide", wish, Origin=f"http://127.0.0.1:{page.port}"
    )
    assert status == 200
    assert json.loads(data)["pending"] is True
    wait_for(
        lambda: not json.loads(page.get(f"/photo/{page.photo}/state"))["pending"], "the photo to be done"
    )
    assert (page.folder / "a-retouched.tif").read_bytes() != before
    told = page.record("a")
    assert next(s for s in told["spots"] if s["box"] == spot["box"])["decision"] == "kept"
    assert told["corrections"]["strength"] == 90
    kept = json.loads((page.folder / "_retouchd/corrections/a.tif.json").read_bytes())
    (remembered,) = kept["spots"]
    assert (remembered["wish"], remembered["by"], remembered["kind"]) == ("keep", "page", spot["kind"])
    assert remembered["features"] == spot["features"]

    assert page.call("POST", f"/photo/{page.photo}/approve", {"approved": True})[0] == 200
    (shoot_id,) = page.ids("shoot", "/")
    assert page.call("POST", f"/shoot/{shoot_id}/approve", {})[0] == 200
    assert ">Approved<" in page.get("/")
    assert sorted(p.name for p in page.folder.glob("*-retouched*.tif")) == [
        "0-retouched.tif",
        "a-retouched.tif",
    ]


def test_a_new_record_is_seen_at_once_however_young_the_list_of_photos_is(shoot: Path) -> None:
    album = Album(places_of([(shoot, None)]))
    (one,) = album.shoots()
    before = one.photos[0]
    written = before.names.path(RECORD)
    os.utime(written, ns=(before.stamp + 1, before.stamp + 1))

    found = album.photo(before.id)
    assert found is not None
    assert found[1].stamp == before.stamp + 1


def test_with_a_token_nobody_gets_in_without_it(shoot: Path) -> None:
    for page in serving(shoot, "--token", TOKEN):
        assert page.call("GET", "/")[0] == 401
        assert page.call("GET", "/", Authorization="Bearer wrong")[0] == 401
        status, data, _ = page.call("GET", "/", Accept="text/html")
        assert status == 401
        assert b"password" in data
        assert b"Smith" not in data
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        assert page.call("POST", "/login", "token=wrong", **form)[0] == 401
        assert page.call("POST", "/login", f"token={TOKEN}", Origin="http://evil.example", **form)[0] == 403
        status, _, answer = page.call("POST", "/login", f"token={TOKEN}", **form)
        cookie = answer.getheader("Set-Cookie")
        assert status == 303
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        known = cookie.partition(";")[0]
        assert page.call("GET", "/", Cookie=known)[0] == 200
        assert page.call("GET", "/", Authorization=f"Bearer {TOKEN}", Host="studio.lan")[0] == 200
        assert page.call("POST", "/shoot/x/approve", {}, Cookie=known, Origin="http://evil.example")[0] == 403


@pytest.mark.parametrize(
    ("address", "token"),
    [("0.0.0.0:80", ""), ("0.0.0.0:80", "short"), ("example.org:80", ""), ("127.0.0.1:80", "x")],
)
def test_what_others_can_reach_needs_a_token(tmp_path: Path, address: str, token: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[http]\nlisten = "{address}"\ntoken = "{token}"\n')
    with pytest.raises(ConfigMistakes, match="token"):
        config.load(path)
    path.write_text(f'[http]\nlisten = "{address}"\ntoken = "{TOKEN}"\n')
    assert config.load(path).http.address


def test_the_service_shows_the_same_pages(hot: Hot) -> None:
    hot.configure(more='[http]\nlisten = "127.0.0.1:0"\n')
    hot.drop("Client/IMG.tif", b"photo REVIEW")
    hot.start()
    wait_for(lambda: hot.rows("done"), "done")
    (line,) = (json.loads(x) for x in hot.log().splitlines() if '"listening"' in x)
    page = Page(int(line["address"].rpartition(":")[2]), hot.folder / "Client")
    wait_for(lambda: page.ids("shoot", "/"), "a shoot")
    assert "done" in json.loads(page.get("/progress"))["says"]
    wish = {"strength": 40}
    assert page.call("POST", f"/photo/{page.photo}/decide", wish)[0] == 200
    wait_for(lambda: page.record("IMG")["corrections"].get("strength") == 40, f"40 %; {hot.log()}")
    assert page.call("GET", f"/photo/{page.photo}/about")[0] == 409  # the fake photo has no pixels
    assert page.call("GET", "/healthz")[0] == 200
    kept = (hot.folder / "Client/_retouchd/corrections").iterdir()
    assert [p.name for p in kept] == ["IMG.tif.json"]
