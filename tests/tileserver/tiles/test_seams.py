"""The promise: one picture, whichever tile is asked for first, by whomever."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from morecantile import Tile
from starlette.testclient import TestClient

from engine.pictures.pyramid import Pyramid
from engine.sampling.lattice import Lattice
from engine.sampling.settings import Fusion
from engine.window import Window
from tests.support.server import running
from tests.support.tiles import block, decoded, mosaic, path_of
from tileserver.app import make_app
from tileserver.assembly import open_catalogue
from tileserver.grid import TILE_PX
from tileserver.settings.server import Settings
from tileserver.tiles.encoding import to_levels

NATIVE = 19
SIZE = 3
CONNECTIONS = 6
ORDERS: tuple[dict[str, object], ...] = ({}, {"threads": 1}, {})
"""Settings of three servers; each is asked in an order of its own."""

Tiles = dict[Tile, np.ndarray]


def fetch(client: httpx.Client | TestClient, tiles: list[Tile]) -> Tiles:
    """Tiles asked for as a viewer does: in this order, six at a time."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = list(pool.map(lambda tile: client.get(path_of(tile)), tiles))
    assert {answer.status_code for answer in answers} == {200}
    return {t: decoded(a.content) for t, a in zip(tiles, answers, strict=True)}


def shuffle(tiles: list[Tile], number: int) -> list[Tile]:
    """The order in which the server of a number is asked."""
    order = list(tiles)
    random.Random(number).shuffle(order)
    return order


@pytest.fixture(scope="module")
def wanted(middle_tile: Callable[[int], Tile]) -> list[Tile]:
    return [tile for zoom in (NATIVE + 1, NATIVE + 2) for tile in block(middle_tile(zoom), SIZE)]


@pytest.fixture(scope="module")
def thrice(config_settings: Settings, wanted: list[Tile]) -> list[Tiles]:
    """The same tiles from three fresh applications."""
    found, threads = [], torch.get_num_threads()
    try:
        for number, update in enumerate(ORDERS):
            settings = config_settings.model_copy(update={**update, "deadline_seconds": 300})
            with TestClient(make_app(settings)) as client:
                found.append(fetch(client, shuffle(wanted, number)))
    finally:
        torch.set_num_threads(threads)
    return found


def assert_equal(thrice: list[Tiles], wanted: list[Tile]) -> None:
    first, *others = thrice
    for other in others:
        differing = [tile for tile in wanted if not np.array_equal(first[tile], other[tile])]
        assert not differing


@pytest.mark.slow
def test_three_servers_in_three_orders_draw_identical_pixels(
    thrice: list[Tiles], wanted: list[Tile]
) -> None:
    assert_equal(thrice, wanted)


@pytest.mark.slow
@pytest.mark.usefixtures("bundled_checkpoint")
def test_two_processes_in_two_orders_draw_identical_pixels(
    patient: Path, wanted: list[Tile], tmp_path: Path
) -> None:
    found, some = [], wanted[::2]
    for number, update in enumerate(ORDERS[:2]):
        options = [f"--{name}={value}" for name, value in update.items()]
        cache = tmp_path / f"cache{number}"
        with (
            running("--config", patient, *options, cache=cache) as server,
            httpx.Client(base_url=server.url, timeout=300) as client,
        ):
            found.append(fetch(client, shuffle(some, number)))
    assert_equal(found, some)


@pytest.mark.slow
@pytest.mark.parametrize("zoom", [NATIVE + 1, NATIVE + 2])
def test_the_tiles_are_crops_of_one_window_evaluation(
    thrice: list[Tiles], config_settings: Settings, zoom: int
) -> None:
    layer = open_catalogue(config_settings)["yellowstone"].layer("WebMercatorQuad")
    tiles = {tile: levels for tile, levels in thrice[0].items() if tile.z == zoom}
    top, left = min(t.y for t in tiles), min(t.x for t in tiles)
    side = SIZE * TILE_PX
    whole = Window(top * TILE_PX, left * TILE_PX, side, side)
    expected = to_levels(layer.pyramid.picture(zoom).read(whole)).transpose(1, 2, 0)
    assert np.array_equal(mosaic(tiles), expected)


def border_ratio(texture: np.ndarray) -> float:
    """How much steeper texture (C, H, W) is across tile borders than elsewhere.

    A line's steepness is measured against the lines beside it, at the same place within native
    pixels, since scenes are not equally steep everywhere; elsewhere is every sixteenth line.
    Rows and columns count alike.
    """

    def steepness(offset: int) -> float:
        total = 0.0
        for lines in (
            np.abs(np.diff(texture, axis=1)).mean((0, 2)),
            np.abs(np.diff(texture, axis=2)).mean((0, 1)),
        ):
            places = np.arange(TILE_PX, len(lines) - TILE_PX // 2, TILE_PX) + offset - 1
            beside = [lines[places + d] for d in (-8, -4, 4, 8)]
            total += lines[places].sum() / np.mean(beside, axis=0).sum()
        return total

    elsewhere = [steepness(-offset) for offset in range(16, TILE_PX, 16)]
    return steepness(0) / float(np.mean(elsewhere))


@pytest.mark.slow
@pytest.mark.usefixtures("bundled_checkpoint")
@pytest.mark.parametrize(("zoom", "tiles"), [(NATIVE + 1, 5), (NATIVE + 2, 6)])
def test_tile_borders_are_as_steep_as_the_interior_where_independent_tiles_are_steeper(
    config_settings: Settings, zoom: int, tiles: int
) -> None:
    joined = open_catalogue(config_settings)["yellowstone"].layer("WebMercatorQuad")
    patch_px = TILE_PX >> (zoom - NATIVE)  # patches are measured in native pixels: a patch a tile
    pyramid = joined.pyramid
    alone = Pyramid(
        joined.bands,
        3,
        NATIVE,
        zoom,
        pyramid.checkpoint,
        replace(pyramid.settings, lattice=Lattice(patch_px, patch_px), fusion=Fusion.INDEPENDENT),
        lambda _name: {},
    )
    extent = joined.extent.children(2 ** (zoom - NATIVE - 1))
    inner = extent.dilated(-64).aligned(TILE_PX).dilated(-TILE_PX)
    side = tiles * TILE_PX
    window = Window(inner.row, inner.col, min(side, inner.height), min(side, inner.width))

    def pixels(drawn: Pyramid) -> np.ndarray:
        return drawn.picture(zoom).read(window).astype(np.float64)

    textured = pixels(pyramid)
    plain = joined.samples.pyramid(joined.samples.sample(detail=0.0))
    assert border_ratio(textured - pixels(plain)) == pytest.approx(1, abs=0.02)
    if zoom > NATIVE + 1:  # noise of two steps is too faint in the first zoom's means to tell
        # Tiles that are drawn alone differ from joined ones most steeply where they end.
        assert border_ratio(pixels(alone) - textured) > 1.01
