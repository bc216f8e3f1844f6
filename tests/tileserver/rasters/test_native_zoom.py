"""The native zoom is the one nearest to the file's pixel: no measured detail is drawn anew."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.warp import transform

from tests.support.placed import GRID, raster_at
from tests.support.rasters import SCENE
from tileserver.assembly import open_catalogue
from tileserver.rasters.footprint import native_zoom
from tileserver.rasters.raster import Raster
from tileserver.settings.server import Settings

HARBOUR = SCENE.with_name("harbour_40cm.tif")
TRUTH = SCENE.with_name("harbour_20cm_truth.tif")
ZOOM = 18
SIZE = GRID.pixel_size(ZOOM)


def on_mercator(path: Path, pixel: float) -> Raster:
    return raster_at(path, "EPSG:3857", Affine(pixel, 0, 2.7e6, 0, -pixel, 8.2e6))


@pytest.mark.parametrize(
    ("pixel", "native"),
    [
        (SIZE, ZOOM),
        (SIZE * (1 + 1e-9), ZOOM),
        (SIZE * (1 - 1e-9), ZOOM),
        (SIZE * 0.95, ZOOM),  # just finer
        (SIZE * 1.05, ZOOM),  # just coarser: the zoom above would lose detail of it
        (SIZE * 1.3, ZOOM),
        (SIZE * 2**0.5 * 0.999, ZOOM),  # nearly half way to the zoom above
        (SIZE * 2**0.5 * 1.001, ZOOM - 1),
        (SIZE * 1.9, ZOOM - 1),
        (SIZE * 2, ZOOM - 1),
    ],
)
def test_the_native_zoom_is_the_nearest_to_the_files_pixel(
    tmp_path: Path, pixel: float, native: int
) -> None:
    assert native_zoom(on_mercator(tmp_path / "file.tif", pixel), GRID) == native


@pytest.mark.parametrize(
    ("crs", "pixel"),
    [
        ("EPSG:4326", 0.40 / 111_412),  # 60 degrees north: 0.40 m north, 0.20 m east
        ("EPSG:32635", 0.40),
    ],
)
def test_so_it_is_for_degrees_and_for_utm_at_60_degrees_north(
    tmp_path: Path, crs: str, pixel: float
) -> None:
    (x,), (y,) = transform("EPSG:4326", crs, [27.0], [60.0])
    raster = raster_at(tmp_path / "file.tif", crs, Affine(pixel, 0, x, 0, -pixel, y))
    ground = 0.40 * (0.5**0.5 if crs == "EPSG:4326" else 1)  # the side of a square as large
    sizes = {zoom: GRID.pixel_size(zoom) * np.cos(np.radians(60)) for zoom in range(10, 22)}
    nearest = min(sizes, key=lambda zoom: abs(np.log(sizes[zoom] / ground)))
    assert native_zoom(raster, GRID) == nearest == 18


@pytest.mark.usefixtures("bundled_checkpoint")
def test_measured_detail_is_not_drawn_anew() -> None:
    """The harbour at 0.40 m: of its 0.61 m and 0.30 m zooms the latter is read from the file."""
    sources = {"file": {"path": str(HARBOUR)}, "truth": {"path": str(TRUTH)}}
    with closing(open_catalogue(Settings.model_validate({"sources": sources}))) as catalogue:
        file, truth = (catalogue[name].layer("WebMercatorQuad") for name in sources)
        inner = truth.extent.parent(2 ** (truth.native_zoom + 1 - ZOOM))
        window = inner.dilated(-100)  # borders are filled
        error = file.pyramid.picture(ZOOM).read(window) - truth.read(ZOOM, window)[0]
    assert -10 * np.log10(np.mean(error**2)) > 34.2  # 34.8 dB; drawn 33.0 dB
