"""Maps of any area: the tiles' own pixels where the grids agree, resampled from them elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import morecantile
import numpy as np
import pytest
import rasterio
from morecantile import Tile
from rasterio.warp import Resampling, reproject
from starlette.testclient import TestClient

from tests.support.maps import box_of
from tests.support.metrics import read_metrics
from tests.support.pictures import occupy_denoiser
from tests.support.server import configured
from tests.support.tiles import decoded, mosaic, path_of
from tileserver.app import make_app
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

NATIVE = 19
MERCATOR = "bbox-crs=EPSG:3857"
DEGREES = "-110.6440,44.9555,-110.6430,44.9562"
MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="module")
def client(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of the demo scene in this process."""
    cache = {"folder": str(tmp_path_factory.mktemp("cache"))}
    values = {"cache": cache, "deadline_seconds": 300, "map_side_px": 1024}
    with TestClient(make_app(read_settings(config, values))) as client:
        yield client


def get(client: TestClient, query: str, source: str = "yellowstone") -> Any:
    answer = client.get(f"/{source}/map?{query}")
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("zoom", [NATIVE - 2, NATIVE, NATIVE + 1, NATIVE + 2])
def test_the_map_of_a_tile_is_the_tile_bit_for_bit(
    client: TestClient, middle_tile: Callable[[int], Tile], zoom: int
) -> None:
    tile = middle_tile(zoom)
    drawn = get(client, f"bbox={box_of(tile)}&{MERCATOR}&width=256&height=256")
    expected = client.get(path_of(tile))
    assert np.array_equal(decoded(drawn.content), decoded(expected.content))
    assert drawn.content == expected.content
    for name in ("x-overzoom", "x-overzoom-pixel-metres", "x-overzoom-imagery-metres"):
        assert drawn.headers[name] == expected.headers[name]
    assert drawn.headers.get("x-overzoom-checkpoint") == expected.headers.get(
        "x-overzoom-checkpoint"
    )
    assert drawn.headers["x-overzoom-zoom"] == str(zoom)
    assert drawn.headers["content-crs"] == "<http://www.opengis.net/def/crs/EPSG/0/3857>"


@pytest.mark.parametrize("query", ["", "&mode=interpolated", "&detail=0", "&bidx=1", "&bidx=2,"])
def test_the_map_of_a_block_of_tiles_is_the_tiles_bit_for_bit(
    client: TestClient, middle_tile: Callable[[int], Tile], query: str
) -> None:
    query = query.replace("&bidx=2,", "&bidx=2&colormap_name=viridis")
    first = middle_tile(NATIVE + 1)
    tiles = [Tile(first.x + x, first.y + y, first.z) for y in range(2) for x in range(3)]
    drawn = get(client, f"bbox={box_of(first, tiles[-1])}&{MERCATOR}&width=768&height=512{query}")
    parts = {}
    for tile in tiles:
        levels = decoded(client.get(f"{path_of(tile)}?{query}").content)
        parts[tile] = levels[..., None] if levels.ndim == 2 else levels
    shown = decoded(drawn.content)
    shown = shown[..., None] if shown.ndim == 2 else shown
    assert np.array_equal(np.broadcast_to(shown, (512, 768, 3)), mosaic(parts))


@pytest.mark.parametrize(
    ("grid", "code"),
    [("WorldCRS84Quad", "OGC:CRS84"), ("UTM31WGS84Quad", "EPSG:32631"),
     ("WorldMercatorWGS84Quad", "EPSG:3395")],
)  # fmt: skip
def test_on_any_grid_the_map_of_a_tile_is_the_tile(
    client: TestClient, grid: str, code: str
) -> None:
    zoom = NATIVE + 1
    tile = morecantile.tms.get(grid).tile(-110.643554, 44.955993, zoom)
    query = f"bbox={box_of(tile, grid=grid)}&bbox-crs={code}&crs={code}&width=256&height=256"
    drawn = get(client, query)
    expected = client.get(f"/yellowstone/tiles/{grid}/{tile.z}/{tile.x}/{tile.y}.png")
    assert drawn.content == expected.content


def test_values_are_the_tiles_own_and_a_geotiff_lies_where_it_is_asked_for(
    client: TestClient, middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(NATIVE + 1)
    query = f"bbox={box_of(tile)}&{MERCATOR}&width=256&height=256"
    expected = np.load(BytesIO(client.get(path_of(tile, format="npy")).content))
    assert np.array_equal(np.load(BytesIO(get(client, f"{query}&f=npy").content)), expected)
    tif = get(client, f"bbox={DEGREES}&crs=EPSG:32612&width=300&f=image/tiff")
    with rasterio.MemoryFile(tif.content) as file, file.open() as made:
        assert made.crs.to_epsg() == 32612
        assert (made.width, made.count) == (300, 4)
        left, bottom, right, top = made.bounds
        box = [float(number) for number in tif.headers["content-bbox"].split(",")]
        assert np.allclose(box, (left, bottom, right, top))
        assert made.read(1)[made.read(4) > 0].std() > 10


def test_where_the_grids_disagree_the_map_is_resampled_from_the_tiles(
    client: TestClient, middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(NATIVE + 1)
    whole = decoded(client.get(path_of(tile)).content)[..., :3].astype(float)
    shrunk = get(client, f"bbox={box_of(tile)}&{MERCATOR}&width=200&height=200")
    assert shrunk.headers["x-overzoom-zoom"] == str(tile.z), "the zoom that is no coarser"
    made = decoded(shrunk.content)[..., :3].astype(float)
    assert made.shape == (200, 200, 3)
    assert np.abs(made.mean((0, 1)) - whole.mean((0, 1))).max() < 1
    sampled = whole[((np.arange(200) + 0.5) * 1.28).astype(int)][
        :, ((np.arange(200) + 0.5) * 1.28).astype(int)
    ]
    assert np.corrcoef(made.ravel(), sampled.ravel())[0, 1] > 0.9
    shifted = np.roll(sampled, 4, axis=1)
    assert np.corrcoef(made.ravel(), shifted.ravel())[0, 1] < 0.9, "it would notice a shift"


def test_maps_side_by_side_meet_without_a_seam(client: TestClient) -> None:
    west, south, east, north = (float(number) for number in DEGREES.split(","))
    middle = (west + east) / 2
    query = "crs=OGC:CRS84&height=300"
    whole = decoded(get(client, f"bbox={DEGREES}&{query}&width=400").content)
    left = decoded(get(client, f"bbox={west},{south},{middle},{north}&{query}&width=200").content)
    right = decoded(get(client, f"bbox={middle},{south},{east},{north}&{query}&width=200").content)
    joined = np.concatenate((left, right), axis=1).astype(int)
    assert np.abs(joined - whole).max() <= 1


def test_a_reprojected_map_shows_the_same_ground(client: TestClient) -> None:
    """A map in UTM and one in web mercator of the same place look the same."""
    utm = get(client, f"bbox={DEGREES}&crs=EPSG:32612&width=256&f=tif&mode=interpolated")
    with rasterio.MemoryFile(utm.content) as file, file.open() as made:
        bands, place, crs = made.read([1, 2, 3]), made.transform, made.crs
    query = f"bbox={DEGREES}&width=256&f=tif&mode=interpolated"
    with rasterio.MemoryFile(get(client, query).content) as file, file.open() as made:
        wanted = made.read([1, 2, 3])
        turned = np.zeros_like(wanted)
        reproject(
            bands,
            turned,
            src_transform=place,
            src_crs=crs,
            dst_transform=made.transform,
            dst_crs=made.crs,
            resampling=Resampling.cubic,
        )
    inside = (slice(None), slice(30, -30), slice(30, -30))
    apart = np.abs(turned[inside].astype(int) - wanted[inside])
    assert wanted[inside].std() > 10
    assert apart.mean() < 4


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("", None),
        (f"bbox={DEGREES}&width=300&height=200", (200, 300)),
        (f"bbox={DEGREES}&width=300", None),
        ("bbox=44.9555,-110.6440,44.9562,-110.6430&bbox-crs=EPSG:4326&width=300", None),
        ("bbox=44.9555,-110.6440,44.9562,-110.6430&width=300"
         "&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4326", None),
        (f"bbox={DEGREES}&width=20&height=1000", (1000, 20)),
    ],
)  # fmt: skip
def test_sizes_and_axes(client: TestClient, query: str, size: tuple[int, int] | None) -> None:
    answer = get(client, query)
    shown = decoded(answer.content)
    assert size is None or shown.shape[:2] == size
    assert max(shown.shape[:2]) <= 1024
    assert shown[..., :3].std() > 10


@pytest.mark.parametrize("size", [(1, 64), (64, 1), (1, 1)])
@pytest.mark.parametrize("background", ["", "&bgcolor=red"])
def test_a_map_may_be_one_pixel_wide_or_high(
    client: TestClient, size: tuple[int, int], background: str
) -> None:
    query = f"bbox={DEGREES}&height={size[0]}&width={size[1]}{background}"
    assert decoded(get(client, query).content).shape[:2] == size


def test_the_order_of_axes_is_the_definitions(client: TestClient) -> None:
    east_first = get(client, f"bbox={DEGREES}&crs=OGC:CRS84&width=300&height=200")
    north_first = get(
        client,
        "bbox=44.9555,-110.6440,44.9562,-110.6430&bbox-crs=EPSG:4326&crs=EPSG:4326"
        "&width=300&height=200",
    )
    assert north_first.content == east_first.content
    assert east_first.headers["content-bbox"] == "-110.644,44.9555,-110.643,44.9562"
    assert north_first.headers["content-bbox"] == "44.9555,-110.644,44.9562,-110.643"


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("bbox=1,2,3", 422, "bbox: four finite numbers"),
        ("bbox=1,2,nan,3", 422, "bbox: four finite numbers"),
        ("bbox=1,4,3,2", 422, "bbox: four finite numbers"),
        ("bbox=3,2,1,4&bbox-crs=EPSG:3857", 422, "bbox: four finite numbers"),
        ("f=tif&bgcolor=red", 422, "bgcolor: of pictures"),
        ("f=npy&transparent=false", 422, "transparent: of pictures"),
        ("bbox=0,0,1e-320,1e300&bbox-crs=EPSG:3857&width=256", 422, "bbox: four finite numbers"),
        ("bbox=0,0,1e300,1e-320&bbox-crs=EPSG:3857&width=256", 422, "bbox: four finite numbers"),
        ("bbox=-1e308,-1e308,1e308,1e308&bbox-crs=EPSG:3857", 422, "bbox: four finite numbers"),
        ("bbox=0,0,1,1", 404, "map shows nothing of the source"),
        ("width=1025", 422, "width: 1 to 1024 pixels"),
        ("width=0", 422, "width: 1 to 1024 pixels"),
        ("height=-5", 422, "height: 1 to 1024 pixels"),
        ("f=gif", 422, "f: png, jpg"),
        ("f=png&format=jpg", 422, "format: the same as f"),
        ("bgcolor=nothing", 422, "bgcolor: a colour"),
        ("bgcolor=rgb(999,1,1)", 422, "bgcolor: a colour"),
        ("crs=EPSG:999999", 422, "crs: the code"),
        ("crs=EPSG:5773", 422, "crs: the code"),
        ("crs=/etc/passwd", 422, "the code of a register"),
        ("bbox-crs=http://127.0.0.1/x", 422, "the code of a register"),
        ("mode=magic", 422, "mode: "),
        ("detail=0.123", 422, "detail: 0 or "),
        ("size=3", 422, "size: unknown parameter"),
        ("noise_seed=77", 422, "noise_seed: one of"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(
    client: TestClient, query: str, status: int, text: str
) -> None:
    answer = client.get(f"/yellowstone/map?{query}")
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}
    assert text in answer.json()["detail"]
    assert client.get("/nowhere/map").status_code == 404


def test_a_map_is_made_from_cached_tiles_and_fills_the_cache(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(NATIVE + 1)
    query = f"bbox={box_of(tile)}&{MERCATOR}&width=256&height=256"
    with TestClient(make_app(app_settings())) as client:
        get(client, query)
        before = read_metrics(client)  # type: ignore[arg-type]  # a TestClient is a client of httpx
        assert before["overzoom_computed_tiles_total", "super-resolved"] == 1
        found = client.get(path_of(tile))
        assert 'cache;desc="memory"' in found.headers["server-timing"]
        get(client, f"{query}&f=webp")
        after = read_metrics(client)  # type: ignore[arg-type]  # a TestClient is a client of httpx
        assert after["overzoom_computed_tiles_total", "super-resolved"] == 1
        hits = ("overzoom_cache_hits_total", "memory")
        assert after[hits] == before.get(hits, 0) + 2


def test_a_client_that_has_the_map_is_told_so_and_every_difference_changes_its_etag(
    client: TestClient,
) -> None:
    query = f"bbox={DEGREES}&width=400"
    first = get(client, query)
    etag = first.headers["etag"]
    again = client.get(f"/yellowstone/map?{query}", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    others = [
        "&f=webp",
        "&height=50",
        "&crs=OGC:CRS84",
        "&bgcolor=red",
        "&bidx=1",
        "&mode=interpolated",
    ]
    tags = [get(client, query + other).headers["etag"] for other in others]
    assert len({etag, *tags}) == len(others) + 1


def test_the_zoom_that_a_map_is_made_from_changes_its_etag(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    box, size = box_of(middle_tile(NATIVE + 3)), "width=256&height=256"
    query = f"bbox={box}&{MERCATOR}&{size}&mode=interpolated"
    tags = []
    for extra_zooms in (2, 3):
        with TestClient(make_app(app_settings(extra_zooms=extra_zooms))) as client:
            tags.append(client.get(f"/yellowstone/map?{query}").headers["etag"])
    assert tags[0] != tags[1]


def test_a_map_past_the_deepest_zoom_is_enlarged_and_says_so(
    client: TestClient, middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(NATIVE + 3)
    child = Tile(2 * tile.x, 2 * tile.y, tile.z + 1)
    answer = get(client, f"bbox={box_of(child)}&{MERCATOR}&width=256&height=256")
    assert answer.headers["x-overzoom-zoom"] == str(NATIVE + 3)
    deepest = client.get(path_of(tile)).headers
    half = float(deepest["x-overzoom-pixel-metres"]) / 2
    assert float(answer.headers["x-overzoom-pixel-metres"]) == pytest.approx(half, rel=1e-3)
    assert answer.headers["x-overzoom-scale"] == deepest["x-overzoom-scale"]


def test_beside_the_source_a_map_is_transparent_or_of_the_background(client: TestClient) -> None:
    around = "bbox=-110.66,44.94,-110.63,44.97&width=200&height=200"
    clear = decoded(get(client, around).content)
    assert clear.shape == (200, 200, 4)
    assert clear[0, 0].tolist() == [0, 0, 0, 0]
    assert clear[100, 110, 3] == 255
    red = decoded(get(client, f"{around}&bgcolor=0xFF0000").content)
    assert red.shape == (200, 200, 3)
    assert red[0, 0].tolist() == [255, 0, 0]
    assert np.array_equal(red[clear[..., 3] == 255], clear[clear[..., 3] == 255][:, :3])
    assert decoded(get(client, f"{around}&transparent=false").content)[0, 0].tolist() == [255] * 3
    both = decoded(get(client, f"{around}&transparent=true&bgcolor=red").content)
    assert np.array_equal(both, clear)
    assert client.get(f"/yellowstone/map?{around}&f=tif&transparent=true").status_code == 200


def test_a_busy_server_refuses_a_map_or_interpolates_it(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile], soon_interpolated: None
) -> None:
    box = box_of(middle_tile(NATIVE + 1))
    for when_busy, status, seconds in (("refuse", 503, 1), ("interpolate", 200, 100)):
        settings = app_settings(deadline_seconds=seconds, when_busy=when_busy)
        app = make_app(settings)
        with TestClient(app) as client, occupy_denoiser(client):
            answer = client.get(f"/yellowstone/map?bbox={box}&{MERCATOR}&width=250&height=250")
            assert answer.status_code == status, answer.text
            if status == 200:
                assert answer.headers["x-overzoom"] == "interpolated"
                assert answer.headers["x-overzoom-fallback"] == "busy"
                assert answer.headers["cache-control"] == "no-store"
            else:
                assert answer.headers["retry-after"]


def test_the_longest_side_is_a_setting(config: Path, tmp_path: Path) -> None:
    settings = read_settings(configured(config, tmp_path, map_side_px=256), {})
    assert settings.map_side_px == 256
