"""Small rasters of every kind, cut from the demo scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import from_bounds

SCENE = Path(__file__).parents[2] / "deploy" / "demo" / "yellowstone_20cm.tif"
SIDE = 300
SMALL_SIDE = 150
"""Height and width, in pixels: more than a tile at the native zoom, or a fraction of its work."""
FULL_DISK = (CRS.from_string("+proj=geos +h=35785831 +a=6378169 +b=6356583.8 +units=m"), 5_500_000)
"""How a weather satellite sees the Earth, and how far its picture reaches from the middle, in
metres: its edges lie in space."""


PLAIN: dict[str, Callable[[NDArray[np.uint8]], NDArray[Any]]] = {
    "rgb": lambda colours: colours,
    "grey": lambda colours: colours[:1],
    "two": lambda colours: colours[:2],
    "five": lambda colours: np.concatenate((colours, colours[:2])),
    "uint16": lambda colours: colours.astype(np.uint16) * 40,
    "int32": lambda colours: colours[:1].astype(np.int32) * 1000,
    "palette": lambda colours: colours[:1] // 32,
}
"""Kinds without a hole, from the scene's colours."""


def cut(path: Path, kind: str, side: int = SIDE) -> Path:
    """Write the scene's corner, (side, side) px, in one of many kinds; most have a square hole."""
    with rasterio.open(SCENE) as scene:
        colours = scene.read(window=((200, 200 + side), (300, 300 + side)))
        transform = scene.window_transform(((200, 200 + side), (300, 300 + side)))
        profile = {"driver": "GTiff", "height": side, "width": side, "crs": scene.crs}
    hole = np.zeros((side, side), bool)
    hole[side * 5 // 15 : side * 9 // 15, side * 6 // 15 : side * 10 // 15] = True
    bands, mask = colours, None
    options: dict[str, object] = {}
    if kind == "rgba":
        bands = np.concatenate((colours, np.where(hole, 0, 255).astype(np.uint8)[None]))
        options = {"photometric": "RGB", "alpha": "YES"}
    elif kind in PLAIN:
        bands = PLAIN[kind](colours)
    elif kind == "nodata":
        bands, options = np.where(hole, 0, np.maximum(colours, 1)), {"nodata": 0}
    elif kind == "signed":
        bands = np.where(hole, -9999, colours.astype(np.int16) - 128)
        options = {"nodata": -9999}
    elif kind in ("mask", "interleaved"):
        options = {"interleave": "band"} if kind == "interleaved" else {"interleave": "pixel"}
        mask = np.where(hole, 0, 255).astype(np.uint8)
    elif kind == "four":
        bands, options = np.concatenate((colours, colours[:1])), {"photometric": "RGB"}
    elif kind in ("nan", "float"):
        missing = np.nan if kind == "nan" else -9999
        bands = np.where(hole, missing, colours / np.float32(255)).astype(np.float32)
        options = {} if kind == "nan" else {"nodata": missing}
    elif kind == "alpha inside":
        alpha = np.where(hole, 0, 255).astype(np.uint8)[None]
        bands = np.concatenate((colours, alpha, colours[:1]))
        options = {"photometric": "RGB"}
    else:
        raise ValueError(kind)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path,
            "w",
            count=len(bands),
            dtype=bands.dtype,
            transform=transform,
            **profile,
            **options,
        ) as out,
    ):
        if kind == "alpha inside":
            out.colorinterp = [*out.colorinterp[:3], ColorInterp.alpha, ColorInterp.undefined]
        out.write(bands)
        if kind == "palette":
            out.write_colormap(1, {level: (32 * level, 255 - level, 0) for level in range(8)})
        if mask is not None:
            out.write_mask(mask)
    return path


def full_disk(path: Path) -> Path:
    """A picture of the whole Earth from a geostationary satellite."""
    crs, reach = FULL_DISK
    size = {"height": SIDE, "width": SIDE, "count": 1, "dtype": "uint8"}
    place = from_bounds(-reach, -reach, reach, reach, SIDE, SIDE)
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=place, **size) as out:
        out.write(np.full((1, SIDE, SIDE), 100, np.uint8))
    return path
