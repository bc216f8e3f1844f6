"""How sure a picture is: the standard deviation over samples of several noise seeds.

A pixel of it depends on the same pixel of the samples alone, so it joins as they do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.imagery import Imagery, Pixels, read_many
from engine.window import Window


class Uncertainty:
    """The standard deviation over samples of one zoom, by band, as imagery."""

    def __init__(self, samples: Sequence[Imagery]) -> None:
        """Raises ValueError for fewer than two samples, which have no deviation."""
        if len(samples) < 2:
            raise ValueError(f"a standard deviation takes two samples or more, not {len(samples)}")
        self.samples = tuple(samples)

    def read(self, window: Window) -> Pixels:
        return self.read_many([window])[0]

    def read_many(self, windows: Sequence[Window]) -> list[Pixels]:
        """Windows of the picture; each sample draws them as one batch."""
        return [spread.astype(np.float32) for spread in deviations(self.samples, windows)]


def deviations(samples: Sequence[Imagery], windows: Sequence[Window]) -> list[NDArray[np.float64]]:
    """The standard deviation over samples (n - 1) of each window, (C, H, W)."""
    spreads = [_Spread() for _ in windows]
    for sample in samples:  # one after the other: they are never in memory together
        for spread, pixels in zip(spreads, read_many(sample, windows), strict=True):
            spread.add(pixels)
    return [spread.deviation() for spread in spreads]


class _Spread:
    """Welford's running mean and sum of squares: no difference of large sums."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = np.zeros((), np.float64)

    def add(self, pixels: Pixels) -> None:
        self.count += 1
        drawn = pixels.astype(np.float64)
        step = drawn - self.mean
        self.mean = self.mean + step / self.count
        self.squares = self.squares + step * (drawn - self.mean)

    def deviation(self) -> NDArray[np.float64]:
        deviation: NDArray[np.float64] = np.sqrt(self.squares / (self.count - 1))
        return deviation
