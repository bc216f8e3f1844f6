"""Tiles of a source whose files are touched, or cannot be looked at for a moment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.changing import aged
from tests.support.rasters import cut
from tests.support.tiles import WEB_MERCATOR
from tests.support.waiting import LIMIT_SECONDS
from tileserver.assembly import open_catalogue, open_tile_service
from tileserver.catalogue.coverage import geographic_centre
from tileserver.errors import SourceChanged
from tileserver.origins.members import LocalFile, Signature
from tileserver.settings.server import Settings
from tileserver.stores import open_store
from tileserver.tiles.key import tile_key
from tileserver.tiles.request import AskedTile, TileRequest, resolve_request
from tileserver.tiles.service import EncodedTile, TileService

MakeSettings = Callable[..., Settings]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A raster that was written long ago."""
    return aged(cut(tmp_path / "scene.tif", "rgb"))


@pytest.fixture
def service(scene: Path, app_settings: MakeSettings) -> Iterator[TileService]:
    """Of a source that is polled only when a test says so."""
    sources = {"scene": {"path": str(scene)}}
    settings = app_settings(sources=sources, source_check_seconds=600)
    catalogue = open_catalogue(settings)
    service = open_tile_service(catalogue, open_store(settings.cache))
    yield service
    service.close()
    catalogue.close()


def native_tile(service: TileService) -> TileRequest:
    """The tile in the middle of the scene, of its version of now."""
    source = service.catalogue["scene"]
    zoom = source.layer("WebMercatorQuad").native_zoom
    tile = WEB_MERCATOR.tile(*geographic_centre(source), zoom)
    return resolve_request(service.catalogue, AskedTile(source_id="scene", tile=tile))


def test_a_touched_file_s_tile_does_not_end_with_that_of_the_version_before(
    service: TileService, scene: Path
) -> None:
    before = native_tile(service)
    os.utime(scene)
    service.catalogue.poll("scene")
    after = native_tile(service)
    key = tile_key(service.catalogue, after)
    assert not before.is_unchanged()
    assert after.is_unchanged()
    assert tile_key(service.catalogue, before) == key, "the same pixels"

    async def ask_for_both() -> list[EncodedTile | BaseException]:
        tiles = [service.render(request, key) for request in (before, after)]
        return await asyncio.gather(*tiles, return_exceptions=True)

    _, current = asyncio.run(ask_for_both())  # the other is refused, or finds what this one made
    assert isinstance(current, EncodedTile)


def test_nothing_is_waited_for_where_the_files_are_as_they_were(
    service: TileService, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a check that failed for an instant, which network drives do."""
    look, failures = LocalFile.signature, [OSError("stale file handle")]

    def fail_once(file: LocalFile) -> Signature:
        if failures and file.path == scene:
            raise failures.pop()
        return look(file)

    request = native_tile(service)

    async def check_and_wait() -> TileRequest:
        monkeypatch.setattr(LocalFile, "signature", fail_once)
        with pytest.raises(SourceChanged):
            await service.check_unchanged(request)
        async with asyncio.timeout(LIMIT_SECONDS):
            return await service.wait_for_next_version(request)

    assert asyncio.run(check_and_wait()) == request
