"""The review page in a real Chromium: the keyboard's way through a photo, and a console without a word."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import wait_for
from tests.daemon.test_review import Page, serving, shoot

__all__ = ["shoot"]

MIDDLE = (
    "(() => { desk.photo.draw(); const c = desk.photo.canvas; return Array.from("
    "c.getContext('2d').getImageData(c.width / 2 - 4, c.height / 2 - 4, 8, 8).data); })()"
)
LOADED = (
    "(() => { const t = [...desk.photo.tiles].filter(([key]) => key.startsWith('WHICH/0/'));"
    " return t.length > 0 && t.every(([, picture]) => picture.complete && picture.naturalWidth > 0); })()"
)
OURS = "Multiple readback operations"
"""What Chromium says to this test's own looking at the canvas."""
LEFT = "net::ERR_ABORTED"
"""A request of a page that was left."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def page(shoot: Path) -> Iterator[Page]:
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed (pip install playwright; it drives the system's Chromium)")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (apt install chromium)")
    yield from serving(shoot)


@pytest.fixture(params=[(1440, 900), (820, 1180)], ids=["desktop", "tablet"])
def browser(page: Page, request: pytest.FixtureRequest) -> Iterator[tuple[Any, list[str]]]:
    """A tab, and everything that its console said."""
    from playwright.sync_api import sync_playwright

    width, height = request.param
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = chromium.new_page(viewport={"width": width, "height": height}, has_touch=width < 1000)
        said: list[str] = []
        tab.on("console", lambda message: said.extend(text for text in [message.text] if OURS not in text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("requestfailed", lambda sent: said.extend([sent.url] * (sent.failure != LEFT)))
        yield tab, said
        chromium.close()


def opened(tab: Any, page: Page) -> None:
    tab.goto(f"http://127.0.0.1:{page.port}/photo/{page.photo}")
    tab.wait_for_selector("#canvas[data-ready]")


def test_the_keyboard_leads_from_the_shoots_to_a_decision(browser: tuple[Any, list[str]], page: Page) -> None:
    tab, said = browser
    tab.goto(f"http://127.0.0.1:{page.port}/")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.focus(".shoots a")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".grid a")
    tab.focus(".grid a")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#canvas[data-ready]")
    assert tab.is_disabled("#apply")
    tab.keyboard.press("j")
    assert "now" in tab.get_attribute("#spots li:first-child", "class")
    assert tab.evaluate("desk.photo.scale") >= 1
    tab.keyboard.press("h")
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    assert tab.inner_text("#many") == "2"
    assert tab.locator(".spot.changed").count() == 2
    tab.keyboard.press("u")
    assert tab.inner_text("#many") == "1"
    for key, scale in (("1", 1), ("2", 2)):
        tab.keyboard.press(key)
        assert tab.evaluate("desk.photo.scale * devicePixelRatio") == scale
        assert tab.get_attribute(f'[data-zoom="{scale}"]', "aria-pressed") in {"true", "false"}
    tab.keyboard.down("b")
    assert tab.evaluate("desk.photo.split") == 1
    tab.keyboard.up("b")
    assert tab.evaluate("desk.photo.split") == 0.5
    assert said == []


def test_enter_after_a_decision_by_keys_applies_it(browser: tuple[Any, list[str]], page: Page) -> None:
    tab, said = browser
    opened(tab, page)
    tab.keyboard.press("j")
    box, decided = tab.evaluate("[desk.now.box, desk.now.was]")
    tab.keyboard.press("l" if decided == "reject" else "x")
    tab.keyboard.press("Enter")
    wait_for(lambda: box in [c["box"] for c in page.record("a")["corrections"]["spots"]], "the correction")
    assert said == []


def test_what_is_seen_left_and_right_of_the_line(browser: tuple[Any, list[str]], page: Page) -> None:
    tab, said = browser
    opened(tab, page)
    tab.evaluate(
        "desk.photo.outlines = false; desk.photo.show(desk.spots.find((s) => s.decision === 'healed').box)"
    )
    seen = {}
    for split, which in ((1, "before"), (0, "after")):
        tab.evaluate(f"setSplit({split})")
        wait_for(partial(tab.evaluate, LOADED.replace("WHICH", which)), f"tiles {which}")
        seen[which] = tab.evaluate(MIDDLE)
    before, after = seen["before"], seen["after"]
    assert sum(before) > 0
    assert before != after
    assert said == []


def test_a_spot_is_added_where_it_is_tapped(browser: tuple[Any, list[str]], page: Page) -> None:
    tab, said = browser
    opened(tab, page)
    number = tab.locator(".spot").count()
    tab.click('[data-toggle="add"]')
    box = tab.locator("#canvas").bounding_box()
    tab.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    assert tab.locator(".spot").count() == number + 1
    assert tab.inner_text("#many") == "1"
    x, y, w, h = tab.evaluate("desk.now.box")
    point = tab.evaluate("[desk.photo.x, desk.photo.y, desk.photo.scale]")
    assert abs(x + w / 2 - (point[0] + 0.3 * box["width"] / point[2])) < 3
    assert abs(y + h / 2 - (point[1] + 0.5 * box["height"] / point[2])) < 3
    assert said == []


def test_everything_has_a_name_and_room_for_a_finger(browser: tuple[Any, list[str]], page: Page) -> None:
    tab, said = browser
    opened(tab, page)
    unnamed = tab.evaluate(
        "[...document.querySelectorAll('button, input, a, canvas')]"
        ".filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))"
        ".map((e) => e.outerHTML)"
    )
    assert unnamed == []
    small = tab.evaluate(
        "[...document.querySelectorAll('button')].filter((e) => e.offsetParent && e.offsetHeight < 30).length"
    )
    assert small == 0
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("document.documentElement.lang") == "en"
    assert said == []


def test_apply_does_the_photo_again_and_shows_it_at_the_same_place(
    browser: tuple[Any, list[str]], page: Page
) -> None:
    tab, said = browser
    opened(tab, page)
    stamp = tab.get_attribute("#canvas", "data-stamp")
    tab.click("summary")
    value = tab.evaluate("Number(byId('strength').value) - 1")
    tab.evaluate(f"byId('strength').value = {value}; byId('strength').dispatchEvent(new Event('input'))")
    tab.keyboard.press("2")
    tab.focus("#canvas")
    tab.keyboard.press("Enter")
    wait_for(lambda: page.record("a")["corrections"].get("strength") == value, "the photo")
    fresh = f"byId('canvas')?.dataset.stamp !== '{stamp}' && byId('canvas').dataset.ready === 'yes'"
    wait_for(lambda: _calmly(tab, fresh), "the new result on the page")
    assert tab.evaluate("desk.photo.scale * devicePixelRatio") == 2
    assert tab.evaluate("byId('strength').value") == str(value)
    assert said == []


def _calmly(tab: Any, script: str) -> bool:
    """Ask a page that may be loading just now."""
    from playwright.sync_api import Error

    try:
        return bool(tab.evaluate(script))
    except Error:
        return False
