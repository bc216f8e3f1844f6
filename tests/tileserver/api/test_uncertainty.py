"""The uncertainty layer, and the samples that it is taken over, as clients see them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import morecantile
import numpy as np
import pytest
import yaml
from morecantile import Tile
from starlette.testclient import TestClient

from engine.window import Window
from tests.support.keys import hashed
from tests.support.pictures import occupy_denoiser
from tests.support.rasters import cut
from tests.support.server import Service, serving
from tests.support.tiles import decoded, mosaic, path_of
from tests.support.waiting import wait_until
from tileserver.app import make_app
from tileserver.assembly import open_catalogue
from tileserver.errors import NoUncertainty
from tileserver.grid import TILE_PX
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings
from tileserver.tiles.deviation import complete_deviation_rendering, render_deviation
from tileserver.tiles.rendering import PLAIN

NATIVE = 19
MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="module")
def floats_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a raster whose tiles of numbers are not rounded, with a hole in it."""
    folder = tmp_path_factory.mktemp("floats")
    for kind in ("float", "grey"):
        cut(folder / f"{kind}.tif", kind)
    sources = {
        "float": {"path": str(folder / "float.tif"), "range": [0, 2]},
        "grey": {"path": str(folder / "grey.tif")},
    }
    config = folder / "overzoom.yaml"
    config.write_text(yaml.safe_dump({"sources": sources}))
    return config


@pytest.fixture(scope="module")
def floats(floats_config: Path) -> Iterator[Service]:
    """A server of it."""
    with serving(floats_config, floats_config.parent / "cache") as server:
        yield server


def uncertain(tile: Tile, source: str = "yellowstone", format: str = "png") -> str:
    return f"/{source}/uncertainty/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.{format}"


def array(server: Service, path: str) -> np.ndarray:
    answer = server.get(path)
    assert answer.status_code == 200, answer.text
    return np.load(BytesIO(answer.content))


def middle(server: Service, source: str, depth: int) -> Tile:
    document = server.get(f"/{source}/tilejson.json").json()
    west, south, east, north = document["bounds"]
    zoom = document["overzoom"]["native_maxzoom"] + depth
    return morecantile.tms.get("WebMercatorQuad").tile((west + east) / 2, (south + north) / 2, zoom)


@pytest.mark.parametrize("depth", [1, 2])
def test_its_numbers_are_the_uncertainty_of_the_picture_in_the_sources_unit(
    floats: Service, floats_config: Path, depth: int
) -> None:
    tile = middle(floats, "float", depth)
    found = array(floats, uncertain(tile, "float", "npy"))
    assert found.dtype == np.float32
    assert np.array_equal(found[3], array(floats, path_of(tile, "float", "npy"))[3])
    assert 0.3 < (found[3] == 255).mean() < 1, "the hole lies in the tile"
    layer = open_catalogue(read_settings(floats_config, {}))["float"].layer("WebMercatorQuad")
    window = layer.grid.tile_window(tile)
    expected = layer.pyramid.uncertainty(tile.z).read(window) * 2  # of the range from 0 to 2
    np.testing.assert_allclose(found[:3], np.where(found[3] == 255, expected, 0), atol=1e-6)
    assert found[:3].mean() > 1e-3


@pytest.mark.parametrize("query", ["", "?rescale=4,40&colormap_name=inferno", "?bidx=2"])
def test_the_legend_turns_a_tiles_colours_back_into_its_numbers(
    floats: Service, query: str
) -> None:
    tile = middle(floats, "float", 1)
    picture = decoded(floats.get(uncertain(tile, "float") + query).content)
    legend = floats.get(f"/float/uncertainty/legend.json{query}").json()
    assert legend["unit"] == "levels of 255"
    low, high = legend["minimum"], legend["maximum"]
    assert [legend["colours"][0][0], legend["colours"][-1][0]] == [low, high]
    assert (low, high) == ((4, 40) if "rescale" in query else (0, 20))
    values = {bytes.fromhex(colour[1:]): value for value, colour in legend["colours"]}
    numbers = array(floats, uncertain(tile, "float", "npy"))
    valid = numbers[3] == 255
    assert np.array_equal(picture[..., 3] == 255, valid)
    bands = numbers[1:2] if "bidx" in query else numbers[:3]
    expected = np.sqrt((bands**2).mean(axis=0))[valid] / 2 * 255  # of the range from 0 to 2
    shown = np.array([values[bytes(pixel)] for pixel in picture[..., :3][valid]])
    step = (high - low) / 255
    inside = (expected > low) & (expected < high)
    assert inside.mean() > 0.3
    assert np.abs(shown - expected)[inside].max() <= step * 0.51 + 1e-3
    assert (shown[expected < low] == low).all()
    assert (shown[expected > high] == high).all()


@pytest.fixture(scope="module")
def wanted(middle_tile: Callable[[int], Tile]) -> list[Tile]:
    tiles = []
    for zoom in (NATIVE + 1, NATIVE + 2):
        start = middle_tile(zoom)
        tiles += [Tile(start.x + i, start.y + j, zoom) for i in range(2) for j in range(2)]
    return tiles


@pytest.fixture(scope="module")
def twice(config_settings: Settings, wanted: list[Tile]) -> list[dict[Tile, bytes]]:
    """The same tiles from two fresh applications, in two orders, the second among plain ones."""
    settings = config_settings.model_copy(update={"deadline_seconds": 300})
    found = []
    for number in (0, 1):
        order = list(wanted)
        random.Random(number).shuffle(order)
        paths = [path for tile in order for path in [uncertain(tile)] + [path_of(tile)] * number]
        with TestClient(make_app(settings)) as client, ThreadPoolExecutor(4) as pool:
            answers = dict(zip(paths, pool.map(client.get, paths), strict=True))
        assert {answer.status_code for answer in answers.values()} == {200}
        found.append({tile: answers[uncertain(tile)].content for tile in wanted})
    return found


def test_any_order_gives_the_same_bytes(twice: list[dict[Tile, bytes]]) -> None:
    assert twice[0] == twice[1]


@pytest.mark.parametrize("zoom", [NATIVE + 1, NATIVE + 2])
def test_the_tiles_are_crops_of_one_evaluation(
    twice: list[dict[Tile, bytes]], config_settings: Settings, zoom: int
) -> None:
    source = open_catalogue(config_settings)["yellowstone"]
    layer = source.layer("WebMercatorQuad")
    tiles = {tile: decoded(content) for tile, content in twice[0].items() if tile.z == zoom}
    top, left = min(t.y for t in tiles), min(t.x for t in tiles)
    whole = Window(top * TILE_PX, left * TILE_PX, 2 * TILE_PX, 2 * TILE_PX)
    values = layer.pyramid.uncertainty(zoom).read(whole)
    rendering = complete_deviation_rendering(PLAIN, source.raster)
    expected = render_deviation(values, np.ones(values.shape[1:], bool), source.raster, rendering)
    assert np.array_equal(mosaic(tiles), expected.bands.transpose(1, 2, 0))


def test_it_is_a_tile_like_any_other(server: Service, middle_tile: Callable[[int], Tile]) -> None:
    tile = middle_tile(NATIVE + 1)
    path = uncertain(tile)
    made = server.get(path)
    assert made.headers["x-overzoom"] == "uncertainty"
    assert made.headers["x-overzoom-noise-seed"] == "0"
    assert made.headers["x-overzoom-scale"] == "1.9"
    assert "max-age=3600" in made.headers["cache-control"]
    assert 'cache;desc="memory"' in server.get(path).headers["server-timing"]
    etag = made.headers["etag"]
    assert server.get(path, **{"If-None-Match": etag}).status_code == 304
    assert etag != server.get(path_of(tile)).headers["etag"]
    headed = server.client.head(path)
    assert headed.headers["etag"] == etag
    assert headed.headers["content-length"] == str(len(made.content))
    assert decoded(server.get(uncertain(tile, format="webp")).content).shape == (256, 256, 3)
    assert 'kind="uncertainty"' in server.get("/metrics").text


def test_a_tile_of_512_px_is_its_four_children(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(NATIVE)
    rows = [[Tile(2 * tile.x + i, 2 * tile.y + j, tile.z + 1) for i in (0, 1)] for j in (0, 1)]
    children = [[decoded(server.get(uncertain(t)).content) for t in row] for row in rows]
    retina = server.get(uncertain(tile).replace(".png", "@2x.png"))
    assert np.array_equal(decoded(retina.content), np.vstack([np.hstack(r) for r in children]))
    by_size = server.get(f"{uncertain(tile)}?tilesize=512")
    assert by_size.headers["etag"] == retina.headers["etag"]


def test_its_tilejson_begins_past_native_and_its_addresses_may_be_kept(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    for path in ("/yellowstone/uncertainty", "/yellowstone/uncertainty/WebMercatorQuad"):
        document = server.get(f"{path}/tilejson.json?tile_format=webp&bidx=1").json()
        assert document["tilejson"] == "3.0.0"
        assert (document["minzoom"], document["maxzoom"]) == (NATIVE + 1, NATIVE + 3)
        tile = middle_tile(NATIVE + 1)
        url = document["tiles"][0].format(z=tile.z, x=tile.x, y=tile.y)
        assert f"{uncertain(tile, format='webp')}?bidx=1&v=" in url
        answer = server.client.get(url)
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-overzoom"] == "uncertainty"
    large = server.get("/yellowstone/uncertainty/tilejson.json?tilesize=512").json()
    assert (large["minzoom"], large["maxzoom"]) == (NATIVE, NATIVE + 2)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("{native}.png", 404),
        ("{deeper}.png", 404),
        ("{deep}.gif", 422),
        ("{deep}.png?rescale=5,5", 422),
        ("{deep}.png?rescale=-1,5", 422),
        ("{deep}.png?rescale=0,1e300", 422),
        ("{deep}.png?rescale=0,1&rescale=0,2", 422),
        ("{deep}.png?colormap_name=nothing", 422),
        ('{deep}.png?colormap={{"1":"%23ffffff"}}', 422),
        ("{deep}.png?color_formula=gamma%20RGB%202", 422),
        ("{deep}.png?bidx=4", 422),
        ("{deep}.png?tilesize=300", 422),
        ("WebMercatorQuad/20/0/0.png", 404),
        ("CDB1GlobalGrid/20/0/0.png", 400),
    ],
)
def test_what_cannot_be_shown_is_refused(
    server: Service, middle_tile: Callable[[int], Tile], path: str, status: int
) -> None:
    places = {
        name: uncertain(middle_tile(zoom), format="").rpartition("tiles/")[2].rstrip(".")
        for name, zoom in (("native", NATIVE), ("deep", NATIVE + 1), ("deeper", NATIVE + 4))
    }
    answer = server.get(f"/yellowstone/uncertainty/tiles/{path.format(**places)}")
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}


def test_it_is_reached_by_its_own_routes_alone(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    path = path_of(middle_tile(NATIVE + 1))
    assert server.get(f"{path}?mode=uncertainty").status_code == 422
    assert server.get("/yellowstone/tilejson.json?mode=uncertainty").status_code == 422
    assert server.get(f"{path}?mode=super-resolved").status_code == 200
    assert server.get("/nothing/uncertainty/legend.json").status_code == 404


def test_a_server_of_native_zooms_alone_has_none(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    with TestClient(make_app(app_settings(extra_zooms=0))) as client:
        tilejson = "/yellowstone/uncertainty/tilejson.json"
        for path in (tilejson, "/yellowstone/uncertainty/legend.json"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert answer.json() == {"detail": NoUncertainty.text}
        assert client.get(path_of(middle_tile(NATIVE))).status_code == 200


def test_a_busy_server_refuses_it_where_plain_tiles_have_a_stand_in(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    app = make_app(app_settings(when_busy="interpolate", queue_tiles=1, merged_tiles=1))
    start = middle_tile(NATIVE + 2)
    tiles = [Tile(start.x + i - 3, start.y, start.z) for i in range(6)]
    paths = [path(tile) for tile in tiles for path in (uncertain, path_of)]
    with TestClient(app) as client, ThreadPoolExecutor(12) as pool:
        with occupy_denoiser(client):
            waiting = {path: pool.submit(client.get, path) for path in paths}
            wait_until(lambda: sum(f.done() for f in waiting.values()) >= len(paths) - 1)
        answers = {path: future.result() for path, future in waiting.items()}
    statuses = {answers[uncertain(tile)].status_code for tile in tiles}
    assert 503 in statuses
    assert statuses <= {200, 503}
    assert {answers[path_of(tile)].status_code for tile in tiles} == {200}


def test_it_needs_the_sources_key(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    access = {"keys": {"owner": {"sha256": hashed("secret")}}}
    with TestClient(make_app(app_settings(access=access))) as client:
        documents = ["tilejson.json", "legend.json"]
        paths = [f"/yellowstone/uncertainty/{name}" for name in documents]
        for path in [*paths, uncertain(middle_tile(NATIVE + 1))]:
            assert client.get(path).status_code == 401
            answer = client.get(f"{path}?key=secret")
            assert answer.status_code == 200
            assert "private" in answer.headers["cache-control"]
        document = client.get(f"{paths[0]}?key=secret").json()
        assert document["tiles"][0].endswith("&key=secret")


def test_grey_rasters_have_one_too(floats: Service) -> None:
    tile = middle(floats, "grey", 1)
    assert decoded(floats.get(uncertain(tile, "grey")).content).shape == (256, 256, 3)
    assert array(floats, uncertain(tile, "grey", "npy")).shape == (2, 256, 256)
