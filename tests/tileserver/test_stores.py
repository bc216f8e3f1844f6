"""The cache as it is configured."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from morecantile import Tile
from starlette.testclient import TestClient

from cache import ClusterFlight, FileLeases, Leases, ObjectStore, WriteBehind
from tests.support.services import S3, RedisServer
from tests.support.tiles import path_of
from tileserver.app import make_app
from tileserver.errors import StartupError
from tileserver.settings.cache import CacheSettings
from tileserver.settings.reading import read_settings
from tileserver.stores import open_cluster, open_store, without_secrets


def settings(folder: Path, **values: object) -> CacheSettings:
    return read_settings(None, {"cache": {"folder": str(folder), **values}}).cache


def names(values: CacheSettings) -> list[str]:
    return [tier.name for tier in open_store(values).tiers]


def test_tiers_come_in_the_order_of_their_speed(tmp_path: Path) -> None:
    everything = settings(
        tmp_path, redis_url="redis://127.0.0.1:1", object_store_url="memory:///", ttl_seconds=60
    )
    assert names(everything) == ["memory", "disk", "redis", "objects"]
    assert names(settings(tmp_path)) == ["memory", "disk"]
    assert names(settings(tmp_path, disk_bytes=0)) == ["memory"]


def test_leases_are_kept_where_tiles_are_shared(tmp_path: Path) -> None:
    def opened(**others: object) -> ClusterFlight | None:
        values = settings(**{"folder": tmp_path, **others})  # type: ignore[arg-type]  # a Path
        return open_cluster(values, open_store(values))

    everything, folder = opened(redis_url="redis://127.0.0.1:1"), opened()
    assert everything is not None
    assert isinstance(everything.leases, Leases)
    assert folder is not None
    assert isinstance(folder.leases, FileLeases)
    assert opened(disk_bytes=0) is None
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").touch()
    assert opened(folder=mine) is None
    assert [path.name for path in mine.iterdir()] == ["letter.txt"], "nothing is put beside it"


def test_servers_share_what_one_of_them_made(
    config: Path,
    tmp_path: Path,
    redis_server: RedisServer,
    s3: S3,
    middle_tile: Callable[[int], Tile],
) -> None:
    shared = {
        "redis_url": redis_server.url,
        "object_store_url": s3.url(),
        "object_store_options": s3.options,
    }
    path, answers = path_of(middle_tile(20)), []
    for server in ("first", "second", "third"):
        cache = {"folder": str(tmp_path / server), **shared}
        with TestClient(make_app(read_settings(config, {"cache": cache}))) as client:
            answers.append(client.get(path))
        if server == "second":
            redis_server.client.flushall()
    tiers = [answer.headers["server-timing"].split(",")[0] for answer in answers]
    assert tiers == ['cache;desc="miss"', 'cache;desc="redis"', 'cache;desc="objects"']
    assert answers[0].status_code == 200
    assert {answer.content for answer in answers} == {answers[0].content}


def test_the_time_to_live_reaches_every_tier(tmp_path: Path) -> None:
    store = open_store(
        settings(tmp_path, object_store_url="memory:///", ttl_seconds=60), behind=False
    )
    for tier in store.tiers:
        tier.put("key", b"value", 0.0)
        assert tier.get("key") is None, tier.name
        tier.put("key", b"value")
        assert tier.get("key") is not None, tier.name


def test_the_object_store_is_written_behind_the_request_where_asked(tmp_path: Path) -> None:
    values = settings(tmp_path, object_store_url="memory:///")
    assert isinstance(open_store(values).tiers[-1], WriteBehind)
    assert isinstance(open_store(values, behind=False).tiers[-1], ObjectStore)


def test_a_folder_that_cannot_be_had_leaves_the_disk_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert names(settings(tmp_path / "file" / "cache")) == ["memory"]
    assert "no disk cache" in caplog.text


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"redis_url": "http://:verysecret@host"}, "cache.redis_url: not a redis://"),
        ({"redis_url": "redis://:very/secret@host"}, "cache.redis_url: not a redis://"),
        ({"object_store_url": "x://verysecret"}, "cache.object_store_url"),
        (
            {"object_store_url": "s3://b", "object_store_options": {"nonsense": "verysecret"}},
            "'nonsense' is not valid",
        ),
    ],
)
def test_a_url_of_no_kind_is_refused_without_its_secrets(
    tmp_path: Path, values: dict[str, object], reason: str
) -> None:
    with pytest.raises(StartupError, match=reason) as refused:
        open_store(settings(tmp_path, **values))
    assert "very" not in str(refused.value)


def test_settings_do_not_show_their_secrets(tmp_path: Path) -> None:
    values = settings(
        tmp_path,
        redis_url="redis://:verysecret@host",
        object_store_url="az://container?sig=verysecret",
        object_store_options={"secret_access_key": "verysecret"},
    )
    assert "verysecret" not in f"{values!r} {values} {values.model_dump_json()}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://cache:6379/2", "redis://cache:6379/2"),
        ("rediss://user:secret@cache/0?password=secret", "rediss://cache/0"),
        ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock"),
        ("redis://:se/cret@cache/0", "redis://..."),
        ("redis://:se#cret@cache/0", "redis://..."),
        ("redis://cache/0?password=se@cret", "redis://..."),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("s3://key:secret@bucket", "s3://bucket"),
    ],
)
def test_places_are_shown_without_secrets(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
