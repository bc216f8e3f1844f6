"""Georeferencing of a raster survives super-resolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import GCPTransformer, RPCTransformer

from tests.support.scenes import SIDE, WORK, colours, write
from tileserver.offline.upscaling import upscale
from tileserver.offline.upscaling.orientation import Orientation
from tileserver.offline.upscaling.placement import Placement

POINTS = [
    GroundControlPoint(0, 0, 15.0, 45.0, 120.0, "a", "a church"),
    GroundControlPoint(0, SIDE, 15.1, 45.01, 0.0, "b"),
    GroundControlPoint(SIDE, 0, 15.02, 44.9, 0.0, "c"),
    GroundControlPoint(SIDE, SIDE, 15.12, 44.91, 0.0, "d"),
]
ONE, LONGITUDE, LATITUDE = ([float(index == place) for index in range(20)] for place in range(3))
POLYNOMIALS = RPC(
    height_off=0.0,
    height_scale=100.0,
    lat_off=45.0,
    lat_scale=0.1,
    long_off=15.0,
    long_scale=0.1,
    line_off=SIDE / 2 - 0.5,
    line_scale=SIDE / 2,
    samp_off=SIDE / 2 - 0.5,
    samp_scale=SIDE / 2,
    line_num_coeff=[-value for value in LATITUDE],
    line_den_coeff=ONE,
    samp_num_coeff=LONGITUDE,
    samp_den_coeff=ONE,
)


@pytest.mark.parametrize("name", ["out.tif", "out.png"])
def test_ground_control_points_are_of_the_new_pixels(tmp_path: Path, name: str) -> None:
    write(tmp_path / "in.tif", colours(), gcps=POINTS, transform=None, crs="EPSG:4326")
    upscale(tmp_path / "in.tif", tmp_path / name, WORK)
    with rasterio.open(tmp_path / name) as out:
        found, crs = out.gcps
    assert crs == CRS.from_epsg(4326)
    for one, other in zip(found, POINTS, strict=True):
        assert (one.row, one.col) == (2 * other.row, 2 * other.col)
        assert (one.x, one.y, one.z) == (other.x, other.y, other.z)


def test_a_sensors_polynomials_are_of_the_new_pixels(tmp_path: Path) -> None:
    write(tmp_path / "in.tif", colours(), rpcs=POLYNOMIALS, transform=None, crs=None)
    upscale(tmp_path / "in.tif", tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        found = out.rpcs
    lon, lat = [14.93, 15.0, 15.08], [45.04, 45.0, 44.91]
    with RPCTransformer(POLYNOMIALS) as before, RPCTransformer(found) as after:
        rows, cols = before.rowcol(lon, lat, zs=[0, 0, 0], op=float)
        finer_rows, finer_cols = after.rowcol(lon, lat, zs=[0, 0, 0], op=float)
    np.testing.assert_allclose(finer_rows, 2 * np.array(rows), atol=1e-3)
    np.testing.assert_allclose(finer_cols, 2 * np.array(cols), atol=1e-3)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("rows_reversed", [False, True])
@pytest.mark.parametrize("cols_reversed", [False, True])
def test_turned_pixels_stay_on_their_ground(
    transposed: bool, rows_reversed: bool, cols_reversed: bool
) -> None:
    orientation = Orientation(transposed, rows_reversed, cols_reversed)
    stored = np.arange(12).reshape(3, 4)
    turned = orientation.to_upright(stored)
    assert turned.shape == orientation.size(3, 4)
    place = Placement(CRS.from_epsg(4326), Affine(1, 0.5, 7, -0.25, -2, 9), tuple(POINTS), RPC_TAGS)
    moved = place.move(orientation.matrix(*turned.shape))
    assert place.transform is not None
    assert moved.transform is not None
    with RPCTransformer(POLYNOMIALS) as before, RPCTransformer(_rpc(moved.rpcs)) as after:
        for row, col in np.ndindex(3, 4):
            ((new_row,), (new_col,)) = np.nonzero(turned == stored[row, col])
            centre, new_centre = (col + 0.5, row + 0.5), (new_col + 0.5, new_row + 0.5)
            assert moved.transform * new_centre == pytest.approx(place.transform * centre)
            lon, lat = before.xy([row], [col], zs=[0])
            rows, cols = after.rowcol(lon, lat, zs=[0], op=float)
            assert (rows[0], cols[0]) == pytest.approx(new_centre[::-1], abs=0.01)
    for point, old in zip(moved.points, place.points, strict=True):
        with GCPTransformer(list(moved.points)) as after:
            assert after.xy([point.row], [point.col], offset="ul")[0][0] == pytest.approx(old.x)


RPC_TAGS = POLYNOMIALS.to_gdal()


def _rpc(tags: dict[str, str]) -> RPC:
    return RPC.from_gdal(tags)


@pytest.mark.parametrize(
    ("crs", "transform", "pixel"),
    [
        ("EPSG:32633", Affine(0.3, 0, 5, 0, -0.3, 9), "0.3 metre"),
        ("EPSG:32633", Affine(0, 3, 5, 4, 0, 9), "4 x 3 metre"),
        ("EPSG:4326", Affine(1e-5, 0, 5, 0, -2e-5, 9), "1e-05 x 2e-05 degree"),
        ("EPSG:2263", Affine(1, 0, 5, 0, -1, 9), "1 US survey foot"),
        (None, None, None),
    ],
)
def test_pixels_have_a_size(crs: str | None, transform: Affine | None, pixel: str | None) -> None:
    place = Placement(CRS() if crs is None else CRS.from_string(crs), transform)
    assert place.pixel() == pixel
