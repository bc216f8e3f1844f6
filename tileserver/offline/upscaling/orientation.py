"""Turns pictures upright by the Orientation tag of TIFF and EXIF.

GDAL reads pixels as they are stored, image viewers apply the tag. Files written here are stored
upright, so that both show the same.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from PIL.Image import Exif
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.WebPImagePlugin import WebPImageFile

from engine.window import Window

TAG = 0x0112
BIG_TIFF = 43
Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Orientation:
    """The operations that turn stored pixels upright, in this order."""

    transposed: bool = False
    rows_reversed: bool = False
    cols_reversed: bool = False

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of the upright picture, from those as stored."""
        return (width, height) if self.transposed else (height, width)

    def to_upright(self, stored: NDArray[Pixel]) -> NDArray[Pixel]:
        """Stored pixels (..., H, W), turned upright."""
        pixels = stored.swapaxes(-1, -2) if self.transposed else stored
        return pixels[..., :: -1 if self.rows_reversed else 1, :: -1 if self.cols_reversed else 1]

    def stored(self, window: Window, height: int, width: int) -> Window:
        """The stored window of an upright one; height and width are the upright picture's."""
        row = height - window.bottom if self.rows_reversed else window.row
        col = width - window.right if self.cols_reversed else window.col
        if self.transposed:
            return Window(col, row, window.width, window.height)
        return Window(row, col, window.height, window.width)

    def matrix(self, height: int, width: int) -> Affine:
        """The transform from stored (column, row) to those of the upright picture of this size."""
        matrix = Affine(0, 1, 0, 1, 0, 0) if self.transposed else Affine.identity()
        if self.rows_reversed:
            matrix = Affine(1, 0, 0, 0, -1, height) * matrix
        if self.cols_reversed:
            matrix = Affine(-1, 0, width, 0, 1, 0) * matrix
        return matrix


UPRIGHT = Orientation()
_BY_TAG = {
    1: UPRIGHT,
    2: Orientation(cols_reversed=True),
    3: Orientation(rows_reversed=True, cols_reversed=True),
    4: Orientation(rows_reversed=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, cols_reversed=True),
    7: Orientation(transposed=True, rows_reversed=True, cols_reversed=True),
    8: Orientation(transposed=True, rows_reversed=True),
}


def read_orientation(path: Path, driver: str) -> Orientation:
    """The orientation of a file, given its GDAL driver; upright without a valid tag."""
    read = _READERS.get(driver)
    if read is None:
        return UPRIGHT
    try:
        with warnings.catch_warnings(action="ignore"), path.open("rb") as file:
            return _BY_TAG.get(read(file), UPRIGHT)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        return UPRIGHT  # damaged tags: image viewers ignore them, too


def _of_tiff(file: BinaryIO) -> Any:
    header = file.read(8)
    if BIG_TIFF in header[2:4]:
        header += file.read(8)
    directory = ImageFileDirectory_v2(header)
    file.seek(directory.next)
    directory.load(file)
    return directory.get(TAG)


def _of_png(file: BinaryIO) -> Any:
    file.seek(8)
    while header := file.read(8):
        length, name = struct.unpack(">I4s", header)
        if name == b"eXIf":
            exif = Exif()
            exif.load(file.read(length))
            return exif.get(TAG)
        file.seek(length + 4, 1)  # and a checksum
    return None


_READERS: dict[str, Callable[[BinaryIO], Any]] = {
    "GTiff": _of_tiff,
    "PNG": _of_png,
    # These read only the header, and do not limit the picture's size.
    "JPEG": lambda file: JpegImageFile(file).getexif().get(TAG),
    "WEBP": lambda file: WebPImageFile(file).getexif().get(TAG),
}
