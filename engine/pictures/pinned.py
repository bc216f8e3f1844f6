"""Source pixels that are read before a drawing, so that it does no I/O."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.errors import UnpinnedRead
from engine.imagery import Pixels
from engine.window import Window


class Pinned:
    """Imagery that consists of a few windows; nothing outside them can be read."""

    def __init__(self, parts: Iterable[tuple[Window, Pixels]]) -> None:
        """parts: each window's pixels (C, H, W); where windows overlap these are equal."""
        self.parts = tuple(parts)

    @classmethod
    def join(cls, several: Iterable[Pinned]) -> Pinned:
        """The windows of several; no pixels are copied."""
        return cls(part for each in several for part in each.parts)

    def read(self, window: Window) -> Pixels:
        """Raises UnpinnedRead for a window that is not completely pinned."""
        overlapping = [
            (outer, pixels, part)
            for outer, pixels in self.parts
            if (part := outer.intersection(window)) is not None
        ]
        for outer, pixels, part in overlapping:
            if part == window:
                return np.ascontiguousarray(pixels[:, *outer.slices(window)])
        held = np.zeros((window.height, window.width), np.bool_)
        for _, _, part in overlapping:
            held[window.slices(part)] = True
        if not held.all():
            windows = ", ".join(str(outer) for outer, _ in self.parts)
            raise UnpinnedRead(f"{window} of the source is not pinned, only {windows or 'nothing'}")
        values = np.empty((len(overlapping[0][1]), window.height, window.width), np.float32)
        for outer, pixels, part in overlapping:
            values[:, *window.slices(part)] = pixels[:, *outer.slices(part)]
        return values
