"""Pictures that are stored rotated come out upright."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageOps
from rasterio.errors import NotGeoreferencedWarning

from engine.window import Window
from tests.support.scenes import WORK, colours, means, write
from tileserver.offline.upscaling import upscale
from tileserver.offline.upscaling.orientation import TAG, UPRIGHT, read_orientation
from tileserver.offline.upscaling.scene import Scene

DRIVERS = {".tif": "GTiff", ".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}


def photo(path: Path, tag: int) -> Path:
    """A picture wider than high, as stored, with a tag that says how to turn it."""
    exif = Image.Exif()
    exif[TAG] = tag
    Image.fromarray(np.moveaxis(colours(32, 48), 0, -1)).save(
        path, exif=exif, quality=100, subsampling=0, lossless=True
    )
    return path


@pytest.mark.parametrize("suffix", DRIVERS)
@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_scenes_are_as_viewers_show_them(tmp_path: Path, suffix: str, tag: int) -> None:
    path = photo(tmp_path / f"in{suffix}", tag)
    with Image.open(path) as picture:
        shown = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    scene = Scene(path, None)
    assert (scene.extent.height, scene.extent.width) == shown.shape[:2]
    for window in (scene.extent, Window(3, 5, 20, 11)):
        pixels, valid = scene.read(window)
        expected = shown[window.row : window.bottom, window.col : window.right]
        rounding = 0 if suffix in (".tif", ".png") else 2  # decoders of lossy pictures differ
        difference = np.moveaxis(pixels, 0, -1).astype(int) - expected
        assert np.abs(difference).max() <= rounding
        assert valid.all()


@pytest.mark.parametrize("name", ["out.tif", "out.png"])
def test_results_are_stored_the_right_way_up(tmp_path: Path, name: str) -> None:
    source = photo(tmp_path / "in.jpg", 6)
    upscale(source, tmp_path / name, WORK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(tmp_path / name) as out:
            pixels = out.read()
            assert "EXIF_Orientation" not in out.tags()
    with Image.open(source) as picture:
        shown = np.moveaxis(np.asarray(ImageOps.exif_transpose(picture)), -1, 0)
    with Image.open(tmp_path / name) as result:
        assert result.getexif().get(TAG, 1) == 1
    assert pixels.shape == (3, 96, 64)
    assert np.abs(means(pixels) - shown).max() <= 3


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_with_a_place_is_turned_with_it(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", colours(32, 48))
    with rasterio.open(path) as source:
        transform, crs = source.transform, source.crs
    turned = photo(tmp_path / "turned.tif", 8)
    with rasterio.open(turned, "r+") as out:
        out.transform, out.crs = transform, crs
    assert read_orientation(turned, "GTiff") != UPRIGHT
    upscale(turned, tmp_path / "out.tif", WORK)
    with rasterio.open(tmp_path / "out.tif") as out, rasterio.open(path) as source:
        assert out.shape == (96, 64)
        assert out.bounds == pytest.approx(source.bounds)
        # The pixel on a place is that which lies there.
        x, y = source.xy(7, 40)
        row, col = out.index(x, y)
        value = out.read()[:, row // 2 * 2 : row // 2 * 2 + 2, col // 2 * 2 : col // 2 * 2 + 2]
        assert np.abs(value.mean(axis=(1, 2)) - source.read()[:, 7, 40]).max() <= 1


@pytest.mark.parametrize("suffix", DRIVERS)
def test_damaged_remarks_are_passed_over(tmp_path: Path, suffix: str) -> None:
    whole = photo(tmp_path / f"whole{suffix}", 6).read_bytes()
    for count in (0, 3, 9, 20, 60):
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(whole[:count])
        assert read_orientation(cut, DRIVERS[suffix]) == UPRIGHT


def test_other_formats_are_upright(tmp_path: Path) -> None:
    assert read_orientation(tmp_path / "missing.jp2", "JP2OpenJPEG") == UPRIGHT
    assert read_orientation(tmp_path / "missing.tif", "GTiff") == UPRIGHT
