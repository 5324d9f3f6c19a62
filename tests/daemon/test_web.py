"""The page for programs on this machine: health, figures, jobs and changes."""

from __future__ import annotations

import http.client
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import Hot, wait_for

from retouchd import config
from retouchd.errors import ConfigMistakes
from retouchd.text import shown


@pytest.fixture
def page(hot: Hot) -> Iterator[tuple[Hot, int]]:
    """A daemon that listens, and its port."""
    hot.configure(more='[http]\nlisten = "127.0.0.1:0"\n')
    process = hot.start()
    wait_for(lambda: '"ready"' in hot.log())
    (line,) = (json.loads(x) for x in hot.log().splitlines() if '"listening"' in x)
    yield hot, int(line["address"].rpartition(":")[2])
    process.terminate()
    assert process.wait(60) == 0


def call(
    port: int, method: str, path: str, body: str = "", kind: str = "application/json", **headers: str
) -> Any:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    told = {"Content-Type": kind, **headers}
    line.request(method, path, body if method == "POST" else None, told)
    answer = line.getresponse()
    data = answer.read()
    line.close()
    is_json = answer.getheader("Content-Type") == "application/json"
    return answer.status, json.loads(data) if is_json else data.decode()


def test_health_jobs_and_changes(page: tuple[Hot, int]) -> None:
    hot, port = page
    photo = hot.drop("a.tif", b"DAMAGED")
    wait_for(lambda: hot.rows("skipped"))
    wait_for(lambda: call(port, "GET", "/readyz")[0] == 200)

    assert call(port, "GET", "/healthz") == (200, {"alive": True})
    status, jobs = call(port, "GET", "/api/jobs?state=skipped&limit=5")
    assert (status, jobs[0]["file"], jobs[0]["code"]) == (200, str(photo), "damaged")
    number = jobs[0]["job"]
    assert call(port, "GET", f"/api/jobs/{number}")[1] == jobs[0]
    assert call(port, "POST", "/api/submit", json.dumps({"file": str(photo)}))[0] == 200
    photo.write_bytes(b"good")
    wait_for(lambda: call(port, "GET", f"/api/jobs/{number}")[1]["state"] == "done")
    assert call(port, "POST", f"/api/jobs/{number}/retry", "{}")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/nothing", "", {}, 404),
        ("GET", "/api/jobs/999", "", {}, 404),
        ("GET", "/api/jobs/../../etc/passwd", "", {}, 404),
        ("GET", "/api/jobs?state=odd", "", {}, 400),
        ("GET", "/api/jobs?limit=many", "", {}, 400),
        ("GET", "/healthz", "", {"Host": "evil.example"}, 403),
        ("POST", "/api/submit", "{}", {"Origin": "http://evil.example"}, 403),
        ("POST", "/api/submit", "{}", {"kind": "text/plain"}, 415),
        ("POST", "/api/submit", "[", {}, 400),
        ("POST", "/api/submit", "[" * 30_000, {}, 400),
        ("POST", "/api/submit", "x" * 70_000, {}, 400),
        ("POST", "/api/submit", '{"file": "/etc/passwd"}', {}, 400),
        ("POST", "/api/jobs/999/retry", "{}", {}, 404),
        ("POST", "/healthz", "{}", {}, 404),
    ],
)
def test_what_is_not_for_the_page_is_refused(
    shared_page: int, method: str, path: str, body: str, headers: dict[str, str], status: int
) -> None:
    assert call(shared_page, method, path, body, **headers)[0] == status
    assert call(shared_page, "GET", "/healthz")[0] == 200


@pytest.fixture(scope="module")
def shared_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    made = Hot(tmp_path_factory.mktemp("page"))
    made.configure(more='[http]\nlisten = "127.0.0.1:0"\n')
    process = made.start()
    wait_for(lambda: '"listening"' in made.log())
    (line,) = (json.loads(x) for x in made.log().splitlines() if '"listening"' in x)
    yield int(line["address"].rpartition(":")[2])
    process.terminate()
    process.wait(60)


def test_figures_for_prometheus(shared_page: int) -> None:
    status, text = call(shared_page, "GET", "/metrics")
    if importlib.util.find_spec("prometheus_client") is None:
        assert status == 501
        return
    assert status == 200
    assert 'retouchd_files{state="done"} 0.0' in text
    assert "retouchd_root_up{" in text
    assert "retouchd_build_info{" in text


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:99999", ":80", "[]:80", "127.0.0.1:http"])
def test_what_is_no_address_is_refused(tmp_path: Path, address: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[http]\nlisten = "{address}"\n')
    with pytest.raises(ConfigMistakes, match="an address and a port"):
        config.load(path)
    assert shown(address) == address
