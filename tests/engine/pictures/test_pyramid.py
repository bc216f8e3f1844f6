from __future__ import annotations

import functools
from typing import TypedDict

import numpy as np
import pytest

from engine.imagery import ArrayImagery, BlockedImagery, Imagery, Pixels, read_many
from engine.network.checkpoint import Checkpoint
from engine.pictures.probe import Waves
from engine.pictures.pyramid import Pyramid
from engine.sampling.fusion import Fusion
from engine.sampling.lattice import Lattice
from engine.sampling.sampler import SamplerSettings
from engine.sampling.schedule import Schedule
from engine.window import Window

WINDOW = Window(-16, 32, 24, 40)


class Blocks(TypedDict):
    """How a pyramid's blocks are drawn."""

    canonical: bool
    block_px: int


@pytest.fixture
def pyramid(small: Checkpoint) -> Pyramid:
    settings = SamplerSettings(Schedule(steps=2))
    return Pyramid(Waves(), 3, 10, 13, small, settings, lambda _zoom: {})


@pytest.mark.parametrize("zoom", [10, 11, 12])
@pytest.mark.parametrize("kind", ["picture", "interpolated"])
def test_children_average_to_their_parent(pyramid: Pyramid, zoom: int, kind: str) -> None:
    parent = getattr(pyramid, kind)(zoom).read(WINDOW)
    child = getattr(pyramid, kind)(zoom + 1).read(WINDOW.children())
    means = child.reshape(3, WINDOW.height, 2, WINDOW.width, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(means, parent, atol=1e-6)


@pytest.mark.parametrize("canonical", [False, True])
@pytest.mark.parametrize(
    ("zoom", "fusion"),
    [(zoom, Fusion.SDVC) for zoom in (10, 11, 12, 13, 14)]
    + [pytest.param(11, Fusion.INDEPENDENT, marks=pytest.mark.slow)],  # patch by patch
)
def test_the_source_window_of_a_picture_holds_all_that_drawing_it_reads(
    small: Checkpoint, zoom: int, fusion: Fusion, canonical: bool
) -> None:
    class Recorded(Waves):
        read_windows: list[Window] = []

        def read(self, window: Window) -> Pixels:
            self.read_windows.append(window)
            return super().read(window)

    settings = SamplerSettings(Schedule(steps=2), Lattice(32, 28), fusion=fusion)
    source, options = Recorded(), Blocks(canonical=canonical, block_px=128)
    pyramid = Pyramid(source, 3, 10, 14, small, settings, lambda _: {}, **options)
    expected = pyramid.source_window(zoom, WINDOW)
    source.read_windows.clear()
    pyramid.picture(zoom).read(WINDOW)
    assert source.read_windows
    assert all(expected.contains(window) for window in source.read_windows)
    if fusion is Fusion.SDVC:
        read = functools.reduce(Window.union, source.read_windows)
        assert expected.height * expected.width <= 1.6 * read.height * read.width, "not much more"


@pytest.mark.parametrize("canonical", [False, True])
@pytest.mark.parametrize(
    ("zoom", "fusion"),
    [(zoom, Fusion.SDVC) for zoom in (10, 11, 12, 13)]
    + [pytest.param(11, Fusion.INDEPENDENT, marks=pytest.mark.slow)],  # patch by patch
)
def test_a_batch_of_windows_gives_the_pixels_of_each(
    small: Checkpoint, zoom: int, fusion: Fusion, canonical: bool
) -> None:
    settings = SamplerSettings(Schedule(steps=2), Lattice(32, 28), fusion=fusion)

    def picture() -> Imagery:
        options = Blocks(canonical=canonical, block_px=64)
        return Pyramid(Waves(), 3, 10, 13, small, settings, lambda _: {}, **options).picture(zoom)

    windows = [Window(row, col, 64, 64) for row, col in ((0, 0), (640, -128), (64, 0), (0, 0))]
    windows.append(Window(-30, 70, 50, 90))
    for together, window in zip(read_many(picture(), windows), windows, strict=True):
        assert np.array_equal(together, picture().read(window))


def test_a_zoom_that_is_not_there_is_refused(pyramid: Pyramid) -> None:
    for zoom in (9, 14):
        with pytest.raises(ValueError, match="outside 10 to 13"):
            pyramid.picture(zoom)


def test_whole_blocks_and_windows_give_the_same_pixels(small: Checkpoint) -> None:
    settings = SamplerSettings(Schedule(steps=2))
    by_window = Pyramid(Waves(), 3, 10, 12, small, settings, lambda _: {})
    by_block = Pyramid(Waves(), 3, 10, 12, small, settings, lambda _: {}, canonical=True)
    assert np.array_equal(by_window.picture(12).read(WINDOW), by_block.picture(12).read(WINDOW))


def test_remembered_blocks_give_the_pixels_of_the_imagery() -> None:
    memo: dict[tuple[int, int], np.ndarray] = {}
    blocked = BlockedImagery(Waves(), 16, memo)
    whole = Window(-20, -40, 70, 80)
    expected = Waves().read(whole)
    for window in (whole, Window(-16, -32, 32, 48), Window(-15, -30, 8, 9), whole):
        rows, cols = whole.slices(window)
        assert np.array_equal(blocked.read(window), expected[:, rows, cols])
        if memo:
            memo.popitem()
    assert all(not pixels.flags.writeable for pixels in memo.values())


def test_an_array_is_mirrored_at_its_borders() -> None:
    pixels = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    read = ArrayImagery(pixels).read(Window(-1, -2, 4, 8))[0]
    assert read[1].tolist() == [1, 0, 0, 1, 2, 2, 1, 0]
    assert read[:, 2].tolist() == [0, 0, 3, 3]
