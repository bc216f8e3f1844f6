from __future__ import annotations

from pathlib import Path

import morecantile
import pytest
from morecantile import Tile

from engine.window import Window
from tests.support.rasters import full_disk
from tileserver.errors import OutsideGrid
from tileserver.grid import Grid, doubling_grids
from tileserver.rasters.footprint import native_zoom, window_on
from tileserver.rasters.inspection import inspect

GRIDS = doubling_grids(morecantile.tms)


def test_grids_whose_matrices_double_are_told_from_those_that_do_not() -> None:
    assert {"WebMercatorQuad", "WorldCRS84Quad", "UTM31WGS84Quad", "NZTM2000Quad"} <= set(GRIDS)
    assert not {"GNOSISGlobalGrid", "CDB1GlobalGrid", "CanadianNAD83_LCC"} & set(GRIDS)


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_a_tiles_window_covers_the_tiles_bounds(name: str) -> None:
    grid = GRIDS[name]
    for tile in (Tile(1, 1, 3), Tile(5, 3, 5)):
        window = grid.tile_window(tile)
        transform = grid.transform(tile.z, window)
        left, top = transform.c, transform.f
        right = left + window.width * transform.a
        bottom = top + window.height * transform.e
        expected = grid.tms.xy_bounds(tile)
        assert (left, bottom, right, top) == pytest.approx(tuple(expected), rel=1e-9, abs=1e-3)
        half = transform.a / 2
        inner = (left + half, bottom + half, right - half, top - half)
        assert grid.window_of_bounds(inner, tile.z) == window


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_edges_that_lie_beside_the_earth_lie_outside_every_grid(tmp_path: Path, name: str) -> None:
    grid, raster = GRIDS[name], inspect(full_disk(tmp_path / "disk.tif"), None)
    assert native_zoom(raster, grid) >= grid.tms.minzoom
    with pytest.raises(OutsideGrid):
        window_on(raster, grid, 5)


def test_grids_whose_columns_are_meridians_all_round_are_told_from_others() -> None:
    assert {name for name, grid in GRIDS.items() if grid.goes_round} == {
        "WebMercatorQuad",
        "WorldCRS84Quad",
        "WGS1984Quad",
        "WorldMercatorWGS84Quad",
    }


@pytest.mark.parametrize("name", ["WebMercatorQuad", "WorldCRS84Quad", "UTM31WGS84Quad"])
def test_the_pixels_of_a_zoom_and_of_the_one_after_the_last_fill_the_grid(name: str) -> None:
    grid = GRIDS[name]
    for zoom in (int(grid.tms.minzoom), int(grid.tms.maxzoom), int(grid.tms.maxzoom) + 1):
        whole = grid.whole(zoom)
        right, bottom = grid.transform(zoom, whole) * (whole.width, whole.height)
        assert (right, bottom) == pytest.approx((grid.bounds[2], grid.bounds[1]), abs=1e-3)


def test_children_share_their_parents_ground() -> None:
    grid = Grid(morecantile.tms.get("WebMercatorQuad"))
    window = Window(-3, 70, 10, 20)
    parent, children = grid.transform(12, window), grid.transform(13, window.children())
    assert (children.c, children.f) == pytest.approx((parent.c, parent.f))
    assert children.a == pytest.approx(parent.a / 2)
