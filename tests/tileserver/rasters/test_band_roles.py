"""Bands as the file has them, as its values show, and as the configuration says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import SubElement, fromstring, tostring

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.transform import from_bounds, from_origin
from rasterio.warp import transform

from tests.support.drawing import tile_values
from tests.support.tiles import WEB_MERCATOR
from tileserver.assembly import open_catalogue
from tileserver.errors import StartupError
from tileserver.origins.origin import file_origin
from tileserver.rasters.band_roles import BandRoles
from tileserver.rasters.inspection import inspect_origin
from tileserver.rasters.opening import open_raster
from tileserver.rasters.placement import describe_as_virtual
from tileserver.rasters.raster import Raster
from tileserver.rasters.validity import Alpha, read_valid
from tileserver.settings.server import Settings

TILE = WEB_MERCATOR.tile(15, 45, 14)
SIDE = 256
GROUND = np.random.default_rng(0).integers(60, 200, (4, SIDE, SIDE)).astype(np.uint8)
RGBA = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
HOLE = np.s_[40:80, 100:180]


def write(path: Path, bands: NDArray[Any], *, aligned: bool = True, **options: Any) -> Path:
    """A raster whose fourth band is called alpha, on the pixels of a tile or in UTM."""
    place = from_bounds(*WEB_MERCATOR.xy_bounds(TILE), SIDE, SIDE)
    if not aligned:
        place = from_origin(500_000, 5_000_000, 10, 10)
    profile = {"driver": "GTiff", "height": SIDE, "width": SIDE, "transform": place}
    profile |= {"crs": "EPSG:3857" if aligned else "EPSG:32633"}
    with rasterio.open(path, "w", count=len(bands), dtype=bands.dtype, **profile, **options) as out:
        if len(bands) == 4:
            out.colorinterp = RGBA
        out.write(bands)
    return path


def turn(path: Path) -> Path:
    """The same pixels with the first row in the south."""
    with rasterio.open(path, "r+") as file:
        file.transform = file.transform * Affine.translation(0, SIDE) * Affine.scale(1, -1)
    return path


def inspect(path: Path, **roles: Any) -> Raster:
    return inspect_origin(file_origin(path), None, roles=BandRoles(**roles))


def values(path: Path, **settings: Any) -> NDArray[Any]:
    """The tile that the raster fills, with its mask as last band."""
    source = {"path": str(path), **settings}
    configured = Settings.model_validate({"sources": {"scene": source}})
    return tile_values(configured, "scene", TILE)


def test_near_infrared_that_is_called_alpha_is_data(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "nir.tif", GROUND)
    with caplog.at_level(logging.WARNING):
        raster = inspect(path)
    assert (raster.indexes, raster.alpha) == ((1, 2, 3, 4), None)
    assert "band 4 is tagged alpha but its values are no mask" in caplog.text
    found = values(path)
    np.testing.assert_array_equal(found[:4], GROUND)
    assert (found[4] == 255).all()


def test_near_infrared_that_is_called_alpha_is_data_in_a_turned_raster(tmp_path: Path) -> None:
    raster = inspect(turn(write(tmp_path / "nir.tif", GROUND)))
    assert (raster.indexes, raster.alpha) == ((1, 2, 3, 4), None)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32"])
def test_alpha_of_ones_and_zeros_is_opaque_at_one(tmp_path: Path, dtype: str, turned: bool) -> None:
    alpha = np.ones((1, SIDE, SIDE), dtype)
    alpha[0][HOLE] = 0
    path = write(tmp_path / "ones.tif", np.concatenate((GROUND[:3].astype(dtype), alpha)))
    raster = inspect(turn(path) if turned else path)
    assert raster.alpha == (4, 1)
    with raster.address.environment(), open_raster(raster) as dataset:
        valid = read_valid(dataset, raster.indexes, raster.alpha)
    np.testing.assert_array_equal(valid[:: -1 if turned else 1], alpha[0] > 0)


@pytest.mark.parametrize("aligned", [True, False])
def test_each_band_has_its_own_nodata_value(tmp_path: Path, aligned: bool) -> None:
    bands, nodata = GROUND[:3].copy(), (0, 255, 7)
    bands[0][HOLE] = nodata[0]  # of one band alone: data
    empty = np.s_[150:200, 60:180]
    for band, value in zip(bands, nodata, strict=True):
        band[empty] = value
    path = write(tmp_path / "bands.tif", bands, aligned=aligned)
    with rasterio.open(path) as dataset:
        root = fromstring(describe_as_virtual(dataset))
    for band, value in zip(root.findall("VRTRasterBand"), nodata, strict=True):
        SubElement(band, "NoDataValue").text = str(value)
    virtual = tmp_path / "bands.vrt"
    virtual.write_bytes(tostring(root))
    shown = np.ones((SIDE, SIDE), bool)
    shown[empty] = False
    settings = Settings.model_validate({"sources": {"scene": {"path": str(virtual)}}})
    raster = open_catalogue(settings)["scene"].raster
    with raster.address.environment(), open_raster(raster) as dataset:
        np.testing.assert_array_equal(read_valid(dataset, raster.indexes, raster.alpha), shown)
    if aligned:
        found = values(virtual)
        np.testing.assert_array_equal(found[-1] > 0, shown)
        np.testing.assert_array_equal(found[:3, shown], bands[:, shown])
        return
    with rasterio.open(path) as dataset:
        (lon,), (lat,) = transform(dataset.crs, "EPSG:4326", *([v] for v in dataset.xy(175, 120)))
    for zoom in (12, 14, 15):
        tile = WEB_MERCATOR.tile(lon, lat, zoom)
        x, y = WEB_MERCATOR.xy(lon, lat)
        left, bottom, right, top = WEB_MERCATOR.xy_bounds(tile)
        col, row = int((x - left) / (right - left) * 256), int((top - y) / (top - bottom) * 256)
        assert tile_values(settings, "scene", tile)[-1, row, col] == 0, zoom


def test_the_configuration_makes_it_alpha_after_all(tmp_path: Path) -> None:
    raster = inspect(write(tmp_path / "soft.tif", GROUND), alpha=4)
    assert (raster.indexes, raster.alpha) == ((1, 2, 3), Alpha(4, 255))


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("full", [255, 65535])
def test_alpha_of_16_bits_is_opaque_at_its_own_greatest_value(
    tmp_path: Path, full: int, aligned: bool
) -> None:
    alpha = np.full((1, SIDE, SIDE), full, np.uint16)
    alpha[0][HOLE] = 0
    bands = np.concatenate((GROUND[:3].astype(np.uint16) * 200, alpha))
    path = write(tmp_path / "alpha16.tif", bands, aligned=aligned)
    raster = inspect(path)
    assert raster.alpha == (4, full)
    if aligned:
        found = values(path)
        np.testing.assert_array_equal(found[-1] > 0, alpha[0] > 0)
        np.testing.assert_array_equal(found[:3, alpha[0] > 0], bands[:3, alpha[0] > 0])
        return
    settings = Settings.model_validate({"sources": {"scene": {"path": str(path)}}})
    middle = WEB_MERCATOR.tile(15.0163, 45.1418, 14)
    shown = tile_values(settings, "scene", middle)[-1] > 0
    assert 0.2 < shown.mean() <= 1


def test_alpha_that_is_none_shows_everything(tmp_path: Path) -> None:
    alpha = np.full((1, SIDE, SIDE), 255, np.uint8)
    alpha[0][HOLE] = 0
    path = write(tmp_path / "rgba.tif", np.concatenate((GROUND[:3], alpha)))
    assert (values(path)[-1][HOLE] == 0).all()
    shown = values(path, alpha=0)
    assert shown.shape == (5, SIDE, SIDE)
    assert (shown[-1] == 255).all()


def test_bands_are_chosen_and_ordered(tmp_path: Path) -> None:
    path = write(tmp_path / "nir.tif", GROUND)
    found = values(path, bands=[4, 1, 2], alpha=0)
    np.testing.assert_array_equal(found[:3], GROUND[[3, 0, 1]])
    one, other = inspect(path, bands=(4, 1, 2)), inspect(path, bands=(1, 2, 4))
    assert one.fingerprint != other.fingerprint


def test_a_nodata_value_may_be_said_for_the_file(tmp_path: Path) -> None:
    bands = GROUND[:3].copy()
    bands[:, HOLE[0], HOLE[1]] = 7
    path = write(tmp_path / "plain.tif", bands, nodata=0)
    assert (values(path)[-1] == 255).all()
    found = values(path, nodata=7)
    assert (found[-1][HOLE] == 0).all()
    assert (found[-1] == 255).sum() == SIDE * SIDE - 40 * 80


@pytest.mark.parametrize("roles", [{"bands": (1, 5)}, {"alpha": 5}])
def test_a_band_that_is_not_there_is_refused_in_one_line(
    tmp_path: Path, roles: dict[str, Any]
) -> None:
    path = write(tmp_path / "plain.tif", GROUND[:3])
    with pytest.raises(StartupError, match="has no band 5, but 3"):
        inspect(path, **roles)


@pytest.mark.parametrize("aligned", [True, False])
def test_beside_alpha_a_nodata_value_means_nothing(tmp_path: Path, aligned: bool) -> None:
    alpha = np.full((1, SIDE, SIDE), 255, np.uint8)
    alpha[0][HOLE] = 0
    bands = np.concatenate((GROUND[:3], alpha))
    bands[:3, 150:200, 60:180] = 0  # black, and opaque
    path = write(tmp_path / "rgba.tif", bands, aligned=aligned, nodata=0)
    raster = inspect(path)
    with raster.address.environment(), open_raster(raster) as dataset:
        assert dataset.nodata is None
        np.testing.assert_array_equal(
            read_valid(dataset, raster.indexes, raster.alpha), alpha[0] > 0
        )
    if aligned:
        found = values(path)
        np.testing.assert_array_equal(found[-1] > 0, alpha[0] > 0)
        np.testing.assert_array_equal(found[:3, alpha[0] > 0], bands[:3, alpha[0] > 0])
        return
    black = pixel_at(path, 175, 120)
    assert black.tolist() == [0, 0, 0, 255]


def pixel_at(path: Path, row: int, col: int, zoom: int = 14) -> NDArray[Any]:
    """A tile's pixel at the middle of a pixel of a raster, with its mask."""
    with rasterio.open(path) as dataset:
        (lon,), (lat,) = transform(dataset.crs, "EPSG:4326", *([v] for v in dataset.xy(row, col)))
    settings = Settings.model_validate({"sources": {"scene": {"path": str(path)}}})
    tile, (x, y) = WEB_MERCATOR.tile(lon, lat, zoom), WEB_MERCATOR.xy(lon, lat)
    left, bottom, right, top = WEB_MERCATOR.xy_bounds(tile)
    place = int((top - y) / (top - bottom) * 256), int((x - left) / (right - left) * 256)
    found: NDArray[Any] = tile_values(settings, "scene", tile)[:, *place]
    return found


def test_nan_that_nothing_tells_of_hides_no_more_than_itself(tmp_path: Path) -> None:
    pixels = np.full((1, SIDE, SIDE), 100, np.float32)
    pixels[0][HOLE] = np.nan
    path = write(tmp_path / "nan.tif", pixels, aligned=False)
    assert pixel_at(path, 60, 140)[-1] == 0
    for beside in (98, 181):
        assert pixel_at(path, 60, beside, 15).tolist() == pytest.approx([100, 255], abs=0.5)


def test_a_value_that_pixels_cannot_have_is_no_nodata(tmp_path: Path) -> None:
    path = write(tmp_path / "bytes.tif", GROUND[:3])
    for wrong in (-9999, 0.5, np.nan):
        with pytest.raises(StartupError, match="uint8 values cannot be it"):
            inspect(path, nodata=wrong)


def test_bands_of_several_types_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "bytes.tif", GROUND[:1])
    second = write(tmp_path / "floats.tif", GROUND[:1].astype(np.float32))
    with rasterio.open(first) as dataset:
        root = fromstring(describe_as_virtual(dataset))
    with rasterio.open(second) as dataset:
        band = fromstring(describe_as_virtual(dataset)).find("VRTRasterBand")
    assert band is not None
    band.set("band", "2")
    root.append(band)
    virtual = tmp_path / "both.vrt"
    virtual.write_bytes(tostring(root))
    settings = Settings.model_validate({"sources": {"scene": {"path": str(virtual)}}})
    with pytest.raises(StartupError, match="has bands of types float32, uint8"):
        open_catalogue(settings)
