"""Readiness when some sources, or all of them, cannot be drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rasterio
from affine import Affine
from fastapi import FastAPI
from morecantile import Tile
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from tests.support.rasters import cut, full_disk
from tests.support.server import wait_until_ready
from tests.support.tiles import WEB_MERCATOR, path_of
from tileserver.app import make_app
from tileserver.process.health import Health
from tileserver.settings.reading import read_settings

NATIVE = 19
NO_CACHE = {"memory_bytes": 0, "disk_bytes": 0}


def app_of(**paths: Path) -> FastAPI:
    sources = {id: {"path": str(path)} for id, path in paths.items()}
    return make_app(read_settings(None, {"sources": sources, "cache": NO_CACHE}))


def test_a_source_that_no_grid_reaches_keeps_no_other_from_being_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(disk=full_disk(tmp_path / "disk.tif"), meadow=cut(tmp_path / "meadow.tif", "rgb"))
    with TestClient(app) as client:
        wait_until_ready(client)
        disk, meadow = client.get("/sources.json").json()
        assert (disk["bounds"], disk["native_zoom"], disk["tilejson"]) == (None, None, None)
        assert meadow["native_zoom"] == 19
        for place in ("0/0/0.png", "tiles/WorldCRS84Quad/3/4/4.png", "tilejson.json", "embed.json"):
            answer = client.get(f"/disk/{place}")
            assert (answer.status_code, answer.json()) == (
                404,
                {"detail": "source lies outside the tile matrix set"},
            ), place
        assert client.get("/disk/WMTSCapabilities.xml").status_code == 404
        assert client.get("/disk/tiles").json()["tilesets"] == []
        for place in ("info", "preview.png", "thumbnail.webp"):
            assert client.get(f"/disk/{place}").status_code == 200, place
    assert app.state.tiles.scheduler.closed, "the end was an orderly one"
    assert "Traceback" not in caplog.text


def test_a_server_of_nothing_that_can_be_drawn_is_ready_for_what_it_can_do(tmp_path: Path) -> None:
    with TestClient(app_of(disk=full_disk(tmp_path / "disk.tif"))) as client:
        wait_until_ready(client)
        assert client.get("/disk/preview.png").status_code == 200


def test_a_server_that_is_ready_has_built_all_its_routes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, build = list[Any](), TypeAdapter.__init__

    def note(self: TypeAdapter[Any], type: Any, **options: Any) -> None:
        built.append(type)
        build(self, type, **options)

    monkeypatch.setattr(TypeAdapter, "__init__", note)
    app = app_of(meadow=cut(tmp_path / "meadow.tif", "rgb"))
    assert len(built) > 100, "of the parameters of the routes"
    with TestClient(app) as client:
        wait_until_ready(client)
        built.clear()
        assert client.get("/meadow/tilejson.json").status_code == 200
    assert built == []


@pytest.mark.parametrize("view", [None, (-110.6440, 44.9566, 20)])
def test_the_middle_of_the_opening_view_is_drawn_before_anybody_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: tuple[float, float, int] | None
) -> None:
    meadow = {"path": str(cut(tmp_path / "meadow.tif", "rgb")), "view": view}
    app = make_app(read_settings(None, {"sources": {"meadow": meadow}, "cache": NO_CACHE}))
    with TestClient(app) as client:
        wait_until_ready(client)
        document = client.get("/meadow/tilejson.json").json()
        lon, lat, zoom = view or (*document["center"][:2], NATIVE + 2)
        tile = WEB_MERCATOR.tile(lon, lat, zoom)
        monkeypatch.setattr(app.state.tiles.catalogue.checkpoint.denoiser, "encode", refuse_to_draw)
        answer = client.get(path_of(tile, "meadow"))
        assert (answer.status_code, answer.headers["x-overzoom"]) == (200, "super-resolved")
        beside = client.get(path_of(Tile(tile.x + 1, tile.y, tile.z), "meadow"))
        assert beside.status_code == 500, "what nobody has looked at would be drawn now"


def refuse_to_draw(*_: object) -> None:
    raise AssertionError("drawn")


def test_a_failure_of_any_kind_while_warming_up_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tileserver.process.health.RETRY_TICKS", 1)
    app = app_of(meadow=cut(tmp_path / "meadow.tif", "rgb"))
    drawn, health = [], app.state.health
    draw = health._draw

    def failing(id: str) -> None:
        drawn.append(id)
        if len(drawn) == 1:
            raise ValueError
        draw(id)

    monkeypatch.setattr(health, "_draw", failing)
    with TestClient(app) as client:
        wait_until_ready(client)
    assert drawn == ["meadow", "meadow"]


def test_sources_that_lie_nowhere_keep_no_other_from_being_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is refused in a line of its own, and listed without what is not known."""
    with rasterio.open(cut(tmp_path / "meadow.tif", "rgb")) as meadow:
        profile = meadow.profile
    bad = {
        "flat": Affine(0.2, 0, 5e5, 0, 0, 5e6),
        "endless": Affine(0.2, 0, float("inf"), 0, -0.2, 5e6),
        "away": Affine(1e6, 0, 1e12, 0, -1e6, 1e12),
    }
    for name, transform in bad.items():
        with rasterio.open(tmp_path / f"{name}.tif", "w", **{**profile, "transform": transform}):
            pass
    names = [*bad, "meadow"]
    app = app_of(**{name: tmp_path / f"{name}.tif" for name in names})
    with TestClient(app) as client:
        wait_until_ready(client)
        listed = client.get("/sources.json").json()
        assert [one["id"] for one in listed] == names
        assert [one["bounds"] is None for one in listed] == [True, True, True, False]
        assert client.get("/meadow/tilejson.json").status_code == 200
        for name in bad:
            assert client.get(f"/{name}/tilejson.json").status_code in (404, 503), name
            assert client.get(f"/{name}/0/0/0.png").status_code in (404, 503), name
    assert "Traceback" not in caplog.text
    assert "flat.tif: has a transform that cannot be inverted" in caplog.text


def test_a_server_is_ready_where_any_worker_is_and_none_hangs(tmp_path: Path) -> None:
    health: Health = app_of(meadow=cut(tmp_path / "meadow.tif", "rgb")).state.health
    assert health.server_problem == "warming up"
    health.others = ("warming up",)
    assert health.server_problem == "warming up"
    health.others = ("warming up", None)
    assert health.problem == "warming up"
    assert health.server_problem is None
    health.warm = True
    health.others = ("shutting down",)
    assert health.server_problem is None
    health.others = (None, "the denoiser hangs")
    assert health.problem is None
    assert health.server_problem == "the denoiser hangs"
    health.stop()
    assert health.server_problem == "shutting down"
