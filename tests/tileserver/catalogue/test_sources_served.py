"""Every kind of source through an application: tiles of all zooms, titiler's routes, failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from starlette.testclient import TestClient

from tests.support.changing import inverted
from tests.support.members import quarters
from tests.support.rasters import cut
from tests.support.server import Service
from tests.support.stores import FileServer, file_server
from tests.support.tiles import WEB_MERCATOR, decoded, path_of
from tests.support.waiting import wait_until
from tileserver.app import make_app
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

NATIVE = 19
KINDS = ["file", "mosaic", "remote", "upstream"]


@dataclass
class Setting:
    """A server of one scene as every kind of source, and what lies behind it."""

    server: TestClient
    store: FileServer
    folder: Path
    middle: tuple[float, float]

    def tile(self, zoom: int, source: str, format: str = "png") -> str:
        return path_of(WEB_MERCATOR.tile(*self.middle, zoom), source, format)


@pytest.fixture
def setting(tmp_path: Path, server: Service) -> Iterator[Setting]:
    folder = tmp_path / "store"
    folder.mkdir()
    scene = cut(folder / "scene.tif", "rgb")
    cut(folder / "remote.tif", "rgb")
    quarters(scene, folder / "parts")
    bounds = server.get("/yellowstone/tilejson.json").json()["bounds"]
    with file_server(folder, tmp_path / "control") as store:
        tiles = f"{server.url}/yellowstone/{{z}}/{{x}}/{{y}}.png"
        config: dict[str, object] = {
            "sources": {
                "file": {"path": "store/scene.tif"},
                "mosaic": {"path": "store/parts", "mosaic": True},
                "remote": {"path": f"{store.url}/remote.tif"},
                "upstream": {"upstream": {"url": tiles, "maxzoom": NATIVE, "bounds": bounds}},
            },
            "remote_hosts": [store.host, server.url.removeprefix("http://")],
            "source_check_seconds": 0.1,
            "remote_check_seconds": 0.5,
        }
        with TestClient(make_app(settings_of(tmp_path, config))) as served:
            west, south, east, north = served.get("/mosaic/tilejson.json").json()["bounds"]
            middle = (west + east) / 2, (south + north) / 2
            yield Setting(served, store, folder, middle)


def settings_of(folder: Path, values: dict[str, object]) -> Settings:
    """The settings of a configuration in a folder, with its cache there."""
    (folder / "overzoom.yaml").write_text(yaml.safe_dump(values))
    return read_settings(folder / "overzoom.yaml", {"cache": {"folder": str(folder / "cache")}})


@pytest.mark.slow
def test_every_kind_of_source_is_served_at_every_zoom(setting: Setting) -> None:
    for zoom in (NATIVE - 3, NATIVE, NATIVE + 1):
        shown = {}
        for kind in KINDS:
            answer = setting.server.get(setting.tile(zoom, kind))
            assert answer.status_code == 200, (kind, zoom, answer.text)
            shown[kind] = decoded(answer.content)
        if zoom >= NATIVE:
            assert np.array_equal(shown["mosaic"], shown["file"])
            assert np.array_equal(shown["remote"], shown["file"])
    for kind in KINDS:
        document = setting.server.get(f"/{kind}/tilejson.json").json()
        assert document["maxzoom"] == NATIVE + 3
        for route in ("info", "preview.png?max_size=64"):
            answer = setting.server.get(f"/{kind}/{route}")
            assert answer.status_code == 200, (kind, route, answer.text)
            assert str(setting.folder).encode() not in answer.content


@pytest.mark.slow
def test_what_is_gone_answers_503_and_the_others_go_on(setting: Setting) -> None:
    server = setting.server
    kept = server.get(setting.tile(NATIVE + 1, "file"))
    (setting.folder / "scene.tif").rename(setting.folder / "aside.tif")
    (setting.folder / "parts" / "nw.tif").unlink()
    setting.store.fault(status=500)
    wait_until(lambda: server.get(setting.tile(NATIVE - 1, "mosaic")).status_code == 200)
    for kind in ("file", "remote"):
        wait_until(partial(answers, server, setting.tile(NATIVE - 2, kind), 503))
        for path in (setting.tile(NATIVE - 2, kind), f"/{kind}/preview.png"):
            answer = server.get(path)
            assert answer.status_code == 503, (path, answer.text)
            assert answer.headers["Retry-After"] == "10"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.json() == {"detail": "the source cannot be read at present, try again"}
    assert server.get(setting.tile(NATIVE + 1, "file")).content == kept.content, "from the cache"
    assert server.get(setting.tile(NATIVE + 1, "upstream")).status_code == 200
    assert server.get(setting.tile(NATIVE - 1, "mosaic")).status_code == 200, "without the member"
    setting.store.fault()
    (setting.folder / "aside.tif").rename(setting.folder / "scene.tif")
    for kind in ("file", "remote"):
        wait_until(partial(answers, server, setting.tile(NATIVE - 2, kind), 200))


def answers(server: TestClient, path: str, status: int) -> bool:
    return server.get(path).status_code == status


def test_a_server_starts_without_a_source_that_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut(tmp_path / "meadow.tif", "rgb")
    late = {"path": "late.tif", "title": "Late", "licence": "CC0-1.0", "reference": "meadow"}
    config: dict[str, object] = {"sources": {"late": late, "meadow": {"path": "meadow.tif"}}}
    settings = settings_of(tmp_path, config | {"source_check_seconds": 0.1})
    with TestClient(make_app(settings)) as server:
        routes = server.get("/openapi.json").json()["paths"]
        plain = [
            route
            for route, methods in routes.items()
            if "get" in methods and route.startswith("/{source}/") and "{" not in route[8:]
        ]
        assert len(plain) > 8
        for route in [*(one.replace("{source}", "late") for one in plain), "/late/19/1/1.png"]:
            answer = server.get(route)
            assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "10"), route
            text = "the source cannot be read at present, try again"
            if route.endswith(("/wms", "/wmts")):
                assert f">{text}</" in answer.text
            else:
                assert answer.json() == {"detail": text}
        assert server.get("/never/19/1/1.png").status_code == 404
        listed, meadow = server.get("/sources.json").json()
        assert (meadow["id"], meadow["native_zoom"]) == ("meadow", NATIVE)
        assert set(listed) == set(meadow)
        assert "late.tif: not a raster" in listed.pop("unavailable")
        known = {name: value for name, value in listed.items() if value is not None}
        assert known == {"id": "late"} | {k: v for k, v in late.items() if k != "path"}
        assert server.get("/?f=json").status_code == 200

        cut(tmp_path / "new.tif", "grey").replace(tmp_path / "late.tif")
        wait_until(lambda: server.get("/late/tilejson.json").status_code == 200)
        assert server.get("/sources.json").json()[0]["bands"] == 1
    said = [(r.levelname, r.getMessage()) for r in caplog.records]
    about = [(level, text) for level, text in said if "late.tif: not a raster" in text]
    (level,) = [level for level, text in about if "503" not in text]
    assert level == "ERROR"
    assert len(about) > 8, "and a line for every refusal"


def test_a_replaced_file_is_served_under_another_etag(setting: Setting, tmp_path: Path) -> None:
    path, scene = setting.tile(NATIVE, "file"), setting.folder / "scene.tif"
    old = setting.server.get(path)
    inverted(scene, tmp_path / "other.tif").replace(scene)

    def is_replaced() -> bool:
        answer = setting.server.get(path)  # 503 where the raster was opened amid the change
        return answer.status_code == 200 and answer.headers["ETag"] != old.headers["ETag"]

    wait_until(is_replaced)
    new = setting.server.get(path)
    before, after = decoded(old.content).astype(int), decoded(new.content).astype(int)
    shown = before[..., 3] > 0
    assert np.abs(after + before - 255)[shown][:, :3].mean() < 3
    asked = setting.server.get(path, headers={"If-None-Match": old.headers["ETag"]})
    assert asked.status_code == 200, "the old one is no longer it"
