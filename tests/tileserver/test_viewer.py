"""The page at /, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests import browser as browsers
from tests.browser import wait_until
from tests.tileserver.conftest import Server

PLACE = "44.955993/-110.643554"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    return browsers.opened(browser)


@pytest.fixture(autouse=True)
def watched(page: Page, server: Server) -> Iterator[None]:
    """No console errors, nothing refused, nothing from elsewhere, in any test."""
    with browsers.watched(page, server.url):
        yield


def opened(page: Page, server: Server, zoom: int) -> None:
    page.goto("about:blank")
    page.goto(f"{server.url}/#yellowstone/{zoom}/{PLACE}")
    wait_until(
        page,
        "document.querySelectorAll('img.leaflet-tile').length > 0 && "
        "[...document.querySelectorAll('img.leaflet-tile')].every(t => t.complete && "
        "t.naturalWidth > 0 && t.classList.contains('leaflet-tile-loaded'))",
    )
    page.wait_for_timeout(400)  # tiles fade in


def shot(page: Page, path: Path) -> np.ndarray:
    page.screenshot(path=path)
    return np.asarray(Image.open(path).convert("L"), dtype=float)


def test_it_opens_on_the_scene_at_its_native_zoom(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.locator("#zoom")).to_have_text("Zoom 19 (native to 19, served to 22):")
    expect(page.locator("#origin")).to_have_text("the imagery itself")
    assert page.locator("#source option").all_inner_texts() == ["yellowstone", "truth"]
    assert "NEON" in page.locator(".leaflet-control-attribution").inner_text()


def test_past_native_it_says_so_and_the_right_side_is_sharper(
    page: Page, server: Server, tmp_path: Path
) -> None:
    opened(page, server, 21)
    expect(page.locator("#origin")).to_have_text("synthesised detail ×4")
    expect(page.locator("#badge")).to_have_class("panel made")
    page.evaluate("swipe.value = 0; swipe.dispatchEvent(new Event('input'))")
    made = shot(page, tmp_path / "made.png")[120:480, 100:800]
    page.evaluate("swipe.value = 100; swipe.dispatchEvent(new Event('input'))")
    plain = shot(page, tmp_path / "plain.png")[120:480, 100:800]
    assert np.abs(np.diff(made)).mean() > 1.1 * np.abs(np.diff(plain)).mean()
    assert np.abs(made - plain).mean() < 12, "the same ground, not shifted"


def test_zooming_in_by_button_goes_past_native_and_stops_at_what_is_served(
    page: Page, server: Server
) -> None:
    opened(page, server, 19)
    for expected in (20, 21, 22):
        page.locator(".leaflet-control-zoom-in").click()
        expect(page.locator("#zoom")).to_contain_text(f"Zoom {expected} ")
        page.wait_for_timeout(400)
    expect(page.locator(".leaflet-control-zoom-in")).to_have_attribute("aria-disabled", "true")
    assert "#yellowstone/22/" in page.url


def test_the_swipe_moves_by_keyboard(page: Page, server: Server) -> None:
    opened(page, server, 20)
    page.locator("#swipe").focus()
    before = page.evaluate("parseFloat(divider.style.left)")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("parseFloat(divider.style.left)") == before + 10


def test_the_true_detail_can_be_compared_with(page: Page, server: Server) -> None:
    opened(page, server, 20)
    page.select_option("#left", "reference")
    expect(page.locator("#left-name")).to_have_text("true detail")
    wait_until(page, "document.querySelectorAll('img[src*=\"/truth/\"]').length > 0")
    page.select_option("#source", "truth")
    expect(page.locator("#zoom")).to_contain_text("native to 20")
    expect(page.locator("#left option[value=reference]")).to_be_disabled()


def test_all_of_the_page_comes_from_the_server(server: Server) -> None:
    for path in ("/", "/viewer/viewer.js", "/viewer/viewer.css", "/viewer/vendor/leaflet.js"):
        answer = server.get(path)
        assert answer.status_code == 200
        if "vendor" not in path:
            assert "//" not in answer.text.replace("// ", "").replace("http://www.w3.org", "")


def test_pages_work_within_their_own_policy(browser: Browser, server: Server) -> None:
    page, complaints = browser.new_page(), []
    page.set_default_timeout(60_000)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.url}/#yellowstone/20/{PLACE}")
    expect(page.locator("#origin")).to_have_text("synthesised detail ×2")
    expect(page.locator("img.leaflet-tile-loaded").first).to_be_visible()
    page.goto(f"{server.url}/api.html")
    expect(page.get_by_text("tilejson.json").first).to_be_visible()
    page.close()
    assert complaints == []
