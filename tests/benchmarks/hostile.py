"""Requests that a hostile client would try: local files, other servers, and endless work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml

SOURCE = "/yellowstone"
BOX = f"{SOURCE}/bbox/-110.6445,44.9552,-110.6425,44.9565"
TILE = f"{SOURCE}/tiles/WebMercatorQuad/19/101007/188690.png"


class Request(NamedTuple):
    """One request, its target written as it goes over the wire."""

    target: str
    method: str = "GET"
    headers: dict[str, str] = {}
    body: bytes | None = None


def _text(written: Any) -> str:
    """A text of hostile.yaml, the long ones written out."""
    if isinstance(written, dict):
        return str(written["repeated"]) * int(written["times"]) + str(written.get("then", ""))
    return str(written)


_TEXTS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
FILES = [_text(file) for file in _TEXTS["files"]]
NUMBERS = [_text(number) for number in _TEXTS["numbers"]]
PARAMETERS = {name: [_text(v) for v in values] for name, values in _TEXTS["parameters"].items()}
HEADERS = [{name: _text(value)} for name, value in _TEXTS["headers"]]
ROUTES = [
    TILE,
    f"{SOURCE}/19/101007/188690.webp",
    f"{SOURCE}/preview.png",
    f"{SOURCE}/preview/64x64.png",
    f"{SOURCE}/statistics",
    f"{SOURCE}/info.geojson",
    f"{SOURCE}/point/-110.6435,44.956",
    f"{BOX}.png",
    f"{BOX}/64x64.jpeg",
    f"{SOURCE}/tiles",
    f"{SOURCE}/tiles/WebMercatorQuad",
    f"{SOURCE}/tilejson.json",
    f"{SOURCE}/uncertainty/tiles/WebMercatorQuad/20/202014/377380.png",
    f"{SOURCE}/uncertainty/tilejson.json",
    f"{SOURCE}/uncertainty/WebMercatorQuad/tilejson.json",
    f"{SOURCE}/uncertainty/legend.json",
    f"{SOURCE}/inspect/-110.6435,44.956",
    f"{SOURCE}/WebMercatorQuad/map.html",
    f"{SOURCE}/WMTSCapabilities.xml",
    "/conformance",
    "/",
]
PATHS = [
    "/{}",
    "/{}/info",
    "/{}/0/0/0.png",
    "//{}",
    "/viewer/{}",
    "/tileMatrixSets/{}",
    f"{SOURCE}/{{}}",
    f"{SOURCE}/{{}}/map.html",
    f"{SOURCE}/0/0/0.{{}}",
    f"{SOURCE}/tiles/{{}}/0/0/0.png",
]
METHODS = ("HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "BREW")
POSTED = [
    "feature.png",
    "feature/64x64.png",
    "statistics",
    "feature.png?max_size=32&dst_crs=EPSG:3031",
]
RING = b'{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":%s}}'
BODIES = [
    b"",
    b"{",
    b"null",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"\xff\xfe",
    b"\0" * 1000,
    b"{}" * 700_000,
    RING % b"[]",
    RING % b"[[[NaN,0],[1,1],[0,1],[NaN,0]]]",
    RING % b"[[[1e308,0],[1,1],[0,1],[1e308,0]]]",
]


def feature(west: float, south: float, east: float, north: float, corners: int = 4) -> str:
    """A rectangle with as many corners as are asked for, along its upper side."""
    top = [[east + (west - east) * i / (corners - 2), north] for i in range(corners - 1)]
    ring = [[west, south], [east, south], *top, [west, south]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return json.dumps({"type": "Feature", "geometry": geometry, "properties": {}})


def _shapes() -> Iterator[bytes]:
    yield from BODIES
    inside = (-110.6445, 44.9552, -110.6425, 44.9565)
    yield feature(*inside).encode()
    yield feature(*inside, corners=15_000).encode()
    yield feature(*inside, corners=50_000).encode()
    yield feature(-180, -90, 180, 90).encode()
    yield feature(0, 0, 1, 1).encode()
    for count in (16, 17, 3000):
        shapes = ",".join([feature(*inside)] * count)
        yield f'{{"type":"FeatureCollection","features":[{shapes}]}}'.encode()
        escaped = shapes.replace('"Feature"', '"\\u0046eature"')
        yield f'{{"type":"FeatureCollection","features":[{escaped}]}}'.encode()


def requests() -> Iterator[Request]:
    """All of them, in an order of their own."""
    yield from _files()
    yield from _numbers()
    yield from _parameters()
    for route in ROUTES:
        yield Request(f"{route}?{'x' * 9000}")
        yield Request(f"{route}?{'&'.join(['a=b'] * 3000)}")
        yield from (Request(route, headers=headers) for headers in HEADERS)
        yield from (Request(route, method) for method in METHODS)
    for body, path, kind in product(_shapes(), POSTED, ("application/json", "text/plain")):
        yield Request(f"{SOURCE}/{path}", "POST", {"Content-Type": kind}, body)


def _files() -> Iterator[Request]:
    for trick in FILES:
        written = quote(trick, safe="%")
        yield from (Request(f"{route}?url={written}") for route in ROUTES)
        for name in ("dst_crs", "coord_crs", "crs", "expression", "colormap", "path", "src_path"):
            yield Request(f"{SOURCE}/preview.png?max_size=32&{name}={written}")
        for path in PATHS:
            yield Request(path.format(written))
            yield Request(path.format(quote(trick, safe="/.%")))


def _numbers() -> Iterator[Request]:
    for number in NUMBERS:
        written = quote(number, safe="%")
        grid = "tiles/WebMercatorQuad/{0}/{0}/{0}"
        for path in ("{0}/0/0", "0/{0}/0", "0/0/{0}", grid, f"uncertainty/{grid}"):
            yield Request(f"{SOURCE}/{path.format(written)}.png")
        yield Request(f"{SOURCE}/inspect/{written},{written}?zoom={written}")
        yield Request(f"{SOURCE}/point/{written},{written}")
        yield Request(f"{SOURCE}/bbox/{written},0,{written},1.png")
        yield Request(f"{SOURCE}/preview/{written}x{written}.png")


def _parameters() -> Iterator[Request]:
    for name, values in PARAMETERS.items():
        for value in values:
            written = quote(value, safe="&=" if f"&{name}=" in value else "/")
            yield from (Request(f"{route}?{name}={written}") for route in ROUTES)
            yield Request(f"{SOURCE}/preview.png?max_size=32&{name}=1&{name}={written}")
    for algorithm, value in product(PARAMETERS["algorithm"], PARAMETERS["algorithm_params"]):
        query = f"max_size=32&algorithm={algorithm}&algorithm_params={quote(value)}"
        yield Request(f"{SOURCE}/preview.png?{query}")
