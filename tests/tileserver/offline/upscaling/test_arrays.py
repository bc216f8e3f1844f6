"""`tileserver.upscale` and `tileserver.estimate_error`: what the command writes, as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

import tileserver
from tests.support.commands import call_overzoom
from tests.support.scenes import colours, means, write
from tileserver import estimate_error, upscale
from tileserver.errors import StartupError
from tileserver.offline.upscaling import drawing


def written(source: Path, *options: object) -> np.ma.MaskedArray[Any, Any]:
    """What the command writes of a raster."""
    out = source.with_name("out.tif")
    done = call_overzoom("upscale", source, out, "--overwrite", *options)
    assert done.exit_code == 0, done.stderr
    with rasterio.open(out) as file:
        return file.read(masked=True)


def test_of_a_raster_it_is_what_the_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "BLOCK_PX", 256)  # several blocks
    hole = np.full((150, 140), 255, np.uint8)
    hole[20:60, 30:50] = 0
    source = write(tmp_path / "in.tif", colours(150, 140), mask=hole)
    expected = written(source, "--factor", 4, "--noise-seed", 3, "--detail", 0.4)
    found = upscale(source, 4, noise_seed=3, detail=0.4)
    assert isinstance(found, np.ma.MaskedArray)
    assert found.shape == (3, 600, 560)
    assert found.dtype == np.uint8
    assert np.array_equal(found.mask, expected.mask)
    assert np.array_equal(found.filled(0), expected.filled(0))
    assert not np.array_equal(found.data, upscale(str(source), 4, detail=0.4).data)


def test_of_an_array_it_is_that_of_a_raster_with_its_values(tmp_path: Path) -> None:
    pixels = colours(50, 70)
    source = write(tmp_path / "in.tif", pixels)
    found = upscale(pixels, 2)
    assert type(found) is np.ndarray
    assert np.array_equal(found, upscale(source, 2).data)
    drift = means(found) - pixels
    unclipped = (pixels > 5) & (pixels < 250)
    assert np.abs(drift[unclipped]).max() <= 1
    grey = upscale(pixels[0], 8)
    assert grey.shape == (400, 560)
    assert grey.dtype == np.uint8


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_values_keep_their_type_and_mean(dtype: str) -> None:
    pixels = (colours(40, 40).astype(np.float64) * 20 + 500).astype(dtype)
    found = upscale(pixels, value_range=(500, 5600))
    assert found.dtype == dtype
    assert means(found) == pytest.approx(pixels, abs=2)
    assert upscale(pixels).dtype == dtype


def test_four_bands_of_an_array_are_alike() -> None:
    pixels = colours(40, 40)
    four = np.concatenate((pixels, 255 - pixels[:1]))
    assert np.abs(means(upscale(four)) - four).mean() < 2


def test_masked_arrays_are_drawn_where_they_have_data() -> None:
    pixels = np.ma.MaskedArray(colours(40, 40), np.zeros((3, 40, 40), bool))
    pixels[:, 10:20, 5:9] = np.ma.masked
    found = upscale(pixels)
    assert isinstance(found, np.ma.MaskedArray)
    assert np.array_equal(found.mask, pixels.mask.repeat(2, 1).repeat(2, 2))
    whole = upscale(np.ma.MaskedArray(colours(40, 40)))
    assert isinstance(whole, np.ma.MaskedArray)
    assert not whole.mask.any()


def test_alpha_and_parts_are_the_command_s(tmp_path: Path) -> None:
    alpha = np.linspace(0, 255, 48 * 48).reshape(1, 48, 48).astype(np.uint8)
    names = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    bands = np.concatenate((colours(), alpha))
    source = write(tmp_path / "in.tif", bands, interpretation=names)
    assert np.array_equal(upscale(source).data[3], written(source).data[3])
    with rasterio.open(source) as file:
        box = rasterio.warp.transform_bounds(file.crs, "EPSG:4326", *file.bounds)
    part = (box[0], box[1], (box[0] + box[2]) / 2, box[3])
    expected = written(source, "--bbox", ",".join(map(str, part)))
    found = upscale(source, bbox=part)
    assert found.shape == expected.shape
    assert found.shape[2] < 60
    assert np.array_equal(found.data, expected.data)


def test_the_error_is_the_command_s_uncertainty(tmp_path: Path) -> None:
    source, error = write(tmp_path / "in.tif", colours()), tmp_path / "error.tif"
    written(source, "--uncertainty", error)
    with rasterio.open(error) as file:
        expected = file.read(1)
    found = estimate_error(source)
    assert found.shape == (96, 96)
    assert found.dtype == np.float32
    assert np.array_equal(found.data, expected)
    assert found.mean() > 0
    of_array = estimate_error(colours())
    assert type(of_array) is np.ndarray
    assert np.array_equal(of_array, expected)


@pytest.mark.parametrize(
    ("array", "options", "reason"),
    [
        (np.zeros((3, 9, 9), np.uint8), {"factor": 3}, "factor must be 2, 4 or 8, not 3"),
        (np.zeros((3, 9, 9), np.uint8), {"detail": 2}, "detail must be 0 to 1"),
        (np.zeros((3, 9, 9), np.uint8), {"bbox": (0, 0, 1, 1)}, "an array has no place"),
        (np.zeros((90, 90, 3), np.uint8), {}, r"bands come first.*transpose\(2, 0, 1\)"),
        (np.zeros(9, np.uint8), {}, "must be .C, H, W. or .H, W."),
        (np.zeros((3, 0, 9), np.uint8), {}, "must be .C, H, W. or .H, W."),
        (np.zeros((3, 9, 9), np.int64), {}, "must be of uint8, .*not int64"),
    ],
)
def test_what_cannot_be_used_says_why(array: Any, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        upscale(array, **options)


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="nothing"):
        upscale(tmp_path / "nothing.tif")
    with pytest.raises(AttributeError, match="nothing"):
        tileserver.nothing  # noqa: B018  # the access raises


@pytest.mark.parametrize(
    ("count", "dtype"), [(3, "uint8"), (5, "uint8"), (4, "int16"), (2, "float32")]
)
def test_what_an_alpha_band_of_any_type_hides_is_no_data(
    tmp_path: Path, count: int, dtype: str
) -> None:
    alpha = np.full((1, 48, 48), {"int16": 255, "float32": 1}.get(dtype, 255), dtype)
    alpha[..., 24:] = 0
    pictures = np.concatenate((colours(), colours()[:1]))[: count - 1].astype(dtype)
    bands = np.concatenate((pictures * (alpha > 0), alpha))
    tags = [ColorInterp.undefined] * (count - 1) + [ColorInterp.alpha]
    source = write(tmp_path / "in.tif", bands, interpretation=tags, alpha="YES")
    for made in (upscale(source, 2), estimate_error(source, 2)):
        hidden = np.broadcast_to(np.arange(96) >= 48, (96, 96))
        np.testing.assert_array_equal(np.ma.getmaskarray(made).reshape(-1, 96, 96)[0], hidden)
    shown = np.ma.getdata(upscale(source, 2))[: count - 1, :, :48]
    assert np.abs(means(shown) - pictures[..., :24]).max() <= 1, "nothing hidden was looked at"


def test_data_that_a_mask_shows_may_have_the_nodata_value(tmp_path: Path) -> None:
    pixels = colours()[:1]
    pixels[:, :, :24] = 0
    mask = np.full((48, 48), 255, np.uint8)
    mask[:, 40:] = 0
    source = write(tmp_path / "in.tif", pixels, mask=mask, nodata=0)
    made = upscale(source, 2)
    assert np.ma.getmaskarray(made).mean() == pytest.approx(8 / 48)
    assert np.ma.getdata(made)[0, :, :40].max() < 30, "black stays black"
