"""A raster's values in the engine's unit, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.imagery import Pixels
from tileserver.rasters.raster import Raster


def to_engine_unit(pixels: NDArray[Any], raster: Raster) -> Pixels:
    """A raster's values in the engine's unit, in which 0 to 1 is their range."""
    low, high = raster.unit
    if pixels.dtype.itemsize > 2 and pixels.dtype != np.float32:
        return ((pixels - np.float64(low)) / (high - low)).astype(np.float32)
    values: Pixels = pixels.astype(np.float32)
    values -= np.float32(low)  # in place: allocation took most of the time
    values /= np.float32(high - low)
    return values


def to_raster_type(values: Pixels, raster: Raster) -> NDArray[Any]:
    """Values in the engine's unit as the raster's own, rounded for integer types."""
    pixels: NDArray[Any] = to_raster_unit(values, raster)
    dtype = np.dtype(raster.dtype)
    if dtype.kind in "ui":
        held = np.iinfo(dtype)
        pixels = np.rint(pixels).clip(held.min, held.max)
    return pixels.astype(dtype)


def to_raster_unit(values: Pixels, raster: Raster) -> NDArray[np.floating]:
    """Values in the raster's own unit, as float64 if its type does not fit into float32.

    What is interpolated beside the greatest values of float32 may be infinite.
    """
    low, high = raster.unit
    dtype = np.dtype(raster.dtype)
    if dtype.itemsize > 2 and dtype != np.float32:
        wide: NDArray[np.floating] = values.astype(np.float64) * (high - low) + low
        return wide
    with np.errstate(over="ignore"):
        pixels: NDArray[np.floating] = values * np.float32(high - low) + np.float32(low)
    return pixels
