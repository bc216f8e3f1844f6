"""WMTS by keys and values: the tiles of the RESTful addresses, or an exception report."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from morecantile import Tile
from owslib.wmts import WebMapTileService

from tests.support.server import Service
from tests.support.tiles import path_of

NATIVE = 19
OWS = {"ows": "http://www.opengis.net/ows/1.1"}


def tile_query(tile: Tile, **others: Any) -> str:
    values: dict[str, Any] = {
        "SERVICE": "WMTS",
        "REQUEST": "GetTile",
        "VERSION": "1.0.0",
        "LAYER": "yellowstone",
        "STYLE": "default",
        "FORMAT": "image/png",
        "TILEMATRIXSET": "WebMercatorQuad",
        "TILEMATRIX": tile.z,
        "TILEROW": tile.y,
        "TILECOL": tile.x,
        **others,
    }
    return "&".join(f"{name}={value}" for name, value in values.items() if value is not None)


@pytest.mark.parametrize("zoom", [NATIVE, NATIVE + 1])
def test_tiles_are_those_of_the_other_addresses(
    server: Service, middle_tile: Callable[[int], Tile], zoom: int
) -> None:
    tile = middle_tile(zoom)
    answer = server.get(f"/yellowstone/wmts?{tile_query(tile)}")
    expected = server.get(path_of(tile))
    assert answer.content == expected.content
    assert answer.headers["etag"] == expected.headers["etag"]
    lower = tile_query(tile, FORMAT="image/webp", detail=0).replace("TILE", "tile")
    webp = server.get(f"/yellowstone/wmts?{lower}")
    assert webp.content == server.get(f"{path_of(tile, format='webp')}?detail=0").content


def test_owslib_reads_the_tile_by_keys_and_values(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(NATIVE + 1)
    service = WebMapTileService(
        f"{server.url}/yellowstone/wmts?SERVICE=WMTS&REQUEST=GetCapabilities"
    )
    (get,) = (
        one["url"] for one in service.getOperationByName("GetTile").methods if one["type"] == "Get"
    )
    assert get == f"{server.url}/yellowstone/wmts?"
    drawn = service.gettile(
        layer="yellowstone",
        tilematrixset="WebMercatorQuad",
        tilematrix=str(tile.z),
        row=tile.y,
        column=tile.x,
        format="image/png",
    )
    assert drawn.read() == server.get(path_of(tile)).content


@pytest.mark.parametrize(
    ("asked", "status", "code", "locator", "text"),
    [
        ({"REQUEST": "GetFeatureInfo"}, 501, "OperationNotSupported", "Request", "or GetTile"),
        ({"SERVICE": "WMS"}, 400, "InvalidParameterValue", "Service", "WMTS"),
        ({"LAYER": "truth"}, 400, "InvalidParameterValue", "Layer", "yellowstone"),
        ({"LAYER": None}, 400, "MissingParameterValue", "Layer", "missing"),
        ({"STYLE": "pretty"}, 400, "InvalidParameterValue", "Style", "default"),
        ({"FORMAT": "image/gif"}, 400, "InvalidParameterValue", "Format", "png"),
        ({"TILEMATRIX": "x"}, 400, "InvalidParameterValue", "TileMatrix", "whole number"),
        ({"TILEROW": "9" * 30}, 400, "InvalidParameterValue", "TileRow", "whole number"),
        ({"TILEROW": 5}, 400, "TileOutOfRange", "TileRow,TileCol", "outside the source"),
        ({"TILEMATRIXSET": "nothing"}, 400, "InvalidParameterValue", "TileMatrixSet", "no such"),
        ({"TILEMATRIX": 25}, 400, "InvalidParameterValue", "TileMatrix", "0 to 22"),
        ({"REQUEST": None}, 400, "MissingParameterValue", "Request", "missing"),
        ({"detail": 0.123}, 400, "InvalidParameterValue", "detail", "0 or"),
        ({"mode": "magic"}, 400, "InvalidParameterValue", "mode", "super-resolved"),
    ],
)
def test_errors_are_exception_reports(
    server: Service,
    middle_tile: Callable[[int], Tile],
    asked: dict[str, Any],
    status: int,
    code: str,
    locator: str | None,
    text: str,
) -> None:
    answer = server.get(f"/yellowstone/wmts?{tile_query(middle_tile(NATIVE), **asked)}")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (
        status,
        "text/xml",
    )
    error = ET.fromstring(answer.text).find("ows:Exception", OWS)
    assert error is not None
    assert error.attrib.get("exceptionCode") == code
    assert error.attrib.get("locator") == locator
    assert text in (error.findtext("ows:ExceptionText", None, OWS) or "")


def test_the_restful_document_says_where_other_questions_are_answered(server: Service) -> None:
    answer = server.get("/yellowstone/WMTSCapabilities.xml?REQUEST=GetTile")
    assert answer.status_code == 422
    assert "yellowstone/wmts" in answer.json()["detail"]
