from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import pytest

from engine.imagery import (
    ArrayImagery,
    BlockMemo,
    Imagery,
    Picture,
    Pixels,
    read_many,
    source_window,
)
from engine.network.checkpoint import Checkpoint
from engine.pictures.blocks import BlockedImagery
from engine.pictures.pinned import Pinned
from engine.pictures.probe import Waves
from engine.pictures.pyramid import Pyramid
from engine.pictures.super_resolution import Doubled
from engine.sampling.lattice import Lattice
from engine.sampling.schedule import Schedule
from engine.sampling.settings import Fusion, SamplerSettings
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


class Recorded(Waves):
    """Waves that note which windows of them are read."""

    def __init__(self) -> None:
        self.read_windows: list[Window] = []

    def read(self, window: Window) -> Pixels:
        self.read_windows.append(window)
        return super().read(window)


def made(kind: str, zoom: int, source: Imagery, small: Checkpoint, canonical: bool) -> Picture:
    """A picture of waves, native at zoom 10, of a pyramid that remembers nothing yet."""
    fusion = Fusion.INDEPENDENT if kind == "independent" else Fusion.SDVC
    detail = 0.0 if kind == "mean" else 0.7
    lattice = Lattice(32, 28)
    settings = SamplerSettings(Schedule(steps=2), lattice, fusion=fusion, detail=detail)
    memos: dict[str, BlockMemo] = {}
    options = Blocks(canonical=canonical, block_px=128)
    pyramid = Pyramid(
        source, 3, 10, 14, small, settings, lambda name: memos.setdefault(name, {}), **options
    )
    return pyramid.uncertainty(zoom) if kind == "uncertainty" else pyramid.picture(zoom)


EVERY_PICTURE = pytest.mark.parametrize(
    ("kind", "zoom", "canonical"),
    [("picture", zoom, False) for zoom in (10, 11, 12, 13, 14)]
    + [("picture", zoom, True) for zoom in (11, 14)]
    + [("uncertainty", zoom, False) for zoom in (11, 12, 13, 14)]
    + [("mean", 12, False), ("mean", 13, False), ("uncertainty", 12, True)]
    + [pytest.param("independent", 11, way, marks=pytest.mark.slow) for way in (False, True)],
)


@EVERY_PICTURE
def test_the_source_window_of_a_picture_is_what_drawing_it_reads(
    small: Checkpoint, kind: str, zoom: int, canonical: bool
) -> None:
    source = Recorded()
    picture = made(kind, zoom, source, small, canonical)
    expected = source_window(picture, WINDOW)
    assert not source.read_windows
    picture.read(WINDOW)
    assert functools.reduce(Window.union, source.read_windows) == expected


@EVERY_PICTURE
def test_neighbours_are_drawn_together_from_what_each_has_pinned(
    small: Checkpoint, kind: str, zoom: int, canonical: bool
) -> None:
    def draw(*windows: Window, pinned: Sequence[Window] = ()) -> list[Pixels]:
        source = Recorded()
        picture = made(kind, zoom, source, small, canonical)
        if not pinned:
            return picture.read_many(windows)
        parts = [source_window(picture, window) for window in pinned]
        held = Pinned.join(Pinned([(part, Waves().read(part))]) for part in parts)
        drawn = picture.read_many(windows, held)
        assert not source.read_windows, "all of it was pinned"
        return drawn

    side = 64 if kind != "independent" else 16
    cells = [Window(row * side, 4 * side, side, side) for row in (-1, 0)]
    outer = functools.reduce(Window.union, cells)
    (together,) = draw(outer, pinned=cells)
    for cell, pixels in zip(cells, draw(*cells, pinned=cells), strict=True):
        rows, cols = outer.slices(cell)
        assert np.array_equal(pixels, together[:, rows, cols])
        assert np.array_equal(pixels, draw(cell)[0])


def test_remembered_blocks_of_a_zoom_serve_the_deeper_one_without_the_source(
    small: Checkpoint,
) -> None:
    memos: dict[str, BlockMemo] = {}
    settings, source = SamplerSettings(Schedule(steps=2)), Recorded()
    pyramid = Pyramid(
        source, 3, 10, 13, small, settings, lambda name: memos.setdefault(name, {}), block_px=16
    )
    deep = pyramid.picture(13).read(WINDOW)
    ((_, above),) = Doubled(pyramid.picture(12)).inputs(WINDOW.dilated(128))
    pyramid.picture(12).read(above.aligned(16))
    memos["zoom 13"].clear()
    assert np.array_equal(pyramid.picture(13).read_many([WINDOW], Pinned([]))[0], deep)


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
    windows.append(Window(-30, 70, 30, 60))
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
