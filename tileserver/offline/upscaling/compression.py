"""How the pixels of a GeoTIFF are compressed.

deflate is the default: lossless, so every 2x2 mean stays the source's pixel, and read by every GIS,
also of years ago. zstd is as small and faster, but needs a GDAL that was built with it; lzw is
larger. jpeg and webp are four to five times smaller, 8-bit only, and lose those means.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rasterio.enums import ColorInterp

from tileserver.offline.upscaling.description import Description

DEFAULT = "deflate"
LOSSY = ("jpeg", "webp")
QUALITY = 90
"""Of lossy ones: at 75, GDAL's default, the drawn texture has visible blocks."""
COLOURS = {"jpeg": (1, 3), "webp": (3,)}
"""Numbers of bands, besides alpha, that lossy ones can hold."""


def creation_options(compression: str, quality: int, dtype: str) -> dict[str, str]:
    """GDAL's options for a COG."""
    options = {"COMPRESS": compression.upper()}
    if compression in LOSSY:
        return options | {"QUALITY": str(quality), "OVERVIEW_QUALITY": str(quality)}
    whole = np.dtype(dtype).kind in "ui"
    return options | {"PREDICTOR": "STANDARD" if whole else "FLOATING_POINT"}


def find_problem(compression: str, description: Description) -> str | None:
    """Why a raster cannot be compressed so; None if it can."""
    if compression not in LOSSY:
        return None
    colours = [band.colour for band in description.bands]
    count = len(colours) - (colours[-1] is ColorInterp.alpha)
    allowed = COLOURS[compression]
    if description.dtype == "uint8" and count in allowed and ColorInterp.alpha not in colours[:-1]:
        return None
    bands = " or ".join(map(str, allowed))
    return (
        f"{compression} compression holds {bands} bands of 8 bits, not {len(colours)} of "
        f"{description.dtype}; choose deflate, zstd or lzw"
    )


def without_nodata(description: Description) -> Description:
    """The description with a mask, or its alpha, in place of a value that would not stay exact."""
    alpha = description.bands[-1].colour is ColorInterp.alpha
    missing = description.masked or description.nodata is not None
    return replace(description, nodata=None, masked=missing and not alpha)
