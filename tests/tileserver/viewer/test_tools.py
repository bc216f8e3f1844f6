"""The page's tools: bands and stretch, measuring, going to places, files, a basemap, embedding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import rasterio
from morecantile import Tile
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from pyproj import Geod

from tests.support import browser as browsers
from tests.support.server import Service, configured, serving
from tests.support.tiles import WEB_MERCATOR, decoded
from tests.support.visiting import HEIGHT, LATITUDE, LONGITUDE, PLACE, WIDTH, Visit

VIEW = f"yellowstone/20/{PLACE}?mode=single"
EARTH = Geod(ellps="WGS84")


@pytest.fixture
def own_page(browser: Browser) -> Iterator[Page]:
    page = browsers.open_page(browser, {"width": WIDTH, "height": HEIGHT})
    yield page
    page.close()


def test_bands_stretch_and_colours_are_chosen_kept_in_the_address_and_asked_for(
    visit: Visit,
) -> None:
    page = visit.page
    visit.open(VIEW)
    page.keyboard.press("r")
    assert page.locator("#band-choice span").all_inner_texts() == ["Red", "Green", "Blue"]
    page.locator("#band-choice select").first.select_option("3")
    visit.settle()
    assert "bands=3%2C2%2C3" in page.url
    visit.requests.clear()
    page.select_option("#band-count", "1")
    page.select_option("#colours", "viridis")
    page.locator("#stretch-high").fill("120.5")
    visit.settle()  # what was chosen before is shown, and takes away nothing that is typed
    page.locator("#stretch-high").press("Enter")
    visit.settle()
    assert "bands=3&stretch=0%2C120.5&colours=viridis" in page.url
    assert visit.tiles("/20/", "bidx=3", "rescale=0%2C120.5", "colormap_name=viridis")
    coloured = visit.ground()
    visit.open(page.url.split("#")[1])
    assert np.array_equal(visit.ground(), coloured), "a link shows the same"
    page.keyboard.press("r")
    page.locator("#rendering-reset").click()
    visit.settle()
    assert "bands" not in page.url
    assert not np.array_equal(visit.ground(), coloured)


def test_a_link_to_bands_that_the_source_has_not_shows_it_plainly_and_says_so(
    own_page: Page, server: Service
) -> None:
    Visit(own_page, server.url).open(f"{VIEW}&bands=9")
    expect(own_page.locator("#toast")).to_contain_text("cannot be shown with these bands")
    expect(own_page.locator("#origin")).to_contain_text("Synthesised")
    assert "bands" not in own_page.url


def test_lengths_and_areas_are_those_of_the_ellipsoid(visit: Visit) -> None:
    page = visit.page
    visit.open(VIEW)
    page.keyboard.press("d")
    points = [(330, 200), (520, 170), (430, 300)]  # beside the panels
    for x, y in points:
        page.mouse.click(x, y)
    top = WEB_MERCATOR.xy(LONGITUDE, LATITUDE)
    size = WEB_MERCATOR.matrix(20).cellSize
    places = [
        WEB_MERCATOR.lnglat(top.x + (x - WIDTH / 2) * size, top.y - (y - HEIGHT / 2) * size)
        for x, y in points
    ]
    across, down = [place.x for place in places], [place.y for place in places]
    length = EARTH.line_length(across, down)
    area = abs(EARTH.polygon_area_perimeter(across, down)[0])
    said = float(visit.text("measured-length").removesuffix(" m"))
    assert said == pytest.approx(length, rel=2e-3), "a click is a whole pixel"
    assert float(visit.text("measured-area").split()[0]) == pytest.approx(area, rel=4e-3)
    page.locator("#map").focus()
    page.keyboard.press("Backspace")
    assert visit.text("measured-area") == "–"
    page.keyboard.press("Enter")
    assert visit.text("measured-area") != "–", "the centre is the third point"
    page.keyboard.press("i")
    expect(page.locator("#measure")).to_be_hidden()
    page.keyboard.press("d")
    expect(page.locator("#inspect")).to_be_hidden()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#measure")).to_be_hidden()
    expect(page.locator("#measuring")).to_be_hidden()


def test_a_place_is_gone_to_as_it_is_written_and_the_centre_is_copied(visit: Visit) -> None:
    page = visit.page
    visit.open(VIEW)
    for written, found in {
        "44.9558, -110.6432": "20/44.9558000/-110.6432000",
        "44°57'21.6\"N 110°38'36\"W": "20/44.9560000/-110.6433333",
        "110 38 36 W; 44 57 21.6 N": "20/44.9560000/-110.6433333",
        "21/404031/754760": "21/",
    }.items():
        page.keyboard.press("g")
        page.locator("#wanted").fill(written)
        page.keyboard.press("Enter")
        expect(page.locator("#places")).to_be_hidden()
        browsers.wait_until(page, f"location.hash.includes('yellowstone/{found}')")
    assert visit.text("zoom").startswith("Zoom 21")
    page.locator("#place").click()
    for wrong, why in {
        "12, 13": "no imagery there",
        "north": "not a place",
        "91, 0": "not a place",
    }.items():
        page.locator("#wanted").fill(wrong)
        page.locator("#go").click()
        expect(page.locator("#unplaced")).to_contain_text(why)
    latitude, longitude = page.get_by_label("Decimal degrees").input_value().split(", ")
    tile = page.get_by_label("Tile, zoom/column/row").input_value()
    x, y = (int(number) for number in tile.split("/")[1:])
    assert WEB_MERCATOR.tile(float(longitude), float(latitude), 21) == Tile(x, y, 21)
    page.keyboard.press("Escape")


def test_a_view_is_saved_as_it_is_seen_and_as_georeferenced_values(
    visit: Visit, server: Service, tmp_path: Path
) -> None:
    page = visit.page
    visit.open(f"yellowstone/20/{PLACE}?mode=swipe&at=40")
    seen = visit.ground()
    page.keyboard.press("s")
    with page.expect_download() as saving:
        page.locator("#save-png").click()
    saving.value.save_as(tmp_path / "view.png")
    saved = np.asarray(Image.open(tmp_path / "view.png").convert("RGB"), dtype=float)
    assert saved.shape[0] > HEIGHT, "a strip says what it is"
    beside = np.delete(np.arange(WIDTH), np.s_[int(0.4 * WIDTH) - 3 : int(0.4 * WIDTH) + 3])
    assert np.abs(saved[:HEIGHT] - seen)[:, beside].max() <= 1
    with page.expect_download() as saving:
        page.locator("#save-tif").click()
    assert saving.value.suggested_filename == f"yellowstone_20_{LATITUDE:.7f}_{LONGITUDE:.7f}.tif"
    saving.value.save_as(tmp_path / "view.tif")
    with rasterio.open(tmp_path / "view.tif") as dataset:
        assert (dataset.crs.to_epsg(), dataset.count) == (3857, 4)
        assert "the imagery ends at zoom 19" in dataset.tags()["TIFFTAG_IMAGEDESCRIPTION"]
        tile = WEB_MERCATOR.tile(LONGITUDE, LATITUDE, 20)
        col, row = ~dataset.transform @ WEB_MERCATOR.xy_bounds(tile)[0::3]
        pixels = dataset.read((1, 2, 3)).transpose(1, 2, 0)
    assert abs(col - round(col)) < 1e-6, "on the tiles' own pixels"
    expected = decoded(server.get(f"/yellowstone/20/{tile.x}/{tile.y}.png").content)[..., :3]
    shown = pixels[max(round(row), 0) :, max(round(col), 0) :][:256, :256]
    off = (max(-round(row), 0), max(-round(col), 0))
    part = expected[off[0] : off[0] + shown.shape[0], off[1] : off[1] + shown.shape[1]]
    assert np.array_equal(shown[: part.shape[0], : part.shape[1]], part)


@pytest.mark.slow
def test_a_view_larger_than_a_map_is_saved_coarser_in_all_bands_and_says_so(
    own_page: Page, config: Path, tmp_path: Path
) -> None:
    settings = configured(config, tmp_path, map_side_px=512, deadline_seconds=300)
    with serving(settings, tmp_path / "cache") as service:
        visit = Visit(own_page, service.url)
        visit.open(f"{VIEW}&bands=2&colours=magma")
        own_page.keyboard.press("s")
        with own_page.expect_download() as saving:
            own_page.locator("#save-tif").click()
        expect(own_page.locator("#toast")).to_contain_text("saved at zoom 19")
        saving.value.save_as(tmp_path / "view.tif")
        with rasterio.open(tmp_path / "view.tif") as dataset:
            assert dataset.count == 4, "all bands, and alpha"
            assert abs(dataset.width - WIDTH // 2) <= 1 >= abs(dataset.height - HEIGHT // 2)
            assert dataset.tags()["TIFFTAG_IMAGEDESCRIPTION"].endswith("zoom 19")
            assert dataset.read(1).std() > 5
        own_page.goto("about:blank")  # it asks for nothing any more


def test_what_is_embedded_is_what_is_shown_and_addresses_come_first(visit: Visit) -> None:
    page = visit.page
    visit.open(f"{VIEW}&sample=1&bands=2&colours=magma")
    page.keyboard.press("e")
    address = page.get_by_label("XYZ tiles", exact=True)
    shown = "bidx=2&colormap_name=magma"
    expect(address).to_have_value(
        f"{visit.url}/yellowstone/{{z}}/{{x}}/{{y}}.webp?noise_seed=1&{shown}"
    )
    assert page.get_by_label("WMTS", exact=True).input_value().endswith(f"noise_seed=1&{shown}")
    page.select_option("#embed-what", label="Plain enlargement")
    expect(address).to_have_value(
        f"{visit.url}/yellowstone/{{z}}/{{x}}/{{y}}.webp?mode=interpolated&{shown}"
    )
    page.select_option("#embed-what", label="Best estimate, no texture")
    expect(page.get_by_label("TileJSON", exact=True)).to_have_value(
        f"{visit.url}/yellowstone/tilejson.json?detail=0&{shown}"
    )
    page.keyboard.press("Escape")


@pytest.fixture
def based(
    config: Path, server: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A server whose basemap is another one, at another origin."""
    folder = tmp_path_factory.mktemp("based")
    url = f"{server.url}/truth/{{z}}/{{x}}/{{y}}.png"
    basemap = {"url": url, "attribution": "Map: <b>them</b>", "maxzoom": 19}
    settings = configured(config, folder, basemap=basemap, deadline_seconds=300)
    with serving(settings, folder / "cache") as service:
        yield service


@pytest.mark.slow
def test_a_basemap_is_asked_for_only_once_it_is_chosen(
    own_page: Page, based: Service, server: Service
) -> None:
    visit = Visit(own_page, based.url)

    def asked() -> list[str]:
        paths = [unquote(r.url) for r in visit.requests if r.url.startswith(server.url)]
        return [urlsplit(path).path for path in paths]

    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    assert asked() == []
    expect(own_page.locator("#attribution")).not_to_contain_text("Map: them")
    own_page.keyboard.press("r")
    own_page.get_by_label("Basemap under the imagery").check()
    visit.settle()
    assert asked()
    assert all(path.startswith("/truth/19/") for path in asked())
    expect(own_page.locator("#attribution")).to_contain_text("Map: them")
    assert "basemap=true" in own_page.url
    own_page.keyboard.press("s")
    with own_page.expect_download() as saving:
        own_page.locator("#save-png").click()
    assert saving.value.failure() is None, "pictures of another origin may be saved, too"
