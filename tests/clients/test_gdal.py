"""GDAL as a client: its drivers read the service as a raster, and so does OWSLib."""

from __future__ import annotations

from collections.abc import Callable

import morecantile
import numpy as np
import pytest
import rasterio
from morecantile import Tile
from owslib.wmts import WebMapTileService

from tests.support.gdal import XYZ, window_of
from tests.support.server import Service
from tests.support.tiles import decoded, path_of

pytestmark = pytest.mark.usefixtures("no_old_tiles")

GRIDS = {
    "WebMercatorQuad": 19,
    "WorldMercatorWGS84Quad": 19,
    "WorldCRS84Quad": 18,
    "WGS1984Quad": 18,  # its axes run north, then east
    "UTM31WGS84Quad": 19,  # far outside its own meridians
    "UPSArcticWGS84Quad": 19,
}
"""Every grid that reaches the demo scene, and the scene's native zoom on it."""


def tile_in_the_middle(tms: morecantile.TileMatrixSet, dataset: rasterio.DatasetReader) -> Tile:
    """The tile that holds a dataset's centre, at the zoom whose pixels are the dataset's."""
    size = dataset.transform.a
    (zoom,) = (int(m.id) for m in tms.tileMatrices if abs(m.cellSize / size - 1) < 1e-6)
    x, y = dataset.xy(dataset.height // 2, dataset.width // 2)
    return tms._tile(x, y, zoom)


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("grid", GRIDS)
def test_wmts_gives_the_pixels_of_the_tiles_on_every_grid(
    server: Service, grid: str, depth: int
) -> None:
    zoom, tms = GRIDS[grid] + depth, morecantile.tms.get(grid)
    where = f"{server.url}/yellowstone/WMTSCapabilities.xml"
    with rasterio.open(
        f"WMTS:{where},layer=yellowstone,tilematrixset={grid},tilematrix={zoom}"
    ) as dataset:
        tile = tile_in_the_middle(tms, dataset)
        read = dataset.read(window=window_of(tile, tms, dataset))
    answer = server.get(f"/yellowstone/tiles/{grid}/{zoom}/{tile.x}/{tile.y}.png")
    assert answer.headers["x-overzoom"] == ("super-resolved" if depth else "native")
    assert (read[3] == 255).all()
    assert np.array_equal(read[:3], decoded(answer.content).transpose(2, 0, 1)[:3])


def test_wmts_without_options_opens_web_mercator_at_the_deepest_zoom(server: Service) -> None:
    with rasterio.open(f"WMTS:{server.url}/yellowstone/WMTSCapabilities.xml") as dataset:
        assert dataset.crs.to_epsg() == 3857
        cell = morecantile.tms.get("WebMercatorQuad").matrix(22).cellSize
        assert dataset.transform.a == pytest.approx(cell)


def test_the_xyz_template_read_as_tms_gives_the_pixels_of_the_tiles(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(20)
    tms = morecantile.tms.get("WebMercatorQuad")
    url = f"{server.url}/yellowstone/${{z}}/${{x}}/${{y}}.png"
    with rasterio.open(XYZ.format(url=url, zoom=tile.z)) as dataset:
        read = dataset.read(window=window_of(tile, tms, dataset))
    expected = decoded(server.get(path_of(tile)).content).transpose(2, 0, 1)[:3]
    assert np.array_equal(read, expected)


def test_capabilities_say_what_desktop_clients_look_for(server: Service) -> None:
    service = WebMapTileService(f"{server.url}/yellowstone/WMTSCapabilities.xml")
    assert list(service.contents) == ["yellowstone"]
    layer = service["yellowstone"]
    assert layer.formats == ["image/png", "image/jpeg", "image/webp"]
    assert np.allclose(layer.boundingBoxWGS84, (-110.645, 44.9549, -110.6421, 44.9571), atol=1e-4)
    assert set(layer.tilematrixsetlinks) == set(GRIDS) == set(service.tilematrixsets)
    assert "NEON" in layer.abstract
    for grid, link in layer.tilematrixsetlinks.items():
        matrices = service.tilematrixsets[grid].tilematrix
        assert set(link.tilematrixlimits) == set(matrices)
        assert str(GRIDS[grid] + 3) in link.tilematrixlimits
        assert str(GRIDS[grid] + 4) not in link.tilematrixlimits


@pytest.mark.parametrize("format", ["png", "jpg", "webp"])
def test_the_first_and_last_tile_of_every_limit_are_there_and_the_next_are_not(
    server: Service, format: str
) -> None:
    service = WebMapTileService(f"{server.url}/yellowstone/WMTSCapabilities.xml")
    layer, grid = service["yellowstone"], "WebMercatorQuad"
    (template,) = (u["template"] for u in layer.resourceURLs if u["template"].endswith(format))
    for zoom in ("0", "18", "19"):
        limits = layer.tilematrixsetlinks[grid].tilematrixlimits[zoom]

        of_zoom = template.replace("{TileMatrixSet}", grid).replace("{TileMatrix}", zoom)

        def status(row: int, col: int, of_zoom: str = of_zoom) -> int:
            url = of_zoom.replace("{TileRow}", str(row)).replace("{TileCol}", str(col))
            return server.client.get(url).status_code

        assert status(limits.mintilerow, limits.mintilecol) == 200
        assert status(limits.maxtilerow, limits.maxtilecol) == 200
        assert status(limits.maxtilerow + 1, limits.maxtilecol) == 404
        assert status(limits.maxtilerow, limits.maxtilecol + 1) == 404


def test_questions_about_rendering_are_passed_on_to_the_tiles_and_others_are_not(
    server: Service,
) -> None:
    question = "SERVICE=WMTS&REQUEST=GetCapabilities&version=1.0.0&mode=interpolated"
    answer = server.get(f"/yellowstone/WMTSCapabilities.xml?{question}")
    assert '{TileCol}/{TileRow}.png?mode=interpolated"' in answer.text
