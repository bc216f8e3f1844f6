"""Handles of rasters: opened with the driver that was found, and complete."""

from __future__ import annotations

from contextlib import suppress

import rasterio
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window

from tileserver.origins.origin import Address
from tileserver.origins.sidecars import names_overviews
from tileserver.rasters.raster import Raster


def open_raster(raster: Raster, level: int | None = None) -> rasterio.DatasetReader:
    """A new handle, opened with the driver found by inspection and no other.

    level: of one of its overviews, by its place among them; None: of the whole.
    """
    dataset = open_address(raster.address)
    if describe_parts(dataset) != raster.parts:
        # Where the network fails, GDAL takes a mask or overviews for missing.
        dataset.close()
        raise RasterioIOError("what was opened is not what was inspected")
    if level is None:
        return dataset
    with dataset:  # until the other is open, so that what was found of a remote file is kept
        return open_address(raster.address, OVERVIEW_LEVEL=level)


def open_address(address: Address, **options: int) -> rasterio.DatasetReader:
    """A new handle of an address; raises rasterio's errors."""
    dataset = rasterio.open(address.text, driver=address.driver, **options)
    if names_overviews(dataset):  # before anything asks for them
        dataset.close()
        raise RasterioIOError("takes its overviews from another file")
    if address.text.startswith("/vsi"):
        # Finds all that the file holds, without the interpreter's lock: later questions have it.
        dataset.read_masks(1, window=Window(0, 0, 1, 1))
    return dataset


def open_anew(address: Address) -> rasterio.DatasetReader:
    """A new handle that shows nothing that GDAL remembers of an earlier version."""
    if address.options:
        # What is remembered of a remote file goes when any handle of it is closed (remote.py),
        # and handles of an earlier version may still be open.
        with suppress(RasterioError):
            open_address(address).close()
    return open_address(address)


def describe_parts(dataset: rasterio.DatasetReader) -> tuple[object, ...]:
    """What tells a dataset that GDAL has read completely from one that it has not."""
    return dataset.mask_flag_enums, dataset.colorinterp, dataset.overviews(1), dataset.shape
