"""`overzoom cache stats` and `purge`, on real tiers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from cache import DiskStore, ObjectStore, RedisStore, Store, TileKey
from tests.support.commands import call_overzoom
from tests.support.server import configured
from tests.support.services import S3, RedisServer
from tests.support.tiles import WEB_MERCATOR, path_of
from tileserver.app import make_app
from tileserver.settings.reading import read_settings

BOX = (-110.6436, 44.9559, -110.6434, 44.9560)
STALE = "0" * 16 + "-" + "1" * 16


def keys() -> dict[str, TileKey]:
    """Tiles inside and beside the box, of other zooms, grids and sources."""
    inside = WEB_MERCATOR.tile(-110.6435, 44.95595, 20)
    deeper = WEB_MERCATOR.tile(-110.6435, 44.95595, 21)

    def key(source: str, grid: str, zoom: int, col: int, row: int) -> TileKey:
        return TileKey(source, STALE, grid, zoom, col, row, "png")

    return {
        "inside": key("scene", "WebMercatorQuad", 20, inside.x, inside.y),
        "beside": key("scene", "WebMercatorQuad", 20, inside.x + 5, inside.y),
        "deeper": key("scene", "WebMercatorQuad", 21, deeper.x, deeper.y),
        "grid": key("scene", "WorldCRS84Quad", 20, inside.x, inside.y),
        "other": key("scene2", "WebMercatorQuad", 20, inside.x, inside.y),
    }


@pytest.fixture
def tiers(tmp_path: Path, redis_server: RedisServer, s3: S3) -> tuple[Path, list[Store]]:
    """A configuration with three tiers, and the tiers, each with all keys."""
    url = s3.url()
    cache = {
        "folder": str(tmp_path / "cache"),
        "redis_url": redis_server.url,
        "object_store_url": url,
        "object_store_options": s3.options,
    }
    config = tmp_path / "overzoom.yaml"
    config.write_text(yaml.safe_dump({"cache": cache}))
    stores: list[Store] = [
        DiskStore(tmp_path / "cache", 10**8),
        RedisStore(redis_server.url),
        ObjectStore(url, s3.options),
    ]
    for store in stores:
        for key in keys().values():
            store.put(key.path, bytes(1000))
    return config, stores


def left(store: Store) -> set[str]:
    kept = set(store.keys())
    return {name for name, key in keys().items() if key.path in kept}


def test_stats_count_by_place_source_and_zoom(
    tiers: tuple[Path, list[Store]], tmp_path: Path, redis_server: RedisServer
) -> None:
    done = call_overzoom("cache", "stats", "--config", tiers[0])
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    objects = yaml.safe_load(tiers[0].read_text())["cache"]["object_store_url"]
    places = {"disk": tmp_path / "cache", "redis": redis_server.url, "objects": objects}
    assert [line.split(")" if line[0] != " " else ":")[0] for line in lines] == [
        f"disk ({places['disk']}", "  scene zoom 20", "  scene zoom 21", "  scene2 zoom 20",
        f"redis ({places['redis']}", "  scene zoom 20", "  scene zoom 21", "  scene2 zoom 20",
        f"objects ({places['objects']}", "  scene zoom 20", "  scene zoom 21", "  scene2 zoom 20",
    ]  # fmt: skip
    assert lines[0].endswith("5 tiles, 0.0 MB")
    assert " 3 tiles" in lines[1]


@pytest.mark.parametrize(
    ("options", "stays"),
    [
        (["--all"], set()),
        (["--source", "scene"], {"other"}),
        (["--source", "scene", "--zooms", "20"], {"other", "deeper"}),
        (["--zooms", "21-22"], {"inside", "beside", "grid", "other"}),
        (["--grid", "WorldCRS84Quad"], {"inside", "beside", "deeper", "other"}),
        (["--bbox", ",".join(map(str, BOX))], {"beside", "grid"}),
        (["--bbox", ",".join(map(str, BOX)), "--zooms", "20", "--source", "scene"],
         {"beside", "deeper", "grid", "other"}),
    ],
)  # fmt: skip
def test_what_was_chosen_goes_from_every_tier(
    tiers: tuple[Path, list[Store]], options: list[str], stays: set[str]
) -> None:
    config, stores = tiers
    command = ["cache", "purge", "--config", config, *options]
    counted = call_overzoom(*command, "--dry-run")
    assert counted.exit_code == 0, counted.stderr
    assert [left(store) for store in stores] == [set(keys())] * 3
    done = call_overzoom(*command)
    assert done.stdout == counted.stdout.replace("would be removed", "removed")
    assert [left(store) for store in stores] == [stays] * 3
    assert f"redis: {5 - len(stays)} tiles" in done.stdout


def test_stale_tiles_are_those_that_the_server_has_no_use_for(config: Path, tmp_path: Path) -> None:
    options = ["--config", config, "--cache-dir", tmp_path / "cache"]
    made = call_overzoom("prerender", "yellowstone", *options, "--zooms", "18-20", "--bbox",
                    ",".join(map(str, BOX)))  # fmt: skip
    assert made.exit_code == 0, made.stderr
    store = DiskStore(tmp_path / "cache", 10**8)
    current = set(store.keys())
    assert len(current) >= 3
    for key in keys().values():
        store.put(key.path, b"of a source that is gone")
    older = TileKey.parse(next(iter(current)))
    assert older is not None
    store.put(replace(older, fingerprint=STALE).path, b"of an older version")
    store.put("no/tile", b"of something else")
    done = call_overzoom("cache", "purge", "--stale", *options)
    assert done.exit_code == 0, done.stderr
    assert "disk: 6 tiles" in done.stdout
    assert set(store.keys()) == {*current, "no/tile"}
    assert call_overzoom("cache", "purge", "--all", *options).exit_code == 0
    assert set(store.keys()) == set(), "a cache's folder holds nothing else"


def test_looking_at_a_cache_does_not_bound_it(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    store = DiskStore(folder, 10**8)
    for key in keys().values():
        store.put(key.path, bytes(1000), 1234.5)
        os.utime(folder / key.path, (5, 5))
    config = tmp_path / "overzoom.yaml"  # not the server's
    cache = {"folder": str(folder), "disk_bytes": 5000, "ttl_seconds": 60}
    config.write_text(yaml.safe_dump({"cache": cache}))
    for command in (["stats"], ["purge", "--source", "scene", "--dry-run"]):
        assert call_overzoom("cache", *command, "--config", config).exit_code == 0
        assert left(store) == set(keys())
    assert call_overzoom("cache", "purge", "--source", "scene2", "--config", config).exit_code == 0
    assert left(store) == keys().keys() - {"other"}


@pytest.mark.parametrize("forbidden", ["scan", "unlink", None])
def test_a_tier_that_fails_is_told_and_the_others_are_done(
    tmp_path: Path, own_redis: RedisServer, forbidden: str | None
) -> None:
    own_redis.start()
    stores: list[Store] = [
        DiskStore(tmp_path / "cache", 10**8),
        RedisStore(own_redis.url),
        ObjectStore(f"file://{tmp_path}/objects"),
    ]
    for store in stores:
        for key in keys().values():
            store.put(key.path, bytes(1000))
    config = tmp_path / "overzoom.yaml"
    cache = {
        "folder": str(tmp_path / "cache"),
        "redis_url": own_redis.url,
        "object_store_url": f"file://{tmp_path}/objects",
    }
    config.write_text(yaml.safe_dump({"cache": cache}))
    if forbidden is not None:
        own_redis.client.execute_command("ACL", "SETUSER", "default", f"-{forbidden}")
    counted = call_overzoom("cache", "stats", "--config", config)
    assert counted.exit_code == (forbidden == "scan")
    done = call_overzoom("cache", "purge", "--all", "--config", config)
    tiers = ["disk", "objects"] if forbidden else ["disk", "redis", "objects"]
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == [
        f"{tier}: 5 tiles" for tier in tiers
    ]
    assert done.exit_code == (forbidden is not None)
    if forbidden is not None:
        assert "overzoom: redis: " in done.stderr
        assert "run the command again" in done.stderr
        assert "0 tiles, 0.0 MB were removed before" in done.stderr
        own_redis.client.execute_command("ACL", "SETUSER", "default", f"+{forbidden}")
        assert left(RedisStore(own_redis.url)) == set(keys())


@pytest.mark.parametrize("command", ["stats", "purge"])
def test_a_folder_that_is_no_cache_is_refused(tmp_path: Path, command: str) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    options = ["--all"] if command == "purge" else []
    done = call_overzoom("cache", command, "--cache-dir", tmp_path, *options)
    assert done.exit_code == 1
    assert f"{tmp_path}: holds files but no CACHEDIR.TAG" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("option", ["--all", "--stale"])
def test_what_others_keep_beside_the_tiles_is_left_alone(
    config: Path, tmp_path: Path, own_redis: RedisServer, option: str
) -> None:
    own_redis.start()
    bucket = tmp_path / "bucket"
    others = ("osm/carto/v4/12/2301/1200.png", "imagery/harbour.tif", "backup.sql.gz")
    cache = {
        "disk_bytes": 0,
        "redis_url": own_redis.url,
        "redis_prefix": "",
        "object_store_url": f"file://{bucket}",
    }
    same = configured(config, tmp_path, cache=cache)
    stores: list[Store] = [RedisStore(own_redis.url, ""), ObjectStore(f"file://{bucket}")]
    for name in others:
        own_redis.client.set(name, "the only copy")
        (bucket / name).parent.mkdir(parents=True, exist_ok=True)
        (bucket / name).write_text("the only copy")
    for store in stores:
        store.put(keys()["inside"].path, b"of a source that is gone")
    done = call_overzoom("cache", "purge", option, "--config", same)
    assert [line.rpartition(":")[2].split(",")[0] for line in done.stdout.splitlines()] == [
        " 1 tiles",
        " 1 tiles",
    ]
    assert [set(store.keys()) for store in stores] == [set(others)] * 2


def test_other_samples_and_the_uncertainty_are_kept_as_long_as_they_are_served(
    demo: Path, tmp_path: Path
) -> None:
    written = {
        "sources": {"yellowstone": {"path": str(demo / "yellowstone_20cm.tif")}},
        "cache": {"folder": str(tmp_path / "cache")},
    }
    config, fewer = tmp_path / "overzoom.yaml", tmp_path / "fewer.yaml"
    config.write_text(yaml.safe_dump(written))
    fewer.write_text(yaml.safe_dump({**written, "samples": 2}))
    tile = WEB_MERCATOR.tile(-110.643554, 44.955993, 20)
    plain = path_of(tile)
    paths = [plain, f"{plain}?noise_seed=3"]
    paths.append(f"/yellowstone/uncertainty/tiles/WebMercatorQuad/20/{tile.x}/{tile.y}.png")
    with TestClient(make_app(read_settings(config, {}))) as client:
        assert [client.get(path).status_code for path in paths] == [200] * 3
    store = DiskStore(tmp_path / "cache", 10**8)
    kept = set(store.keys())
    assert len(kept) == 3
    stats = call_overzoom("cache", "stats", "--config", config).stdout
    assert "yellowstone zoom 20: 3 tiles" in stats
    out = tmp_path / "out.mbtiles"
    done = call_overzoom("cache", "export", "--config", config, out, "--source", "yellowstone")
    assert "1 tiles" in done.stdout, "the plain URL's alone"
    purge = ("cache", "purge", "--stale", "--config")
    assert "disk: 0 tiles" in call_overzoom(*purge, config).stdout
    assert set(store.keys()) == kept
    assert "disk: 1 tiles" in call_overzoom(*purge, fewer).stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "say what to purge"),
        (["--all", "--source", "scene"], "say what to purge"),
        (["--stale"], "name the configuration"),
        (["--bbox", "0,0,1,1", "--grid", "Nowhere"], "Nowhere: unknown tile matrix set"),
        (["--bbox", "0,0,1"], "is not west,south,east,north"),
        (["--zooms", "22-18"], "zooms go from 0 to 30"),
    ],
)
def test_an_unclear_choice_removes_nothing(tmp_path: Path, options: list[str], reason: str) -> None:
    store = DiskStore(tmp_path, 10**6)
    store.put("scene/a", b"kept")
    done = call_overzoom("cache", "purge", "--cache-dir", tmp_path, *options)
    assert done.exit_code in (1, 2)
    assert reason in done.stderr
    assert store.has("scene/a")
