"""A target's strips: rows of blocks, each a file that is written atomically."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from tqdm import tqdm

from cache.key import fingerprint
from engine.window import Window
from tileserver.offline.upscaling.drawing import Drawing
from tileserver.offline.upscaling.target import RECORD, Target

logger = logging.getLogger(__name__)

Strips = list[tuple[Window, Path]]


def write_strips(drawing: Drawing, target: Target) -> Strips:
    """Write the strips of a target, from the top, except existing ones of the same run.

    Raises StartupError if the source cannot be read, rasterio's errors and OSError if strips
    cannot be written.
    """
    _prepare(target.parts, _digest(drawing, target))
    extent, block_px = drawing.extent, drawing.block_px
    strips = [
        (
            Window(row, extent.col, min(block_px, extent.bottom - row), extent.width),
            target.parts / f"strip-{row - extent.row:09d}.tif",
        )
        for row in range(extent.row, extent.bottom, block_px)
    ]
    across = -(-extent.width // block_px)
    total = across * len(strips)
    # disable=None: shown only on a terminal.
    with tqdm(total=total, desc=target.path.name, unit="block", disable=None) as bar:
        for strip, path in strips:
            if path.exists():
                bar.update(across)
            else:
                _write_strip(drawing, target, path, strip, bar.update)
    return strips


def remove_strips(drawing: Drawing, target: Target) -> None:
    """Remove the strips of this run after its file is finished."""
    if _is_of_run(target.parts, _digest(drawing, target)):
        shutil.rmtree(target.parts)


def _digest(drawing: Drawing, target: Target) -> str:
    described = target.description  # what strips hold of missing data depends on the file's kind
    return fingerprint(
        drawing=drawing.fingerprint(),
        uncertainty=target.deviation,
        driver=target.driver,
        masked=described.masked,
    )


def _is_of_run(parts: Path, digest: str) -> bool:
    record = parts / RECORD
    return record.exists() and record.read_text() == digest


def _prepare(parts: Path, digest: str) -> None:
    """Prepare the strips' folder: strips of any other run are removed."""
    if _is_of_run(parts, digest):
        return
    if parts.exists():
        if any(parts.glob("strip-*.tif")):
            logger.warning("%s: removing strips of another run or device", parts)
        shutil.rmtree(parts)
    parts.mkdir()
    (parts / RECORD).write_text(digest)  # truncated by a kill, it matches no run


def _write_strip(
    drawing: Drawing,
    target: Target,
    path: Path,
    strip: Window,
    advance: Callable[[int], object],
) -> None:
    """Write one strip; if the target has a mask, it is the last band."""
    described = target.description
    draw = drawing.deviation if target.deviation else drawing.picture
    partial = path.with_suffix(".partial")
    with rasterio.open(
        partial,
        "w",
        driver="GTiff",
        height=strip.height,
        width=strip.width,
        count=len(described.bands) + described.masked,
        dtype=described.dtype,
        tiled=True,
        compress="deflate",
        zlevel=1,
        bigtiff="if_safer",
    ) as file:
        for col in range(strip.col, strip.right, drawing.block_px):
            block = Window(strip.row, col, strip.height, min(drawing.block_px, strip.right - col))
            pixels, valid = draw(block)
            if described.masked:
                mask = np.where(valid, _opaque(described.dtype), 0).astype(described.dtype)
                pixels = np.concatenate((pixels, mask[None]))
            place = rasterio.windows.Window(col - strip.col, 0, block.width, block.height)
            file.write(pixels, window=place)
            advance(1)
    partial.replace(path)


def _opaque(dtype: str) -> float:
    return float(np.iinfo(dtype).max) if np.dtype(dtype).kind in "ui" else 255.0
