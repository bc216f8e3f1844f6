"""The four routers of a source: which route answers, and with which bounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from fastapi import FastAPI
from morecantile import Tile

from tests.support.server import Service
from tests.support.tiles import decoded, path_of
from tileserver.app import make_app
from tileserver.middleware.stack import EXPOSED
from tileserver.settings.server import Settings

NATIVE = 19
BOX = (-110.6441, 44.9554, -110.6431, 44.9564)
WEST, SOUTH, EAST, NORTH = BOX
RING = [[WEST, SOUTH], [EAST, SOUTH], [EAST, NORTH], [WEST, SOUTH]]
SHAPE = {
    "type": "Feature",
    "properties": {},
    "geometry": {"type": "Polygon", "coordinates": [RING]},
}


@pytest.fixture(scope="module")
def app(config_settings: Settings) -> FastAPI:
    return make_app(config_settings)


def test_a_box_of_a_given_size_is_no_tile(server: Service) -> None:
    box = ",".join(map(str, BOX))
    answer = server.get(f"/yellowstone/bbox/{box}/64x48.png")
    assert answer.status_code == 200
    assert decoded(answer.content).shape[:2] == (48, 64)


@pytest.mark.parametrize(
    ("method", "path", "max_px"),
    [
        ("GET", "/yellowstone/statistics", 2048),
        ("POST", "/yellowstone/statistics", 1024),
        ("POST", "/yellowstone/feature.png", 2048),
    ],
)
def test_statistics_of_a_shape_have_a_smaller_bound(
    server: Service, method: str, path: str, max_px: int
) -> None:
    shape = json.dumps(SHAPE) if method == "POST" else None
    for size, status in ((max_px, 200), (max_px + 1, 422)):
        answer = server.client.request(
            method,
            f"{path}?max_size={size}",
            content=shape,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("xyz_tile", "/a/{z}/{x}/{y}.png"),
        ("tile", "/a/tiles/g/{z}/{x}/{y}.png"),
        ("uncertainty_tile", "/a/uncertainty/tiles/g/{z}/{x}/{y}.png"),
    ],
)
def test_the_routes_of_tiles_are_found_by_name(app: FastAPI, name: str, path: str) -> None:
    tile = {"z": "{z}", "x": "{x}", "y": "{y}", "format": "png"}
    grid = {} if name == "xyz_tile" else {"tileMatrixSetId": "g"}
    assert app.url_path_for(name, source="a", **grid, **tile) == path


def test_uncertainty_is_neither_a_grid_nor_a_zoom(server: Service) -> None:
    for path in ("uncertainty/tilejson.json", "uncertainty/WebMercatorQuad/tilejson.json"):
        document = server.get(f"/yellowstone/{path}").json()
        assert document["minzoom"] == NATIVE + 1
        assert "/uncertainty/tiles/WebMercatorQuad/" in document["tiles"][0]


def test_pages_may_read_every_header_that_says_what_a_tile_is(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    answer = server.get(path_of(middle_tile(NATIVE + 1)), Origin="https://map.example")
    sent = {name for name in answer.headers if name.startswith("x-overzoom")}
    exposed = {name.strip().lower() for name in _exposed(answer.headers)}
    assert {"x-overzoom-detail", "x-overzoom-imagery-metres", "x-overzoom-pixel-metres"} <= sent
    assert sent | {"x-overzoom-fallback"} <= exposed == {name.lower() for name in EXPOSED}


def _exposed(headers: Mapping[str, str]) -> list[str]:
    return headers["access-control-expose-headers"].split(",")
