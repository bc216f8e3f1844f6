"""Whether a standard deviation predicts where the errors are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

Array = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Blocks sorted by standard deviation into equal parts, the least certain last."""

    deviation_levels: tuple[float, ...]
    """Root mean square of the standard deviation in every part, in levels of 255."""
    error_levels: tuple[float, ...]
    """Root mean square of the error there."""
    rank_correlation: float
    """Spearman's, over blocks: 1 if larger deviations always mean larger errors."""


def reliability(deviation: Array, error: Array, parts: int = 8, block_px: int = 8) -> Reliability:
    """Compare a standard deviation with errors, each (H, W) in [0, 1], by blocks."""
    sure = np.sqrt(_blocks(deviation**2, block_px)) * 255
    wrong = np.sqrt(_blocks(error**2, block_px)) * 255
    order = np.argsort(sure, kind="stable")
    groups = np.array_split(order, parts)
    return Reliability(
        tuple(float(np.sqrt((sure[group] ** 2).mean())) for group in groups),
        tuple(float(np.sqrt((wrong[group] ** 2).mean())) for group in groups),
        float(spearmanr(sure, wrong).statistic),
    )


def _blocks(values: Array, block_px: int) -> np.ndarray:
    height, width = (size // block_px for size in values.shape)
    inner = values[: height * block_px, : width * block_px].astype(np.float64)
    means: np.ndarray = inner.reshape(height, block_px, width, block_px).mean(axis=(1, 3))
    return means.ravel()
