"""Reads pictures and rasters as arrays for training and evaluation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from tileserver.errors import StartupError
from tileserver.origins.files import picture_files


def read_picture(path: Path) -> NDArray[np.uint8]:
    """The only picture at a path, as from read_pictures; raises StartupError."""
    files = picture_files(path)
    if len(files) > 1:
        raise StartupError(f"{path}: contains {len(files)} pictures, but one is needed")
    ((_, levels),) = read_pictures(path)
    return levels


def read_pictures(place: Path) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
    """All pictures of a file or folder as 8-bit RGB (H, W, 3); grey is repeated."""
    for file in picture_files(place):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                with rasterio.open(file) as dataset:
                    if dataset.dtypes[0] != "uint8":
                        raise StartupError(
                            f"{file}: has {dataset.dtypes[0]} values, but uint8 is needed"
                        )
                    indexes = [1, 2, 3] if dataset.count >= 3 else [1, 1, 1]
                    yield file, np.ascontiguousarray(dataset.read(indexes).transpose(1, 2, 0))
        except RasterioError as error:
            raise StartupError(f"{file}: GDAL cannot read it") from error
