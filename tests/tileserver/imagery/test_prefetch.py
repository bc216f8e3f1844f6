"""Source blocks are read once, before the denoiser needs them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock

import numpy as np
import pytest

from engine.imagery import Pixels
from engine.window import Window
from tests.support.rasters import cut
from tileserver.assembly import open_catalogue
from tileserver.errors import SourceUnavailable
from tileserver.imagery.bands import BLOCK_PX, Bands
from tileserver.settings.server import Settings

THREADS = 8


class Counted:
    """Imagery that counts its reads; the first ones fail."""

    def __init__(self, failures: int = 0) -> None:
        self.reads: list[Window] = []
        self.failures = failures
        self._lock = Lock()

    def read(self, window: Window) -> Pixels:
        with self._lock:
            self.reads.append(window)
            fails = len(self.reads) <= self.failures
        if fails:
            raise SourceUnavailable
        return np.full((2, window.height, window.width), window.row, np.float32)


def test_threads_that_ask_for_the_same_blocks_read_each_once() -> None:
    for _ in range(20):
        source = Counted()
        bands, start = Bands(source, {}), Barrier(THREADS)

        def read(_number: int, bands: Bands = bands, start: Barrier = start) -> float:
            start.wait()
            return float(bands.read(Window(-5, 0, 3 * BLOCK_PX, 10)).sum())

        with ThreadPoolExecutor(THREADS) as threads:
            assert len(set(threads.map(read, range(THREADS)))) == 1
        assert len(source.reads) == len(set(source.reads)) == 4


def test_a_failure_reaches_all_who_waited_and_is_not_remembered() -> None:
    bands = Bands(Counted(failures=1), {})
    with pytest.raises(SourceUnavailable):
        bands.read(Window(0, 0, 1, 1))
    assert bands.read(Window(0, 0, 1, 1)).shape == (1, 1, 1)


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_nothing_is_read_while_a_prefetched_window_is_drawn(tmp_path: Path, depth: int) -> None:
    path = cut(tmp_path / "cut.tif", "rgb")
    catalogue = open_catalogue(Settings.model_validate({"sources": {"cut": {"path": str(path)}}}))
    source = catalogue["cut"]
    layer = source.layer("WebMercatorQuad")
    zoom = layer.native_zoom + depth
    scale = 2**depth
    window = Window(layer.extent.row * scale // 2, layer.extent.col * scale // 2, 64, 64)
    layer.prefetch(zoom, window)
    source.close()
    path.unlink()  # a read would raise SourceUnavailable
    assert layer.pyramid.picture(zoom).read(window).any()
    catalogue.close()
