"""Alpha stays as soft or as hard as in the source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import ColorInterp

from tests.support.scenes import SIDE, WORK, colours, means, repeated, write
from tileserver.offline.upscaling import upscale

RGBA = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)


def soft(most: int) -> NDArray[np.float64]:
    """Nothing on the left, all on the right, a slope between them."""
    slope = np.clip(np.arange(SIDE) - 12, 0, 20) / 20 * most
    return np.tile(np.rint(slope), (SIDE, 1))


@pytest.mark.parametrize(("dtype", "most"), [("uint8", 255), ("uint16", 65535), ("uint16", 255)])
@pytest.mark.parametrize("name", ["out.tif", "out.png"])
def test_a_slope_becomes_a_finer_slope(tmp_path: Path, dtype: str, most: int, name: str) -> None:
    alpha = soft(most).astype(dtype)
    bands = np.concatenate((colours().astype(dtype), alpha[None]))
    write(tmp_path / "in.tif", bands, interpretation=RGBA)
    upscale(tmp_path / "in.tif", tmp_path / name, WORK)
    with rasterio.open(tmp_path / name) as out:
        assert out.colorinterp == RGBA
        assert out.dtypes == (dtype,) * 4
        found = out.read(4)
    np.testing.assert_array_equal(found == 0, repeated(alpha == 0))
    np.testing.assert_array_equal(found == most, repeated(alpha == most))
    assert np.abs(means(found) - alpha).max() <= 0.5
    steps = np.diff(found.astype(int), axis=1)
    assert (steps >= 0).all()
    assert steps.max() < 0.75 * most / 20 + 1  # half as high, but for ripple and rounding


def test_hard_edges_stay_where_they_are(tmp_path: Path) -> None:
    shape = np.random.default_rng(0).random((SIDE, SIDE)) < 0.5
    alpha = np.where(shape, 200, 0).astype(np.uint8)
    bands = np.concatenate((colours(), alpha[None]))
    write(tmp_path / "in.tif", bands, interpretation=RGBA)
    upscale(tmp_path / "in.tif", tmp_path / "out.tif", replace(WORK, factor=4))
    with rasterio.open(tmp_path / "out.tif") as out:
        np.testing.assert_array_equal(out.read(4), repeated(alpha, 4))


def test_what_is_barely_there_does_not_vanish(tmp_path: Path) -> None:
    alpha = np.random.default_rng(0).integers(0, 3, (1, SIDE, SIDE)).astype(np.uint8)
    write(
        tmp_path / "in.tif",
        np.concatenate((colours(), alpha)),
        interpretation=RGBA,
    )
    upscale(tmp_path / "in.tif", tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        np.testing.assert_array_equal(out.read(4) > 0, repeated(alpha[0]) > 0)


def test_alpha_between_other_bands_stays_there(tmp_path: Path) -> None:
    order = (ColorInterp.red, ColorInterp.alpha, ColorInterp.green, ColorInterp.blue)
    red, green, blue = colours()
    bands = np.stack((red, soft(255).astype(np.uint8), green, blue))
    write(tmp_path / "in.tif", bands, interpretation=order)
    upscale(tmp_path / "in.tif", tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.colorinterp == order
        found = out.read()
    opaque = bands[1] > 0
    assert np.abs(means(found) - bands)[:, opaque].max() <= 1


def test_a_transparent_photo_looks_like_one(tmp_path: Path) -> None:
    pixels = np.moveaxis(np.concatenate((colours(), soft(255).astype(np.uint8)[None])), 0, -1)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    upscale(tmp_path / "in.png", tmp_path / "out.png", WORK)
    with Image.open(tmp_path / "out.png") as out:
        assert out.mode == "RGBA"
        alpha = np.asarray(out)[..., 3]
    assert 20 < len(np.unique(alpha)) <= 42


@pytest.mark.parametrize("name", ["out.tif", "out.png"])
def test_a_mask_beside_alpha_adds_no_second_one(tmp_path: Path, name: str) -> None:
    bands = np.concatenate((colours(), soft(255).astype(np.uint8)[None]))
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    mask[:9] = 0
    write(tmp_path / "in.tif", bands, interpretation=RGBA, mask=mask)
    upscale(tmp_path / "in.tif", tmp_path / name, WORK)
    with rasterio.open(tmp_path / name) as out:
        assert out.colorinterp == RGBA
        np.testing.assert_array_equal(out.read(4) > 0, repeated(bands[3] > 0))
        if name == "out.tif":
            np.testing.assert_array_equal(out.dataset_mask(), repeated(mask))


def test_alpha_of_floats_is_alpha(tmp_path: Path) -> None:
    bands = np.concatenate((colours() / np.float32(255), soft(1).astype(np.float32)[None]))
    bands[3] = np.linspace(0, 1, SIDE)
    write(tmp_path / "in.tif", bands.astype(np.float32), interpretation=RGBA)
    upscale(tmp_path / "in.tif", tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.nodata is None
        assert out.colorinterp == RGBA
        np.testing.assert_allclose(means(out.read(4)), bands[3], atol=1e-6)
