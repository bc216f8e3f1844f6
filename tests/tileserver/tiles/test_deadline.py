"""One budget of time a request, and refusals that say at once what is wrong."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from morecantile import Tile
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from tests.support.asking import ask, scope_of
from tests.support.changing import aged
from tests.support.pictures import occupy_denoiser
from tests.support.rasters import cut
from tests.support.tiles import WEB_MERCATOR, path_of
from tests.support.waiting import LIMIT_SECONDS
from tileserver.app import make_app
from tileserver.errors import Overloaded, RequestError, SourceUnavailable
from tileserver.middleware.disconnect import ARRIVAL, left_seconds, run_until_disconnect
from tileserver.settings.server import Settings

MakeSettings = Callable[..., Settings]


async def never_leaves() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("late", [Overloaded, SourceUnavailable])
def test_what_a_request_has_already_waited_is_part_of_its_time(late: type[RequestError]) -> None:
    ended = list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def scenario() -> None:
        request = Request({**scope_of("/"), ARRIVAL: time.monotonic() - 100}, never_leaves)
        assert left_seconds(request, 99) == 0
        assert 0 < left_seconds(request, 100 + LIMIT_SECONDS) <= LIMIT_SECONDS
        for _ in range(2):  # a retry has no time of its own
            with pytest.raises(late):
                await run_until_disconnect(request, work(), 99, late)
        await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scenario(), LIMIT_SECONDS))
    assert ended, "a request that is late is not worked at"
    assert set(ended) == {"cancelled"}


def test_time_begins_with_the_arrival_or_with_the_end_of_a_body(config_settings: Settings) -> None:
    app = make_app(config_settings)
    scopes = [scope_of("/nowhere"), scope_of("/yellowstone/statistics")]
    for scope in scopes:
        before = time.monotonic()
        asyncio.run(ask(app, scope))
        assert before <= scope[ARRIVAL] <= time.monotonic()
    app.state.tiles.close()


def refusals(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What is logged of answers 503, the lines of the access log apart."""
    ours = (one for one in caplog.records if one.name.startswith("tileserver"))
    return [one for one in ours if "503" in one.message]


def test_a_deleted_file_s_warm_tiles_are_refused_at_once(
    app_settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = aged(cut(tmp_path / "scene.tif", "rgb"))
    settings = app_settings(
        sources={"scene": {"path": str(scene)}}, source_check_seconds=600, deadline_seconds=600
    )
    with TestClient(make_app(settings)) as client:
        lon, lat, zoom = client.get("/scene/tilejson.json").json()["center"]
        tile = WEB_MERCATOR.tile(lon, lat, zoom)
        assert client.get(path_of(tile, "scene")).status_code == 200
        scene.unlink()
        caplog.clear()
        answer = client.get(path_of(tile, "scene", "npy"))
        assert client.get(path_of(tile, "scene")).status_code == 200, "what is kept is served on"
    assert (answer.status_code, answer.json()["detail"]) == (503, SourceUnavailable.text)
    (line,) = refusals(caplog)
    assert line.levelname == "WARNING"
    assert line.message.startswith("scene: 503, the source cannot be read at present")
    assert "No such file" in line.message


def test_a_source_that_never_could_be_read_says_why_in_the_log(
    app_settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.tif").write_text("no raster")
    scene = cut(tmp_path / "scene.tif", "rgb")
    paths = {"broken": {"path": str(tmp_path / "broken.tif")}, "scene": {"path": str(scene)}}
    with TestClient(make_app(app_settings(sources=paths))) as client:
        caplog.clear()
        for path in ("info", "tilejson.json", "0/0/0.png"):
            assert client.get(f"/broken/{path}").status_code == 503
    lines = [record.message for record in refusals(caplog)]
    assert len(lines) == 3
    assert all("broken: 503" in line and "not a raster" in line for line in lines)


def test_the_interpolated_tile_comes_within_the_request_s_own_time(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile], soon_interpolated: None
) -> None:
    app = make_app(app_settings(when_busy="interpolate", deadline_seconds=100))
    tile = middle_tile(21)
    with TestClient(app) as client:
        assert client.get(f"{path_of(tile)}?mode=interpolated").status_code == 200
        with occupy_denoiser(client):
            answer = client.get(path_of(tile, format="webp"))
    assert answer.status_code == 200
    assert answer.headers["x-overzoom-fallback"] == "busy"
