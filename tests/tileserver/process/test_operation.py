"""A server as a real process: keys, metrics, readiness, shutdown."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from morecantile import Tile
from starlette.testclient import TestClient

from tests.support.keys import hashed
from tests.support.metrics import read_metrics
from tests.support.server import Service, configured, running, serving
from tests.support.tiles import path_of
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.app import make_app
from tileserver.settings.server import Settings

NATIVE = 19
MiddleTile = Callable[[int], Tile]


@pytest.fixture
def own_server(config: Path, tmp_path: Path) -> Iterator[Service]:
    """A server that nobody else asks."""
    with serving(config, tmp_path / "cache", deadline_seconds=300) as server:
        yield server


def test_counters_tell_one_computation_a_tile_however_often_it_is_asked_for(
    own_server: Service, middle_tile: MiddleTile
) -> None:
    server, middle = own_server, middle_tile(NATIVE + 2)
    paths = [path_of(Tile(middle.x + 5 + i, middle.y + 5, middle.z)) for i in range(4)]
    before = read_metrics(server.client)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(server.client.get, paths * 6))
    again = [server.client.get(path) for path in paths]
    server.get(paths[0], **{"If-None-Match": again[0].headers["etag"]})
    after = read_metrics(server.client)

    def grown(*key: str) -> float:
        return after.get(key, 0) - before.get(key, 0)

    assert {answer.status_code for answer in answers} == {200}
    assert grown("overzoom_computed_tiles_total", "super-resolved") == len(paths)
    assert grown("overzoom_requests_total", "super-resolved", "200") == 7 * len(paths)
    assert grown("overzoom_requests_total", "super-resolved", "304") == 1
    assert grown("overzoom_merged_windows_sum") == len(paths)
    assert grown("overzoom_stage_seconds_count", "engine") == len(paths)
    hits = sum(grown("overzoom_cache_hits_total", tier) for tier in ("memory", "disk"))
    assert hits + grown("overzoom_cache_misses_total") == 7 * len(paths)
    assert grown("overzoom_cache_bytes", "memory") > 0
    status = server.get("/status.json").json()
    assert 0 < status["hit_ratio"] < 1
    assert status["tile_milliseconds"] > 0
    assert status["checkpoint"] == "small"


def test_a_key_opens_its_source_by_every_route_and_no_other(
    app_settings: Callable[..., Settings],
    middle_tile: MiddleTile,
    caplog: pytest.LogCaptureFixture,
) -> None:
    native = middle_tile(NATIVE - 1)
    keys = {"town": {"sha256": hashed("town key"), "sources": ["truth"]}}
    caplog.set_level(logging.INFO)
    with TestClient(make_app(app_settings(access={"keys": keys}))) as server:
        routes = server.get("/openapi.json").json()["paths"]
        asked = 0
        for route in routes:
            if route.startswith("/{source}"):
                path = route.replace("{source}", "yellowstone")
                assert server.get(path).status_code == 401, route
                assert server.get(path, headers={"X-API-Key": "town key"}).status_code == 404, route
                asked += 1
        assert asked >= 20
        assert server.get("/sources.json").json() == []
        answer = server.get("/sources.json", headers={"Authorization": "Bearer town key"})
        assert [source["id"] for source in answer.json()] == ["truth"]
        assert server.get("/metrics").status_code == 401

        for route in ("tilejson.json", "WebMercatorQuad/tilejson.json"):
            document = server.get(f"/truth/{route}?mode=interpolated&key=town+key").json()
            url = document["tiles"][0].format(z=native.z, x=native.x, y=native.y)
            answer = server.get(url)
            assert answer.status_code == 200
            assert answer.headers["cache-control"].startswith("private")
            assert "Authorization" in answer.headers["vary"]
            assert server.get(url.replace("town", "gown")).status_code == 401
        assert "town%20key" in url
    logged = " ".join(r.getMessage() for r in caplog.records if not r.name.startswith("httpx"))
    assert "/truth/tilejson.json" in logged
    assert "town key" not in logged
    assert "town%20key" not in logged
    assert "town+key" not in logged


@pytest.mark.slow
def test_a_server_that_is_told_to_end_drains_finishes_and_exits_with_0(
    config: Path, tmp_path: Path, middle_tile: MiddleTile
) -> None:
    operation = {"drain_seconds": 10 * LIMIT_SECONDS, "hang_seconds": 0.05}
    draining = configured(config, tmp_path, operation=operation, deadline_seconds=300)
    middle = middle_tile(NATIVE + 3)
    with (
        running("--config", draining, cache=tmp_path / "cache") as server,
        ThreadPoolExecutor(1) as pool,
    ):
        for x in range(middle.x, middle.x + 40, 4):  # until one is seen while it is drawn
            path = path_of(Tile(x, middle.y, middle.z))
            deep = pool.submit(httpx.get, server.url + path, timeout=LIMIT_SECONDS)
            seen = set()
            while not deep.done() and "the denoiser hangs" not in seen:
                seen.add(server.get("/readyz").json()["status"])
            if "the denoiser hangs" in seen:
                break
        assert "the denoiser hangs" in seen, "an evaluation of over 50 ms counts as one here"
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.get("/readyz").json() == {"status": "shutting down"})
        assert server.get("/readyz").status_code == 503
        assert server.get("/healthz").status_code == 200
        assert len(deep.result().content) > 1000
        assert server.get(path).content == deep.result().content
        server.process.send_signal(signal.SIGTERM)  # no more draining
        assert server.process.wait(LIMIT_SECONDS) == 0
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server.url}/healthz")
    assert "Traceback" not in server.log.read_text()


def all_in_hand(figures: dict[tuple[str, ...], float], tiles: int) -> bool:
    """Whether one tile is made, and all others are made, waiting or drawn.

    One is drawn where any is waiting.
    """
    made = figures.get(("overzoom_computed_tiles_total", "super-resolved"), 0)
    waiting = figures[("overzoom_queue_windows",)]
    return made >= tiles or (made >= 1 and waiting >= 1 and made + waiting + 1 >= tiles)


@pytest.mark.slow
def test_what_runs_is_finished_before_the_end(
    patient: Path, tmp_path: Path, middle_tile: MiddleTile
) -> None:
    middle = middle_tile(NATIVE + 2)
    paths = [path_of(Tile(middle.x + 2 * i - 3, middle.y, middle.z)) for i in range(4)]
    with (
        running("--config", patient, cache=tmp_path / "cache") as server,
        ThreadPoolExecutor(4) as pool,
    ):
        waiting = [pool.submit(httpx.get, server.url + p, timeout=LIMIT_SECONDS) for p in paths]
        wait_until(lambda: all_in_hand(read_metrics(server.client), len(paths)))
        server.process.send_signal(signal.SIGTERM)
        assert {future.result().status_code for future in waiting} == {200}
        assert server.process.wait(LIMIT_SECONDS) == 0
