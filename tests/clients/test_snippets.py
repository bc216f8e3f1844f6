"""What /embed.json says, done as it says: pages opened, scripts run, addresses read by GDAL."""

from __future__ import annotations

import ast
import base64
import hashlib
import re
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import folium
import httpx
import ipyleaflet
import numpy as np
import pytest
import rasterio
from morecantile import Tile
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.support.browser import wait_while_it_runs
from tests.support.gdal import XYZ, window_of
from tests.support.pages import Site, Visit, answer_as_folium_s_cdns, library_file, visiting
from tests.support.server import Service
from tests.support.tiles import WEB_MERCATOR, decoded, path_of
from tests.support.waiting import LIMIT_SECONDS

PAGES = ("leaflet", "openlayers", "maplibre")
NATIVE, DEEPEST = 19, 22
HALF_HEIGHT, HALF_WIDTH = 300, 450
GROUND = (slice(100, 500), slice(100, 800))
"""The part of a page without controls."""


def snippet(server: Service, name: str, **view: float) -> str:
    """The text of one of the demo scene's snippets."""
    answer = server.client.get("/yellowstone/embed.json", params=view)
    (text,) = (one["text"] for one in answer.json() if one["id"] == name)
    return text


def corner(zoom: int) -> tuple[Tile, dict[str, float]]:
    """The tile near the scene's middle at a zoom, and a view centred on its upper left corner."""
    tile = WEB_MERCATOR.tile(-110.643554, 44.955993, zoom)
    place = WEB_MERCATOR.ul(tile)
    return tile, {"zoom": zoom, "lon": place.x, "lat": place.y}


def ground(server: Service, zoom: int) -> np.ndarray:
    """The ground around that corner from the tiles themselves, as large as a page, (H, W, 3)."""
    tile, _ = corner(zoom)
    enlarged = 2 ** max(0, zoom - DEEPEST)
    reach = 2 if enlarged == 1 else 1
    rows = []
    for y in range(tile.y // enlarged - reach, tile.y // enlarged + reach + 1):
        row = []
        for x in range(tile.x // enlarged - reach, tile.x // enlarged + reach + 1):
            answer = server.get(f"/yellowstone/{min(zoom, DEEPEST)}/{x}/{y}.webp")
            row.append(decoded(answer.content)[..., :3])
        rows.append(np.concatenate(row, axis=1))
    picture = Image.fromarray(np.concatenate(rows))
    size = picture.width * enlarged, picture.height * enlarged
    whole = np.asarray(picture.resize(size, Image.Resampling.BILINEAR), dtype=float)
    row = (reach * enlarged + tile.y % enlarged) * 256
    col = (reach * enlarged + tile.x % enlarged) * 256
    return whole[row - HALF_HEIGHT : row + HALF_HEIGHT, col - HALF_WIDTH : col + HALF_WIDTH]


def wait_for_ground(visit: Visit, expected: np.ndarray) -> None:
    """Wait until the page shows the ground to within two levels in the mean."""

    def is_shown() -> bool:
        picture = Image.open(BytesIO(visit.page.screenshot())).convert("RGB")
        return float(np.abs(np.asarray(picture, float) - expected)[GROUND].mean()) < 2

    wait_while_it_runs(visit.page, is_shown, "the page shows something else")


@pytest.mark.parametrize("zoom", [NATIVE + 1, pytest.param(DEEPEST + 1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_the_tiles_at_the_view_that_was_asked_for(
    server: Service, site: Site, visit: Visit, name: str, zoom: int
) -> None:
    _, view = corner(zoom)
    expected = ground(server, zoom)
    assert expected[GROUND].std() > 10
    visit.page.goto(site.page(f"{name}.html", snippet(server, name, **view)))
    wait_for_ground(visit, expected)
    assert visit.zooms() == {min(zoom, DEEPEST)}, "deeper ones are enlarged, none is asked in vain"
    assert "NEON" in visit.page.locator("body").inner_text()


def opened(visit: Visit, url: str) -> None:
    """The page, until it asks for nothing more."""
    with visit.page.expect_response(lambda answer: "/yellowstone/" in answer.url):
        visit.page.goto(url)
    visit.page.wait_for_load_state("networkidle")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_on_the_middle_where_detail_begins_and_asks_for_nothing_outside(
    server: Service, site: Site, browser: Browser, name: str
) -> None:
    text = snippet(server, name)
    with visiting(browser) as visit:
        opened(visit, site.page(f"{name}.html", text))
        assert visit.zooms() == {NATIVE + 1}
    around = text.replace(", 20);", ", 16);").replace("zoom: 20", "zoom: 16")
    assert around != text
    with visiting(browser) as visit:
        opened(visit, site.page(f"{name}.html", around))
        assert visit.zooms() == {16}
        assert len(visit.tiles) <= 4


@pytest.mark.parametrize("name", PAGES)
def test_libraries_are_the_installed_ones_byte_by_byte(server: Service, name: str) -> None:
    text = snippet(server, name)
    loaded = set(re.findall(r'https://[^"]+', text))
    checked = re.findall(r'"(https://[^"]+)"[^"]*?"(sha384-[^"]+)"', text)
    checked += re.findall(r'"(https://[^"]+)"\s+integrity="(sha384-[^"]+)"', text)
    assert {url for url, _ in checked} == loaded != set()
    for url, integrity in checked:
        file = library_file(url)
        assert file is not None, f"{url} is not the version that is tested with"
        digest = base64.b64encode(hashlib.sha384(file.read_bytes()).digest()).decode()
        assert integrity == f"sha384-{digest}"


@pytest.mark.slow
def test_a_frame_in_a_page_of_another_origin_shows_the_viewer_there(
    server: Service, site: Site, visit: Visit
) -> None:
    frame = snippet(server, "iframe", zoom=21, lat=44.956, lon=-110.6436)
    visit.page.goto(site.page("frame.html", f"<!doctype html><title>Ours</title>{frame}"))
    origin = visit.page.frame_locator("iframe").locator("#origin")
    expect(origin).to_contain_text("Synthesised detail")
    wait_while_it_runs(visit.page, lambda: 21 in visit.zooms())
    assert visit.zooms() <= {21, 18}, "18: what is above native, as one tile"


@pytest.mark.parametrize("name", ["arcgis", "cesium"])
def test_a_script_for_a_library_is_javascript_and_names_tiles_that_are_there(
    server: Service, name: str, tmp_path: Path
) -> None:
    tile, view = corner(NATIVE + 1)
    text = snippet(server, name, **view)
    script = tmp_path / "snippet.mjs"
    script.write_text(text, encoding="utf-8")
    subprocess.run(["node", "--check", script], check=True)
    (template,) = re.findall(r'url(?:Template)?: "(http[^"]+)"', text)
    words = {"z": tile.z, "level": tile.z, "x": tile.x, "col": tile.x, "y": tile.y, "row": tile.y}
    answer = httpx.get(template.format(**words), timeout=LIMIT_SECONDS)
    assert answer.headers["x-overzoom"] == "super-resolved"


def run(text: str) -> dict[str, Any]:
    """The names that a script leaves behind."""
    names: dict[str, Any] = {}
    exec(compile(text, "snippet", "exec"), names)
    return names


@pytest.mark.slow
def test_folium_writes_a_page_that_shows_the_tiles(
    server: Service, site: Site, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site.folder)
    _, view = corner(NATIVE + 1)
    names = run(snippet(server, "folium", **view))
    assert isinstance(names["map"], folium.Map)
    visit.page.context.route(re.compile(r"^https://"), answer_as_folium_s_cdns)
    visit.page.goto(f"{site.url}/map.html")
    wait_for_ground(visit, ground(server, NATIVE + 1))
    assert visit.zooms() == {NATIVE + 1}
    assert "NEON" in visit.page.locator(".leaflet-control-attribution").inner_text()


def test_ipyleaflet_s_map_shows_the_scene_past_native(server: Service) -> None:
    tile, view = corner(NATIVE + 2)
    names = run(snippet(server, "ipyleaflet", **view))
    shown_map, imagery = names["map"], names["imagery"]
    assert isinstance(shown_map, ipyleaflet.Map)
    assert shown_map.layers == (imagery,), "and no other tiles"
    assert shown_map.center == pytest.approx((view["lat"], view["lon"]), abs=1e-7)
    assert shown_map.zoom == tile.z
    assert (imagery.max_native_zoom, imagery.max_zoom, shown_map.max_zoom) == (22, 24, 24)
    (south, west), (north, east) = imagery.bounds
    assert (south < view["lat"] < north, west < view["lon"] < east) == (True, True)
    assert "NEON" in imagery.attribution
    answer = httpx.get(imagery.url.format(z=tile.z, x=tile.x, y=tile.y), timeout=LIMIT_SECONDS)
    assert answer.headers["x-overzoom"] == "super-resolved"


def uri_of(text: str) -> dict[str, str]:
    """What a script tells QGIS's provider of tiles, by name."""
    tree = ast.parse(text)
    told = [n for n in tree.body if "uri" in ast.unparse(n) and "Qgs" not in ast.unparse(n)]
    names = run(ast.unparse(ast.Module(told, [])))
    return {name: value for name, (value,) in parse_qs(names["uri"]).items()}


@pytest.mark.usefixtures("no_old_tiles")
def test_gdal_reads_its_description_of_the_tiles(server: Service) -> None:
    tile, _ = corner(DEEPEST)
    with rasterio.open(snippet(server, "gdal", zoom=NATIVE)) as dataset:
        assert dataset.count == 4
        read = dataset.read(window=window_of(tile, WEB_MERCATOR, dataset))
        beside = window_of(WEB_MERCATOR.tile(10, 10, DEEPEST), WEB_MERCATOR, dataset)
        assert not dataset.read(window=beside).any(), "no imagery there, and no error"
    expected = decoded(server.get(path_of(tile)).content)
    assert np.array_equal(read[:3].transpose(1, 2, 0), expected[..., :3])
    assert (read[3] == 255).all()


@pytest.mark.usefixtures("no_old_tiles")
@pytest.mark.parametrize("name", ["qgis-xyz", "qgis-wmts"])
def test_what_qgis_is_told_leads_gdal_to_the_tiles(server: Service, name: str) -> None:
    uri, zoom = uri_of(snippet(server, name)), NATIVE + 1
    tile, _ = corner(zoom)
    if name == "qgis-xyz":
        assert (uri["type"], uri["zmin"], uri["zmax"]) == ("xyz", "0", str(DEEPEST))
        place = XYZ.format(url=re.sub(r"\{([zxy])\}", r"${\1}", uri["url"]), zoom=zoom)
    else:
        wanted = f"tilematrixset={uri['tileMatrixSet']},tilematrix={zoom}"
        place = f"WMTS:{uri['url']},layer={uri['layers']},style={uri['styles']},{wanted}"
    with rasterio.open(place) as dataset:
        read = dataset.read((1, 2, 3), window=window_of(tile, WEB_MERCATOR, dataset))
    expected = decoded(server.get(path_of(tile)).content)[..., :3]
    assert np.array_equal(read.transpose(1, 2, 0), expected)
