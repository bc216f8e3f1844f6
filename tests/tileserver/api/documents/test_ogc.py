"""OGC API Tiles and TileJSON, against the requirements that clients rely on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import morecantile
import numpy as np
import pytest
import rasterio
from morecantile import Tile, TileMatrixSet
from rasterio.crs import CRS
from rasterio.transform import from_origin
from starlette.testclient import TestClient

from tests.support.rasters import SCENE
from tests.support.server import Service
from tests.support.tiles import decoded
from tileserver.app import make_app
from tileserver.settings.reading import read_settings

RELATION = "http://www.opengis.net/def/rel/ogc/1.0"
LISTED = {"WebMercatorQuad": 22, "WorldCRS84Quad": 21, "UTM31WGS84Quad": 22}
KEY = "a%26b"
"""The protected server's, as a query has it."""


def links(document: dict[str, Any], rel: str) -> list[dict[str, Any]]:
    return [link for link in document["links"] if link["rel"] == rel]


def test_the_landing_page_leads_to_everything(server: Service) -> None:
    page = server.get("/", Accept="application/json").json()
    assert page == server.get("/?f=json").json()
    assert server.get("/", Accept="text/html,*/*").headers["content-type"].startswith("text/html")
    for rel in ("service-desc", "service-doc", "conformance", f"{RELATION}/tiling-schemes"):
        (link,) = links(page, rel)
        assert server.client.get(link["href"]).status_code == 200
    tilesets = links(page, f"{RELATION}/tilesets-map")
    assert [link["href"].split("/")[-2] for link in tilesets] == ["yellowstone", "truth"]
    for link in links(page, f"{RELATION}/map"):
        answer = server.client.get(f"{link['href']}?width=64")
        assert (answer.status_code, answer.headers["content-type"]) == (200, link["type"])


def test_conformance_names_classes_of_tiles(server: Service) -> None:
    classes = server.get("/conformance").json()["conformsTo"]
    for name in ("core", "tileset", "tilesets-list", "png", "jpeg"):
        assert f"http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/{name}" in classes


def test_morecantile_reads_every_tile_matrix_set_as_its_own(server: Service) -> None:
    references = server.get("/tileMatrixSets").json()["tileMatrixSets"]
    assert {"WebMercatorQuad", "WorldCRS84Quad"} <= {one["id"] for one in references}
    for reference in references:
        (link,) = links(reference, f"{RELATION}/tiling-scheme")
        document = server.client.get(link["href"]).json()
        own = morecantile.tms.get(reference["id"])
        assert TileMatrixSet.model_validate(document) == own
        assert [matrix["id"] for matrix in document["tileMatrices"]] == [
            str(zoom) for zoom in range(own.minzoom, own.maxzoom + 1)
        ]


@pytest.mark.parametrize(
    ("grid", "status", "reason"),
    [("GNOSISGlobalGrid", 400, "does not double"), ("nothing", 404, "no such tile matrix set")],
)
def test_grids_that_do_not_double_or_do_not_exist_are_refused(
    server: Service, grid: str, status: int, reason: str
) -> None:
    for path in ("/tileMatrixSets/{}", "/yellowstone/tiles/{}", "/yellowstone/tiles/{}/0/0/0.png"):
        answer = server.get(path.format(grid))
        assert answer.status_code == status
        assert reason in answer.json()["detail"]


def test_tilesets_are_listed_for_the_grids_that_the_source_lies_on(server: Service) -> None:
    document = server.get("/yellowstone/tiles").json()
    listed = [links(item, "self")[0]["href"].split("/")[-1] for item in document["tilesets"]]
    assert listed[0] == "WebMercatorQuad"
    assert set(LISTED) < set(listed)
    assert "EuropeanETRS89_LAEAQuad" not in listed
    assert server.get("/yellowstone/tiles/EuropeanETRS89_LAEAQuad").status_code == 404
    for item in document["tilesets"]:
        assert item["dataType"] == "map"
        assert item["crs"].startswith("http://www.opengis.net/def/crs/")


@pytest.mark.parametrize("grid", LISTED)
def test_the_metadata_of_a_tileset_meets_the_standard(server: Service, grid: str) -> None:
    document = server.get(f"/yellowstone/tiles/{grid}").json()
    assert document["dataType"] == "map"
    (scheme,) = links(document, f"{RELATION}/tiling-scheme")
    tms = TileMatrixSet.model_validate(server.client.get(scheme["href"]).json())
    assert document["crs"] == tms.model_dump(mode="json")["crs"]
    assert document["tileMatrixSetURI"] == str(tms.uri)
    assert links(document, "self")[0]["href"].endswith(f"/yellowstone/tiles/{grid}")
    west, south = document["boundingBox"]["lowerLeft"]
    assert (west, south) == pytest.approx((-110.645, 44.9549), abs=1e-4)
    limits = {int(one["tileMatrix"]): one for one in document["tileMatrixSetLimits"]}
    assert max(limits) == LISTED[grid]
    items = links(document, "item")
    assert {item["type"] for item in items} == {"image/png", "image/jpeg", "image/webp"}
    for item in items:
        assert item["templated"] is True
        zoom = LISTED[grid] - 3
        for row, col, status in (
            (limits[zoom]["minTileRow"], limits[zoom]["minTileCol"], 200),
            (limits[zoom]["maxTileRow"], limits[zoom]["maxTileCol"], 200),
            (limits[zoom]["maxTileRow"] + 1, limits[zoom]["maxTileCol"], 404),
            (limits[zoom]["minTileRow"], limits[zoom]["minTileCol"] - 1, 404),
        ):
            href = item["href"].format(tileMatrix=zoom, tileRow=row, tileCol=col)
            answer = server.client.get(href)
            assert answer.status_code == status
            if status == 200:
                assert answer.headers["content-type"] == item["type"]


def test_parameters_of_rendering_are_kept_in_the_links_to_tiles(server: Service) -> None:
    document = server.get("/yellowstone/tiles/WebMercatorQuad?mode=interpolated&f=json").json()
    items = links(document, "item")
    assert len(items) == 3
    for item in items:
        assert item["href"].endswith("?mode=interpolated")


def test_parameters_that_tiles_do_not_take_are_not_in_the_links_to_them(server: Service) -> None:
    query = "mode=interpolated&foo=1&tile_format=webp&tilesize=512&f=json"
    document = server.get(f"/yellowstone/tiles/WebMercatorQuad?{query}").json()
    (limit,) = (one for one in document["tileMatrixSetLimits"] if one["tileMatrix"] == "22")
    items = links(document, "item")
    assert len(items) == 3
    for item in items:
        assert item["href"].endswith("?mode=interpolated")
        row, col = limit["minTileRow"], limit["minTileCol"]
        href = item["href"].format(tileMatrix=22, tileRow=row, tileCol=col)
        assert server.client.get(href).status_code == 200


@pytest.mark.parametrize("query", ["mode=magic", "bidx=9", "noise_seed=12345", "detail=0.3"])
@pytest.mark.parametrize("path", ["tiles/WebMercatorQuad", "WMTSCapabilities.xml"])
def test_a_value_that_no_tile_takes_is_refused_at_once(
    server: Service, path: str, query: str
) -> None:
    answer = server.get(f"/yellowstone/{path}?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json()["detail"]


def test_every_link_leads_on_with_the_key_of_the_query(protected: TestClient) -> None:
    for path in ("/?f=json", "/truth/tiles?f=json", "/truth/tiles/WebMercatorQuad?f=json",
                 "/tileMatrixSets?f=json"):  # fmt: skip
        document = protected.get(f"{path}&key={KEY}").json()
        lists = [document, *document.get("tilesets", []), *document.get("tileMatrixSets", [])]
        hrefs = [link["href"] for one in lists for link in one.get("links", [])]
        assert hrefs
        for href in hrefs:
            url = href.format(tileMatrix=0, tileRow=0, tileCol=0)
            assert url.endswith(f"key={KEY}")
            answer = protected.get(url, headers={"Accept": "application/json"})
            assert answer.status_code == 200, url


def test_a_key_in_a_header_is_written_to_no_link(protected: TestClient) -> None:
    for path in ("/?f=json", "/truth/tiles", "/truth/tiles/WebMercatorQuad"):
        answer = protected.get(path, headers={"X-API-Key": "a&b"})
        assert answer.status_code == 200
        assert "key=" not in answer.text


@pytest.mark.parametrize("path", ["tilejson.json", "WorldCRS84Quad/tilejson.json"])
def test_tilejson_has_the_members_of_its_third_version(server: Service, path: str) -> None:
    document = server.get(f"/yellowstone/{path}").json()
    assert document["tilejson"] == "3.0.0"
    (template,) = document["tiles"]
    assert all(f"{{{name}}}" in template for name in "zxy")
    assert 0 <= document["minzoom"] <= document["maxzoom"] <= 30
    west, south, east, north = document["bounds"]
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90
    longitude, latitude, zoom = document["center"]
    assert west < longitude < east
    assert south < latitude < north
    assert document["minzoom"] <= zoom <= document["maxzoom"]
    assert document["scheme"] == "xyz"
    assert isinstance(document["attribution"], str)


PLACES = {
    "UTM31WGS84Quad": (2.35, 48.85),
    "WorldCRS84Quad": (2.35, 48.85),
    "WGS1984Quad": (2.35, 48.85),
    "WorldMercatorWGS84Quad": (2.35, 48.85),
    "EuropeanETRS89_LAEAQuad": (10.2, 52.1),
    "NZTM2000Quad": (172.6, -43.5),
    "LINZAntarticaMapTilegrid": (166.7, -77.8),
    "UPSArcticWGS84Quad": (15.6, 84.2),
    "UPSAntarcticWGS84Quad": (-60.0, -84.0),
}
"""Every other grid that is served, and a place (longitude, latitude) where it is at home."""
BELOW = 4
"""Zooms from a moved scene's native one to the grid's last."""
SIDE = 400


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of the scene's corner, laid down at home on every grid."""
    folder = tmp_path_factory.mktemp("elsewhere")
    sources = {grid: {"path": str(laid_down(folder, grid))} for grid in PLACES}
    cache = {"memory_bytes": 0, "disk_bytes": 0}
    with TestClient(make_app(read_settings(None, {"sources": sources, "cache": cache}))) as client:
        yield client


def laid_down(folder: Path, grid: str) -> Path:
    """The scene's corner around a place of the grid, in a projection of that place."""
    longitude, latitude = PLACES[grid]
    tms, path = morecantile.tms.get(grid), folder / f"{grid}.tif"
    metres = tms.matrix(tms.maxzoom - BELOW).scaleDenominator * 0.28e-3
    with rasterio.open(SCENE) as scene:
        pixels = scene.read(window=((200, 200 + SIDE), (300, 300 + SIDE)))
    profile = {"driver": "GTiff", "count": 3, "height": SIDE, "width": SIDE, "dtype": "uint8"}
    crs = CRS.from_proj4(f"+proj=laea +lat_0={latitude} +lon_0={longitude} +datum=WGS84")
    corner = from_origin(-SIDE / 2 * metres, SIDE / 2 * metres, metres, metres)
    with rasterio.open(path, "w", crs=crs, transform=corner, **profile) as out:
        out.write(pixels)
    return path


def test_every_grid_that_is_served_is_tried(elsewhere: TestClient) -> None:
    served = {one["id"] for one in elsewhere.get("/tileMatrixSets").json()["tileMatrixSets"]}
    assert served == {"WebMercatorQuad", *PLACES}


@pytest.mark.parametrize("grid", PLACES)
def test_on_its_own_ground_every_grid_goes_past_native(elsewhere: TestClient, grid: str) -> None:
    document = elsewhere.get(f"/{grid}/{grid}/tilejson.json").json()
    native, tms = document["overzoom"]["native_maxzoom"], morecantile.tms.get(grid)
    assert native in range(tms.maxzoom - BELOW - 2, tms.maxzoom - BELOW + 1)
    assert document["maxzoom"] == native + 3
    tile = tms.tile(*PLACES[grid], native)
    parent = elsewhere.get(f"/{grid}/tiles/{grid}/{native}/{tile.x}/{tile.y}.png")
    assert parent.headers["x-overzoom"] == "native"
    ground = decoded(parent.content)
    assert ground[..., :3].std() > 10
    child = Tile(2 * tile.x, 2 * tile.y, native + 1)
    answer = elsewhere.get(f"/{grid}/tiles/{grid}/{child.z}/{child.x}/{child.y}.png")
    assert answer.headers["x-overzoom"] == "super-resolved"
    made = decoded(answer.content)
    opaque = np.ones((256, 256), bool) if made.shape[2] == 3 else made[..., 3] == 255
    whole = opaque.reshape(128, 2, 128, 2).all(axis=(1, 3))
    assert whole.mean() > 0.1
    averaged = made[..., :3].reshape(128, 2, 128, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(averaged - ground[:128, :128, :3])[whole].max() <= 2, "the zooms agree"


@pytest.mark.parametrize("grid", PLACES)
def test_tilesets_name_the_grid_that_the_source_is_at_home_on(
    elsewhere: TestClient, grid: str
) -> None:
    tilesets = elsewhere.get(f"/{grid}/tiles").json()["tilesets"]
    assert f"{grid} on {grid}" in {one["title"] for one in tilesets}
    document = elsewhere.get(f"/{grid}/tiles/{grid}").json()
    limits = {int(one["tileMatrix"]): one for one in document["tileMatrixSetLimits"]}
    tms = morecantile.tms.get(grid)
    assert limits
    for zoom, limit in limits.items():
        tile = tms.tile(*PLACES[grid], zoom)
        assert limit["minTileRow"] <= tile.y <= limit["maxTileRow"]
        assert limit["minTileCol"] <= tile.x <= limit["maxTileCol"]
