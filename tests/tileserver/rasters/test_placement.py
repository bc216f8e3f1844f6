"""What a file or its configuration says of its place: CRSs, ground control points, RPCs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC

from engine.window import Window
from tests.support.earth import Place
from tests.support.rasters import cut
from tests.support.tiles import WEB_MERCATOR
from tileserver.errors import StartupError
from tileserver.grid import Grid
from tileserver.imagery.bands import GridSource
from tileserver.imagery.handles import HandlePool
from tileserver.origins.origin import file_origin
from tileserver.rasters.footprint import geographic_extent, native_zoom
from tileserver.rasters.inspection import inspect, inspect_origin
from tileserver.rasters.locating import inspect_source
from tileserver.rasters.opening import open_raster
from tileserver.rasters.raster import Raster
from tileserver.rasters.validity import read_valid
from tileserver.settings.sources import SourceSettings

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

GRID = Grid(WEB_MERCATOR)
UTM = Place("EPSG:32633", Affine(100, 0, 500_000, 0, -100, 5_000_000), waves=500)
SOUTH_UP = Affine.translation(0, 200) * Affine.scale(1, -1)


def rewritten(path: Path, crs: Any = None, place: Affine | None = None, **more: Any) -> Path:
    """The pattern's pixels with another description."""
    source = UTM.write(path.with_name("pattern.tif"))
    with rasterio.open(source) as dataset:
        bands = dataset.read()
    size = {"count": 3, "height": 200, "width": 200, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=place, **size) as out:
        out.write(bands)
        for name, value in more.items():
            setattr(out, name, value)
    return path


def control_points(path: Path, crs: str | None = "EPSG:32633") -> Path:
    points = [
        GroundControlPoint(row, col, *(UTM.transform * (col, row)))
        for row in (0, 100, 200)
        for col in (0, 100, 200)
    ]
    return rewritten(path, gcps=(points, crs))


def assert_shows_the_pattern(raster: Raster) -> None:
    native = native_zoom(raster, GRID)
    straight = inspect(UTM.write(Path(raster.origin.address.name).with_name("straight.tif")), None)
    assert native == native_zoom(straight, GRID)
    sources = [GridSource(HandlePool(4).of(one), GRID, native + 1) for one in (raster, straight)]
    window = sources[1].extent.dilated(-8)
    block = Window(window.row, window.col, 256, 256)
    (values, valid), (expected, known) = (source.read_unfilled(block) for source in sources)
    assert valid.mean() > 0.5
    assert (valid == known).all()
    assert abs(values - expected)[:, known].mean() < 2 / 255


def test_ground_control_points_say_where_a_raster_lies(tmp_path: Path) -> None:
    raster = inspect(control_points(tmp_path / "points.tif"), None)
    assert_shows_the_pattern(raster)
    assert raster.masked, "ground that the pixels do not cover has no data"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_alpha_of_any_type_is_put_onto_the_ground(tmp_path: Path, dtype: str) -> None:
    path = control_points(tmp_path / "points.tif")
    with rasterio.open(path) as dataset:
        points, bands = dataset.gcps, dataset.read().astype(dtype)
        profile = {"driver": "GTiff", "count": 4, "height": 200, "width": 200, "dtype": dtype}
    alpha = np.full((1, 200, 200), 255, dtype)
    alpha[:, :100] = 0
    with rasterio.open(path, "w", **profile) as out:
        out.gcps = points
        out.colorinterp = (*out.colorinterp[:3], ColorInterp.alpha)
        out.write(np.concatenate((bands, alpha)))
    raster = inspect(path, (0, 255))
    assert raster.alpha == (4, 255)
    with raster.address.environment(), open_raster(raster) as warped:
        valid = read_valid(warped, raster.indexes, raster.alpha)
    assert valid.mean() == pytest.approx(0.5, abs=0.02)


def test_a_turned_raster_may_have_alpha_and_a_mask(tmp_path: Path) -> None:
    path = cut(tmp_path / "turned.tif", "rgba")
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False),
        rasterio.open(path, "r+") as dataset,
    ):
        dataset.transform = dataset.transform * Affine.translation(0, 300) * Affine.scale(1, -1)
        dataset.write_mask(np.full((300, 300), 255, np.uint8))
    assert inspect(path, None).alpha == (4, 255)


def test_rpcs_say_where_a_raster_lies(tmp_path: Path) -> None:
    line, column = [0.0, 0, -1, *[0] * 17], [0.0, 1, *[0] * 18]
    one = [1.0, *[0] * 19]
    scale = {"line_off": 100, "samp_off": 100, "line_scale": 100, "samp_scale": 100}
    ground = {"lat_off": 45, "lat_scale": 0.1, "long_off": 15, "long_scale": 0.1}
    height = {"height_off": 0, "height_scale": 500, "err_bias": None, "err_rand": None}
    rpcs = RPC(
        line_num_coeff=line, line_den_coeff=one, samp_num_coeff=column, samp_den_coeff=one,
        **scale, **ground, **height,
    )  # fmt: skip
    raster = inspect(rewritten(tmp_path / "rpcs.tif", rpcs=rpcs), None)
    extent = geographic_extent(raster)
    assert extent == pytest.approx((14.9, 44.9, 15.1, 45.1), abs=2e-3)


@pytest.mark.parametrize("said", [None, "EPSG:4326", "EPSG:32610"])
def test_the_configured_crs_replaces_the_files_own(tmp_path: Path, said: str | None) -> None:
    path = rewritten(tmp_path / "elsewhere.tif", said, UTM.transform)
    raster = inspect_origin(file_origin(path), None, crs="EPSG:32633")
    assert raster.crs == rasterio.crs.CRS.from_epsg(32633)
    assert_shows_the_pattern(raster)
    other = inspect_origin(file_origin(path), None, crs="EPSG:32634")
    assert raster.fingerprint != other.fingerprint
    settings = SourceSettings(path=str(path), crs="EPSG:32633")
    assert inspect_source(settings).bounds == raster.bounds


def test_the_configured_crs_is_that_of_control_points_and_of_turned_rasters(tmp_path: Path) -> None:
    points = control_points(tmp_path / "points.tif", "EPSG:32610")
    turned = tmp_path / "turned.tif"
    Place("EPSG:32633", UTM.transform * SOUTH_UP, waves=500).write(turned)
    with rasterio.open(turned, "r+") as dataset:
        dataset.crs = "EPSG:32610"
    for path in (points, turned):
        assert_shows_the_pattern(inspect_origin(file_origin(path), None, crs="EPSG:32633"))


def test_what_says_nothing_of_its_place_is_refused_in_a_line(tmp_path: Path) -> None:
    nowhere = rewritten(tmp_path / "nowhere.tif")
    with pytest.raises(StartupError, match=r"nowhere\.tif: has no coordinate reference system"):
        inspect(nowhere, None)
    with pytest.raises(StartupError, match=r"nowhere\.tif: .* cannot be georeferenced"):
        inspect_origin(file_origin(nowhere), None, crs="EPSG:32633")
    placed = rewritten(tmp_path / "placed.tif", None, UTM.transform)
    with pytest.raises(StartupError, match=r"placed\.tif: .* set `crs:`"):
        inspect(placed, None)
    with pytest.raises(StartupError, match=r"placed\.tif: crs 'EPSG:0' is not a coordinate"):
        inspect_origin(file_origin(placed), None, crs="EPSG:0")
    flat = rewritten(tmp_path / "flat.tif", "EPSG:32633", Affine(100, 0, 5e5, 0, 0, 5e6))
    with pytest.raises(StartupError, match=r"flat\.tif: .* cannot be inverted"):
        inspect(flat, None)
    assert inspect_origin(file_origin(nowhere), None, placed=False).bounds == (0, 0, 200, 200)


def test_control_points_on_both_sides_of_the_antimeridian_are_refused(tmp_path: Path) -> None:
    points = [
        GroundControlPoint(row, col, x, 10 - row / 100)
        for row in (0, 200)
        for col, x in ((0, 179.5), (200, -179.5))
    ]
    path = rewritten(tmp_path / "points.tif", gcps=(points, "EPSG:4326"))
    with pytest.raises(StartupError, match="on both sides of the antimeridian; warp it"):
        inspect(path, None)


def test_what_is_turned_keeps_what_it_says_of_its_bands(tmp_path: Path) -> None:
    path = cut(tmp_path / "turned.tif", "nodata")
    with rasterio.open(path, "r+") as dataset:
        dataset.transform = dataset.transform * Affine.translation(0, 300) * Affine.scale(1, -1)
        dataset.update_tags(1, STATISTICS_MINIMUM="1", STATISTICS_MAXIMUM="200")
        dataset.set_band_description(1, "red edge")
        dataset.build_overviews([2, 4])
    raster = inspect(path, None)
    assert raster.nodata == 0
    assert raster.colours == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    assert len(raster.overviews) == 2
    with raster.address.environment(), open_raster(raster) as dataset:
        assert dataset.descriptions[0] == "red edge"
        assert dataset.tags(1)["STATISTICS_MAXIMUM"] == "200"
    with raster.address.environment(), open_raster(raster, 0) as overview:
        assert overview.shape == (150, 150)


def test_each_handle_has_the_file_to_itself(tmp_path: Path) -> None:
    """Threads take handles from each other, and GDAL's own sharing knows nothing of that."""
    path = Place("EPSG:32633", UTM.transform * SOUTH_UP, waves=500).write(tmp_path / "turned.tif")
    raster = inspect(path, None)
    with raster.address.environment(), open_raster(raster) as one, open_raster(raster) as other:
        assert one.read(1).any()
        assert other.read(1).any()
        places = [
            os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")
        ]
    assert places.count(os.path.realpath(path)) == 2
