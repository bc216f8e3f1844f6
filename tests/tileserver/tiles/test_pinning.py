"""Sources are read once, by threads that read, and what a drawing needs of them is pinned."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock

import numpy as np
import pytest
from morecantile import Tile
from starlette.testclient import TestClient

from engine.imagery import Picture, Pixels, source_window
from engine.pictures.pinned import Pinned
from engine.window import Window
from tests.support.rasters import cut
from tests.support.server import wait_until_ready
from tests.support.tiles import block, path_of
from tests.support.waiting import LIMIT_SECONDS
from tileserver.app import make_app
from tileserver.assembly import open_catalogue
from tileserver.catalogue.layers import Layer
from tileserver.errors import SourceUnavailable
from tileserver.imagery.bands import BLOCK_PX, Bands, GridSource
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
        bands, start = Bands(source, {}), Barrier(THREADS, timeout=LIMIT_SECONDS)

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


@pytest.mark.parametrize("kind", ["picture", "uncertainty"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_nothing_is_read_while_a_pinned_window_is_drawn(
    tmp_path: Path, kind: str, depth: int
) -> None:
    path = cut(tmp_path / "cut.tif", "rgb")
    values = {"sources": {"cut": {"path": str(path)}}, "block_memory_bytes": 0}
    catalogue = open_catalogue(Settings.model_validate(values))
    source = catalogue["cut"]
    layer = source.layer("WebMercatorQuad")
    picture = getattr(layer.pyramid, kind)(layer.native_zoom + depth)
    scale = 2**depth
    window = Window(layer.extent.row * scale // 2, layer.extent.col * scale // 2, 64, 64)
    expected = picture.read(window)
    pinned = layer.pin(picture, window)
    source.close()
    path.unlink()
    with pytest.raises(SourceUnavailable):
        picture.read(window)
    assert np.array_equal(picture.read_many([window], pinned)[0], expected)
    catalogue.close()


@pytest.fixture
def readers_of_blocks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many blocks of sources each thread has read, by the thread's name without its number."""
    counts: Counter[str] = Counter()
    read = GridSource.read

    def counted(source: GridSource, block: Window) -> Pixels:
        counts[threading.current_thread().name.partition("_")[0]] += 1
        return read(source, block)

    monkeypatch.setattr(GridSource, "read", counted)
    return counts


def test_the_denoiser_reads_no_source_however_small_the_block_memory(
    app_settings: Callable[..., Settings],
    middle_tile: Callable[[int], Tile],
    readers_of_blocks: Counter[str],
) -> None:
    paths = [
        path_of(tile, format="npy") + query
        for zoom, query in ((20, ""), (21, "?noise_seed=2"), (22, "?detail=0"))
        for tile in block(middle_tile(zoom), 2)
    ]
    place = "{0.z}/{0.x}/{0.y}".format(middle_tile(22))
    paths.append(f"/yellowstone/uncertainty/tiles/WebMercatorQuad/{place}.npy")

    def view(**overrides: object) -> list[bytes]:
        cache = {"memory_bytes": 0, "disk_bytes": 0}
        settings = app_settings(deadline_seconds=300, cache=cache, **overrides)
        with TestClient(make_app(settings)) as client, ThreadPoolExecutor(16) as pool:
            wait_until_ready(client)
            readers_of_blocks.clear()  # of the block that it warmed up with
            answers = list(pool.map(client.get, paths))
        assert {answer.status_code for answer in answers} == {200}
        return [answer.content for answer in answers]

    expected = view()
    for block_memory_bytes in (0, 2**20):
        assert view(block_memory_bytes=block_memory_bytes) == expected
        assert set(readers_of_blocks) == {"reader"}


def test_a_tile_whose_source_was_not_pinned_whole_is_an_error_and_the_next_one_is_drawn(
    app_settings: Callable[..., Settings],
    middle_tile: Callable[[int], Tile],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def pin_too_little(layer: Layer, picture: Picture, window: Window) -> Pinned:
        return layer.bands.pin(source_window(picture, window).dilated(-1))

    path = path_of(middle_tile(20))
    with TestClient(make_app(app_settings()), raise_server_exceptions=False) as client:
        with monkeypatch.context() as patch:
            patch.setattr(Layer, "pin", pin_too_little)
            assert client.get(path).status_code == 500
        assert "UnpinnedRead" in caplog.text
        assert client.get(path).status_code == 200
