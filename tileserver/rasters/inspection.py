"""How a raster is inspected: opened, checked, and described as it is now."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError

from cache.key import fingerprint
from tileserver.errors import StartupError
from tileserver.library_internals import CPLE_BaseError
from tileserver.origins.members import Signature
from tileserver.origins.origin import Address, Origin, file_origin
from tileserver.rasters.band_roles import (
    NO_ALPHA,
    BandRoles,
    find_opaque_value,
    hide_nodata,
    holds_a_mask,
    readable_bands,
)
from tileserver.rasters.opening import describe_parts, open_address, open_anew
from tileserver.rasters.palette import read_palette
from tileserver.rasters.placement import corners, readable_address, to_stored_pixels
from tileserver.rasters.raster import Raster
from tileserver.rasters.validity import Alpha
from tileserver.rasters.value_range import find_value_range, read_values

logger = logging.getLogger(__name__)

REFERRING_DRIVERS = frozenset(
    {"VRT", "DERIVED", "GTI", "STACIT", "STACTA", "WMS", "WMTS", "WCS", "HTTP", "EEDAI"}
)
"""Drivers that read what a file names, files and networks: for origins that have checked that."""


def inspect(path: Path, value_range: tuple[float, float] | None, *, placed: bool = True) -> Raster:
    """The raster in a file; raises StartupError as `inspect_origin` does."""
    return inspect_origin(file_origin(path), value_range, placed=placed)


def inspect_origin(  # noqa: PLR0911  # each way to read a raster is one
    origin: Origin,
    value_range: tuple[float, float] | None,
    *,
    placed: bool = True,
    crs: str | None = None,
    roles: BandRoles = BandRoles(),  # noqa: B008  # immutable
    trusting: bool = False,
    nearest: bool = False,
) -> Raster:
    """Read a raster's description; raises StartupError in one line that names it.

    placed: whether it must say where on Earth it lies; then it is read as `placement` describes,
    else as it is. crs, roles: its CRS and bands, in place of what the file says.
    trusting: whether a band that is called alpha is one whatever its values.
    nearest: whether its values are classes though it has no colour table.
    """
    address = origin.address
    inspect_as = partial(
        inspect_origin, value_range=value_range, placed=placed, crs=crs, nearest=nearest
    )
    try:
        # What is read may be newer than the signature before it, never older.
        signature, settled = origin.signature(), origin.settled()
        digest = origin.digest()
        with address.environment(), open_anew(address) as dataset:
            _check_driver(dataset, address)
            whole = origin.with_files_of(dataset)
            if whole != origin:  # the signatures of more files have to be taken before
                return inspect_as(whole, roles=roles, trusting=trusting)
            chosen = readable_bands(dataset, address, roles, warped=placed)
            if chosen is not None:
                raster = inspect_as(replace(origin, address=chosen))
                digest = fingerprint(raster=raster.fingerprint, roles=roles)
                return replace(raster, fingerprint=digest)
            _check_bands(dataset, address)
            alpha, masks = _read_alpha(dataset)
            if alpha is not None and not (masks or trusting or address.driver == "VRT"):
                logger.warning(
                    "%s: band %d is tagged alpha but its values are no mask: treated as data (set "
                    "`alpha: %d` to override)", address.name, alpha.band, alpha.band,
                )  # fmt: skip
                return inspect_as(origin, roles=BandRoles(alpha=NO_ALPHA))
            if placed and alpha is not None and dataset.nodata is not None:  # alpha is what counts
                return inspect_as(replace(origin, address=hide_nodata(dataset, address)))
            plain = readable_address(dataset, address, alpha, crs, nearest) if placed else None
            if plain is not None:
                raster = inspect_as(replace(origin, address=plain), placed=False, crs=None)
                raster = replace(raster, to_stored=to_stored_pixels(dataset))
                if crs is None:
                    return raster
                return replace(raster, fingerprint=fingerprint(members=digest, crs=crs))
            version = _Version(digest, signature, settled)
            return _describe(dataset, origin, version, value_range, alpha, nearest)
    except (RasterioError, CPLE_BaseError, OSError, ValueError, ArithmeticError) as error:
        # ValueErrors are CRSs that PROJ does not know, and transforms that cannot be inverted.
        reason = str(error).replace(address.text, "").strip(": '") or "cannot be opened"
        raise StartupError(f"{address.name}: not a raster that GDAL reads ({reason})") from error


class _Version(NamedTuple):
    """What a raster's members were when they were read."""

    digest: str
    signature: tuple[Signature, ...]
    settled: bool


def _describe(
    dataset: rasterio.DatasetReader,
    origin: Origin,
    version: _Version,
    value_range: tuple[float, float] | None,
    alpha: Alpha | None,
    nearest: bool,
) -> Raster:
    """The raster as a dataset shows it."""
    indexes = _picture_bands(dataset)
    address = replace(origin.address, driver=dataset.driver)
    palette = read_palette(dataset, indexes, address.name)
    open_overview = partial(_open_overview, address)
    found = find_value_range(dataset, indexes, alpha, value_range, open_overview)
    return Raster(
        origin=origin,
        address=address,
        crs=dataset.crs or CRS(),
        bounds=corners(dataset.transform, dataset.height, dataset.width),
        transform=dataset.transform,
        to_stored=Affine.identity(),
        height=dataset.height,
        width=dataset.width,
        indexes=indexes,
        dtype=dataset.dtypes[indexes[0] - 1],
        range=(found.low, found.high),
        range_origin=found.origin,
        alpha=alpha,
        nodata=dataset.nodata,
        masked=alpha is not None or _masked(dataset),
        colours=tuple(dataset.colorinterp[index - 1] for index in indexes),
        nearest=nearest or palette is not None,
        palette=palette,
        fingerprint=version.digest,
        signature=version.signature,
        settled=version.settled,
        overviews=_overviews(dataset, origin.address),
        parts=describe_parts(dataset),
    )


def _picture_bands(dataset: rasterio.DatasetReader) -> tuple[int, ...]:
    pairs = zip(dataset.indexes, dataset.colorinterp, strict=True)
    return tuple(index for index, colour in pairs if colour is not ColorInterp.alpha)


def _read_alpha(dataset: rasterio.DatasetReader) -> tuple[Alpha | None, bool]:
    """The band that is called alpha, if one is, and whether it holds the values of a mask."""
    pictures = _picture_bands(dataset)
    index = next((index for index in dataset.indexes if index not in pictures), None)
    if index is None:
        return None, False
    positive = Alpha(index, 0)  # without data any band may be 0
    values, dtype = read_values(dataset, (index,), positive), np.dtype(dataset.dtypes[index - 1])
    return Alpha(index, find_opaque_value(values, dtype)), holds_a_mask(values, dtype)


def _check_driver(dataset: rasterio.DatasetReader, address: Address) -> None:
    """Raises StartupError for what reads other files unasked."""
    if dataset.driver in REFERRING_DRIVERS and dataset.driver != address.driver:
        raise StartupError(
            f"{address.name}: references other files (driver {dataset.driver}); configure it as a "
            ".vrt path or as `upstream:`"
        )


def _check_bands(dataset: rasterio.DatasetReader, address: Address) -> None:
    """Raises StartupError for what cannot be served."""
    if np.dtype(dataset.dtypes[0]).kind not in "uif":
        raise StartupError(f"{address.name}: has {dataset.dtypes[0]} values")
    pictures = _picture_bands(dataset)
    if not pictures:
        raise StartupError(f"{address.name}: has no band but alpha")
    types = sorted({dataset.dtypes[index - 1] for index in pictures})
    if len(types) > 1:
        raise StartupError(f"{address.name}: has bands of types {', '.join(types)}")


def _masked(dataset: rasterio.DatasetReader) -> bool:
    flags = [flag for band in dataset.mask_flag_enums for flag in band]
    whole = np.dtype(dataset.dtypes[0]).kind in "ui"  # other values may be NaN
    return not whole or any(flag is not MaskFlags.all_valid for flag in flags)


def _overviews(dataset: rasterio.DatasetReader, address: Address) -> tuple[int, ...]:
    """The overviews; none where there are fewer of the mask: what it hides would be shown."""
    overviews = tuple(dataset.overviews(1))
    flags = dataset.mask_flag_enums
    if overviews and flags[0] == [MaskFlags.per_dataset]:
        with open_address(address, OVERVIEW_LEVEL=len(overviews) - 1) as coarsest:
            return overviews if coarsest.mask_flag_enums == flags else ()
    return overviews


def _open_overview(address: Address, level: int) -> rasterio.DatasetReader:
    return open_address(address, OVERVIEW_LEVEL=level)
