"""The interface between pictures: anything that can be read by a window of absolute pixels.

    source --read--> Picture.compute --> Picture.compute --> pixels

Sources, interpolations and super-resolutions all implement it, so zooms can be stacked. A picture
declares by `inputs` what it is computed from; drawing reads exactly these windows. source_window
derives from it which source pixels a drawing will need.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import MutableMapping, Sequence
from functools import reduce
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.window import Window

Pixels = NDArray[np.float32]
"""(C, H, W); 0 to 1 is the range of the source's values."""
BlockMemo = MutableMapping[tuple[int, int], Pixels]
"""A cache of blocks by row and column; it may lose anything at any time."""


class Imagery(Protocol):
    """An unbounded picture at one zoom."""

    def read(self, window: Window) -> Pixels:
        """The pixels of a window, read-only; each is the same for every window that contains it."""


class Input(NamedTuple):
    """A window of imagery that a picture is computed from."""

    imagery: Imagery
    window: Window


class Picture(ABC):
    """Imagery computed from other imagery, ultimately from one source that is not a Picture."""

    @abstractmethod
    def inputs(self, window: Window) -> Sequence[Input]:
        """All windows that drawing a window reads if nothing is cached."""

    @abstractmethod
    def read_many(self, windows: Sequence[Window], source: Imagery | None = None) -> list[Pixels]:
        """The pixels of each window, drawn as one batch, bitwise equal to what `read` returns.

        source: read in place of the actual source.
        """

    def read(self, window: Window) -> Pixels:
        return self.read_many([window])[0]


class Computed(Picture):
    """A picture whose windows are each computed from one window of the same inputs."""

    @abstractmethod
    def compute(
        self, windows: Sequence[Window], inputs: Sequence[Sequence[Pixels]]
    ) -> list[Pixels]:
        """The pixels of each window from those of its inputs."""

    def read_many(self, windows: Sequence[Window], source: Imagery | None = None) -> list[Pixels]:
        batches = zip(*map(self.inputs, windows), strict=True)
        read = [
            read_many(batch[0].imagery, [part.window for part in batch], source)
            for batch in batches
        ]
        return self.compute(windows, list(zip(*read, strict=True)))


def read_many(
    imagery: Imagery, windows: Sequence[Window], source: Imagery | None = None
) -> list[Pixels]:
    """Windows of any imagery, as one batch if it is a Picture.

    source: read in place of the imagery that is not a Picture.
    """
    if isinstance(imagery, Picture):
        return imagery.read_many(windows, source) if windows else []
    return [(source or imagery).read(window) for window in windows]


def source_window(imagery: Imagery, window: Window) -> Window:
    """The smallest window that contains all source pixels that drawing a window reads."""
    if not isinstance(imagery, Picture):
        return window
    return reduce(Window.union, (source_window(*part) for part in imagery.inputs(window)))


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
    """Indices into an axis of `size` pixels, mirrored so that border pixels are repeated."""
    place = np.arange(start, start + count) % (2 * size)
    return np.minimum(place, 2 * size - 1 - place)
