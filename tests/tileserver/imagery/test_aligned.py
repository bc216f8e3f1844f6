"""Rasters whose pixels are those of a zoom: native tiles equal the data exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from engine.pictures.super_resolution import Halved
from engine.window import Window
from tests.support.rasters import SIDE, cut
from tests.support.tiles import WEB_MERCATOR
from tileserver.assembly import open_catalogue
from tileserver.grid import Grid
from tileserver.imagery.aligned import AlignedSource, window_on_grid
from tileserver.imagery.bands import Bands, GridSource
from tileserver.imagery.handles import HandlePool
from tileserver.rasters.inspection import inspect
from tileserver.rasters.raster import Raster
from tileserver.settings.server import Settings

GRID, NATIVE = Grid(WEB_MERCATOR), 19
SOUTH_UP = Affine.translation(0, SIDE) * Affine.scale(1, -1)
MIRRORED = Affine.translation(SIDE, 0) * Affine.scale(-1, 1)
EXCHANGED = Affine(0, 1, 0, 1, 0, 0)
PLACE = Window(48_304_200, 25_857_600, SIDE, SIDE)
RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
SMALL = Window(PLACE.row, PLACE.col, 16, 16)


def on_grid(path: Path, kind: str, off_px: float = 0) -> Path:
    """The scene's corner, moved onto the pixels of a zoom."""
    cut(path, kind)
    with rasterio.open(path, "r+") as dataset:
        dataset.crs = GRID.crs
        dataset.transform = GRID.transform(NATIVE, PLACE) * Affine.translation(off_px, 0)
    return path


def opened(path: Path) -> tuple[AlignedSource, Raster]:
    raster = inspect(path, None)
    place = window_on_grid(raster, GRID, NATIVE)
    assert place is not None
    return AlignedSource(HandlePool(4).of(raster), place), raster


@pytest.mark.parametrize("kind", ["rgb", "mask", "nodata", "rgba", "grey"])
def test_the_native_zoom_is_the_data_exactly(tmp_path: Path, kind: str) -> None:
    source, raster = opened(on_grid(tmp_path / "on.tif", kind))
    assert source.place == PLACE
    with rasterio.open(tmp_path / "on.tif") as dataset:
        pixels, mask = dataset.read(raster.indexes), dataset.dataset_mask() > 0
    bands = Bands(source, {})
    levels = np.rint(Halved(bands).read(PLACE) * 255)
    assert np.array_equal(levels[:, mask], pixels[:, mask])
    valid = bands.valid(PLACE.children())
    assert np.array_equal(valid, mask.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("kind", ["rgb", "mask"])
def test_every_window_gives_the_same_pixels(tmp_path: Path, kind: str) -> None:
    source, _ = opened(on_grid(tmp_path / "on.tif", kind))
    whole = source.extent.dilated(70)
    expected = Bands(source, {}).read(whole)
    generator = np.random.default_rng(0)
    for _ in range(6):
        height, width = (int(side) for side in generator.integers(1, 400, 2))
        row = whole.row + int(generator.integers(0, whole.height - height))
        col = whole.col + int(generator.integers(0, whole.width - width))
        rows, cols = whole.slices(Window(row, col, height, width))
        drawn = Bands(source, {}).read(Window(row, col, height, width))
        assert np.array_equal(drawn, expected[:, rows, cols])


@pytest.mark.parametrize("kind", ["rgb", "mask", "nodata", "rgba"])
def test_however_it_is_turned(tmp_path: Path, kind: str) -> None:
    straight, _ = opened(on_grid(tmp_path / "on.tif", kind))
    for number, turn in enumerate((SOUTH_UP, MIRRORED, MIRRORED * SOUTH_UP, EXCHANGED)):
        path = tmp_path / f"{number}.tif"
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(tmp_path / "on.tif") as on,
            rasterio.open(path, "w", **{**on.profile, "transform": on.transform * turn}) as out,
        ):
            out.colorinterp = on.colorinterp
            out.write(turned(on.read(), number))
            if kind == "mask":
                out.write_mask(turned(on.read_masks(1), number))
        source, raster = opened(path)
        assert source.place == PLACE
        assert source.raster.transform == straight.raster.transform
        block = PLACE.children().aligned(512)
        block = Window(block.row, block.col, 512, 512)
        assert np.array_equal(source.read(block), straight.read(block)), turn
        assert (raster.indexes, raster.nodata) == (straight.raster.indexes, straight.raster.nodata)


def small(
    path: Path,
    bands: NDArray[Any],
    fourth: ColorInterp,
    mask: NDArray[np.uint8] | None = None,
    **options: Any,
) -> Path:
    """A raster of 16 x 16 px on the pixels of a zoom; fourth: what its fourth band is called."""
    size = {"count": 4, "height": SMALL.height, "width": SMALL.width, "dtype": bands.dtype}
    place = {"crs": GRID.crs, "transform": GRID.transform(NATIVE, SMALL)}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", **size, **place, **options) as out,
    ):
        out.colorinterp = (*RGB, fourth)
        out.write(bands)
        if mask is not None:
            out.write_mask(mask)
    return path


def validity(path: Path) -> NDArray[np.bool_]:
    """Where a raster has data, aligned and warped: the two agree."""
    aligned, raster = opened(path)
    warped = GridSource(HandlePool(4).of(raster), GRID, NATIVE)
    _, valid = warped.read_unfilled(SMALL)
    found = aligned.read(SMALL.children())[-1, ::2, ::2] > 0
    np.testing.assert_array_equal(found, valid)
    return found


def test_a_pixel_has_data_where_any_of_four_bands_has_it(tmp_path: Path) -> None:
    bands = np.full((4, 16, 16), 100, np.uint8)
    bands[3, 2, 2], bands[:3, 4, 4], bands[:, 6, 6] = 0, 0, 0
    found = validity(small(tmp_path / "nir.tif", bands, ColorInterp.undefined, nodata=0))
    assert np.argwhere(~found).tolist() == [[6, 6]]


@pytest.mark.parametrize(
    ("dtype", "opaque"),
    [
        ("uint8", 1),
        ("uint8", 255),
        ("uint16", 1),
        ("uint16", 255),
        ("uint16", 65535),
        ("int16", 1),
        ("int16", 255),
        ("int16", 32767),
        ("int32", 255),
        ("float32", 1),
        ("float32", 255),
    ],
)
def test_alpha_of_any_type_hides_what_is_less_than_half_opaque(
    tmp_path: Path, dtype: str, opaque: float
) -> None:
    bands = np.full((4, 16, 16), 100, dtype)
    bands[3] = opaque
    bands[3, 2, 2], bands[3, 4:7, 4:7], bands[3, 9:12, 9:12] = 0, 0.3 * opaque, 0.7 * opaque
    found = validity(small(tmp_path / "alpha.tif", bands, ColorInterp.alpha))
    np.testing.assert_array_equal(found, bands[3] > opaque / 2)
    assert found.any()


def test_alpha_has_the_last_word_on_a_mask_and_a_nodata_value(tmp_path: Path) -> None:
    bands = np.full((4, 16, 16), 100, np.uint8)
    bands[3], bands[3, 2, 2], bands[:3, 4, 4] = 255, 0, 0
    mask = np.full((16, 16), 255, np.uint8)
    mask[6, 6] = 0
    masked = small(tmp_path / "masked.tif", bands, ColorInterp.alpha, mask)
    empty = small(tmp_path / "empty.tif", bands, ColorInterp.alpha, nodata=0)
    for path in (masked, empty):
        assert np.argwhere(~validity(path)).tolist() == [[2, 2]]


def test_a_mask_has_the_last_word_on_a_nodata_value(tmp_path: Path) -> None:
    bands = np.full((4, 16, 16), 100, np.uint8)
    bands[:, 4, 4] = 0
    mask = np.full((16, 16), 255, np.uint8)
    mask[2, 2] = 0
    path = small(tmp_path / "both.tif", bands, ColorInterp.undefined, mask, nodata=0)
    assert np.argwhere(~validity(path)).tolist() == [[2, 2]]


def turned(bands: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Bands as a file holds them whose transform is turned so."""
    if number == 3:
        return np.swapaxes(bands, -1, -2)
    rows, cols = (slice(None, None, -1 if number in flipped else 1) for flipped in ({0, 2}, {1, 2}))
    return bands[..., rows, cols]


def test_what_lies_beside_the_grid_is_warped(tmp_path: Path) -> None:
    beside = inspect(on_grid(tmp_path / "beside.tif", "rgb", 0.3), None)
    assert window_on_grid(beside, GRID, NATIVE) is None
    on = inspect(on_grid(tmp_path / "on.tif", "rgb"), None)
    assert window_on_grid(on, GRID, NATIVE - 1) is None
    assert window_on_grid(inspect(cut(tmp_path / "utm.tif", "rgb"), None), GRID, NATIVE) is None


def test_the_catalogue_reads_it_so(tmp_path: Path) -> None:
    path = on_grid(tmp_path / "on.tif", "rgb")
    catalogue = open_catalogue(Settings.model_validate({"sources": {"on": {"path": str(path)}}}))
    layer = catalogue["on"].layer("WebMercatorQuad")
    assert layer.native_zoom == NATIVE
    assert layer.extent == PLACE.children()
    picture = layer.pyramid.picture(NATIVE)
    with rasterio.open(path) as dataset:
        expected = dataset.read()
    assert np.array_equal(np.rint(picture.read(PLACE) * 255), expected)
    catalogue.close()
