"""GeoTIFFs that other programs read as they are meant: what is no data is marked as that."""

from __future__ import annotations

from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

INTEGER_PREDICTOR, FLOAT_PREDICTOR = 2, 3
"""TIFF's: differences of neighbours, of integers and of the bytes of floats."""
TILED = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
SHOWN = (1, 3)
"""Bands of a picture that is shown as it is: with alpha, all programs know it."""
Bands = NDArray[Any]


def encode_geotiff(
    bands: Bands,
    opacity: NDArray[np.uint8],
    crs: CRS,
    transform: Affine,
    tags: dict[str, str] | None = None,
) -> bytes:
    """The file of bands (C, H, W) whose pixels (col, row) a transform takes to a CRS.

    opacity: in levels of 255 (H, W). Without data pixels are transparent by an alpha band in 8 bits
    of one or three bands; NaN, the file's nodata, in floats; else outside the file's own mask, so
    that each number keeps its meaning.
    """
    if bands.dtype == np.uint8 and len(bands) in SHOWN:
        kind = "RGB" if len(bands) == 3 else "MINISBLACK"
        shown = np.concatenate((bands, opacity[None]))
        return _write(shown, crs, transform, tags, alpha="NON-PREMULTIPLIED", photometric=kind)
    if bands.dtype.kind == "f":
        missing = np.where(opacity, bands, bands.dtype.type(np.nan))
        return _write(missing, crs, transform, tags, nodata=np.nan)
    return _write(bands, crs, transform, tags, mask=opacity)


def _write(
    bands: Bands, crs: CRS, transform: Affine, tags: dict[str, str] | None,
    mask: NDArray[np.uint8] | None = None, **options: Any,
) -> bytes:  # fmt: skip
    count, height, width = bands.shape
    predictor = FLOAT_PREDICTOR if bands.dtype.kind == "f" else INTEGER_PREDICTOR
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as file:
        with file.open(
            driver="GTiff", dtype=bands.dtype, count=count, height=height, width=width, crs=crs,
            transform=transform, predictor=predictor, **TILED, **options,
        ) as dataset:  # fmt: skip
            if "alpha" in options:
                dataset.colorinterp = [*dataset.colorinterp[:-1], ColorInterp.alpha]
            dataset.write(bands)
            if mask is not None:
                dataset.write_mask(np.where(mask, np.uint8(255), np.uint8(0)))
            dataset.update_tags(**(tags or {}))
        content: bytes = file.read()
    return content
