"""WMTS by keys and values: GET /{source}/wmts?REQUEST=GetTile&..., beside the RESTful addresses.

Errors have the codes, locators and status codes of the standard (OGC 07-057r7, table 25) where it
has any; others have those of all routes. RESTful addresses answer 404 where there is no tile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from fastapi import APIRouter, Depends
from morecantile import Tile
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.documents.wmts import answer_capabilities
from tileserver.api.maps.parameters import parse_format
from tileserver.api.parameters import parse_whole
from tileserver.api.tile_parameters import MAX_INDEX, PictureOptions
from tileserver.api.tile_response import Answers
from tileserver.api.written_parameters import document_parameters
from tileserver.catalogue.layers import Source
from tileserver.errors import STATUS_CODES, OutOfRange, OutsideSource, RequestError, UnsupportedGrid
from tileserver.middleware.error_handlers import error_headers
from tileserver.tiles.request import AskedTile, TileOptions

OPERATIONS = "GetCapabilities or GetTile"
DOCUMENTED = document_parameters(
    SERVICE="WMTS.",
    REQUEST=f"{OPERATIONS}.",
    VERSION="1.0.0.",
    LAYER="The id of the source.",
    STYLE="default.",
    FORMAT="A media type.",
    TILEMATRIXSET="The id of a tile matrix set.",
    TILEMATRIX="The zoom.",
    TILEROW="From the top.",
    TILECOL="From the left.",
)
STATUS = {
    "OperationNotSupported": 501,
    "MissingParameterValue": 400,
    "InvalidParameterValue": 400,
    "TileOutOfRange": 400,
}
"""The standard's, by exception code."""
NAMES = ("Service", "Request", "Layer", "Style", "Format")
TILE_NAMES = ("TileMatrixSet", "TileMatrix", "TileRow", "TileCol")
LOCATORS = {name.lower(): name for name in (*NAMES, *TILE_NAMES)} | {"z": "TileMatrix"}
"""The standard's names of parameters; the last by our own."""
_REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1" version="1.1.0">
  <ows:Exception exceptionCode="{code}"{locator}>
    <ows:ExceptionText>{text}</ows:ExceptionText>
  </ows:Exception>
</ows:ExceptionReport>
"""


def add_wmts_service(
    router: APIRouter, answers: Answers, path_dependency: Callable[..., Any], grids: list[str]
) -> None:
    """Register the route."""

    @router.get("/wmts", response_class=Response, openapi_extra=DOCUMENTED)
    async def wmts_service(
        request: Request,
        picture: PictureOptions,
        source: Source = Depends(path_dependency),
    ) -> Response:
        """WMTS 1.0.0 by keys and values: GetCapabilities and GetTile."""
        given = {name.lower(): value for name, value in request.query_params.items()}
        if given.get("service", "WMTS").upper() != "WMTS":
            raise OutOfRange("service", "WMTS")
        operation = _get(given, "request").lower()
        if operation == "getcapabilities":
            write = partial(answer_capabilities, request, source, grids, picture)
            return await run_in_threadpool(write)
        if operation != "gettile":
            raise OutOfRange("request", OPERATIONS)
        options = replace(picture, format=parse_format(_get(given, "format"), "format"))
        return await answers.answer(request, _parse_tile(source, given, options))


def report_wmts(_request: Request, error: RequestError) -> Response:
    """The answer to an error, as the standard has it."""
    code, locator, text = "NoApplicableCode", "", str(error)
    if isinstance(error, OutOfRange):
        code = "InvalidParameterValue"
        locator = LOCATORS.get(error.parameter, error.parameter)
        text = f"{locator}: {error.allowed}"
        if error.allowed == "missing":
            code = "MissingParameterValue"
        elif locator == "Request":
            code = "OperationNotSupported"
    elif isinstance(error, UnsupportedGrid):
        code, locator = "InvalidParameterValue", "TileMatrixSet"
    elif isinstance(error, OutsideSource):
        code, locator = "TileOutOfRange", "TileRow,TileCol"
    attribute = f" locator={quoteattr(locator)}" if locator else ""
    content = _REPORT.format(code=code, locator=attribute, text=escape(text))
    status = STATUS.get(code, STATUS_CODES[type(error)])
    return Response(content, status, error_headers(error), media_type="text/xml")


def _parse_tile(source: Source, given: dict[str, str], options: TileOptions) -> AskedTile:
    if _get(given, "layer") != source.id:
        raise OutOfRange("layer", source.id)
    if given.get("style") not in (None, "", "default"):
        raise OutOfRange("style", "default")
    zoom, row, col = (
        _number(given, name, most)
        for name, most in (("tilematrix", 30), ("tilerow", MAX_INDEX), ("tilecol", MAX_INDEX))
    )
    grid_id = _get(given, "tilematrixset")
    tile = Tile(col, row, zoom)
    return AskedTile(source_id=source.id, grid_id=grid_id, tile=tile, options=options)


def _get(given: dict[str, str], name: str) -> str:
    if not given.get(name):
        raise OutOfRange(name, "missing")
    return given[name]


def _number(given: dict[str, str], name: str, most: int) -> int:
    number = parse_whole(_get(given, name), 0, most)
    if number is None:
        raise OutOfRange(name, f"a whole number from 0 to {most}")
    return number
