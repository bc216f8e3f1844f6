"""How sure a picture is: the standard deviation over samples of several noise seeds.

A pixel of it depends on the same pixel of the samples alone, so it joins as they do.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from engine.imagery import Pixels


def deviation(samples: Iterable[Pixels]) -> NDArray[np.float64]:
    """The standard deviation (n - 1) over samples of one window, each (C, H, W).

    They may be drawn one after the other: none is kept. Raises ValueError for fewer than two.
    """
    count = 0
    mean = squares = np.zeros((), np.float64)
    for count, pixels in enumerate(samples, start=1):
        drawn = pixels.astype(np.float64)
        step = drawn - mean  # Welford's update: no difference of large sums
        mean = mean + step / count
        squares = squares + step * (drawn - mean)
    if count < 2:
        raise ValueError(f"a standard deviation takes two samples or more, not {count}")
    root: NDArray[np.float64] = np.sqrt(squares / (count - 1))
    return root
