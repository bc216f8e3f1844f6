"""Imagery with a cache of aligned blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.imagery import BlockMemo, Imagery, Input, Picture, Pixels, read_many
from engine.window import Window


class BlockedImagery(Picture):
    """Imagery whose aligned blocks are cached in a memo that the caller supplies and bounds.

    canonical: whether the inner imagery is read by whole blocks only. The picture then does not
    depend on the window, even if inner reads do. Otherwise a window that is not completely in the
    memo is read as it is, and its whole blocks are cached.
    """

    def __init__(
        self, inner: Imagery, block_px: int, memo: BlockMemo, *, canonical: bool = False
    ) -> None:
        if block_px < 1:
            raise ValueError(f"block_px must be at least 1, not {block_px}")
        self.inner, self.block_px, self.memo, self.canonical = inner, block_px, memo, canonical

    def inputs(self, window: Window) -> list[Input]:
        windows = self.blocks(window) if self.canonical else [window]
        return [Input(self.inner, one) for one in windows]

    def read_many(self, windows: Sequence[Window], source: Imagery | None = None) -> list[Pixels]:
        """What is not in the memo is drawn as one batch."""
        known = {
            block: pixels
            for block in dict.fromkeys(block for window in windows for block in self.blocks(window))
            if (pixels := self.memo.get(self._index(block))) is not None
        }
        missing = [window for window in windows if not known.keys() >= {*self.blocks(window)}]
        parts = dict.fromkeys(part.window for window in missing for part in self.inputs(window))
        unknown = [part for part in parts if part not in known]
        for part, pixels in zip(unknown, read_many(self.inner, unknown, source), strict=True):
            known[part] = pixels
            self._cache_whole_blocks(part, pixels)
        return [
            known[window] if window in known else _assembled(window, self.blocks(window), known)
            for window in windows
        ]

    def _cache_whole_blocks(self, window: Window, pixels: Pixels) -> None:
        for block in self.blocks(window):
            if window.contains(block):
                rows, cols = window.slices(block)
                cached = np.ascontiguousarray(pixels[:, rows, cols])
                cached.setflags(write=False)
                self.memo[self._index(block)] = cached

    def _index(self, block: Window) -> tuple[int, int]:
        return block.row // self.block_px, block.col // self.block_px

    def blocks(self, window: Window) -> list[Window]:
        """The aligned blocks that a window intersects."""
        return window.blocks(self.block_px)


def _assembled(window: Window, blocks: Sequence[Window], known: Mapping[Window, Pixels]) -> Pixels:
    pixels = np.empty((known[blocks[0]].shape[0], window.height, window.width), dtype=np.float32)
    for block in blocks:
        part = block.intersection(window)
        if part is not None:
            to_rows, to_cols = window.slices(part)
            rows, cols = block.slices(part)
            pixels[:, to_rows, to_cols] = known[block][:, rows, cols]
    return pixels
