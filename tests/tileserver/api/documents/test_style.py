"""The MapLibre style of a source, tile sizes in TileJSON, and rows counted from the bottom."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from morecantile import Tile
from starlette.testclient import TestClient

from tests.support.classes import write_classes
from tests.support.server import Service
from tests.support.tiles import path_of
from tileserver.app import make_app
from tileserver.settings.reading import read_settings

NATIVE = 19


def test_a_style_shows_the_tiles_where_detail_begins(server: Service) -> None:
    style = server.get("/yellowstone/style.json").json()
    about = server.get("/yellowstone/tilejson.json?tile_format=webp").json()
    assert style["version"] == 8
    assert style["name"] == about["name"]
    assert style["layers"] == [
        {"id": "yellowstone", "type": "raster", "source": "yellowstone"},
    ]
    source = style["sources"]["yellowstone"]
    assert source["type"] == "raster"
    for name in ("tiles", "tileSize", "minzoom", "maxzoom", "bounds", "attribution"):
        assert source[name] == about[name]
    assert style["center"] == about["center"][:2]
    assert style["zoom"] == NATIVE, "MapLibre's: one less than that of 256 px tiles"
    assert style["metadata"]["overzoom"]["native_maxzoom"] == NATIVE


def test_parameters_of_a_style_are_passed_on_to_its_tiles(server: Service) -> None:
    query = "tileSize=512&tile_format=png&mode=interpolated&bidx=1"
    source = server.get(f"/yellowstone/style.json?{query}").json()["sources"]["yellowstone"]
    assert source["tileSize"] == 512
    assert source["maxzoom"] == NATIVE + 2
    (template,) = source["tiles"]
    for part in (".png?", "mode=interpolated", "tilesize=512", "bidx=1"):
        assert part in template
    assert server.get("/yellowstone/style.json?tileSize=300").status_code == 422
    assert server.get("/yellowstone/style.json?tileSize=512&tilesize=256").status_code == 422


@pytest.mark.parametrize("name", ["tilesize", "tileSize"])
def test_a_tilejson_names_the_size_of_its_tiles(server: Service, name: str) -> None:
    for path in ("tilejson.json", "WebMercatorQuad/tilejson.json", "uncertainty/tilejson.json"):
        assert server.get(f"/yellowstone/{path}").json()["tileSize"] == 256
        document = server.get(f"/yellowstone/{path}?{name}=512").json()
        assert document["tileSize"] == 512
        assert "tilesize=512" in document["tiles"][0]


@pytest.mark.parametrize("suffix", ["", "@2x"])
def test_rows_counted_from_the_bottom_give_the_same_tiles(
    server: Service, middle_tile: Callable[[int], Tile], suffix: str
) -> None:
    tile = middle_tile(NATIVE + 1)
    row = 2**tile.z - 1 - tile.y
    answer = server.get(f"/yellowstone/tms/{tile.z}/{tile.x}/{row}{suffix}.png")
    expected = server.get(path_of(tile).replace(".png", f"{suffix}.png"))
    assert answer.status_code == 200
    assert answer.content == expected.content
    assert answer.headers["etag"] == expected.headers["etag"]
    assert server.get(f"/yellowstone/tms/{tile.z}/{tile.x}/{tile.y}.png").status_code == 404
    assert server.get(f"/yellowstone/tms/3/0/{2**30}.png").status_code == 404


def test_a_tilejson_of_such_rows_says_so(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    document = server.get("/yellowstone/tilejson.json?scheme=tms&tileSize=256").json()
    assert document["scheme"] == "tms"
    tile = middle_tile(NATIVE)
    url = document["tiles"][0].format(z=tile.z, x=tile.x, y=2**tile.z - 1 - tile.y)
    assert server.client.get(url).content == server.get(path_of(tile)).content
    assert server.get("/yellowstone/tilejson.json?scheme=zyx").status_code == 422


def test_a_style_opens_at_the_sources_view_and_shows_classes_as_they_are(tmp_path: Path) -> None:
    path = write_classes(tmp_path / "classes.tif")
    key = {"sha256": sha256(b"secret").hexdigest(), "sources": ["*"]}
    values = {
        "sources": {"classes": {"path": str(path), "view": [1.5, 2.5, 12]}},
        "access": {"keys": {"map": key}},
        "cache": {"folder": str(tmp_path / "cache")},
    }
    with TestClient(make_app(read_settings(None, values))) as client:
        style = client.get("/classes/style.json?key=secret").json()
    assert (style["center"], style["zoom"]) == ([1.5, 2.5], 11)
    assert style["layers"][0]["paint"] == {"raster-resampling": "nearest"}
    assert style["sources"]["classes"]["tiles"][0].endswith("key=secret")
