"""Leaflet, OpenLayers and MapLibre in a real browser, from a page of another origin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Response

from tests.support import browser as browsers
from tests.support.pages import Quiet
from tests.support.server import Service

pytestmark = pytest.mark.slow

CLIENTS = ("leaflet", "openlayers", "maplibre", "maplibre-style")
NATIVE, DEEPEST = 19, 22
TILE = re.compile(r"/yellowstone/(?:tiles/WebMercatorQuad/)?(\d+)/\d+/\d+\.(?:png|webp)")


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    """The pages and their libraries, served from an origin of their own."""
    folder = Path(__file__).parent
    assert (folder / "node_modules").is_dir(), "make test installs them"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as listener:
        thread = Thread(target=listener.serve_forever)
        thread.start()
        yield f"http://localhost:{listener.server_port}"
        listener.shutdown()
        thread.join()


@dataclass
class Visit:
    """A page that shows the demo scene, and what it asked for since it was last forgotten."""

    page: Page
    tiles: list[Response] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def shown(self, zoom: int, picture: Path) -> np.ndarray:
        """Grey levels of the page once it has drawn a zoom, (H, W)."""
        self.tiles.clear()
        self.page.evaluate(f"show({zoom})")
        self.page.screenshot(path=picture)
        return np.asarray(Image.open(picture).convert("L"), dtype=float)

    def zooms(self) -> set[int]:
        return {int(match[1]) for tile in self.tiles if (match := TILE.search(tile.url))}


@pytest.fixture(params=CLIENTS)
def visit(
    request: pytest.FixtureRequest, browser: Browser, pages: str, server: Service
) -> Iterator[Visit]:
    page = browsers.open_page(browser)
    visit = Visit(page)

    def answered(response: Response) -> None:
        if TILE.search(response.url):
            visit.tiles.append(response)
        if response.status >= 400:
            visit.complaints.append(f"{response.status} {response.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.complaints.append(message.text)

    page.on("response", answered)
    page.on("console", said)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.goto(f"{pages}/{request.param}.html?tilejson={server.url}/yellowstone/tilejson.json")
    page.wait_for_function("document.title == 'ready'")
    yield visit
    page.close()


def test_it_goes_past_native_without_a_complaint(visit: Visit, tmp_path: Path) -> None:
    for zoom in (NATIVE + 1, NATIVE + 2):
        ground = visit.shown(zoom, tmp_path / f"{zoom}.png")
        middle = ground[100:500, 100:800]
        assert middle.std() > 15, "the ground, not an empty map"
        assert (middle == 255).mean() < 0.01, "no tile is missing"
        assert visit.zooms() == {zoom}
        assert {tile.headers["x-overzoom"] for tile in visit.tiles} == {"super-resolved"}
    assert not visit.complaints


def test_around_the_scene_and_below_the_deepest_zoom_nothing_is_asked_in_vain(
    visit: Visit, tmp_path: Path
) -> None:
    around = visit.shown(NATIVE - 1, tmp_path / "around.png")
    assert around[300, 450] != around[300, 20], "the scene, and nothing beside it"
    assert np.ptp(around[100:500, 20:60]) == 0
    below = visit.shown(DEEPEST + 1, tmp_path / "below.png")
    assert below[100:500, 100:800].std() > 5
    assert visit.zooms() == {DEEPEST}, "enlarged by the client"
    assert not visit.complaints


def test_a_page_of_another_origin_may_read_what_a_tile_is(visit: Visit) -> None:
    (url, *_) = [tile.url for tile in visit.tiles]
    names = ["ETag", "X-Overzoom", "Server-Timing"]
    read = visit.page.evaluate(
        "async ([url, names]) => { const answer = await fetch(url);"
        " return names.map(name => answer.headers.get(name)); }",
        [url, names],
    )
    assert read[1] == "native"
    assert all(read)
    assert not visit.complaints
