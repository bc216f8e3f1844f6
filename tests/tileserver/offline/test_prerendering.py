"""`overzoom prerender` and `overzoom cache export`: the server's tiles without the server."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from morecantile import Tile
from PIL import Image
from pmtiles.reader import MmapSource, Reader
from starlette.testclient import TestClient

from cache import DiskFolder, ObjectStore, RedisStore, Tiered
from tests.support.changing import inverted
from tests.support.commands import call_overzoom, command_of
from tests.support.earth import Place
from tests.support.machine import needs_mount
from tests.support.prerendered import BBOX, MIDDLE, read_tiles, tiles_in
from tests.support.rasters import SMALL_SIDE, cut
from tests.support.server import configured
from tests.support.services import RedisServer
from tests.support.tiles import WEB_MERCATOR, block, mosaic, path_of
from tests.support.waiting import wait_until
from tileserver.app import make_app
from tileserver.assembly import open_catalogue
from tileserver.errors import SourceUnavailable
from tileserver.offline.making import Counts, TileBlock, TileMaker
from tileserver.offline.prerendering import Area, fill
from tileserver.origins.naming import name_sources
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings
from tileserver.tiles.encoding import ImageFormat

INSIDE = -110.6438, 44.9565
"""A place in the rasters that `cut` makes."""


@pytest.fixture(scope="session")
def filled(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a block of 4x4 tiles at zoom 20, and what lies above."""
    folder = tmp_path_factory.mktemp("filled")
    done = call_overzoom(
        "prerender", "yellowstone", "--config", config, "--cache-dir", folder,
        "--bbox", BBOX, "--zooms", "17-20",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "0 were cached already, 0 failed" in done.stdout
    return folder


@pytest.mark.slow
def test_prerendered_tiles_are_the_servers_own(
    filled: Path, app_settings: Callable[..., Settings]
) -> None:
    tiles = read_tiles(filled)
    assert {tile for tile in tiles if tile.z == 20} == set(block(MIDDLE, 4))
    assert {tile.z for tile in tiles} == {17, 18, 19, 20}
    with TestClient(make_app(app_settings())) as client:  # its own cache: all are made anew
        for tile, content in tiles.items():
            answer = client.get(path_of(tile))
            assert answer.content == content
            assert 'cache;desc="miss"' in answer.headers["server-timing"]
    with TestClient(make_app(app_settings(cache={"folder": str(filled)}))) as client:
        for tile, content in tiles.items():
            answer = client.get(path_of(tile))
            assert answer.content == content
            assert 'cache;desc="disk"' in answer.headers["server-timing"]


@pytest.mark.slow
def test_a_stopped_run_goes_on_where_it_was(
    config: Path, small_checkpoint: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("config")
    same = configured(config, folder, checkpoint=str(small_checkpoint))  # in another process, too
    arguments = ["prerender", "yellowstone", "--config", same, "--cache-dir", tmp_path,
                 "--bbox", BBOX, "--zooms", "18-20", "--concurrency", "4"]  # fmt: skip
    with subprocess.Popen(
        command_of(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        wait_until(lambda: len(list(tmp_path.rglob("*.png"))) >= 6)
        first.send_signal(signal.SIGKILL)
    there = len(list(tmp_path.rglob("*.png")))
    assert there >= 6
    done = call_overzoom(*arguments)
    assert done.exit_code == 0, done.stderr
    made = len(list(tmp_path.rglob("*.png"))) - there
    assert done.stdout == f"yellowstone: {made} tiles made, {there} were cached already, 0 failed\n"
    assert made > 0


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.slow
def test_four_processes_with_one_redis_make_every_tile_once(
    filled: Path, config: Path, tmp_path: Path, redis_server: RedisServer,
    small_checkpoint: Path, killed: bool,
) -> None:  # fmt: skip
    cache = {"disk_bytes": 0, "redis_url": redis_server.url}
    same = configured(
        config, tmp_path, checkpoint=str(small_checkpoint), cache=cache, deadline_seconds=300
    )
    command = command_of("prerender", "yellowstone", "--config", same, "--bbox", BBOX,
                         "--zooms", "17-20", "--concurrency", 4, "--threads", 1)  # fmt: skip
    with ExitStack() as stack:
        processes = [stack.enter_context(start(command)) for _ in range(4)]
        if killed:  # in the middle of a block, whose lease it holds
            wait_until(lambda: redis_server.client.keys("overzoom:lease:prerender/*"))
            processes.pop().kill()
        ended = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), ended
    pattern = r"yellowstone: (\d+) tiles made, (\d+) were cached already, 0 failed\n"
    counts = [re.fullmatch(pattern, out) for out, _ in ended]
    expected = read_tiles(filled)
    store = RedisStore(redis_server.url)
    tiles = tiles_in(store)
    store.close()
    assert tiles == expected
    made = [int(found[1]) for found in counts if found]
    assert [int(found[1]) + int(found[2]) for found in counts if found] == [len(expected)] * len(
        processes
    )
    if killed:
        assert sum(made) <= len(expected)
    else:
        assert sum(made) == len(expected)


@contextmanager
def start(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process with pipes, which ends with the context."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_block_that_another_process_holds_is_left_to_it(
    config: Path, tmp_path: Path, redis_server: RedisServer
) -> None:
    cache = {"disk_bytes": 0, "redis_url": redis_server.url}
    settings = read_settings(configured(config, tmp_path, cache=cache), {})
    blocks = [TileBlock(0, (MIDDLE,)), TileBlock(1, (MIDDLE._replace(x=MIDDLE.x + 1),))]
    with (
        closing(open_catalogue(settings)) as catalogue,
        closing(TileMaker(catalogue, "yellowstone", "WebMercatorQuad", ImageFormat.png)) as maker,
    ):
        assert maker(blocks[0]).counts == Counts(made=1)
        (lease,) = [maker.lease_of(block) for block in blocks[1:]]
        redis_server.client.set(f"overzoom:lease:{lease}", "another process")
        held = maker(blocks[1])
        assert (held.held, held.counts) == (True, Counts())
        redis_server.client.delete(f"overzoom:lease:{lease}")
        free = maker(blocks[1])
        assert (free.held, free.counts) == (False, Counts(made=1))
        assert maker(blocks[0]).counts == Counts(cached=1)


def test_a_tile_that_another_process_makes_meanwhile_is_not_counted_as_made(
    config: Path, tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = {"disk_bytes": 0, "redis_url": redis_server.url}
    settings = read_settings(configured(config, tmp_path, cache=cache), {})
    with (
        closing(open_catalogue(settings)) as catalogue,
        closing(TileMaker(catalogue, "yellowstone", "WebMercatorQuad", ImageFormat.png)) as maker,
    ):
        assert maker(TileBlock(0, (MIDDLE,))).counts == Counts(made=1)
        monkeypatch.setattr(Tiered, "has", lambda self, key: False)  # as before it was stored
        assert maker(TileBlock(0, (MIDDLE,))).counts == Counts(cached=1)


@contextmanager
def making_of(path: Path, **options: object) -> Iterator[TileMaker]:
    """What makes tiles of a raster, with a cache beside it."""
    cache = {"folder": str(path.parent / "cache")}
    sources = {"scene": {"path": str(path)}}
    settings = read_settings(None, {"sources": sources, "cache": cache, **options})
    with (
        closing(open_catalogue(settings)) as catalogue,
        closing(TileMaker(catalogue, "scene", "WebMercatorQuad", ImageFormat.png)) as maker,
    ):
        yield maker


def test_a_source_that_is_replaced_meanwhile_is_made_from_its_next_version(tmp_path: Path) -> None:
    path, other = cut(tmp_path / "scene.tif", "rgb"), tmp_path / "other.tif"
    inverted(path, other)
    with making_of(path) as maker:
        other.replace(path)
        tiles = tuple(WEB_MERCATOR.children(WEB_MERCATOR.tile(*INSIDE, 21)))
        made = maker(TileBlock(0, tiles))
        assert (made.failures, made.counts) == ([], Counts(made=4))
        assert maker.catalogue["scene"].is_unchanged(), "the next version"
        assert maker(TileBlock(0, tiles)).counts == Counts(cached=4)


def test_a_source_that_is_away_for_a_while_is_made_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SourceUnavailable, "retry_after_seconds", 1)
    path, other = cut(tmp_path / "scene.tif", "rgb"), tmp_path / "other.tif"
    inverted(path, other)
    with making_of(path) as maker, ThreadPoolExecutor(1) as threads:
        path.unlink()
        making = threads.submit(maker, TileBlock(0, (WEB_MERCATOR.tile(*INSIDE, 21),)))
        wait_until(lambda: maker.catalogue.failure("scene") is not None)
        other.replace(path)
        made = making.result()
        assert (made.failures, made.counts) == ([], Counts(made=1))


def test_no_tile_is_refused_because_many_wait(tmp_path: Path) -> None:
    path = cut(tmp_path / "scene.tif", "rgb")
    with making_of(path, queue_tiles=1, merged_tiles=1) as maker:
        tiles = tuple(WEB_MERCATOR.children(WEB_MERCATOR.tile(*INSIDE, 21)))
        made = maker(TileBlock(0, tiles))
        assert (made.failures, made.counts) == ([], Counts(made=4))
        assert maker._service.scheduler.shed == 0


def test_what_makes_tiles_is_opened_again_from_another_folder(
    config: Path, tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo)
    sources = {"it": {"path": "yellowstone_20cm.tif"}}
    settings = read_settings(None, {"sources": sources, "cache": {"folder": str(tmp_path)}})
    with closing(open_catalogue(settings)) as catalogue:
        maker = TileMaker(catalogue, "it", "WebMercatorQuad", ImageFormat.png)
        assert maker(TileBlock(0, (MIDDLE,))).counts == Counts(made=1)
        content = pickle.dumps(maker)
        maker.close()
    monkeypatch.chdir("/")
    with closing(pickle.loads(content)) as again:
        assert again(TileBlock(0, (MIDDLE,))).counts == Counts(cached=1)
        again.catalogue.close()


@needs_mount
def test_tiles_that_fail_are_told_and_fail_the_command(
    config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=True)
    try:  # a cache that cannot keep a tile
        done = call_overzoom("prerender", "yellowstone", "--config", config, "--cache-dir", disk,
                        "--bbox", BBOX, "--zooms", "19")  # fmt: skip
    finally:
        subprocess.run(["umount", disk], check=True)
    assert done.exit_code == 1
    assert caplog.text.count("no cache tier stored it") == 6
    assert "0 tiles made, 0 were cached already, 6 failed" in done.stdout


def test_a_tier_that_takes_no_tiles_fails_the_command(config: Path, tmp_path: Path) -> None:
    cache = {
        "folder": str(tmp_path / "cache"),
        "object_store_url": "s3://nowhere",
        "object_store_options": {
            **dict.fromkeys(("access_key_id", "secret_access_key"), "testing"),
            "endpoint": "http://127.0.0.1:1",
            "region": "us-east-1",
        },
    }
    command = ["prerender", "yellowstone", "--bbox", BBOX, "--zooms", "17"]
    for made, cached in ((2, 0), (0, 2)):
        done = call_overzoom(*command, "--config", configured(config, tmp_path, cache=cache))
        assert f"{made} tiles made, {cached} were cached already, 0 failed" in done.stdout
        assert "overzoom: objects: 2 tiles were not written" in done.stderr
        assert done.exit_code == 1
    del cache["object_store_url"], cache["object_store_options"]
    done = call_overzoom(*command, "--config", configured(config, tmp_path, cache=cache))
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere"], "nowhere: no source of the configuration, and no file or folder"),
        (["yellowstone", "--zooms", "27"], "no tiles in that area at those zooms"),
        (["yellowstone", "--bbox", "0,0,1,1"], "no tiles in that area at those zooms"),
        (["yellowstone", "--format", "gif"], "gif: the format must be one of png, jpg"),
        (["yellowstone", "--grid", "GNOSISGlobalGrid"], "does not double"),
    ],
)
def test_nothing_to_fill_is_said_in_one_line(
    config: Path, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    done = call_overzoom("prerender", *arguments, "--config", config, "--cache-dir", tmp_path)
    assert done.exit_code == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert reason in lines[0]


def test_rasters_and_folders_are_prerendered_and_exported_as_they_are_served(
    small_checkpoint: Path, tmp_path: Path
) -> None:
    folder, cache = tmp_path / "rasters", tmp_path / "cache"
    folder.mkdir()
    meadow = cut(folder / "a meadow.tif", "rgb", SMALL_SIDE)
    cut(folder / "b.tif", "rgb", SMALL_SIDE)
    (folder / "text.tif").write_text("no raster")
    same = ["--cache-dir", cache, "--checkpoint", small_checkpoint]
    done = call_overzoom("prerender", folder, "--zooms", "19-20", *same)
    assert done.exit_code == 1  # for the text
    ids = ["a-meadow", "b"]
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ids
    settings = read_settings(
        None,
        {
            "sources": name_sources([folder]),
            "cache": {"folder": str(cache)},
            "checkpoint": str(small_checkpoint),
        },
    )
    with TestClient(make_app(settings)) as client:
        for tile, content in read_tiles(cache, "a-meadow").items():
            answer = client.get(f"/a-meadow/{tile.z}/{tile.x}/{tile.y}.png")
            assert answer.content == content
            assert 'cache;desc="disk"' in answer.headers["server-timing"]
    out = tmp_path / "out.pmtiles"
    done = call_overzoom("cache", "export", out, "--source", meadow, *same)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{out}: {len(read_tiles(cache, 'a-meadow'))} tiles\n"
    done = call_overzoom("cache", "export", out, "--source", folder, *same)
    assert done.exit_code == 1
    assert "contains 3 rasters, but an archive is of one source" in done.stderr


def test_other_sources_of_the_configuration_need_not_be_readable(
    config: Path, tmp_path: Path
) -> None:
    same = configured(config, tmp_path)
    values = yaml.safe_load(same.read_text())
    values["sources"]["gone"] = {"path": "nowhere.tif"}
    same.write_text(yaml.safe_dump(values))
    done = call_overzoom("prerender", "yellowstone", "--config", same, "--zooms", "16",
                         "--cache-dir", tmp_path / "cache")  # fmt: skip
    assert done.exit_code == 0, done.stderr


def exported(filled: Path, config: Path, out: Path, *options: str) -> None:
    done = call_overzoom("cache", "export", out, "--source", "yellowstone", "--config", config,
                    "--cache-dir", filled, *options)  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert str(out) in done.stdout
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_mbtiles_hold_the_tiles_and_say_what_they_are(
    filled: Path, config: Path, tmp_path: Path
) -> None:
    exported(filled, config, tmp_path / "out.mbtiles")
    with closing(sqlite3.connect(tmp_path / "out.mbtiles")) as database:
        metadata = dict(database.execute("SELECT name, value FROM metadata"))
        rows = database.execute("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles")
        tiles = {Tile(x, 2**z - 1 - y, z): content for z, x, y, content in rows}
    assert tiles == read_tiles(filled)
    assert metadata["name"] == "yellowstone"
    assert metadata["format"] == "png"
    assert (metadata["minzoom"], metadata["maxzoom"]) == ("17", "20")
    assert "NEON" in metadata["attribution"]
    assert metadata["description"].startswith("Zoom 20 is synthesised by Overzoom")
    west, south, east, north = map(float, metadata["bounds"].split(","))
    assert -110.65 < west < east < -110.64
    assert 44.95 < south < north < 44.96


def test_gdal_reads_the_mbtiles_as_the_same_picture(
    filled: Path, config: Path, tmp_path: Path
) -> None:
    exported(filled, config, tmp_path / "out.mbtiles", "--zooms", "20")
    tiles = {tile: content for tile, content in read_tiles(filled).items() if tile.z == 20}
    expected = mosaic(
        {t: np.asarray(Image.open(BytesIO(c)).convert("RGB")) for t, c in tiles.items()}
    )
    left, top = min(t.x for t in tiles), min(t.y for t in tiles)
    with rasterio.open(tmp_path / "out.mbtiles") as dataset:
        assert dataset.driver == "MBTiles"
        corner = WEB_MERCATOR.xy_bounds(Tile(left, top, 20))
        row, col = dataset.index(corner.left + 0.01, corner.top - 0.01)
        window = rasterio.windows.Window(col, row, expected.shape[1], expected.shape[0])
        shown = dataset.read((1, 2, 3), window=window, boundless=True)
    assert np.array_equal(shown.transpose(1, 2, 0), expected)


def test_pmtiles_hold_the_same_bytes(filled: Path, config: Path, tmp_path: Path) -> None:
    exported(filled, config, tmp_path / "out.pmtiles")
    tiles = read_tiles(filled)
    with (tmp_path / "out.pmtiles").open("rb") as file:
        reader = Reader(MmapSource(file))
        header, metadata = reader.header(), reader.metadata()
        assert {tile: reader.get(tile.z, tile.x, tile.y) for tile in tiles} == tiles
        assert reader.get(20, MIDDLE.x + 50, MIDDLE.y) is None
    assert header["addressed_tiles_count"] == len(tiles)
    assert header["clustered"]
    assert (header["min_zoom"], header["max_zoom"]) == (17, 20)
    assert header["tile_type"].name == "PNG"
    assert metadata["name"] == "yellowstone"
    assert "synthesised" in metadata["description"]


def test_pngs_are_exported_in_another_format(
    filled: Path, config: Path, app_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    exported(filled, config, folder / "out.mbtiles", "--format", "webp", "--zooms", "19-20")
    with closing(sqlite3.connect(folder / "out.mbtiles")) as database:
        rows = database.execute("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles")
        tiles = {Tile(x, 2**z - 1 - y, z): content for z, x, y, content in rows}
    assert set(tiles) == {tile for tile in read_tiles(filled) if tile.z >= 19}
    with TestClient(make_app(app_settings())) as client:
        for tile in list(tiles)[::7]:
            assert client.get(path_of(tile, format="webp")).content == tiles[tile]


def test_an_export_is_bounded_by_box_and_zooms(filled: Path, config: Path, tmp_path: Path) -> None:
    bounds = ",".join(str(value) for value in WEB_MERCATOR.bounds(MIDDLE))
    exported(filled, config, tmp_path / "out.mbtiles", "--bbox", bounds, "--zooms", "19-22")
    with closing(sqlite3.connect(tmp_path / "out.mbtiles")) as database:
        rows = database.execute("SELECT zoom_level, tile_column FROM tiles ORDER BY 1").fetchall()
    assert rows == [(19, MIDDLE.x // 2), (20, MIDDLE.x)]


def test_tiles_of_another_version_are_not_exported(
    config: Path, app_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    with TestClient(make_app(app_settings(noise_seed=7))) as client:
        assert client.get(path_of(MIDDLE)).status_code == 200
    assert len(read_tiles(folder)) == 1
    done = call_overzoom("cache", "export", tmp_path / "out.mbtiles", "--source", "yellowstone",
                    "--config", config, "--cache-dir", folder)  # fmt: skip
    assert done.exit_code == 1
    assert "run overzoom prerender first" in done.stderr
    assert not (tmp_path / "out.mbtiles").exists()


def test_exporting_leaves_the_cache_as_it_is(
    filled: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "cache", tmp_path / "out"
    shutil.copytree(filled, folder)
    objects = ObjectStore(f"file://{tmp_path}/objects")
    for path in folder.rglob("*.png"):
        if path.parent.parent.name == "19":  # a server with a disk of its own made them
            found = DiskFolder(folder).get(str(path.relative_to(folder)))
            assert found is not None
            objects.put(str(path.relative_to(folder)), found.value)
            path.unlink()
        else:
            os.utime(path, (5, 5))
    before = {path: path.stat().st_mtime for path in folder.rglob("*.png")}
    monkeypatch.setenv("OVERZOOM_CACHE__OBJECT_STORE_URL", f"file://{tmp_path}/objects")
    monkeypatch.setenv("OVERZOOM_CACHE__DISK_BYTES", "20000")  # the server's is larger
    out.mkdir()
    exported(folder, config, out / "out.mbtiles")
    with closing(sqlite3.connect(out / "out.mbtiles")) as database:
        ((count,),) = database.execute("SELECT count(*) FROM tiles").fetchall()
    assert count == len(read_tiles(filled))
    assert {path: path.stat().st_mtime for path in folder.rglob("*.png")} == before


@pytest.mark.parametrize("forbidden", ["scan", "get"])
def test_an_export_of_a_tier_that_fails_is_none(
    filled: Path, config: Path, tmp_path: Path, own_redis: RedisServer, forbidden: str
) -> None:
    own_redis.start()
    shared, folder = RedisStore(own_redis.url), DiskFolder(filled)
    for entry in folder.entries():
        found = folder.get(entry.key)
        assert found is not None
        shared.put(entry.key, found.value)
    own_redis.client.execute_command("ACL", "SETUSER", "default", f"-{forbidden}")
    cache = {"disk_bytes": 0, "redis_url": own_redis.url}
    same = configured(config, tmp_path, cache=cache)
    command = ["cache", "export", tmp_path / "out.mbtiles", "--source", "yellowstone"]
    done = call_overzoom(*command, "--config", same)
    assert done.exit_code == 1
    assert "overzoom: redis: " in done.stderr
    assert "run the command again" in done.stderr
    assert [path.name for path in tmp_path.glob("out*")] == []
    own_redis.client.execute_command("ACL", "SETUSER", "default", f"+{forbidden}")
    done = call_overzoom(*command, "--config", same)
    assert done.stdout.endswith(f": {len(read_tiles(filled))} tiles\n")


@pytest.mark.parametrize("suffix", [".mbtiles", ".pmtiles"])
def test_tiles_that_cannot_be_read_are_told_and_without_any_nothing_is_written(
    filled: Path, config: Path, tmp_path: Path, suffix: str
) -> None:
    folder, out = tmp_path / "cache", tmp_path / f"out{suffix}"
    shutil.copytree(filled, folder)
    first, *others = folder.rglob("*.png")
    command = ["cache", "export", out, "--source", "yellowstone"]
    options = ["--config", config, "--cache-dir", folder]
    first.write_bytes(b"corrupt")
    done = call_overzoom(*command, *options)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{out}: {len(others)} tiles\n"
    assert "overzoom: 1 more were listed, but are evicted, expired or corrupt" in done.stderr
    out.unlink()
    for path in others:
        path.write_bytes(b"corrupt")
    done = call_overzoom(*command, *options)
    assert done.exit_code == 1
    assert "none of the listed tiles can be read" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize(
    ("out", "options", "reason"),
    [
        ("out.zip", [], "must end in .mbtiles or .pmtiles"),
        ("out.mbtiles", ["--format", "tiff"], "tiff: archives can contain"),
        ("out.mbtiles", ["--zooms", "22"], "as png: run overzoom prerender first"),
        ("out.mbtiles", ["--zooms", "22", "--format", "webp"], "as png or webp: run overzoom"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(
    filled: Path, config: Path, tmp_path: Path, out: str, options: list[str], reason: str
) -> None:
    done = call_overzoom("cache", "export", tmp_path / out, "--source", "yellowstone",
                    "--config", config, "--cache-dir", filled, *options)  # fmt: skip
    assert done.exit_code == 1
    assert reason in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_both_ends_of_the_world_are_prerendered(tmp_path: Path) -> None:
    place = Place("EPSG:4326", Affine(0.1, 0, 172, 0, -0.1, 10))
    sources = {"it": {"path": str(place.write(tmp_path / "across.tif"))}}
    cache = {"folder": str(tmp_path / "cache"), "memory_bytes": 0}
    settings = read_settings(None, {"sources": sources, "cache": cache, "extra_zooms": 1})
    with closing(open_catalogue(settings)) as catalogue:
        layer = catalogue["it"].layer("WebMercatorQuad")
        zoom = layer.native_zoom
        expected = {
            tile
            for tile in (Tile(x, y, zoom) for x in range(2**zoom) for y in range(2**zoom))
            if layer.touches(tile)
        }
        area = Area("WebMercatorQuad", zooms=(zoom,))
        counts = fill(catalogue, "it", area, "png", concurrency=4)
    assert (counts.made, counts.failed) == (len(expected), 0)
    assert set(read_tiles(tmp_path / "cache")) == expected
    assert {tile.x for tile in expected} >= {0, 2**zoom - 1}
