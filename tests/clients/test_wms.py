"""WMS as clients use it: OWSLib reads capabilities and maps, GDAL's driver reads it as a raster."""

from __future__ import annotations

from typing import Any

import morecantile
import numpy as np
import pytest
import rasterio
from morecantile import Tile
from owslib.util import ServiceException
from owslib.wms import WebMapService
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from tests.support.server import Service
from tests.support.tiles import decoded, path_of

pytestmark = pytest.mark.usefixtures("no_old_tiles")

TMS = morecantile.tms.get("WebMercatorQuad")
ZOOM = 20
VERSIONS = ("1.1.1", "1.3.0")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ["wms", "yellowstone/wms"])
def test_owslib_reads_the_capabilities_and_a_map(
    server: Service, middle_tile: Any, version: str, path: str
) -> None:
    service = WebMapService(f"{server.url}/{path}", version=version)
    assert {"GetCapabilities", "GetMap"} == {one.name for one in service.operations}
    layer = service["yellowstone"]
    assert np.allclose(layer.boundingBoxWGS84, (-110.645, 44.9549, -110.6421, 44.9571), atol=1e-4)
    assert {"EPSG:3857", "EPSG:4326"} <= set(layer.crsOptions)
    assert set(layer.styles) == {"default", "super-resolved", "best-estimate", "interpolated"}
    assert "image/png" in service.getOperationByName("GetMap").formatOptions
    tile: Tile = middle_tile(ZOOM)
    asked = {"layers": ["yellowstone"], "size": (256, 256), "format": "image/png"}
    drawn = service.getmap(srs="EPSG:3857", bbox=tuple(TMS.xy_bounds(tile)), **asked)
    expected = decoded(server.get(path_of(tile)).content)
    assert np.array_equal(decoded(drawn.read()), expected)
    west, south, east, north = layer.boundingBoxWGS84
    # OWSLib takes the box as x and y, and turns it where the version has latitude first.
    drawn = service.getmap(srs="EPSG:4326", bbox=(west, south, east, north), **asked)
    shown = decoded(drawn.read())
    assert shown.shape[:2] == (256, 256)
    assert (shown[64:192, 64:192, :3] == 255).mean() < 0.2, "the ground, not the background"


@pytest.mark.parametrize("version", VERSIONS)
def test_owslib_raises_what_the_service_says(server: Service, version: str) -> None:
    service = WebMapService(f"{server.url}/wms", version=version)
    with pytest.raises(ServiceException, match="styles: one of default"):
        service.getmap(
            layers=["yellowstone"],
            styles=["pretty"],
            srs="EPSG:3857",
            bbox=(0, 0, 1, 1),
            size=(64, 64),
            format="image/png",
        )


@pytest.mark.parametrize("version", VERSIONS)
def test_gdal_reads_it_as_a_raster_with_the_pixels_of_the_tiles(
    server: Service, middle_tile: Any, version: str
) -> None:
    tile: Tile = middle_tile(ZOOM)
    box = TMS.xy_bounds(Tile(tile.x - 1, tile.y - 1, ZOOM))
    left, top = box.left, box.top
    side = 3 * (box.right - box.left)
    system = "CRS" if version == "1.3.0" else "SRS"
    description = f"""<GDAL_WMS>
      <Service name="WMS">
        <Version>{version}</Version><ServerUrl>{server.url}/wms?</ServerUrl>
        <Layers>yellowstone</Layers><Styles></Styles><ImageFormat>image/png</ImageFormat>
        <{system}>EPSG:3857</{system}>
      </Service>
      <DataWindow>
        <UpperLeftX>{left!r}</UpperLeftX><UpperLeftY>{top!r}</UpperLeftY>
        <LowerRightX>{left + side!r}</LowerRightX><LowerRightY>{top - side!r}</LowerRightY>
        <SizeX>768</SizeX><SizeY>768</SizeY>
      </DataWindow>
      <Projection>EPSG:3857</Projection>
      <BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>3</BandsCount>
    </GDAL_WMS>"""
    with rasterio.open(description) as dataset:
        read = dataset.read(window=Window(256, 256, 256, 256))
    expected = decoded(server.get(path_of(tile)).content).transpose(2, 0, 1)[:3]
    assert np.array_equal(read, expected)


@pytest.mark.parametrize("version", VERSIONS)
def test_gdal_finds_the_layers_by_the_capabilities(server: Service, version: str) -> None:
    where = f"WMS:{server.url}/wms?SERVICE=WMS&VERSION={version}&REQUEST=GetCapabilities"
    with pytest.warns(NotGeoreferencedWarning), rasterio.open(where) as dataset:  # it is a list
        names = dataset.subdatasets
    layers = [name for name in names if "LAYERS=yellowstone" in name]
    assert len(layers) >= 1
    with rasterio.open(layers[0]) as dataset:
        assert dataset.count in (3, 4)
        small = dataset.read(1, out_shape=(64, 64))
    assert small.std() > 10
