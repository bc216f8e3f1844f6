"""Shares of a server's settings for its workers."""

from __future__ import annotations

from collections.abc import Callable

from tileserver.app import make_app
from tileserver.cli.greeting import greet
from tileserver.settings.server import Settings


def test_workers_divide_what_a_server_may_use() -> None:
    whole = Settings(workers=3, threads=8, queue_tiles=256, open_handles=0)
    share = whole.share(64)
    assert share.threads == 2
    assert share.queue_tiles == 86
    assert share.open_handles == 0, "0 keeps none open"
    assert share.access.requests == 683
    assert 3 * share.cache.memory_bytes <= whole.cache.memory_bytes
    assert 3 * share.block_memory_bytes <= whole.block_memory_bytes
    assert share.cache.disk_bytes == whole.cache.disk_bytes, "all use the same folder"
    assert share.access.client_requests == whole.access.client_requests
    assert Settings(workers=4).share(16).threads == 4
    assert Settings(workers=4).share(2).threads == 1


def test_one_worker_has_everything() -> None:
    assert Settings().share(16) == Settings()


def test_the_greeting_tells_how_many_workers_draw(app_settings: Callable[..., Settings]) -> None:
    settings = app_settings(workers=2, threads=5).share(1)
    app = make_app(settings)
    lines = list(greet(app.state.tiles.catalogue, "http://localhost:1"))
    app.state.tiles.close()
    app.state.tiles.catalogue.close()
    assert "  device      cpu, 2 workers, 2 threads each" in lines
