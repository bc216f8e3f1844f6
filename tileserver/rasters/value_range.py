"""Which of a raster's values are shown as black and white, and scale what the network sees.

    configured (`range:`) -> 8-bit: all levels -> exact, finite statistics in the file -> measured

What is measured is the 2nd to the 98th percentile of the raster's values: of all of them where
they are few, else of its coarsest large overview, else of blocks on a fixed grid; so it is a
function of the file's content alone. Values outside the range are kept, never clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from tileserver.errors import StartupError
from tileserver.rasters.validity import Alpha, read_valid

PERCENTILES = (2, 98)
FEW_VALUES = 2**23
"""Values of all bands that are read whole: half a second of a local file."""
GRID = 4
"""Blocks a side where a raster has no overviews."""
BLOCK_PX = 512
EXACT_LIMIT = 2**21
"""Whole numbers up to this survive the engine's float32 and its means unchanged."""

OpenOverview = Callable[[int], rasterio.DatasetReader]
"""(level) -> a handle of one of a raster's overviews, which the caller closes."""


class RangeOrigin(StrEnum):
    """Where a range comes from."""

    CONFIGURED = "configured"
    TYPE = "all levels of 8 bits"
    DECLARED = "statistics in the file"
    MEASURED = "2nd to 98th percentile"


class ValueRange(NamedTuple):
    """The values that are 0 and 1 to the engine."""

    low: float
    high: float
    origin: RangeOrigin


def find_value_range(
    dataset: rasterio.DatasetReader,
    indexes: tuple[int, ...],
    alpha: Alpha | None,
    configured: tuple[float, float] | None,
    open_overview: OpenOverview,
) -> ValueRange:
    """The range of a raster's picture bands; what its alpha band hides is not measured.

    Raises StartupError for an empty or infinite range, and for whole numbers too large to be kept
    exactly; rasterio's errors where it cannot be read.
    """
    dtype = np.dtype(dataset.dtypes[indexes[0] - 1])
    wide_integers = dtype.kind in "ui" and dtype.itemsize > 2
    if configured is not None and not _is_range(*configured):
        raise StartupError(f"{dataset.name}: range {configured} is empty or not finite")
    if configured is not None and not wide_integers:
        return ValueRange(*configured, RangeOrigin.CONFIGURED)
    if dtype.itemsize == 1:
        limits = np.iinfo(dtype)
        return ValueRange(float(limits.min), float(limits.max), RangeOrigin.TYPE)
    declared = _declared(dataset, indexes)
    if declared is not None and not wide_integers:
        return ValueRange(*declared, RangeOrigin.DECLARED)
    values = read_values(dataset, indexes, alpha, open_overview)
    if wide_integers and values.size and np.abs(values).max() > EXACT_LIMIT:
        raise StartupError(
            f"{dataset.name}: has {dtype} values beyond {EXACT_LIMIT}, which are not kept exactly; "
            "convert it to float32"
        )
    if configured is not None:
        return ValueRange(*configured, RangeOrigin.CONFIGURED)
    return ValueRange(*_percentiles(values), RangeOrigin.MEASURED)


def _declared(
    dataset: rasterio.DatasetReader, indexes: tuple[int, ...]
) -> tuple[float, float] | None:
    """The least and the greatest value by the file's own statistics, if they are exact."""
    tags = [dataset.tags(index) for index in indexes]
    pairs = [
        (float(tag["STATISTICS_MINIMUM"]), float(tag["STATISTICS_MAXIMUM"]))
        for tag in tags
        if "STATISTICS_MINIMUM" in tag and "STATISTICS_MAXIMUM" in tag
        if tag.get("STATISTICS_APPROXIMATE", "NO").upper() != "YES"
    ]
    if len(pairs) < len(indexes) or not all(_is_range(low, high) for low, high in pairs):
        return None
    return min(low for low, _ in pairs), max(high for _, high in pairs)


def _is_range(low: float, high: float) -> bool:
    return low < high and isfinite(high - low)


def read_values(
    dataset: rasterio.DatasetReader,
    indexes: tuple[int, ...],
    alpha: Alpha | None = None,
    open_overview: OpenOverview | None = None,
) -> NDArray[np.float64]:
    """Valid values of bands, (N,): all of them, or as many as say enough of a large raster."""
    if dataset.width * dataset.height * len(indexes) <= FEW_VALUES:
        return _valid_values(dataset, indexes, alpha, None)
    side = min(dataset.width, dataset.height)
    factors = dataset.overviews(indexes[0])
    large = [level for level, factor in enumerate(factors) if side // factor >= BLOCK_PX]
    if large and open_overview is not None:
        with open_overview(large[-1]) as overview:
            if overview.width * overview.height * len(indexes) <= FEW_VALUES:
                return _valid_values(overview, indexes, alpha, None)
    parts = [_valid_values(dataset, indexes, alpha, window) for window in _grid_windows(dataset)]
    return np.concatenate(parts)


def _grid_windows(dataset: rasterio.DatasetReader) -> Iterator[Window]:
    """Blocks spread evenly over a raster."""
    for row in range(GRID):
        for col in range(GRID):
            top = round(max(0, dataset.height - BLOCK_PX) * row / (GRID - 1))
            left = round(max(0, dataset.width - BLOCK_PX) * col / (GRID - 1))
            height, width = min(BLOCK_PX, dataset.height), min(BLOCK_PX, dataset.width)
            yield Window(left, top, width, height)


def _valid_values(
    dataset: rasterio.DatasetReader,
    indexes: tuple[int, ...],
    alpha: Alpha | None,
    window: Window | None,
) -> NDArray[np.float64]:
    values: NDArray[Any] = dataset.read(indexes, window=window)
    valid = read_valid(dataset, indexes, alpha, window) & np.isfinite(values).all(axis=0)
    return values[:, valid].ravel().astype(np.float64)


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    """A range that is not empty, whatever the values."""
    if not values.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, PERCENTILES))
    if not low < high:
        low, high = float(values.min()), float(values.max())
    # Of a flat raster: one up, or where that is nothing beside its value the next number.
    return (low, high) if low < high else (low, max(low + 1.0, float(np.nextafter(low, np.inf))))
