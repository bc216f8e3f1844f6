"""Small rasters that say more of themselves than pixels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from engine.sampling.settings import SamplerSettings
from tests.support.rasters import SCENE
from tileserver.offline.upscaling import Upscaling

SIDE = 48
PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
WORK = Upscaling(2, SamplerSettings())


def colours(height: int = SIDE, width: int = SIDE) -> NDArray[np.uint8]:
    """A piece of the demo scene, (3, H, W)."""
    with rasterio.open(SCENE) as scene:
        pixels: NDArray[np.uint8] = scene.read(window=((200, 200 + height), (300, 300 + width)))
    return pixels


def write(
    path: Path,
    bands: NDArray[Any],
    *,
    interpretation: Sequence[ColorInterp] = (),
    mask: NDArray[np.uint8] | None = None,
    **options: Any,
) -> Path:
    """Write bands (C, H, W); where options name no place it lies in Slovenia."""
    profile: dict[str, Any] = {"driver": "GTiff", "crs": "EPSG:32633", "transform": PLACE}
    profile |= {"count": len(bands), "dtype": bands.dtype}
    profile |= {"height": bands.shape[1], "width": bands.shape[2]}
    with (
        warnings.catch_warnings(),
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **{**profile, **options}) as out:
            if interpretation:
                out.colorinterp = interpretation
            out.write(bands)
            if mask is not None:
                out.write_mask(mask)
    return path


def repeated(pixels: NDArray[Any], factor: int = 2) -> NDArray[Any]:
    """Every pixel (..., H, W) so many times an axis."""
    return pixels.repeat(factor, -2).repeat(factor, -1)


def means(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """The 2x2 means, (..., H, W) -> (..., H/2, W/2)."""
    *before, height, width = pixels.shape
    blocks = pixels.reshape(*before, height // 2, 2, width // 2, 2).astype(np.float64)
    return blocks.mean(axis=(-3, -1))
