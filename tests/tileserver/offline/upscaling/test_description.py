"""Metadata of a raster survives super-resolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from tests.support.scenes import SIDE, WORK, colours, means, repeated, write
from tileserver.offline.upscaling import upscale

BANDS = (ColorInterp.red, ColorInterp.nir, ColorInterp.undefined)


def described(path: Path) -> Path:
    """Three bands of reflectance with all that a GeoTIFF can say of them."""
    bands = colours().astype(np.int16) * 30
    bands[:, 10:20, 5:30] = -9999
    write(path, bands, nodata=-9999, interpretation=BANDS)
    with rasterio.open(path, "r+") as out:
        out.scales, out.offsets = (1e-4, 2e-4, 1.0), (0.0, -0.1, 5.0)
        out.units = ("reflectance", "reflectance", "K")
        out.descriptions = ("B04", "B08", None)
        out.update_tags(TIFFTAG_COPYRIGHT="Somebody", PASS="7", OVERZOOM_OLD="1")
        out.update_tags(TIFFTAG_XRESOLUTION="72", TIFFTAG_YRESOLUTION="36")
        out.update_tags(TIFFTAG_RESOLUTIONUNIT="2", AREA_OR_POINT="Point")
        out.update_tags(2, WAVELENGTH="842", STATISTICS_MAXIMUM="3")
    return path


def test_bands_keep_their_scale_unit_name_colour_and_nodata(tmp_path: Path) -> None:
    source, out = described(tmp_path / "in.tif"), tmp_path / "out.tif"
    upscale(source, out, WORK)
    with rasterio.open(source) as before, rasterio.open(out) as after:
        for what in ("scales", "offsets", "units", "descriptions", "nodatavals", "dtypes"):
            assert getattr(after, what) == getattr(before, what), what
        assert after.colorinterp == before.colorinterp == BANDS
        assert after.mask_flag_enums == before.mask_flag_enums
        assert after.bounds == before.bounds
        tags = after.tags()
        assert tags["TIFFTAG_COPYRIGHT"] == "Somebody"
        assert tags["PASS"] == "7"
        assert tags["AREA_OR_POINT"] == "Point"
        assert (tags["TIFFTAG_XRESOLUTION"], tags["TIFFTAG_YRESOLUTION"]) == ("144", "72")
        assert "OVERZOOM_OLD" not in tags
        assert after.tags(2) == {"WAVELENGTH": "842"}
        missing = before.read() == -9999
        np.testing.assert_array_equal(after.read() == -9999, repeated(missing))
        difference = np.abs(means(after.read()) - before.read())[~missing]
    assert difference.max() <= 1


def test_a_picture_file_keeps_them_beside_it(tmp_path: Path) -> None:
    source, out = tmp_path / "in.tif", tmp_path / "out.png"
    grey = np.maximum(colours()[:1], 1)
    grey[:, :9, :9] = 0
    write(source, grey, nodata=0)
    with rasterio.open(source, "r+") as dataset:
        dataset.scales, dataset.offsets, dataset.units = (0.5,), (-40.0,), ("°C",)
        dataset.descriptions = ("a < b & c",)
    upscale(source, out, WORK)
    with rasterio.open(source) as before, rasterio.open(out) as after:
        assert (after.scales[0], after.offsets[0], after.units[0]) == (0.5, -40.0, "°C")
        assert after.descriptions[0] == "a < b & c"
        assert after.nodatavals[0] == 0
        assert after.colorinterp == (ColorInterp.gray, ColorInterp.alpha)
        transparent = repeated(before.read(1) == 0)
        np.testing.assert_array_equal(after.read(2) == 0, transparent)
        np.testing.assert_array_equal(after.read(1) == 0, transparent)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_nothing_that_is_drawn_becomes_nodata(tmp_path: Path, dtype: str) -> None:
    # A chequerboard around the nodata value: whatever is drawn there may hit it.
    chequers = np.indices((SIDE, SIDE)).sum(axis=0) % 2
    bands = np.where(chequers, 1, 3)[None].astype(dtype)
    bands[:, :4] = 2
    upscale(write(tmp_path / "in.tif", bands, nodata=2), tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        found = out.read(1)
    assert (found == 2)[:8].all()
    assert not (found == 2)[8:].any()


def test_a_band_without_data_has_none_where_others_have_some(tmp_path: Path) -> None:
    bands = colours().astype(np.float32) + 500
    bands[1, 20:30, 20:30] = -9999
    upscale(write(tmp_path / "in.tif", bands, nodata=-9999), tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        found = out.read()
    np.testing.assert_array_equal(found == -9999, repeated(bands == -9999))
    valid = bands != -9999
    np.testing.assert_allclose(means(found)[valid], bands[valid], atol=0.01)


def test_floats_that_are_not_numbers_are_the_nodata_of_who_has_no_other(tmp_path: Path) -> None:
    bands = colours()[:1] / np.float32(255)
    bands[0, 5:9, 5:9] = np.nan
    upscale(write(tmp_path / "in.tif", bands), tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        assert np.isnan(out.nodata)
        np.testing.assert_array_equal(np.isnan(out.read()), repeated(np.isnan(bands)))


def test_large_offsets_lose_nothing(tmp_path: Path) -> None:
    bands = colours()[:1] / 255.0 + 1e7  # float32 has steps of 1 there
    upscale(write(tmp_path / "in.tif", bands), tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        np.testing.assert_allclose(means(out.read()) - 1e7, bands - 1e7, atol=1e-6)


def test_a_flat_raster_stays_flat_however_large_its_value(tmp_path: Path) -> None:
    bands = np.full((1, SIDE, SIDE), 1e20, np.float32)
    upscale(write(tmp_path / "in.tif", bands), tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        assert (out.read() == np.float32(1e20)).all()


def test_colours_beneath_a_mask_are_kept_with_it(tmp_path: Path) -> None:
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    mask[:, 30:] = 0
    upscale(write(tmp_path / "in.tif", colours(), mask=mask), tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.nodata is None
        np.testing.assert_array_equal(out.dataset_mask(), repeated(mask))
        np.testing.assert_array_equal(out.read()[:, :, 60:], repeated(colours())[:, :, 60:])


def test_colour_profiles_are_kept(tmp_path: Path) -> None:
    profile = "AAAADGFjc3AAAAAA"
    write(tmp_path / "in.tif", colours(), SOURCE_ICC_PROFILE=profile)
    upscale(tmp_path / "in.tif", tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.tags(ns="COLOR_PROFILE")["SOURCE_ICC_PROFILE"] == profile


def test_control_characters_in_tags_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "in.tif", colours())
    with rasterio.open(tmp_path / "in.tif", "r+") as source:
        source.update_tags(TIFFTAG_IMAGEDESCRIPTION="one\x0btwo\tthree")
    upscale(tmp_path / "in.tif", tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.tags()["TIFFTAG_IMAGEDESCRIPTION"] == "onetwo\tthree"


def test_an_errors_unit_is_that_of_the_values(tmp_path: Path) -> None:
    bands = np.repeat(colours()[:1].astype(np.uint16) * 40, 2, axis=0)
    write(tmp_path / "in.tif", bands, nodata=0)
    with rasterio.open(tmp_path / "in.tif", "r+") as source:
        source.scales, source.offsets, source.units = (0.1, 0.1), (5.0, 5.0), ("m", "m")
    upscale(tmp_path / "in.tif", tmp_path / "out.tif", WORK, tmp_path / "error.tif")
    with rasterio.open(tmp_path / "error.tif") as error:
        assert (error.scales, error.offsets, error.units) == ((0.1,), (0.0,), ("m",))
