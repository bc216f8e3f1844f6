"""A small raster of classes: squares of numbers that have no mean, with or without colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

SIDE = 200
UTM = "EPSG:32633"
PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
MIDDLE = 15.0127, 45.1437
"""Longitude and latitude of a place near its middle."""
NATIVE = 13
CLASSES = (1, 7, 40, 80, 200)
COLOURS = {
    0: (0, 0, 0, 255),
    1: (10, 100, 30, 255),
    7: (240, 230, 140, 255),
    40: (200, 30, 60, 255),
    80: (70, 90, 200, 255),
    200: (250, 250, 250, 255),
}


def class_numbers(first_column: int = 0) -> NDArray[Any]:
    """Numbers of classes (H, W) in patches of 1 to 3 pixels, 0 in a corner."""
    patches = np.random.default_rng(first_column).choice(CLASSES, (SIDE, SIDE))
    rows = np.arange(SIDE) // 2
    numbers = patches[rows][:, np.arange(SIDE) * 2 // 3]
    numbers[:20, :20] = 0
    return numbers


def write_veiled(path: Path, raster: Path, **opacity: int) -> Path:
    """A virtual raster of one, whose colours are so opaque: TIFF's have no opacity."""
    entries = "".join(
        '<Entry c1="{}" c2="{}" c3="{}" c4="{}"/>'.format(
            *COLOURS.get(number, (0, 0, 0, 0))[:3], opacity.get(f"of_{number}", 255)
        )
        for number in range(max(COLOURS) + 1)
    )
    numbers = ", ".join(map(str, PLACE.to_gdal()))
    path.write_text(
        f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}"><SRS>{UTM}</SRS>'
        f'<GeoTransform>{numbers}</GeoTransform><VRTRasterBand dataType="Byte" band="1">'
        f"<ColorInterp>Palette</ColorInterp><ColorTable>{entries}</ColorTable>"
        f"<NoDataValue>0</NoDataValue><SimpleSource>"
        f'<SourceFilename relativeToVRT="1">{raster.name}</SourceFilename>'
        f"<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def write_classes(
    path: Path,
    dtype: str = "uint8",
    *,
    colours: bool = True,
    first_column: int = 0,
    nodata: float | None = 0,
) -> Path:
    """Write them as a raster whose first column lies so many pixels further east."""
    numbers = class_numbers(first_column).astype(dtype)
    profile = {"driver": "GTiff", "count": 1, "height": SIDE, "width": SIDE, "crs": UTM}
    place = PLACE * Affine.translation(first_column, 0)
    with rasterio.open(path, "w", dtype=dtype, transform=place, nodata=nodata, **profile) as out:
        out.write(numbers[None])
        if colours:
            out.write_colormap(1, COLOURS)
    return path
