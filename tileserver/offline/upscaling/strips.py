"""A target's strips: rows of blocks, each a file that is written atomically.

A pool draws blocks into files of their own (parts); a strip is joined when its last block is there.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import rasterio
from tqdm import tqdm

from cache.key import fingerprint
from engine.window import Window
from tileserver.offline.pools import Pool
from tileserver.offline.upscaling.drawing import Drawing
from tileserver.offline.upscaling.parts import Part, PartWriter, list_parts
from tileserver.offline.upscaling.target import RECORD, Target
from tileserver.offline.upscaling.whole_files import check_whole

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of blocks and its file."""

    window: Window
    path: Path
    block_px: int

    def parts(self) -> Iterator[Part]:
        """Its blocks, from the left."""
        window = self.window
        for col in range(window.col, window.right, self.block_px):
            width = min(self.block_px, window.right - col)
            block = Window(window.row, col, window.height, width)
            path = self.path.with_name(f"{self.path.stem}-{col - window.col:09d}.npy")
            yield Part(block, path)

    def count_parts(self) -> int:
        return -(-self.window.width // self.block_px)


def write_strips(drawing: Drawing, target: Target, pool: Pool) -> list[Strip]:
    """Write the strips of a target, from the top, except existing ones of the same run.

    Raises StartupError if the source cannot be read, rasterio's errors and OSError if strips
    cannot be written, and what the pool raises.
    """
    folder = target.parts.absolute()  # workers have other working folders
    _prepare(folder, _digest(drawing, target))
    strips = _list_strips(drawing, folder)
    missing = {strip.window.row: strip for strip in strips if not _is_whole(strip.path)}
    drawn = list_parts(folder)
    left = Counter({row: _count_missing(strip, drawn) for row, strip in missing.items()})
    for row, strip in missing.items():
        if not left[row]:
            _join(strip, target)
    parts = (part for strip in missing.values() for part in strip.parts())
    blocks = (part for part in parts if part.path.name not in drawn)
    total = sum(strip.count_parts() for strip in strips)
    # disable=None: shown only on a terminal.
    progress = tqdm(total=total, desc=target.path.name, unit="block", disable=None)
    with progress as bar, closing(pool.run(PartWriter(drawing, target), blocks)) as results:
        bar.update(total - left.total())
        for part in results:
            bar.update(1)
            left[part.window.row] -= 1
            if not left[part.window.row]:
                _join(missing[part.window.row], target)
    return strips


def remove_strips(drawing: Drawing, target: Target) -> None:
    """Remove the strips of this run after its file is finished."""
    if _is_of_run(target.parts, _digest(drawing, target)):
        _remove(target.parts)


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
        if any(parts.glob("strip-*")):
            logger.warning("%s: removing strips of another run or device", parts)
        _remove(parts)
    parts.mkdir()
    (parts / RECORD).write_text(digest)  # truncated by a kill, it matches no run


def _remove(parts: Path) -> None:
    """Remove a strips' folder; what says that it is one goes last, so that a kill leaves one."""
    for entry in parts.iterdir():
        if entry.name != RECORD:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    (parts / RECORD).unlink(missing_ok=True)
    parts.rmdir()


def _list_strips(drawing: Drawing, folder: Path) -> list[Strip]:
    extent, block_px = drawing.extent, drawing.block_px
    return [
        Strip(
            Window(row, extent.col, min(block_px, extent.bottom - row), extent.width),
            folder / f"strip-{row - extent.row:09d}.tif",
            block_px,
        )
        for row in range(extent.row, extent.bottom, block_px)
    ]


def _count_missing(strip: Strip, drawn: set[str]) -> int:
    return sum(part.path.name not in drawn for part in strip.parts())


def _is_whole(path: Path) -> bool:
    """Whether a strip is there; a damaged one is removed."""
    if not path.exists():
        return False
    try:
        check_whole(path)
    except OSError as error:
        logger.warning("%s: damaged, is drawn again (%s)", path, error)
        path.unlink()
        return False
    return True


def _join(strip: Strip, target: Target) -> None:
    """Write a strip from the files of its blocks, and remove these."""
    partial = strip.path.with_suffix(".partial")
    partial.unlink(missing_ok=True)  # half a file could not be opened
    try:
        _write_strip(partial, strip, target)
        check_whole(partial)
        partial.replace(strip.path)
    finally:
        partial.unlink(missing_ok=True)
    for part in strip.parts():
        part.path.unlink()


def _write_strip(path: Path, strip: Strip, target: Target) -> None:
    described, window = target.description, strip.window
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=window.height,
        width=window.width,
        count=len(described.bands) + described.masked,
        dtype=described.dtype,
        tiled=True,
        compress="deflate",
        zlevel=1,
        bigtiff="if_safer",
    ) as file:
        for part in strip.parts():
            block = part.window
            place = rasterio.windows.Window(block.col - window.col, 0, block.width, block.height)
            file.write(part.read(), window=place)
