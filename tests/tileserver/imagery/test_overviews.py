"""Zooms above native: from the file's overviews, consistent from zoom to zoom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import from_origin

from engine.window import Window
from tests.support.rasters import cut
from tileserver.assembly import open_catalogue
from tileserver.catalogue.layers import Layer
from tileserver.imagery.overviews import MOST_PIXELS
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

NATIVE = 19


def layer_of(path: Path) -> Layer:
    cache = {"memory_bytes": 0, "disk_bytes": 0}
    settings = read_settings(None, {"sources": {"it": {"path": str(path)}}, "cache": cache})
    return open_catalogue(settings)["it"].layer("WebMercatorQuad")


def marked(path: Path, factors: list[int], side: int = 2048) -> Path:
    """A raster of 200s in UTM whose overviews hold 50, 60, 70, ... instead."""
    place = from_origin(500_000, 5_000_000, 0.2, 0.2)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, crs="EPSG:32612", transform=place, tiled=True) as out:
        out.write(np.full((1, side, side), 200, np.uint8))
    with rasterio.open(path, "r+") as out:
        out.build_overviews(factors, Resampling.nearest)
    for level in range(len(factors)):
        with rasterio.open(path, "r+", OVERVIEW_LEVEL=level) as out:
            out.write(np.full((1, out.height, out.width), 50 + 10 * level, np.uint8))
    return path


def middle(layer: Layer, zoom: int, side: int = 4) -> Window:
    inner = layer.extent.parent(2 ** (layer.native_zoom + 1 - zoom))
    return Window(inner.row + inner.height // 2, inner.col + inner.width // 2, side, side)


@pytest.mark.parametrize(("above", "level"), [(1, 200), (2, 50), (3, 60), (4, 70), (5, 70)])
def test_the_coarsest_overview_that_loses_nothing_is_read(
    tmp_path: Path, above: int, level: int
) -> None:
    layer = layer_of(marked(tmp_path / "marked.tif", [2, 4, 8]))
    assert layer.overviews is not None
    zoom = layer.native_zoom - above
    values, valid = layer.overviews.read(zoom, middle(layer, zoom))
    assert valid.all()
    np.testing.assert_allclose(values * 255, level, atol=1e-3)


def test_overviews_may_stand_in_any_order(tmp_path: Path) -> None:
    layer = layer_of(marked(tmp_path / "marked.tif", [4, 2]))
    assert layer.overviews is not None
    levels = {factor: 50 + 10 * place for place, factor in enumerate([4, 2])}
    for above, factor in ((2, 2), (3, 4)):
        zoom = layer.native_zoom - above
        values, _ = layer.overviews.read(zoom, middle(layer, zoom))
        np.testing.assert_allclose(values * 255, levels[factor], atol=1e-3)


def test_a_window_of_any_size_shows_the_same_pixels(config_settings: Settings) -> None:
    layer = open_catalogue(config_settings)["yellowstone"].layer("WebMercatorQuad")
    assert layer.overviews is not None
    for zoom in (NATIVE - 1, NATIVE - 2):
        window = middle(layer, zoom, 512).dilated(-100)
        whole, known = layer.overviews.read(zoom, window)
        part = window.dilated(-77)
        rows, cols = window.slices(part)
        values, valid = layer.overviews.read(zoom, part)
        assert np.array_equal(values, whole[:, rows, cols])
        assert np.array_equal(valid, known[rows, cols])


def test_a_large_file_without_overviews_is_not_warped_from_all_of_its_pixels(
    tmp_path: Path,
) -> None:
    side = int(MOST_PIXELS**0.5) + 1024
    place = from_origin(500_000, 5_000_000, 0.2, 0.2)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint8"}
    sparse = {"crs": "EPSG:32612", "transform": place, "tiled": True, "sparse_ok": True}
    with rasterio.open(tmp_path / "large.tif", "w", **profile, **sparse):
        pass
    overviews = layer_of(tmp_path / "large.tif").overviews
    assert overviews is not None
    near = [overviews.quick(overviews.native_zoom - above) for above in (1, 3, 5, 7)]
    assert near == [True, True, False, False]


def test_what_has_no_data_neither_shows_nor_darkens_what_has(tmp_path: Path) -> None:
    layer = layer_of(cut(tmp_path / "holes.tif", "nodata"))
    assert layer.overviews is not None
    zoom = layer.native_zoom - 1
    window = layer.extent.parent(4).dilated(4)
    values, valid = layer.overviews.read(zoom, window)
    assert 0.2 < valid.mean() < 0.99
    assert (values[:, ~valid] == 0).all()
    inner = values[:, valid]
    assert inner.min() > 0.5 * np.percentile(inner, 1), "no mean holds a pixel without data"


@pytest.mark.parametrize("zoom", [NATIVE - 1, NATIVE - 2])
def test_a_zoom_above_native_is_the_mean_of_the_next_one(
    config_settings: Settings, zoom: int
) -> None:
    layer = open_catalogue(config_settings)["yellowstone"].layer("WebMercatorQuad")
    assert layer.overviews is not None
    window = middle(layer, zoom, 64).dilated(-8)
    parent, _ = layer.overviews.read(zoom, window)
    if zoom + 1 == NATIVE:
        child = layer.pyramid.picture(NATIVE).read(window.children())
    else:
        child, _ = layer.overviews.read(zoom + 1, window.children())
    means = child.reshape(3, 48, 2, 48, 2).mean(axis=(2, 4))
    assert np.abs(means - parent).mean() * 255 < 1.5
    assert np.abs(np.diff(parent)).mean() > 0.9 * np.abs(np.diff(means)).mean(), "as crisp"
