"""Which members of a mosaic a window is read from, also where it lies past 180 degrees."""

from __future__ import annotations

from pathlib import Path

import morecantile
import pytest
from affine import Affine
from rasterio.warp import transform

from engine.window import Window
from tests.support.earth import DEGREES, TURNS
from tests.support.members import raster_of
from tests.support.placed import PX, raster_at
from tileserver.grid import Grid
from tileserver.imagery.mosaic_members import MosaicMembers
from tileserver.origins.members import LocalFile
from tileserver.rasters.footprint import crosses, native_zoom
from tileserver.rasters.raster import Raster

HALF_WORLD = TURNS["EPSG:3857"] / 2


def found_at(raster: Raster, grid: Grid, lon: float, lat: float) -> list[set[str]]:
    """The members that are found for a pixel at a place: of the grid, then one turn further."""
    zoom = native_zoom(raster, grid) + 1
    members, size = MosaicMembers(raster, grid, zoom), grid.pixel_size(zoom)
    left, top = grid.origin(zoom)
    (x,), (y,) = transform(DEGREES, grid.crs, [(lon + 180) % 360 - 180], [lat])
    pixel = Window(int((top - y) // size), int((x - left) // size), 1, 1)
    assert grid.whole(zoom).contains(pixel)
    beyond = Window(pixel.row, pixel.col + grid.whole(zoom).width, 1, 1)
    found = []
    for window in (pixel, beyond) if crosses(raster, grid) else (pixel,):
        numbers = members.find_members(window)
        assert numbers is not None
        files = [raster.origin.members[number] for number in numbers]
        found.append({file.path.name for file in files if isinstance(file, LocalFile)})
    return found


@pytest.mark.parametrize("grid_id", ["WebMercatorQuad", "WorldCRS84Quad"])
@pytest.mark.parametrize(
    ("crs", "left", "pixel"),
    [
        ("EPSG:4326", 15.0, 0.01),
        ("EPSG:4326", 190.0, 0.01),
        ("EPSG:4326", 180 - 1.3 * PX * 0.01, 0.01),
        ("EPSG:4326", -180 - 1.3 * PX * 0.01, 0.01),
        ("EPSG:3857", HALF_WORLD - PX * 100, 100.0),
        ("EPSG:3857", HALF_WORLD + PX * 100, 100.0),
        ("EPSG:32662", HALF_WORLD + PX * 100, 100.0),
        ("EPSG:32660", 833_978.0 - 2.5 * PX * 100, 100.0),  # 180 degrees at the equator
    ],
)
def test_the_member_of_a_place_is_found_there(
    tmp_path: Path, crs: str, left: float, pixel: float, grid_id: str
) -> None:
    lefts = {f"{number}.tif": left + number * PX * pixel for number in range(4)}
    for name, start in lefts.items():
        raster_at(tmp_path / name, crs, Affine(pixel, 0, start, 0, -pixel, PX * pixel))
    raster = raster_of(tmp_path, mosaic=True)
    grid = Grid(morecantile.tms.get(grid_id))
    for name, start in lefts.items():
        middle = [start + PX * pixel / 2], [PX * pixel / 2]
        (lon,), (lat,) = middle if crs == "EPSG:4326" else transform(crs, DEGREES, *middle)
        for found in found_at(raster, grid, lon, lat):
            assert found == {name}


def test_members_of_a_virtual_raster_whose_rows_run_to_the_north_are_found(
    tmp_path: Path,
) -> None:
    (folder := tmp_path / "parts").mkdir()
    for number in range(2):
        top = 40 - number * PX * 0.01
        raster_at(folder / f"{number}.tif", "EPSG:4326", Affine(0.01, 0, 15, 0, -0.01, top))
    mosaic = raster_of(folder, mosaic=True)
    place = ", ".join(map(repr, mosaic.transform.to_gdal()))
    turned = ", ".join(map(repr, Affine(0.01, 0, 15, 0, 0.01, 40).to_gdal()))
    document = folder / "turned.vrt"
    document.write_text(mosaic.origin.address.text.replace(place, turned))
    raster = raster_of(document)
    assert raster.bounds[1] == pytest.approx(40)
    grid = Grid(morecantile.tms.get("WebMercatorQuad"))
    for number in range(2):
        middle = 40 + (number + 0.5) * PX * 0.01
        assert found_at(raster, grid, 15 + PX * 0.005, middle) == [{f"{number}.tif"}]
