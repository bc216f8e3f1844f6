"""Sizes on the ground of a file's pixels and of a zoom's, and which zoom holds all of the file."""

from __future__ import annotations

from pathlib import Path

import morecantile
import numpy as np
import pytest
from affine import Affine
from rasterio.warp import transform

from tests.support.placed import GRID, raster_at
from tests.support.rasters import SCENE
from tileserver.grid import Grid
from tileserver.rasters.footprint import native_zoom
from tileserver.rasters.ground import GroundSizes, ground_sizes, metres, times
from tileserver.rasters.inspection import inspect
from tileserver.rasters.raster import Raster

ZOOM = 18


def sizes_of(raster: Raster, grid: Grid = GRID) -> GroundSizes:
    return ground_sizes(raster, grid, native_zoom(raster, grid))


@pytest.mark.parametrize("latitude", [0.0, 44.0, 60.0, -75.0])
def test_a_mercator_pixel_is_smaller_away_from_the_equator(tmp_path: Path, latitude: float) -> None:
    side = GRID.pixel_size(ZOOM)
    (x,), (y,) = transform("EPSG:4326", "EPSG:3857", [27.0], [latitude])
    place = Affine(side, 0, x - 32 * side, 0, -side, y + 32 * side)
    sizes = sizes_of(raster_at(tmp_path / "file.tif", "EPSG:3857", place))
    expected = side * np.cos(np.radians(latitude))
    assert sizes.imagery_metres == pytest.approx(expected, rel=0.005)  # the Earth is no sphere
    assert sizes.ratio(ZOOM) == pytest.approx(1, abs=1e-6)
    assert sizes.full_resolution_zoom == sizes.native_zoom == ZOOM
    assert sizes.ratio(ZOOM + 3) == pytest.approx(8, abs=1e-5)
    assert sizes.pixel_metres(ZOOM + 1) == pytest.approx(sizes.imagery_metres / 2)


def test_degrees_at_60_north_are_half_as_wide_as_high(tmp_path: Path) -> None:
    side = 0.40 / 111_412  # 0.40 m from south to north, 0.20 m from west to east
    place = Affine(side, 0, 27.0, 0, -side, 60.0)
    sizes = sizes_of(raster_at(tmp_path / "file.tif", "EPSG:4326", place))
    assert sizes.imagery_metres == pytest.approx(0.40 * 0.5**0.5, rel=0.003)
    assert sizes.native_metres == pytest.approx(0.2986, rel=0.003)


def test_a_utm_pixel_is_as_large_as_it_says() -> None:
    sizes = sizes_of(inspect(SCENE, None))
    assert sizes.imagery_metres == pytest.approx(0.2, rel=0.002)
    assert sizes.native_metres == pytest.approx(0.2112, rel=0.002)
    assert (sizes.native_zoom, sizes.full_resolution_zoom) == (19, 19)
    assert times(sizes.ratio(20)) == "1.9"


@pytest.mark.parametrize(
    ("grid", "crs", "place"),
    [
        ("UPSArcticWGS84Quad", "EPSG:3413", Affine(1000, 0, -32_000, 0, -1000, 32_000)),
        ("WorldCRS84Quad", "EPSG:4326", Affine(0.01, 0, 179.68, 0, -0.01, 45)),
    ],
)
def test_a_pole_and_180_degrees_are_places_like_others(
    tmp_path: Path, grid: str, crs: str, place: Affine
) -> None:
    sizes = sizes_of(raster_at(tmp_path / "file.tif", crs, place), Grid(morecantile.tms.get(grid)))
    assert 0.6 < sizes.ratio(sizes.native_zoom) < 1.7
    expected = 1000 * 1.03 if crs == "EPSG:3413" else 1112 * np.cos(np.radians(44.68)) ** 0.5
    assert sizes.imagery_metres == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize(
    ("imagery", "native", "full"),
    [
        (0.60, 0.60, 18),
        (0.60, 0.62, 18),  # just coarser than the file: nothing is lost that one could see
        (0.60, 0.58, 18),
        (0.60, 0.53, 18),
        (0.60, 0.70, 19),  # coarser: the zoom after it is the first that has all
        (0.60, 0.84, 19),
    ],
)
def test_the_zoom_of_full_resolution_is_the_first_as_fine_as_the_file(
    imagery: float, native: float, full: int
) -> None:
    assert GroundSizes(imagery, native, 18).full_resolution_zoom == full


def test_sizes_and_ratios_in_words() -> None:
    assert [metres(size) for size in (0.6, 1.0625, 0.1328, 0.0264, 30, 12.34, 2500)] == [
        "0.60 m", "1.06 m", "0.13 m", "0.026 m", "30 m", "12.3 m", "2.5 km",
    ]  # fmt: skip
    assert [times(ratio) for ratio in (4.517, 2.0, 0.79, 1.98, 11.37)] == [
        "4.5", "2", "0.8", "2", "11.4",
    ]  # fmt: skip
