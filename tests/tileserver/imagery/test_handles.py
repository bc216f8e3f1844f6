"""Few open files for many sources; a handle serves one thread at a time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.window import Window
from tests.support.rasters import SMALL_SIDE, cut
from tests.support.tiles import WEB_MERCATOR
from tileserver.errors import SourceUnavailable
from tileserver.grid import Grid
from tileserver.imagery.bands import GridSource
from tileserver.imagery.handles import HandlePool
from tileserver.rasters.inspection import inspect
from tileserver.rasters.opening import open_raster

GRID = Grid(WEB_MERCATOR)
SOURCES, MAX_OPEN = 100, 16


def open_files(folder: Path) -> int:
    """Descriptors of this process on rasters below a folder."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # the listing's own
        found += target.startswith(str(folder)) and target.endswith(".tif")
    return found


def test_a_hundred_sources_hold_few_descriptors(tmp_path: Path) -> None:
    pool = HandlePool(MAX_OPEN)
    first = cut(tmp_path / "0.tif", "rgb", SMALL_SIDE)
    paths = [first, *(tmp_path / f"{number}.tif" for number in range(1, SOURCES))]
    for path in paths[1:]:
        os.link(first, path)
    sources = [GridSource(pool.of(inspect(path, None)), GRID, 20) for path in paths]
    extent = sources[0].extent
    block = Window(extent.row + 50, extent.col + 50, 32, 32)
    expected = sources[0].read(block)
    most = 0

    def read(source: GridSource) -> bool:
        nonlocal most
        same = np.array_equal(source.read(block), expected)
        most = max(most, open_files(tmp_path))
        return same

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, sources))
    assert 0 < most <= MAX_OPEN + 4, "the idle ones, and one a thread"
    assert pool.open <= MAX_OPEN
    pool.close()
    assert open_files(tmp_path) == 0


def test_threads_share_no_handle_and_reuse_released_ones(tmp_path: Path) -> None:
    pool = HandlePool(8)
    handles = pool.of(inspect(cut(tmp_path / "cut.tif", "rgb"), None))
    with handles.acquire("a", lambda: open_raster(handles.raster)) as one:
        with handles.acquire("a", lambda: open_raster(handles.raster)) as two:
            assert one is not two
        with handles.acquire("b", lambda: open_raster(handles.raster)) as other:
            assert other is not two
        with handles.acquire("a", lambda: open_raster(handles.raster)) as again:
            assert again is two
    assert pool.open == 3


def test_closing_a_rasters_handles_closes_idle_ones_now_and_used_ones_on_release(
    tmp_path: Path,
) -> None:
    pool = HandlePool(8)
    handles = pool.of(inspect(cut(tmp_path / "cut.tif", "rgb"), None))
    with handles.acquire("idle", lambda: open_raster(handles.raster)) as idle:
        pass
    with handles.acquire("used", lambda: open_raster(handles.raster)) as used:
        handles.close()
        assert idle.closed
        assert not used.closed
    assert used.closed
    assert pool.open == 0


def test_a_handle_that_failed_is_closed(tmp_path: Path) -> None:
    pool = HandlePool(8)
    handles = pool.of(inspect(cut(tmp_path / "cut.tif", "rgb"), None))
    with pytest.raises(SourceUnavailable):  # noqa: SIM117  # what happens inside is the matter
        with handles.acquire("a", lambda: open_raster(handles.raster)):
            raise rasterio.errors.RasterioIOError("a block cannot be read")
    assert pool.open == 0


def test_a_new_handle_of_a_replaced_file_is_refused(tmp_path: Path) -> None:
    pool = HandlePool(8)
    path = cut(tmp_path / "cut.tif", "rgb")
    handles = pool.of(inspect(path, None))
    cut(tmp_path / "grey.tif", "grey").replace(path)
    with (
        pytest.raises(SourceUnavailable),
        handles.acquire("a", lambda: open_raster(handles.raster)),
    ):
        raise AssertionError
    assert pool.open == 0
