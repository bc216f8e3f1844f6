"""A lossless tile in the cache serves every image format: the bytes of a drawn one, undrawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from morecantile import Tile
from starlette.testclient import TestClient

from cache import DiskStore
from tests.support.classes import MIDDLE, NATIVE, write_classes, write_veiled
from tests.support.commands import call_overzoom
from tests.support.metrics import parse_metrics
from tests.support.rasters import cut
from tests.support.server import configured
from tests.support.services import RedisServer
from tests.support.tiles import WEB_MERCATOR, path_of
from tileserver.app import make_app
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

LOSSY = ("jpg", "jpeg", "avif", "webp")  # the last is lossless of classes, and serves the others
CONVERTED = "overzoom_converted_tiles_total"
MEADOW = WEB_MERCATOR.tile(-110.643554, 44.955993, 20)


def count_made(client: TestClient) -> float:
    """Tiles that a server has drawn or read, by its counters."""
    samples = parse_metrics(client.get("/metrics").text)
    return sum(n for (name, *_), n in samples.items() if name == "overzoom_computed_tiles_total")


def tier_of(client: TestClient, path: str) -> str:
    """The tier that a tile comes from, "miss" where it is made."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    timing = str(answer.headers["server-timing"])
    return timing.split('cache;desc="')[1].split('"', maxsplit=1)[0]


@pytest.fixture(scope="module")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of rasters of several kinds."""
    folder = tmp_path_factory.mktemp("rasters")
    for kind in ("rgb", "grey", "mask", "uint16", "four"):
        cut(folder / f"{kind}.tif", kind, 150)
    classes = write_classes(folder / "classes.tif")
    write_veiled(folder / "veiled.vrt", classes, of_7=100)
    sources = {path.stem: {"path": path.name} for path in folder.iterdir()}
    config = folder / "overzoom.yaml"
    config.write_text(yaml.safe_dump({"sources": sources, "deadline_seconds": 300}))
    return config


def list_tiles(client: TestClient) -> list[str]:
    """The paths, without format and query, of tiles of all kinds: with holes, and deep ones."""
    paths = []
    for source in client.get("/sources.json").json():
        west, south, east, north = source["bounds"]
        lon, lat = (west + east) / 2, (south + north) / 2
        lon, lat = MIDDLE if source["id"] in ("classes", "veiled") else (lon, lat)
        native = NATIVE if source["id"] in ("classes", "veiled") else 19
        for zoom in (native, native + 1):
            tile = WEB_MERCATOR.tile(lon, lat, zoom)
            paths.append(f"/{source['id']}/{tile.z}/{tile.x}/{tile.y}")
    return paths


@pytest.mark.slow
def test_other_formats_of_a_cached_png_are_the_drawn_ones_and_nothing_is_drawn(
    rasters: Path, tmp_path: Path
) -> None:
    def open_app(name: str) -> TestClient:
        folder = {"folder": str(tmp_path / name)}
        return TestClient(make_app(read_settings(rasters, {"cache": folder})))

    with open_app("drawn") as drawn, open_app("converted") as converted:
        paths = [(path, "") for path in list_tiles(drawn)]
        rgb = next(path for path, _ in paths if path.startswith("/rgb/20"))
        mask = next(path for path, _ in paths if path.startswith("/mask/20"))
        paths += [
            (rgb, "?rescale=20,90&bidx=2"),
            (mask, "?return_mask=false"),
            (mask, "?bidx=1&colormap_name=viridis"),
            (rgb.replace("/rgb/", "/rgb/uncertainty/tiles/WebMercatorQuad/"), ""),
        ]
        for path, query in paths:
            assert converted.get(f"{path}.png{query}").status_code == 200
        made = count_made(converted)
        assert made == len(paths)
        for path, query in paths:
            for format in LOSSY:
                expected = drawn.get(f"{path}.{format}{query}")
                answer = converted.get(f"{path}.{format}{query}")
                assert answer.content == expected.content, (path, format, query)
                assert answer.headers["etag"] == expected.headers["etag"]
                again = converted.get(f"{path}.{format}{query}")
                assert again.content == answer.content
                assert "encode" not in again.headers["server-timing"]
        assert count_made(converted) == made, "nothing was drawn"
        samples = parse_metrics(converted.get("/metrics").text)
        (times,) = (n for (name, *_), n in samples.items() if name == CONVERTED)
        assert times == len(paths) * len({*LOSSY} - {"jpeg"})
        assert count_made(drawn) == len(paths) * len({*LOSSY} - {"jpeg"}), "jpeg is jpg"


def test_other_formats_of_a_cached_webp_of_classes_are_the_drawn_ones_and_nothing_is_drawn(
    rasters: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        drawn, converted = (
            stack.enter_context(
                TestClient(
                    make_app(read_settings(rasters, {"cache": {"folder": str(tmp_path / name)}}))
                )
            )
            for name in ("drawn", "converted")
        )
        paths = [path for path in list_tiles(drawn) if path.startswith(("/classes/", "/veiled/"))]
        assert len(paths) == 4
        for path in paths:
            assert converted.get(f"{path}.webp").status_code == 200
        made = count_made(converted)
        for path in paths:
            for format in ("jpg", "png", "avif"):  # JPEG first: no PNG is there
                expected = drawn.get(f"{path}.{format}")
                answer = converted.get(f"{path}.{format}")
                assert answer.content == expected.content, (path, format)
                assert answer.headers["etag"] == expected.headers["etag"]
        assert count_made(converted) == made, "nothing was drawn"


def test_what_neither_a_png_nor_a_lossy_webp_holds_is_made(
    app_settings: Callable[..., Settings], middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(20)
    with TestClient(make_app(app_settings())) as client:
        for number, format in enumerate(("webp", "png", "npy", "tif"), 1):
            assert tier_of(client, path_of(tile, format=format)) == "miss"
            assert count_made(client) == number


def test_prerender_s_default_serves_the_viewer(config: Path, tmp_path: Path) -> None:
    same = configured(config, tmp_path, deadline_seconds=300)
    box = ",".join(map(str, WEB_MERCATOR.bounds(MEADOW)))
    done = call_overzoom(
        "prerender", "yellowstone", "--config", same, "--cache-dir", tmp_path / "cache",
        "--bbox", box, "--zooms", "19-20",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    parent = Tile(MEADOW.x // 2, MEADOW.y // 2, 19)
    settings = read_settings(same, {"cache": {"folder": str(tmp_path / "cache")}})
    viewer = Path(__file__).parents[3] / "tileserver" / "viewer" / "src" / "documents.js"
    (asked,) = re.findall(r'TILE_FORMAT = "(\w+)"', viewer.read_text())
    with TestClient(make_app(settings)) as client:
        for format in (asked, "webp"):  # map pages and embeds ask for WebP
            document = client.get(f"/yellowstone/tilejson.json?tile_format={format}").json()
            for tile in (parent, MEADOW):
                url = document["tiles"][0].format(z=tile.z, x=tile.x, y=tile.y)
                assert tier_of(client, url) in ("disk", "memory")
        assert count_made(client) == 0


def test_a_png_of_another_server_is_converted(
    config: Path, tmp_path: Path, redis_server: RedisServer, middle_tile: Callable[[int], Tile]
) -> None:
    cache = {"disk_bytes": 0, "redis_url": redis_server.url}
    settings = read_settings(config, {"cache": cache, "deadline_seconds": 300})
    png, webp = (path_of(middle_tile(20), format=format) for format in ("png", "webp"))
    with ExitStack() as stack:
        one, other, third = (stack.enter_context(TestClient(make_app(settings))) for _ in range(3))
        assert tier_of(one, png) == "miss"
        assert tier_of(other, webp) == "redis"
        assert count_made(other) == 0
        converted = redis_server.client.keys("*.webp")
        assert len(converted) == 1, "others need not convert it again"
        assert other.get(webp).content == third.get(webp).content
        assert count_made(third) == 0


def test_a_converted_tile_is_as_old_as_its_png(
    app_settings: Callable[..., Settings], middle_tile: Callable[[int], Tile], tmp_path: Path
) -> None:
    with TestClient(make_app(app_settings())) as client:
        for format in ("png", "webp"):
            assert client.get(path_of(middle_tile(18), format=format)).status_code == 200
    store = DiskStore(tmp_path / "cache", 10**9)
    kept = {key.rpartition(".")[2]: store.get(key) for key, _ in store.entries()}
    assert kept.keys() == {"png", "webp"}
    assert len({value.written for value in kept.values() if value is not None}) == 1
