"""The one seam between pictures: anything that can be read by a window of absolute pixels.

A source, an interpolation and a super-resolution all meet it, so zooms stack.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engine.window import Window

Pixels = NDArray[np.float32]
"""(C, H, W); 0 to 1 is the range of the source's values."""
BlockMemo = MutableMapping[tuple[int, int], Pixels]
"""Blocks by their row and column; it may forget anything at any time."""


class Imagery(Protocol):
    """An unbounded picture at one zoom."""

    def read(self, window: Window) -> Pixels:
        """The pixels of a window, equal for every window that holds them; not to be written to."""


@runtime_checkable
class BatchImagery(Imagery, Protocol):
    """Imagery that draws several windows at once better than one after the other."""

    def read_many(self, windows: Sequence[Window]) -> list[Pixels]:
        """The pixels of each window, as read gives them."""


def read_many(imagery: Imagery, windows: Sequence[Window]) -> list[Pixels]:
    """Windows of any imagery, at once where it knows how to."""
    if len(windows) > 1 and isinstance(imagery, BatchImagery):
        return imagery.read_many(windows)
    return [imagery.read(window) for window in windows]


class ArrayImagery:
    """An array (C, H, W) as unbounded imagery, mirrored at its borders."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels

    def read(self, window: Window) -> Pixels:
        rows = _mirrored(window.row, window.height, self.pixels.shape[1])
        cols = _mirrored(window.col, window.width, self.pixels.shape[2])
        values: Pixels = self.pixels[:, rows[:, None], cols]
        return values


def _mirrored(start: int, count: int, size: int) -> NDArray[np.int64]:
    """Indices into an axis of so many pixels, the first and the last repeated at the mirror."""
    place = np.arange(start, start + count) % (2 * size)
    return np.minimum(place, 2 * size - 1 - place)


class BlockedImagery:
    """Imagery whose aligned blocks are kept in a memo that the caller supplies and bounds.

    canonical: the inner imagery is only ever read by whole blocks, which makes the picture a
    function of the block grid even where the inner reads depend on their window. Otherwise a
    window that is not wholly in the memo is read as it is, and its whole blocks are kept.
    """

    def __init__(
        self, inner: Imagery, block_px: int, memo: BlockMemo, *, canonical: bool = False
    ) -> None:
        if block_px < 1:
            raise ValueError(f"a block has at least one pixel, not {block_px}")
        self.inner, self.block_px, self.memo, self.canonical = inner, block_px, memo, canonical

    def read(self, window: Window) -> Pixels:
        return self.read_many([window])[0]

    def read_many(self, windows: Sequence[Window]) -> list[Pixels]:
        """Windows of the picture; what is not in the memo is drawn as one batch."""
        known = {
            block: pixels
            for block in dict.fromkeys(block for window in windows for block in self.blocks(window))
            if (pixels := self.memo.get(self._index(block))) is not None
        }
        drawn = self._drawn(windows, known)
        return [
            drawn[window] if window in drawn else _assembled(window, self.blocks(window), known)
            for window in windows
        ]

    def _drawn(
        self, windows: Sequence[Window], known: dict[Window, Pixels]
    ) -> dict[Window, Pixels]:
        """The windows that no known blocks hold; missing blocks become known where canonical."""
        missing = {
            window: [block for block in self.blocks(window) if block not in known]
            for window in windows
        }
        if self.canonical:
            blocks = list(dict.fromkeys(block for some in missing.values() for block in some))
            for block, pixels in zip(blocks, read_many(self.inner, blocks), strict=True):
                known[block] = self._keep(block, pixels)
            return {}
        unknown = [window for window, blocks in missing.items() if blocks]
        drawn = dict(zip(unknown, read_many(self.inner, unknown), strict=True))
        for window, pixels in drawn.items():
            self._keep_whole_blocks(window, pixels)
        return drawn

    def inner_windows(self, window: Window) -> list[Window]:
        """The windows of the inner imagery that a read of this one may read."""
        return self.blocks(window) if self.canonical else [window]

    def _keep_whole_blocks(self, window: Window, pixels: Pixels) -> None:
        for block in self.blocks(window):
            if window.contains(block):
                rows, cols = window.slices(block)
                self._keep(block, np.ascontiguousarray(pixels[:, rows, cols]))

    def _keep(self, block: Window, pixels: Pixels) -> Pixels:
        pixels.setflags(write=False)
        self.memo[self._index(block)] = pixels
        return pixels

    def _index(self, block: Window) -> tuple[int, int]:
        return block.row // self.block_px, block.col // self.block_px

    def blocks(self, window: Window) -> list[Window]:
        """The aligned blocks that a window touches."""
        size = self.block_px
        outer = window.aligned(size)
        return [
            Window(row, col, size, size)
            for row in range(outer.row, outer.bottom, size)
            for col in range(outer.col, outer.right, size)
        ]


def _assembled(window: Window, blocks: Sequence[Window], known: dict[Window, Pixels]) -> Pixels:
    if blocks == [window]:
        return known[window]
    pixels = np.empty((known[blocks[0]].shape[0], window.height, window.width), dtype=np.float32)
    for block in blocks:
        part = block.intersection(window)
        if part is not None:
            to_rows, to_cols = window.slices(part)
            rows, cols = block.slices(part)
            pixels[:, to_rows, to_cols] = known[block][:, rows, cols]
    return pixels
