"""The map of any grid and the page of all routes, in a browser; nothing comes from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.support import browser as browsers
from tests.support.browser import next_frame, wait_until, wait_while_it_runs
from tests.support.server import Service

COUNT_CHANGES = """() => {
    const [map, badge] = ['map', 'badge'].map(id => document.getElementById(id));
    window.changes = {frames: 0, badge: 0, since: performance.now()};
    const count = (name) => (records) => { window.changes[name] += records.length; };
    new MutationObserver(count('badge')).observe(badge, {childList: true, subtree: true});
    new MutationObserver(count('frames')).observe(map, {attributeFilter: ['aria-busy']});
}"""
SUPER_RESOLVED = re.compile("^(Drawing|Synthesised) detail")
GRIDS = {"WebMercatorQuad": 19, "UTM31WGS84Quad": 19, "WorldCRS84Quad": 18}


@pytest.fixture(scope="module")
def tabs() -> Iterator[BrowserContext]:
    with browsers.launch() as browser, browsers.open_tabs(browser) as tabs:
        yield tabs


@pytest.fixture
def own_page(tabs: BrowserContext) -> Iterator[Page]:
    with browsers.new_tab(tabs) as page:
        yield page


@pytest.fixture
def page(own_page: Page, server: Service) -> Iterator[Page]:
    """A page that must not complain, ask in vain or ask elsewhere."""
    with browsers.watch(own_page, server.url):
        yield own_page


def settled(page: Page, picture: Path) -> np.ndarray:
    """The page once all its tiles are there, (H, W, C)."""
    next_frame(page)
    wait_until(page, "document.getElementById('map').getAttribute('aria-busy') === 'false'")
    page.screenshot(path=picture)
    return np.asarray(Image.open(picture).convert("RGB"), dtype=float)


@pytest.mark.parametrize(
    "grid",
    [
        pytest.param(grid, marks=() if grid == "WebMercatorQuad" else pytest.mark.slow)
        for grid in GRIDS
    ],
)
def test_the_map_of_a_grid_shows_the_ground_and_goes_past_native(
    page: Page, server: Service, grid: str, tmp_path: Path
) -> None:
    page.goto(f"{server.url}/yellowstone/{grid}/map.html")
    expect(page).to_have_title(f"yellowstone on {grid}")
    told = rf"^{grid}: Zoom {GRIDS[grid]}, (full resolution|imagery ends here)$"
    expect(page.locator("#zoom")).to_have_text(re.compile(told))
    expect(page.locator("#sizes")).to_have_text(re.compile(r"^Imagery 0\.20 m, these pixels 0\."))
    expect(page.locator("#origin")).to_have_text("Original imagery")
    assert settled(page, tmp_path / "native.png")[100:500, 100:800].std() > 15
    page.locator("#zoom-in").click()
    expect(page.locator("#origin")).to_have_text(SUPER_RESOLVED)
    assert settled(page, tmp_path / "made.png")[100:500, 100:800].std() > 15
    assert "NEON" in page.locator("#attribution").inner_text()


def test_parameters_of_the_map_are_passed_on_to_its_tiles(page: Page, server: Service) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/yellowstone/WebMercatorQuad/map.html?mode=interpolated")
    wait_until(page, "document.getElementById('map').getAttribute('aria-busy') === 'false'")
    tiles = [url for url in asked if ".webp" in url]
    assert tiles
    assert all(tile.endswith(".webp?mode=interpolated") for tile in tiles)
    page.locator("#zoom-in").click()
    expect(page.locator("#origin")).to_have_text(re.compile("Plain enlargement ×[12]"))


def test_the_map_of_a_grid_is_moved_and_zoomed_by_keyboard(
    page: Page, server: Service, tmp_path: Path
) -> None:
    page.goto(f"{server.url}/yellowstone/WebMercatorQuad/map.html")
    before = settled(page, tmp_path / "middle.png")
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    wait_while_it_runs(
        page, lambda: not np.array_equal(settled(page, tmp_path / "east.png"), before)
    )
    page.keyboard.press("+")
    expect(page.locator("#origin")).to_have_text(SUPER_RESOLVED)
    page.keyboard.press("-")
    expect(page.locator("#origin")).to_have_text("Original imagery")


def test_the_map_of_a_grid_rests_while_a_tile_is_drawn(page: Page, server: Service) -> None:
    page.goto(f"{server.url}/yellowstone/WebMercatorQuad/map.html")
    wait_until(page, "document.getElementById('map').getAttribute('aria-busy') === 'false'")
    page.evaluate(COUNT_CHANGES)
    page.route("**/20/*/*.webp*", lambda _: None)  # never answered
    page.locator("#zoom-in").click()
    expect(page.locator("#origin")).to_have_text(re.compile("Drawing detail, 0 of"))
    page.wait_for_timeout(1000)
    changes = page.evaluate("({...window.changes, until: performance.now()})")
    page.unroute_all()
    assert 0 < changes["badge"] < 5, "said once"
    seconds = (changes["until"] - changes["since"]) / 1000
    assert changes["frames"] < 20 + 20 * seconds, "zooming takes some; a second has 60"


@pytest.mark.slow
def test_the_map_of_a_grid_goes_on_when_the_connection_is_back(
    own_page: Page, server: Service, tmp_path: Path
) -> None:
    own_page.goto(f"{server.url}/yellowstone/WebMercatorQuad/map.html")
    settled(own_page, tmp_path / "native.png")
    own_page.context.set_offline(True)
    own_page.locator("#zoom-out").click()
    expect(own_page.get_by_role("alert")).to_contain_text("The server does not answer")
    own_page.context.set_offline(False)
    expect(own_page.get_by_role("alert")).to_be_empty()
    assert settled(own_page, tmp_path / "back.png")[200:400, 300:600].std() > 15


@pytest.mark.parametrize(
    ("grid", "status"),
    [("EuropeanETRS89_LAEAQuad", 404), ("GNOSISGlobalGrid", 400), ("nothing", 404)],
)
def test_there_is_no_map_where_there_are_no_tiles(server: Service, grid: str, status: int) -> None:
    answer = server.get(f"/yellowstone/{grid}/map.html")
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}


def test_what_people_and_browsers_try_leads_somewhere(server: Service) -> None:
    docs = server.client.get(f"{server.url}/docs?key=a%26b", follow_redirects=False)
    assert (docs.status_code, docs.headers["location"]) == (307, "api.html?key=a%26b")
    icon = server.client.get(f"{server.url}/favicon.ico", follow_redirects=True)
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")


def test_the_page_of_all_routes_lists_them(page: Page, server: Service) -> None:
    page.goto(f"{server.url}/api.html")
    expect(page.locator(".opblock-summary-path").first).to_be_visible()
    listed = page.locator(".opblock-summary-path").all_inner_texts()
    paths = server.get("/openapi.json").json()["paths"]
    assert len(listed) >= len(paths)
