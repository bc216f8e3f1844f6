"""The file's own pixel at a place: its row, its column and its values as they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.warp import transform

from tileserver.catalogue.layers import Layer, Source
from tileserver.catalogue.stored_pixel import StoredPixel, read_stored_pixel
from tileserver.grid import Grid
from tileserver.imagery.handles import HandlePool
from tileserver.origins.origin import file_origin
from tileserver.rasters.band_roles import BandRoles
from tileserver.rasters.inspection import inspect, inspect_origin
from tileserver.rasters.raster import Raster
from tileserver.settings.sources import SourceSettings

CRS = "EPSG:32633"
STRAIGHT = Affine(10, 0, 500_000, 0, -10, 5_000_000)
VALUES = np.arange(8 * 6, dtype=np.int16).reshape(8, 6)


def written(path: Path, bands: NDArray[Any], place: Affine = STRAIGHT) -> Path:
    count, height, width = bands.shape
    size = {"count": count, "height": height, "width": width, "dtype": bands.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=CRS, transform=place, **size) as out:
        out.write(bands)
    return path


def source_of(raster: Raster) -> Source:
    """The raster as a source, whose grids no stored pixel needs."""

    def layer(_source: Source, _grid: Grid) -> Layer:
        raise AssertionError

    settings = SourceSettings(path=raster.origin.address.name)
    return Source("scene", settings, HandlePool(1).of(raster), {}, layer)


def stored(raster: Raster, place: Affine, row: int, col: int) -> StoredPixel | None:
    """What is reported for the middle of a file's pixel."""
    x, y = place * (col + 0.5, row + 0.5)
    (lon,), (lat,) = transform(CRS, "EPSG:4326", [x], [y])
    return read_stored_pixel(source_of(raster), lon, lat)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_what_alpha_hides_has_no_value(tmp_path: Path, dtype: str) -> None:
    bands = np.full((2, 8, 6), 255, dtype)
    bands[:, 2, 3], bands[1, 4, 4] = 0, 100
    path = written(tmp_path / "alpha.tif", bands)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = ColorInterp.gray, ColorInterp.alpha
    raster = inspect(path, None)
    assert stored(raster, STRAIGHT, 2, 3) == (2, 3, [None])
    assert stored(raster, STRAIGHT, 4, 4) == (4, 4, [None])
    assert stored(raster, STRAIGHT, 4, 3) == (4, 3, [255])


@pytest.mark.parametrize(
    "turn",
    [
        Affine.translation(0, 8) * Affine.scale(1, -1),
        Affine.translation(6, 0) * Affine.scale(-1, 1),
        Affine.translation(6, 8) * Affine.scale(-1, -1),
        Affine(0, 1, 0, 1, 0, 0),
        Affine(0, 1, 0, -1, 0, 6),
        Affine.rotation(30),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"crs": CRS}, {"roles": BandRoles((2, 1))}])
def test_rows_and_columns_are_the_files_however_it_is_turned(
    tmp_path: Path, turn: Affine, settings: dict[str, Any]
) -> None:
    place = STRAIGHT * turn
    path = written(tmp_path / "turned.tif", np.stack((VALUES, -VALUES)), place)
    raster = inspect_origin(file_origin(path), None, **settings)
    sign = -1 if "roles" in settings else 1
    for row, col in ((0, 0), (0, 5), (7, 0), (5, 1)):
        value = sign * VALUES[row, col]
        assert stored(raster, place, row, col) == (row, col, [value, -value])


def test_a_raster_past_180_degrees_has_its_own_rows_and_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "pacific.tif", VALUES[None])
    with rasterio.open(path, "r+") as file:
        file.crs = "EPSG:4326"
        file.transform = Affine(1, 0, 177, 0, 1, 10)  # south-up, too
    source = source_of(inspect(path, None))
    assert read_stored_pixel(source, 178.5, 12.5) == (2, 1, [VALUES[2, 1]])
    assert read_stored_pixel(source, -177.5, 10.5) == (0, 5, [VALUES[0, 5]])


def control_points(path: Path) -> Path:
    bands = np.where(np.add.outer(np.arange(40), np.arange(40)) % 2, 1000, 0).astype(np.int16)
    path = written(path, bands[None], Affine.identity())
    corners = [(row, col) for row in (0, 40) for col in (0, 40)]
    points = [GroundControlPoint(r, c, *(STRAIGHT * (c + r / 4, r - c / 5))) for r, c in corners]
    with rasterio.open(path, "r+") as file:
        file.gcps = points, CRS
    return path


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("settings", [{}, {"crs": CRS}, {"roles": BandRoles((1,))}])
def test_a_raster_that_is_resampled_onto_the_ground_has_no_stored_pixels(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    origin = file_origin(control_points(tmp_path / "points.tif"))
    raster = inspect_origin(origin, None, **settings)
    assert stored(raster, STRAIGHT, 20, 20) is None
