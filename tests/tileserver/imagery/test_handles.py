"""Few open files for many sources; a handle serves one thread at a time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.window import Window
from tests.support.rasters import cut
from tests.support.tiles import WEB_MERCATOR
from tileserver.errors import SourceUnavailable
from tileserver.grid import Grid
from tileserver.imagery.bands import GridSource
from tileserver.imagery.handles import Handles
from tileserver.rasters.inspection import inspect
from tileserver.rasters.opening import open_raster

GRID = Grid(WEB_MERCATOR)
SOURCES, MAX_OPEN = 300, 16


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


def test_hundreds_of_sources_hold_few_descriptors(tmp_path: Path) -> None:
    handles = Handles(MAX_OPEN)
    first = cut(tmp_path / "0.tif", "rgb")
    paths = [first, *(tmp_path / f"{number}.tif" for number in range(1, SOURCES))]
    for path in paths[1:]:
        os.link(first, path)
    sources = [GridSource(handles.of(inspect(path, None)), GRID, 20) for path in paths]
    extent = sources[0].extent
    block = Window(extent.row + 100, extent.col + 100, 32, 32)
    expected = sources[0].read(block)
    most = 0

    def read(source: GridSource) -> bool:
        nonlocal most
        same = np.array_equal(source.read(block), expected)
        most = max(most, open_files(tmp_path))
        return same

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, sources))
    assert 0 < most <= MAX_OPEN + 4, "those at rest, and one a thread"
    assert handles.open <= MAX_OPEN
    handles.close()
    assert open_files(tmp_path) == 0


def test_threads_share_no_handle_and_leave_theirs_for_others(tmp_path: Path) -> None:
    handles = Handles(8)
    shelf = handles.of(inspect(cut(tmp_path / "cut.tif", "rgb"), None))
    with shelf.borrow("a", lambda: open_raster(shelf.raster)) as one:
        with shelf.borrow("a", lambda: open_raster(shelf.raster)) as two:
            assert one is not two
        with shelf.borrow("b", lambda: open_raster(shelf.raster)) as other:
            assert other is not two
        with shelf.borrow("a", lambda: open_raster(shelf.raster)) as again:
            assert again is two
    assert handles.open == 3


def test_a_closed_shelf_closes_what_rests_and_what_comes_back(tmp_path: Path) -> None:
    handles = Handles(8)
    shelf = handles.of(inspect(cut(tmp_path / "cut.tif", "rgb"), None))
    with shelf.borrow("rests", lambda: open_raster(shelf.raster)) as rests:
        pass
    with shelf.borrow("used", lambda: open_raster(shelf.raster)) as used:
        shelf.close()
        assert rests.closed
        assert not used.closed
    assert used.closed
    assert handles.open == 0


def test_a_handle_that_failed_is_not_kept(tmp_path: Path) -> None:
    handles = Handles(8)
    shelf = handles.of(inspect(cut(tmp_path / "cut.tif", "rgb"), None))
    with pytest.raises(SourceUnavailable):  # noqa: SIM117  # what happens inside is the matter
        with shelf.borrow("a", lambda: open_raster(shelf.raster)):
            raise rasterio.errors.RasterioIOError("a block cannot be read")
    assert handles.open == 0


def test_a_new_handle_of_a_replaced_file_is_refused(tmp_path: Path) -> None:
    handles = Handles(8)
    path = cut(tmp_path / "cut.tif", "rgb")
    shelf = handles.of(inspect(path, None))
    cut(tmp_path / "grey.tif", "grey").replace(path)
    with pytest.raises(SourceUnavailable), shelf.borrow("a", lambda: open_raster(shelf.raster)):
        raise AssertionError
    assert handles.open == 0
