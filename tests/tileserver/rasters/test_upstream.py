"""Tiles of another server as a source: an `overzoom serve` of the demo, and one that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from morecantile import Tile
from pydantic import ValidationError

from engine.window import Window
from tests.support.server import Service
from tests.support.stores import FileServer, file_server
from tests.support.tiles import block, decoded, path_of
from tileserver.assembly import open_catalogue
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Layer
from tileserver.errors import SourceUnavailable, StartupError
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings
from tileserver.settings.sources import UpstreamSettings

NATIVE = 19
SIDE = 3
BOUNDS = (-110.6466, 44.9538, -110.6405, 44.9583)
"""Of the demo scene, generously."""


def upstream(url: str, host: str, **more: object) -> Settings:
    settings = {"url": url, "maxzoom": NATIVE, "bounds": BOUNDS, **more}
    return Settings.model_validate(
        {
            "sources": {"up": {"upstream": settings}},
            "remote_hosts": [host],
            "source_check_seconds": 0.1,
        }
    )


def layer_of(catalogue: Catalogue) -> Layer:
    return catalogue["up"].layer("WebMercatorQuad")


@pytest.fixture
def tiles(
    server: Service, middle_tile: Callable[[int], Tile], tmp_path: Path
) -> Iterator[tuple[FileServer, Tile]]:
    """A server of a few of the demo's native tiles, as files; the tile in their middle."""
    folder, middle = tmp_path / "tiles", middle_tile(NATIVE)
    for tile in block(middle, SIDE):
        path = folder / f"{tile.z}/{tile.x}/{tile.y}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(server.get(path_of(tile)).content)
    with file_server(folder, tmp_path / "control") as files:
        yield files, middle


def native(layer: Layer, tile: Tile) -> np.ndarray:
    """A native tile's levels, (H, W, C)."""
    picture = layer.pyramid.picture(layer.native_zoom)
    return np.rint(picture.read(layer.grid.tile_window(tile)) * 255).transpose(1, 2, 0)


def test_another_server_s_tiles_are_the_native_zoom_and_go_on_past_it(
    server: Service, middle_tile: Callable[[int], Tile]
) -> None:
    host = server.url.removeprefix("http://")
    url = f"{server.url}/yellowstone/{{z}}/{{x}}/{{y}}.png"
    catalogue = open_catalogue(upstream(url, host))
    layer = layer_of(catalogue)
    assert (layer.native_zoom, layer.max_zoom) == (NATIVE, NATIVE + 3)
    tile = middle_tile(NATIVE)
    assert np.array_equal(native(layer, tile), decoded(server.get(path_of(tile)).content)[..., :3])
    deeper = layer.grid.tile_window(middle_tile(NATIVE + 1))
    picture = layer.pyramid.picture(NATIVE + 1).read(deeper)
    theirs = decoded(server.get(path_of(middle_tile(NATIVE + 1))).content)[..., :3]
    assert np.abs(picture.transpose(1, 2, 0) * 255 - theirs).mean() < 12
    catalogue.close()


def test_a_tile_that_is_not_there_is_ground_without_data(tiles: tuple[FileServer, Tile]) -> None:
    files, middle = tiles
    url = f"{files.url}/{{TileMatrix}}/{{TileCol}}/{{TileRow}}.png"
    catalogue = open_catalogue(upstream(url, files.host))
    layer = layer_of(catalogue)
    window = layer.grid.tile_window(middle).children()
    assert layer.bands.valid(window).all()
    beyond = Window(window.row, window.col + SIDE * 512, 512, 512)
    assert not layer.bands.valid(beyond).any()
    catalogue.close()


@pytest.mark.parametrize("status", [500, 503, 403])
def test_a_failure_upstream_is_an_error_and_never_a_picture(
    tiles: tuple[FileServer, Tile], status: int
) -> None:
    files, middle = tiles
    catalogue = open_catalogue(upstream(f"{files.url}/{{z}}/{{x}}/{{y}}.png", files.host))
    layer = layer_of(catalogue)
    window = layer.grid.tile_window(middle).children()
    files.fault(status=status, only=f"/{middle.y}.png")
    with pytest.raises(SourceUnavailable):
        layer.bands.read(window)
    files.fault()
    assert layer.bands.valid(window).all(), "nothing of it is remembered"
    catalogue.close()


def test_a_dead_upstream_starts_and_answers_that_it_cannot(tmp_path: Path) -> None:
    with file_server(tmp_path, tmp_path / "control") as files:
        settings = upstream(f"{files.url}/{{z}}/{{x}}/{{y}}.png", files.host)
    catalogue = open_catalogue(settings)
    layer = layer_of(catalogue)
    with pytest.raises(SourceUnavailable):
        layer.bands.read(Window(layer.extent.row + 600, layer.extent.col + 600, 1, 1))
    catalogue.close()


def test_whatever_decides_the_tiles_of_a_service_decides_the_fingerprint() -> None:
    url = "http://127.0.0.1:9/{z}/{x}/{y}.png"
    changes: list[dict[str, object]] = [
        {"version": "2026"},
        {"renewed_seconds": 60},
        {"maxzoom": NATIVE - 1},
        {"minzoom": 5},
        {"bounds": None, "maxzoom": 18},
        {"bounds": (-110.645, 44.955, -110.642, 44.957)},
        {"grid": "WorldCRS84Quad", "maxzoom": 18},
        {"url": "http://127.0.0.1:9/{z}/{y}/{x}.png"},
    ]
    prints = []
    for more in ({}, {}, *changes):
        catalogue = open_catalogue(upstream(str(more.pop("url", url)), "127.0.0.1:9", **more))
        prints.append(catalogue["up"].fingerprint)
        catalogue.close()
    assert prints[0] == prints[1]
    assert len(set(prints)) == 1 + len(changes)


@pytest.mark.parametrize(
    ("upstream_lines", "reason"),
    [
        ("url: 'http://a/{z}/{x}.png', maxzoom: 3", "url must contain"),
        ("url: 'http://a/{z}/{x}/{y}.png'", "maxzoom"),
        (
            "url: 'http://a/{z}/{x}/{y}.png', maxzoom: 3, minzoom: 4",
            "minzoom 4 must not exceed maxzoom 3",
        ),
    ],
)
def test_mistakes_are_named_at_start_up(tmp_path: Path, upstream_lines: str, reason: str) -> None:
    config = tmp_path / "overzoom.yaml"
    config.write_text(f"sources:\n  up:\n    upstream: {{{upstream_lines}}}\n")
    with pytest.raises(StartupError, match=reason):
        read_settings(config, {})
    config.write_text("sources:\n  both: {attribution: a}\n")
    with pytest.raises(StartupError, match="set either path or upstream"):
        read_settings(config, {})


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"grid": "EuropeanETRS89_LAEAQuad"}, "ends at zoom 15"),
        ({"grid": "nothing"}, "no tile matrix set that doubles"),
        ({"maxzoom": 24}, "more pixels than GDAL counts"),
    ],
)
def test_services_that_cannot_be_one_raster_are_refused(
    more: dict[str, object], reason: str
) -> None:
    url = "http://127.0.0.1:9/{z}/{x}/{y}.png"
    with pytest.raises(StartupError, match=reason):
        open_catalogue(upstream(url, "127.0.0.1:9", **more))
    with pytest.raises(StartupError, match="not in remote_hosts"):
        open_catalogue(upstream(url, "example.org"))


@pytest.mark.parametrize("bounds", [(10, 50, 5, 60), (5, 60, 10, 50), (170, -20, -170, 20)])
def test_bounds_the_wrong_way_round_are_refused(bounds: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="west < east, south < north"):
        UpstreamSettings.model_validate(
            {"url": "https://x/{z}/{x}/{y}.png", "maxzoom": 9, "bounds": bounds}
        )
