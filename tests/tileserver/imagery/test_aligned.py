"""Rasters whose pixels are those of a zoom: native tiles equal the data exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

from engine.pictures.super_resolution import Halved
from engine.window import Window
from tests.support.rasters import SIDE, cut
from tests.support.tiles import WEB_MERCATOR
from tileserver.assembly import open_catalogue
from tileserver.grid import Grid
from tileserver.imagery.aligned import AlignedSource, window_on_grid
from tileserver.imagery.bands import Bands
from tileserver.imagery.handles import HandlePool
from tileserver.rasters.inspection import inspect
from tileserver.rasters.raster import Raster
from tileserver.settings.server import Settings

GRID, NATIVE = Grid(WEB_MERCATOR), 19
SOUTH_UP = Affine.translation(0, SIDE) * Affine.scale(1, -1)
MIRRORED = Affine.translation(SIDE, 0) * Affine.scale(-1, 1)
EXCHANGED = Affine(0, 1, 0, 1, 0, 0)
PLACE = Window(48_304_200, 25_857_600, SIDE, SIDE)


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
