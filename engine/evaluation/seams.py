"""Seams at borders: gradients across them, and the variance of detail in overlaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.imagery import Pixels

Grey = NDArray[np.float64]


def seam_ratio(picture: Pixels, rows: Sequence[int], cols: Sequence[int]) -> float:
    """How steep a picture (C, H, W) is across borders, relative to the lines beside them.

    A border is given by the first row or column after it. 1 is no seam. It is compared with the
    lines 4 and 8 px away: close, so that the scene itself cancels, and at the same phase within
    native pixels, since every enlargement is steeper between native pixels than inside them.
    """
    grey: Grey = picture.mean(axis=0, dtype=np.float64)
    across, beside = [], []
    for values, borders in ((grey, rows), (grey.T, cols)):
        steepness = np.abs(np.diff(values, axis=0)).mean(axis=1)
        for border in borders:
            line = border - 1
            if 8 <= line < len(steepness) - 8:
                across.append(steepness[line])
                beside.append(np.mean([steepness[line + offset] for offset in (-8, -4, 4, 8)]))
    return float(np.sum(across) / np.sum(beside))


def variance_ratio(detail: Pixels, overlaps: NDArray[np.bool_]) -> float:
    """Variance of detail (C, H, W) where patches overlap over that where they do not.

    Divide by the same ratio of the truth's detail to cancel the scene.
    """
    squares = (detail.astype(np.float64) ** 2).mean(axis=0)
    return float(squares[overlaps].mean() / squares[~overlaps].mean())
