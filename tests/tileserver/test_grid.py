from __future__ import annotations

import morecantile
import pytest
from morecantile import Tile

from engine.window import Window
from tests.support.rasters import FULL_DISK
from tileserver.errors import OutsideGrid
from tileserver.grid import Grid, doubling_grids

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
def test_edges_that_lie_beside_the_earth_lie_outside_every_grid(name: str) -> None:
    grid, (crs, side) = GRIDS[name], FULL_DISK
    assert grid.native_zoom(crs, 8, 8, (-side, -side, side, side)) >= grid.tms.minzoom
    with pytest.raises(OutsideGrid):
        grid.window_of_bounds(grid.bounds_of(crs, (-side, -side, side, side)), 5)


def test_children_share_their_parents_ground() -> None:
    grid = Grid(morecantile.tms.get("WebMercatorQuad"))
    window = Window(-3, 70, 10, 20)
    parent, children = grid.transform(12, window), grid.transform(13, window.children())
    assert (children.c, children.f) == pytest.approx((parent.c, parent.f))
    assert children.a == pytest.approx(parent.a / 2)
