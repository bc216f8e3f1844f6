"""Whether a file is on the disk to its end.

GDAL writes the last of a file as it closes it, and rasterio does not report what fails then.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from tileserver.library_internals import CPLE_BaseError

PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


def check_whole(path: Path) -> None:
    """Have a TIFF or PNG stored to its end, with what lies beside it.

    Raises OSError where a part is missing, as on a full disk.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())  # some file systems find only now that there is no room
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(max(0, size - len(PNG_END)))
        end = file.read()
    try:
        remarks = path.with_name(path.name + ".aux.xml")
        if remarks.exists():
            ElementTree.parse(remarks)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as dataset:
                driver = dataset.driver
            whole = end == PNG_END if driver == "PNG" else _has_blocks(path, size)
    except (RasterioError, CPLE_BaseError, ElementTree.ParseError) as error:
        raise OSError(f"{path.name} is not complete ({error})") from error
    if not whole:
        raise OSError(f"{path.name} is not complete: its last bytes are missing")


def _has_blocks(path: Path, size: int) -> bool:
    """Whether all blocks of a TIFF, overviews and mask included, lie within so many bytes."""
    with rasterio.open(path) as dataset:
        levels = [{}, *({"overview_level": i} for i in range(len(dataset.overviews(1))))]
        height, width = dataset.block_shapes[-1]
        row, col = (dataset.height - 1) // height * height, (dataset.width - 1) // width * width
        last = Window(col, row, dataset.width - col, dataset.height - row)
        dataset.read_masks(1, window=last)  # a mask's blocks lie beside the picture's
    for level in levels:
        with rasterio.open(path, **level) as dataset:
            if not all(end is not None and end <= size for end in _find_ends(dataset)):
                return False
    return True


def _find_ends(dataset: rasterio.DatasetReader) -> Iterator[int | None]:
    """Where the blocks of a TIFF end, in bytes; None for one that was not written."""
    for band, (height, width) in zip(dataset.indexes, dataset.block_shapes, strict=True):
        rows, cols = -(-dataset.height // height), -(-dataset.width // width)
        for row, col in product(range(rows), range(cols)):
            start, length = (
                dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=band)
                for what in ("OFFSET", "SIZE")
            )
            yield None if start is None or length is None else int(start) + int(length)
