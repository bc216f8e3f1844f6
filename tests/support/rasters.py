"""Small rasters of every kind, cut from the demo scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
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
    elif kind == "grey":
        bands = colours[:1]
    elif kind == "nodata":
        bands, options = np.where(hole, 0, np.maximum(colours, 1)), {"nodata": 0}
    elif kind == "signed":
        bands = np.where(hole, -9999, colours.astype(np.int16) - 128)
        options = {"nodata": -9999}
    elif kind in ("mask", "interleaved"):
        options = {"interleave": "band"} if kind == "interleaved" else {"interleave": "pixel"}
        mask = np.where(hole, 0, 255).astype(np.uint8)
    elif kind == "uint16":
        bands = colours.astype(np.uint16) * 40
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
    elif kind != "rgb":
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
