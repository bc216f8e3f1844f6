"""A disk cache that hangs, as one on a dead network drive does: tiles are made without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from morecantile import Tile
from starlette.testclient import TestClient

from cache import DiskStore
from cache.time_limit import CALL_THREADS
from tests.support.metrics import parse_metrics
from tests.support.pipes import hanging
from tests.support.server import wait_until_ready
from tests.support.tiles import path_of
from tests.support.waiting import LIMIT_SECONDS
from tileserver import stores as tiers
from tileserver.app import make_app
from tileserver.settings.server import Settings
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.key import tile_key
from tileserver.tiles.request import AskedTile, TileOptions, resolve_request
from tileserver.tiles.service import TileService

NATIVE = 19


@pytest.fixture
def client(
    app_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setattr(tiers, "CALL_SECONDS", 0.1)
    with TestClient(make_app(app_settings(deadline_seconds=120))) as client:
        wait_until_ready(client)
        yield client


def test_tiles_of_every_source_are_made_while_the_disk_hangs(
    client: TestClient, middle_tile: Callable[[int], Tile]
) -> None:
    service: TileService = client.app.state.tiles  # type: ignore[attr-defined]  # Starlette's state is untyped
    service.store.limits["disk"].breaker.open_seconds = LIMIT_SECONDS  # whoever looks finds it open
    (disk,) = (tier for tier in service.store.tiers if isinstance(tier, DiskStore))
    tile = middle_tile(NATIVE)
    formats = [*ImageFormat][: CALL_THREADS + 1]
    asked = [
        AskedTile(source_id="yellowstone", tile=tile, options=TileOptions(format=format))
        for format in formats
    ]
    catalogue = service.catalogue
    keys = [tile_key(catalogue, resolve_request(catalogue, tile)) for tile in asked]
    with hanging({disk.folder / key.path for key in keys}):
        for format in formats:
            assert client.get(path_of(tile, format=format)).status_code == 200, format
        assert client.get(path_of(tile, "truth")).status_code == 200
        assert (
            client.get(path_of(tile, "truth"))
            .headers["server-timing"]
            .startswith('cache;desc="memory"')
        )
        assert client.get("/readyz").status_code == 200, "it serves"
        seen = parse_metrics(client.get("/metrics").text)
        assert seen["overzoom_service_away", "cache tier disk"] == 1
        assert seen["overzoom_cache_skipped_calls_total", "disk"] >= 1
