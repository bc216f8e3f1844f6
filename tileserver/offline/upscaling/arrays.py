"""Super-resolution of a raster or an array to an array, as Python functions.

They draw what `overzoom upscale` writes. An array is written to a temporary raster first, so that
both have one way.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from engine.sampling.schedule import Schedule
from engine.sampling.settings import SamplerSettings
from engine.window import Window
from tileserver.checkpoints import local_checkpoint
from tileserver.offline.area import Bbox
from tileserver.offline.upscaling.drawing import Drawing
from tileserver.offline.upscaling.options import Upscaling
from tileserver.offline.upscaling.scene import SCALED_TYPES, Scene

Values = NDArray[Any]
Source: TypeAlias = str | PathLike[str] | Values
Draw = Callable[[Window], tuple[Values, NDArray[np.bool_]]]
FACTORS = (2, 4, 8)


def upscale(
    source: Source,
    factor: int = 2,
    *,
    detail: float | None = None,
    noise_seed: int = 0,
    steps: int | None = None,
    value_range: tuple[float, float] | None = None,
    bbox: Bbox | None = None,
    checkpoint: str | PathLike[str] | None = None,
    device: str = "cpu",
) -> Values:
    """A raster or an array, super-resolved: `factor` (2, 4 or 8) times as many rows and columns.

    source: a path, whose bands and alpha are drawn as `overzoom upscale` draws them, upright, into
    a masked array (C, H, W); or an array (C, H, W) or (H, W), the result has as many axes. A masked
    array is drawn where it has data, and gives a masked array. The type is the source's.

    detail: how much synthesised texture, 0 (the best estimate) to 1. value_range: what the network
    sees as black and white, nothing is clipped; default: 0 to 255 of 8 bits, else from the values.
    bbox: only what lies in west, south, east and north in degrees. checkpoint: a file, or the name
    of a bundled one.

    Raises ValueError for an option or an array that cannot be used, StartupError for a raster and
    CheckpointError for a checkpoint that cannot be read.
    """
    work = _plan(factor, detail, noise_seed, steps, value_range, bbox, checkpoint, device)
    with _open(source, work) as drawing:
        return _shape(source, *_draw_all(drawing, drawing.picture))


def estimate_error(
    source: Source,
    factor: int = 2,
    *,
    value_range: tuple[float, float] | None = None,
    bbox: Bbox | None = None,
    checkpoint: str | PathLike[str] | None = None,
    device: str = "cpu",
) -> Values:
    """The estimated standard deviation of what `upscale` draws from the truth, (H, W) float32.

    It is in the source's unit, the root mean square over its bands. The arguments, errors and kinds
    of arrays are those of `upscale`.
    """
    work = _plan(factor, None, 0, None, value_range, bbox, checkpoint, device)
    with _open(source, work) as drawing:
        values, valid = _draw_all(drawing, drawing.deviation)
    found: Values = _shape(source, values, valid).reshape(valid.shape)
    return found


def _plan(
    factor: int,
    detail: float | None,
    noise_seed: int,
    steps: int | None,
    value_range: tuple[float, float] | None,
    bbox: Bbox | None,
    checkpoint: str | PathLike[str] | None,
    device: str,
) -> Upscaling:
    if factor not in FACTORS:
        raise ValueError(f"factor must be 2, 4 or 8, not {factor}")
    schedule = Schedule() if steps is None else Schedule(steps=steps)
    settings = SamplerSettings(schedule, noise_seed=noise_seed)
    return Upscaling(
        factor,
        settings if detail is None else replace(settings, detail=detail),
        None if checkpoint is None else Path(checkpoint),
        device,
        value_range,
        bbox=bbox,
    )


@contextmanager
def _open(source: Source, work: Upscaling) -> Iterator[Drawing]:
    with warnings.catch_warnings(), TemporaryDirectory(prefix="overzoom-") as folder:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # arrays and photos have no place
        if isinstance(source, np.ndarray):
            if work.bbox is not None:
                raise ValueError("bbox: an array has no place; slice it")
            path = _write(source, Path(folder) / "array.tif")
        else:
            path = Path(source)
        scene = Scene(path, work.value_range, work.bbox)
        yield Drawing(scene, local_checkpoint(work.checkpoint, work.device), work)


def _write(array: Values, path: Path) -> Path:
    """An array as a raster of bands that are all alike."""
    if array.ndim not in (2, 3) or not array.size:
        raise ValueError(f"an array must be (C, H, W) or (H, W), not {array.shape}")
    if array.dtype.name not in SCALED_TYPES:
        raise ValueError(f"an array must be of {', '.join(SCALED_TYPES)}, not {array.dtype}")
    if array.ndim == 3 and array.shape[2] <= 4 < array.shape[0]:
        raise ValueError(f"bands come first, (C, H, W), not {array.shape}: transpose(2, 0, 1)")
    bands = array if array.ndim == 3 else array[None]
    count, height, width = bands.shape
    profile = {"count": count, "height": height, "width": width, "dtype": array.dtype.name}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", photometric="MINISBLACK", **profile) as out,
    ):
        out.write(np.ma.getdata(bands))
        if np.ma.is_masked(bands):
            out.write_mask(~np.ma.getmaskarray(bands).all(axis=0))
    return path


def _draw_all(drawing: Drawing, draw: Draw) -> tuple[Values, NDArray[np.bool_]]:
    """All blocks of a picture (B, H, W), and where there is data (H, W)."""
    extent, side = drawing.extent, drawing.block_px
    rows = []
    for row in range(extent.row, extent.bottom, side):
        height = min(side, extent.bottom - row)
        blocks = [
            draw(Window(row, col, height, min(side, extent.right - col)))
            for col in range(extent.col, extent.right, side)
        ]
        rows.append([np.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True)])
    values, valid = (np.concatenate(parts, axis=-2) for parts in zip(*rows, strict=True))
    return values, valid


def _shape(source: Source, values: Values, valid: NDArray[np.bool_]) -> Values:
    """Values (B, H, W) as what was given: masked where it has no data, with as many axes."""
    if isinstance(source, np.ndarray) and source.ndim == 2:
        values = values[0]
    if isinstance(source, np.ndarray) and not isinstance(source, np.ma.MaskedArray):
        return values
    return np.ma.MaskedArray(values, np.broadcast_to(~valid, values.shape).copy())
