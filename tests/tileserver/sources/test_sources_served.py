"""Every kind of source through a running server: tiles of all zooms, titiler's routes, failures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.tileserver.conftest import WEB_MERCATOR, Server, decoded, path_of, running
from tests.tileserver.rasters import cut
from tests.tileserver.sources.test_locating import quarters
from tests.tileserver.sources.test_watch import inverted
from tests.tileserver.stores import FileServer, file_server

NATIVE = 19
KINDS = ["file", "mosaic", "remote", "upstream"]


@dataclass
class Setting:
    """A server of one scene as every kind of source, and what lies behind it."""

    server: Server
    store: FileServer
    folder: Path
    middle: tuple[float, float]

    def tile(self, zoom: int, source: str, format: str = "png") -> str:
        return path_of(WEB_MERCATOR.tile(*self.middle, zoom), source, format)


@pytest.fixture
def setting(tmp_path: Path, server: Server) -> Iterator[Setting]:
    folder = tmp_path / "store"
    folder.mkdir()
    scene = cut(folder / "scene.tif", "rgb")
    cut(folder / "remote.tif", "rgb")
    quarters(scene, folder / "parts")
    bounds = server.get("/yellowstone/tilejson.json").json()["bounds"]
    with file_server(folder, tmp_path / "control") as store:
        tiles = f"{server.url}/yellowstone/{{z}}/{{x}}/{{y}}.png"
        config = {
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
        (tmp_path / "overzoom.yaml").write_text(yaml.safe_dump(config))
        arguments = ("--config", tmp_path / "overzoom.yaml")
        with running(*arguments, cache=tmp_path / "cache") as served:
            west, south, east, north = served.get("/mosaic/tilejson.json").json()["bounds"]
            middle = (west + east) / 2, (south + north) / 2
            yield Setting(served, store, folder, middle)


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


def test_what_is_gone_answers_503_and_the_others_go_on(setting: Setting) -> None:
    server = setting.server
    kept = server.get(setting.tile(NATIVE + 1, "file"))
    (setting.folder / "scene.tif").rename(setting.folder / "aside.tif")
    (setting.folder / "parts" / "nw.tif").unlink()
    setting.store.fault(status=500)
    time.sleep(1)
    for kind in ("file", "remote"):
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
    time.sleep(1)
    for kind in ("file", "remote"):
        assert server.get(setting.tile(NATIVE - 2, kind)).status_code == 200


def test_a_server_starts_without_a_source_that_cannot_be_read(tmp_path: Path) -> None:
    cut(tmp_path / "meadow.tif", "rgb")
    late = {"path": "late.tif", "title": "Late", "licence": "CC0-1.0", "reference": "meadow"}
    config = {"sources": {"late": late, "meadow": {"path": "meadow.tif"}}}
    (tmp_path / "overzoom.yaml").write_text(yaml.safe_dump(config | {"source_check_seconds": 0.1}))
    with running("--config", tmp_path / "overzoom.yaml", cache=tmp_path / "cache") as server:
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
            assert answer.json() == {"detail": "the source cannot be read at present, try again"}
        assert server.get("/never/19/1/1.png").status_code == 404
        listed, meadow = server.get("/sources.json").json()
        assert (meadow["id"], meadow["native_zoom"]) == ("meadow", NATIVE)
        assert set(listed) == set(meadow)
        known = {name: value for name, value in listed.items() if value is not None}
        assert known == {"id": "late"} | {k: v for k, v in late.items() if k != "path"}
        assert server.get("/?f=json").status_code == 200

        cut(tmp_path / "new.tif", "grey").replace(tmp_path / "late.tif")
        deadline = time.monotonic() + 60
        while server.get("/late/tilejson.json").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert server.get("/sources.json").json()[0]["bands"] == 1
        log = server.log.read_text()
    assert log.count("late.tif: not a raster") == 1
    assert "ERROR" in log


def test_a_replaced_file_is_served_under_another_etag(setting: Setting, tmp_path: Path) -> None:
    path, scene = setting.tile(NATIVE, "file"), setting.folder / "scene.tif"
    old = setting.server.get(path)
    inverted(scene, tmp_path / "other.tif").replace(scene)
    deadline = time.monotonic() + 60
    while (new := setting.server.get(path)).headers["ETag"] == old.headers["ETag"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    before, after = decoded(old.content).astype(int), decoded(new.content).astype(int)
    shown = before[..., 3] > 0
    assert np.abs(after + before - 255)[shown][:, :3].mean() < 3
    asked = setting.server.get(path, **{"If-None-Match": old.headers["ETag"]})
    assert asked.status_code == 200, "the old one is no longer it"
