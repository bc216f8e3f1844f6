"""Rasters of every orientation and place: right pixels at every zoom, right bounds in documents."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from affine import Affine
from morecantile import Tile
from numpy.typing import NDArray
from rasterio.warp import transform
from starlette.testclient import TestClient

from engine.window import Window
from tests.support.earth import DEGREES, Place
from tests.support.rasters import full_disk
from tileserver.app import make_app
from tileserver.catalogue.coverage import tile_limits
from tileserver.catalogue.layers import Layer, Source
from tileserver.grid import TILE_PX, WEB_MERCATOR
from tileserver.imagery import overviews
from tileserver.origins.origin import file_origin
from tileserver.rasters.footprint import geographic_extent
from tileserver.rasters.inspection import inspect_origin
from tileserver.settings.reading import read_settings

CACHE = {"memory_bytes": 0, "disk_bytes": 0}
STEP = Affine(100, 0, 500_000, 0, -100, 5_000_000)
MIRRORED = Affine.translation(200, 0) * Affine.scale(-1, 1)
SOUTH_UP = Affine.translation(0, 200) * Affine.scale(1, -1)
EXCHANGED = Affine(0, 1, 0, 1, 0, 0)
LOCAL = 500.0
"""Waves of 13 km: 130 pixels of 100 m."""
UTM = "EPSG:32633"
DEGREE = Affine(1e-3, 0, 15, 0, -1e-3, 45.2)
WORLD = 20_037_508.342789244

PLACES = {
    "plain": Place(UTM, STEP, waves=LOCAL),
    "south-up": Place(UTM, STEP * SOUTH_UP, waves=LOCAL),
    "mirrored": Place(UTM, STEP * MIRRORED, waves=LOCAL),
    "half-turn": Place(UTM, STEP * MIRRORED * SOUTH_UP, waves=LOCAL),
    "exchanged": Place(UTM, STEP * EXCHANGED, 150, 200, waves=LOCAL),
    "quarter-turn": Place(UTM, STEP * MIRRORED * EXCHANGED, 200, 150, waves=LOCAL),
    "rotated": Place(UTM, STEP * Affine.rotation(30), waves=LOCAL),
    "rotated-south-up": Place(UTM, STEP * Affine.rotation(30) * SOUTH_UP, waves=LOCAL),
    "degrees-south-up": Place("EPSG:4326", DEGREE * SOUTH_UP, waves=LOCAL),
    "mercator-south-up": Place(
        "EPSG:3857", Affine(150, 0, 1_700_000, 0, -150, 5_600_000) * SOUTH_UP, waves=LOCAL
    ),
    "hair": Place("EPSG:4326", Affine(0.6, 0, -180.00014, 0, -0.6, 89.99986), 300, 600),
    "centred": Place("EPSG:4326", Affine(0.6, 0, -180.3, 0, -0.6, 90), 300, 601),
    "turned-world": Place("EPSG:4326", Affine(0.6, 0, 0, 0, -0.6, 90), 300, 600),
    "past-180": Place("EPSG:4326", Affine(0.1, 0, 195, 0, -0.1, 10), waves=8),
    "across": Place("EPSG:4326", Affine(0.1, 0, 172, 0, -0.1, 10), waves=8),
    "across-west": Place("EPSG:4326", Affine(0.1, 0, -190, 0, -0.1, 10), waves=8),
    "across-mercator": Place(
        "EPSG:3857", Affine(10_000, 0, WORLD - 800_000, 0, -10_000, 1e6), waves=8
    ),
    "across-utm": Place("EPSG:32601", Affine(1000, 0, 230_000, 0, -1000, 6_500_000), waves=60),
    "across-utm-60": Place("EPSG:32660", Affine(1000, 0, 577_000, 0, -1000, 6_500_000), waves=60),
    "pole": Place("EPSG:3413", Affine(1000, 0, -100_000, 0, -1000, 100_000), waves=100),
    "wide-pole": Place("EPSG:3413", Affine(20_000, 0, -2e6, 0, -20_000, 2e6), waves=5),
    "touching": Place("EPSG:3031", Affine(500, 0, -100_000, 0, -500, -2e6), waves=100),
}
CROSSING = {"across", "across-west", "across-mercator", "across-utm", "across-utm-60"}
EVERYWHERE = {"hair", "centred", "turned-world"}
GRIDS = {"pole": "UPSArcticWGS84Quad"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("places")
    sources = {
        name: {"path": str(place.write(folder / f"{name}.tif"))} for name, place in PLACES.items()
    }
    sources["disk"] = {"path": str(full_disk(folder / "disk.tif"))}
    settings = {"sources": sources, "cache": CACHE, "extra_zooms": 1, "deadline_seconds": 300}
    with TestClient(make_app(read_settings(None, settings))) as client:
        yield client


def source_of(client: TestClient, name: str) -> Source:
    source = client.app.state.tiles.catalogue[name]  # type: ignore[attr-defined]  # Starlette's state is untyped
    assert isinstance(source, Source)
    return source


def pixels_of(
    client: TestClient, name: str, grid: str, tile: Tile, query: str = ""
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    answer = client.get(f"/{name}/tiles/{grid}/{tile.z}/{tile.x}/{tile.y}.npy{query}")
    assert answer.status_code == 200, (name, tile, answer.text)
    bands = np.load(BytesIO(answer.content))
    return bands[:-1].astype(np.float64), bands[-1] > 0


def degrees_of(layer: Layer, tile: Tile) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude of a tile's pixels."""
    place = layer.grid.transform(tile.z, layer.grid.tile_window(tile))
    along = np.arange(TILE_PX) + 0.5
    xs, ys = np.meshgrid(place.c + place.a * along, place.f + place.e * along)
    lons, lats = transform(layer.grid.crs, DEGREES, xs.ravel(), ys.ravel())
    return np.reshape(lons, xs.shape), np.reshape(lats, xs.shape)


def some_tiles(layer: Layer, zoom: int) -> list[Tile]:
    """Tiles of a zoom that a source is on: in its middle and at two corners."""
    (limits,) = [one for one in tile_limits(layer) if one.zoom == zoom]
    row, col = (limits.min_row + limits.max_row) // 2, (limits.min_col + limits.max_col) // 2
    places = {(row, col), (limits.min_row, limits.min_col), (limits.max_row, limits.max_col)}
    places |= {(row, limits.min_col), (row, limits.max_col)} if layer.crosses else set()
    return [Tile(x, y, zoom) for y, x in sorted(places) if layer.touches(Tile(x, y, zoom))]


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("above", [1, 0])
def test_tiles_show_the_right_ground(client: TestClient, name: str, above: int) -> None:
    check_ground(client, name, above)


@pytest.mark.parametrize("name", ["rotated", "turned-world", "across", "across-utm", "touching"])
def test_so_do_tiles_that_rio_tiler_reads(
    client: TestClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overviews, "MOST_PIXELS", 0)
    check_ground(client, name, 1)


@pytest.mark.parametrize("name", ["south-up", "across"])
def test_past_native_the_ground_stays_where_it_is(client: TestClient, name: str) -> None:
    check_ground(client, name, -1)


def check_ground(client: TestClient, name: str, above: int) -> None:
    """Compare tiles of a zoom, so many above native, with what the pattern holds there."""
    place, grid = PLACES[name], GRIDS.get(name, WEB_MERCATOR)
    layer = source_of(client, name).layer(grid)
    zoom, shown = layer.native_zoom - above, 0
    for tile in some_tiles(layer, zoom):
        pixels, opaque = pixels_of(client, name, grid, tile, "?mode=interpolated")
        lons, lats = degrees_of(layer, tile)
        margin_px = 2.0 * 2 ** max(above, 0) + 1
        depth_px = place.depth_px(lons, lats)
        inside = depth_px > margin_px
        assert opaque[inside].all(), tile
        assert not opaque[depth_px <= -margin_px].any(), tile
        error = abs(pixels - place.values(lons, lats))[:, inside]
        assert not inside.any() or error.mean() < 4, tile
        shown += int(inside.sum())
    assert shown > 200


@pytest.mark.parametrize("name", sorted(CROSSING))
def test_a_picture_goes_on_at_the_other_end_of_the_world(client: TestClient, name: str) -> None:
    layer = source_of(client, name).layer(WEB_MERCATOR)
    zoom = layer.max_zoom
    assert layer.crosses
    last = layer.grid.whole(zoom).width // TILE_PX - 1
    row = (
        (layer.extent.row + layer.extent.height // 2)
        // TILE_PX
        * 2 ** (zoom - layer.native_zoom - 1)
    )
    left, right = (pixels_of(client, name, WEB_MERCATOR, Tile(x, row, zoom)) for x in (last, 0))
    window = Window(row * TILE_PX, last * TILE_PX, TILE_PX, 2 * TILE_PX)
    whole = np.rint(layer.pyramid.picture(zoom).read(window).clip(0, 1) * 255)
    for (pixels, opaque), cols in ((left, slice(0, TILE_PX)), (right, slice(TILE_PX, None))):
        assert opaque.any()
        assert np.array_equal(pixels[:, opaque], whole[:, :, cols][:, opaque])


def test_a_tile_of_the_whole_world_shows_both_ends_of_it(client: TestClient) -> None:
    for name in ("across", "across-west", "across-mercator"):
        _, opaque = pixels_of(client, name, WEB_MERCATOR, Tile(0, 0, 0))
        middle = opaque[TILE_PX // 2]
        assert middle[:4].all(), name
        assert middle[-4:].all(), name
        assert not middle[20:-20].any(), name


@pytest.mark.parametrize("name", [*PLACES, "disk"])
def test_documents_hold_bounds_of_the_earth(client: TestClient, name: str) -> None:
    (listed,) = [one for one in client.get("/sources.json").json() if one["id"] == name]
    found = [listed["bounds"]] if listed["bounds"] else []
    grid = GRIDS.get(name, WEB_MERCATOR)
    tilejson = client.get(f"/{name}/{grid}/tilejson.json")
    tileset = client.get(f"/{name}/tiles/{grid}")
    capabilities = client.get(f"/{name}/WMTSCapabilities.xml")
    if name == "disk":
        assert {one.status_code for one in (tilejson, tileset, capabilities)} == {404}
        assert found == []
        return
    found.append(tilejson.json()["bounds"])
    box = tileset.json()["boundingBox"]
    found.append([*box["lowerLeft"], *box["upperRight"]])
    corners = ElementTree.fromstring(capabilities.text).iterfind(".//{*}WGS84BoundingBox/*")
    found.append([float(word) for corner in corners for word in (corner.text or "").split()])
    for bounds in found:
        assert bounds == pytest.approx(found[0], abs=1e-9)
    west, south, east, north = found[0]
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90
    lon, lat, zoom = tilejson.json()["center"]
    assert -180 <= lon <= 180
    assert -90 <= lat <= 90
    assert 0 <= zoom <= tilejson.json()["maxzoom"]
    if name in CROSSING | EVERYWHERE | set(GRIDS) | {"wide-pole"}:
        assert (west, east) == pytest.approx((-180, 180), abs=1e-3)
    else:
        assert (PLACES[name].depth_px(np.array([lon]), np.array([lat])) > 1).all()
        assert east - west < 25


def test_the_native_zoom_is_that_of_the_pixels_however_they_lie(client: TestClient) -> None:
    zooms = {name: source_of(client, name).layer(WEB_MERCATOR).native_zoom for name in PLACES
             if PLACES[name].crs == UTM}  # fmt: skip
    assert set(zooms.values()) == {zooms["plain"]}
    layer = source_of(client, "plain").layer(WEB_MERCATOR)
    ground = 100 / np.cos(np.radians(45.06))
    size = layer.grid.pixel_size
    assert 0.5**0.5 < size(layer.native_zoom) / ground < 2**0.5


@pytest.mark.parametrize(
    ("name", "grid", "pixel"),
    [
        ("pole", "UPSArcticWGS84Quad", 1030),  # 1000 m where true lengths are at 70 degrees
        ("pole", "WorldCRS84Quad", 1000 / 111_000),
        ("wide-pole", WEB_MERCATOR, 20_000 / np.sin(np.radians(78))),
    ],
)
def test_around_a_pole_it_is_that_of_the_pixels_as_well(
    client: TestClient, name: str, grid: str, pixel: float
) -> None:
    layer = source_of(client, name).layer(grid)
    assert layer.native_zoom > 3 or name == "wide-pole"
    ratio = layer.grid.pixel_size(layer.native_zoom) / pixel
    assert 0.4 < ratio < 6 if name == "wide-pole" else 0.9 < ratio < 2.1


@pytest.mark.filterwarnings("ignore:BBOX crossing the Antimeridian")  # as RFC 7946 has it
def test_titiler_s_routes_read_the_same_places(client: TestClient) -> None:
    for name, lon, lat in (
        ("south-up", 15.1, 45.05),
        ("exchanged", 15.1, 45.05),
        ("across", -175.0, 3.0),
        ("across-utm", 179.95, 58.0),
        ("turned-world", -100.0, 30.0),
        ("turned-world", 100.0, 30.0),
    ):
        answer = client.get(f"/{name}/point/{lon},{lat}")
        assert answer.status_code == 200, (name, answer.text)
        expected = PLACES[name].values(np.array([lon]), np.array([lat]))[:, 0]
        assert answer.json()["values"] == pytest.approx(expected, abs=8), name
    for name in ("south-up", "across", "pole", "touching"):
        for route in ("info", "info.geojson", "preview.png?max_size=64", "statistics"):
            assert client.get(f"/{name}/{route}").status_code == 200, (name, route)
    assert client.get("/across/info.geojson").json()["geometry"]["type"] == "MultiPolygon"


@pytest.mark.parametrize("name", ["across", "across-west", "across-mercator"])
@pytest.mark.parametrize(("lon", "lat"), [(-175.0, 3.0), (175.0, 3.0)])
def test_a_pixel_of_either_end_can_be_inspected(
    client: TestClient, name: str, lon: float, lat: float
) -> None:
    found = client.get(f"/{name}/inspect/{lon},{lat}").json()
    expected = PLACES[name].values(np.array([lon]), np.array([lat]))[:, 0]
    assert found["native"] == pytest.approx(expected, abs=12)
    assert found["imagery"]["values"] == pytest.approx(expected, abs=8)
    assert found["super_resolved"] == pytest.approx(expected, abs=25)


def test_every_source_is_listed(client: TestClient) -> None:
    answer = client.get("/sources.json")
    assert answer.status_code == 200
    assert [one["id"] for one in answer.json()] == [*PLACES, "disk"]


@pytest.mark.parametrize(
    ("west", "width", "pixel", "found"),
    [
        (170, 10, 10.0, (170, 270)),
        (100, 1, 80.0, (100, 180)),
        (-180, 1, 360.0, (-180, 180)),
        (-180.5, 360, 1.0, (-180, 179.5)),
        (179.5, 360, 1.0, (-180, 179.5)),
    ],
)
def test_coarse_pixels_keep_their_place_at_180_degrees(
    tmp_path: Path, west: float, width: int, pixel: float, found: tuple[float, float]
) -> None:
    high = min(pixel, 20.0)
    place = Place("EPSG:4326", Affine(pixel, 0, west, 0, -high, 2 * high), 4, width)
    raster = inspect_origin(file_origin(place.write(tmp_path / "coarse.tif")), None)
    extent = geographic_extent(raster)
    assert (extent.west, extent.east) == pytest.approx(found)
