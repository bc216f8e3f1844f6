"""The page at /, in a real browser."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.tileserver.conftest import Server

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PLACE = "44.955993/-110.643554"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", CHROMIUM)
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 900, "height": 600})
    page.set_default_timeout(60_000)
    return page


@pytest.fixture(autouse=True)
def watched(page: Page, server: Server) -> Iterator[None]:
    """No console errors, nothing refused, nothing from elsewhere, in any test."""
    complaints: list[str] = []

    def note(message: object) -> None:
        if message.type in ("error", "warning"):  # type: ignore[attr-defined]
            complaints.append(message.text)  # type: ignore[attr-defined]

    def check(request: object) -> None:
        if not request.url.startswith((server.url, "data:")):  # type: ignore[attr-defined]
            complaints.append(request.url)  # type: ignore[attr-defined]

    page.on("console", note)
    page.on("request", check)
    yield
    page.remove_listener("console", note)
    page.remove_listener("request", check)
    assert not complaints


def wait_until(page: Page, condition: str, seconds: float = 60) -> None:
    """As playwright's wait_for_function, which the page's security policy refuses (eval)."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


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
