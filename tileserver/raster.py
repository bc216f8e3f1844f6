"""A raster file: what it says of itself, and handles to it, one a thread."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError

from tileserver.errors import StartupError

HASHED_WHOLE_BYTES = 256 * 2**20
"""Files up to this size are identified by their content alone (a quarter of a second)."""
SAMPLE_BYTES = 2**16
SAMPLES = 64


@dataclass(frozen=True)
class Raster:
    """A raster that can be served, as it was when the server started."""

    path: Path
    driver: str
    crs: CRS
    """Empty where the raster does not say where it lies."""
    bounds: tuple[float, float, float, float]
    height: int
    width: int
    indexes: tuple[int, ...]
    """The bands that are pictures: alpha is not."""
    dtype: str
    range: tuple[float, float]
    alpha_index: int | None
    """The band that says where there is data, if one does."""
    nodata: float | None
    masked: bool
    """Whether pixels may have no data."""
    colours: tuple[ColorInterp, ...]
    """What the picture bands show."""
    fingerprint: str


def inspect(path: Path, value_range: tuple[float, float] | None, *, placed: bool = True) -> Raster:
    """Read a raster's description; raises StartupError in one line that names the file.

    placed: whether it must say where on Earth it lies.
    """
    try:
        with rasterio.open(path) as dataset:
            if placed and dataset.crs is None:
                raise StartupError(f"{path}: has no coordinate reference system")
            if dataset.driver == "VRT":
                raise StartupError(f"{path}: virtual rasters are not served; name a file")
            indexes = tuple(
                index
                for index, colour in zip(dataset.indexes, dataset.colorinterp, strict=True)
                if colour is not ColorInterp.alpha
            )
            alpha = [index for index in dataset.indexes if index not in indexes]
            if np.dtype(dataset.dtypes[0]).kind not in "uif":
                raise StartupError(f"{path}: has {dataset.dtypes[0]} values")
            if not indexes:
                raise StartupError(f"{path}: has no band but alpha")
            return Raster(
                path,
                dataset.driver,
                dataset.crs or CRS(),
                tuple(dataset.bounds),
                dataset.height,
                dataset.width,
                indexes,
                dataset.dtypes[indexes[0] - 1],
                _value_range(dataset, indexes, value_range),
                alpha[0] if alpha else None,
                dataset.nodata,
                _masked(dataset),
                tuple(dataset.colorinterp[index - 1] for index in indexes),
                _fingerprint(path),
            )
    except (RasterioError, OSError) as error:
        reason = str(error).replace(str(path), "").strip(": '") or "cannot be opened"
        raise StartupError(f"{path}: not a raster that GDAL reads ({reason})") from error


def whole_range(raster: Raster) -> tuple[float, float]:
    """The least and the greatest value that a raster holds, read block by block."""
    low, high = float("inf"), float("-inf")
    with open_raster(raster) as dataset:
        for _, window in dataset.block_windows(raster.indexes[0]):
            values = dataset.read(raster.indexes, window=window, masked=True)
            values = np.ma.masked_invalid(values).compressed()
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
    return (low, high) if low < high else (low, low + 1) if low == high else (0.0, 1.0)


def _masked(dataset: rasterio.DatasetReader) -> bool:
    flags = [flag for band in dataset.mask_flag_enums for flag in band]
    whole = np.dtype(dataset.dtypes[0]).kind in "ui"  # other values may be NaN
    return not whole or any(flag is not MaskFlags.all_valid for flag in flags)


def _value_range(
    dataset: rasterio.DatasetReader,
    indexes: tuple[int, ...],
    configured: tuple[float, float] | None,
) -> tuple[float, float]:
    """Configured, else declared in the file's statistics, else the type's."""
    if configured is not None:
        if not configured[0] < configured[1]:
            raise StartupError(f"{dataset.name}: range {configured} is empty")
        return configured
    dtype = np.dtype(dataset.dtypes[indexes[0] - 1])
    if dtype == np.uint8:
        return 0.0, 255.0
    tags = [dataset.tags(index) for index in indexes]
    declared = [
        (float(tag["STATISTICS_MINIMUM"]), float(tag["STATISTICS_MAXIMUM"]))
        for tag in tags
        if "STATISTICS_MINIMUM" in tag and "STATISTICS_MAXIMUM" in tag
    ]
    if len(declared) == len(indexes) and all(low < high for low, high in declared):
        return min(low for low, _ in declared), max(high for _, high in declared)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return float(limits.min), float(limits.max)
    return 0.0, 1.0


def _fingerprint(path: Path) -> str:
    """A digest of a file's content; of samples, size and time where the file is large."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= HASHED_WHOLE_BYTES:
            while chunk := file.read(2**20):
                digest.update(chunk)
        else:
            digest.update(str(path.stat().st_mtime_ns).encode())
            for number in range(SAMPLES):
                file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1), os.SEEK_SET)
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def open_raster(raster: Raster) -> rasterio.DatasetReader:
    """A new handle, opened with the driver found at start-up and no other."""
    return rasterio.open(raster.path, driver=raster.driver)
