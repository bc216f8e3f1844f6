"""Which bands of a raster are its picture, which says where there is data, and by which value.

A file's own word is replaced where the configuration says otherwise, by a virtual raster around it.
A fourth band that is called alpha but holds other values than a mask's is data: near infrared is
often written so.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags

from engine.window import Window
from tileserver.errors import StartupError
from tileserver.origins.origin import Address
from tileserver.origins.vrt import VrtFile, add_mask, add_masks
from tileserver.rasters.placement import BAND, describe_as_virtual

NO_ALPHA = 0
MASK_SHARE = 0.05
"""Minimum share of positive alpha values that are a mask's (1, 255 or the type's maximum)."""
EIGHT_BITS = 255
"""Opaque, in alpha bands that were made of 8 bits, whatever their type."""


class BandRoles(NamedTuple):
    """What the configuration says of a raster's bands; the default leaves it to the file."""

    bands: tuple[int, ...] = ()
    """Numbers of the bands that are its picture, in order, from 1; none: all but alpha."""
    nodata: float | None = None
    """The value of pixels without data."""
    alpha: int | None = None
    """The number of the band that says where there is data; NO_ALPHA: none does."""


def readable_bands(
    dataset: rasterio.DatasetReader, address: Address, roles: BandRoles, *, warped: bool
) -> Address | None:
    """A virtual raster whose bands have these roles; None: they have them in the file.

    warped: whether GDAL's warper may read it, which goes by the first band's nodata value alone,
    also where there is a mask or other bands have other values: then it has only a mask. Raises
    StartupError for a band that is not there.
    """
    both = dataset.nodata is not None and dataset.mask_flag_enums[0] == [MaskFlags.per_dataset]
    if roles == BandRoles() and not (warped and (both or _differs_in_nodata(dataset))):
        return None
    count = dataset.count
    for number in (*roles.bands, *([roles.alpha] if roles.alpha else [])):
        if not 1 <= number <= count:
            raise StartupError(f"{address.name}: has no band {number}, but {count}")
    _check_nodata(dataset, address, roles)
    root = fromstring(describe_as_virtual(dataset))
    bands = dict(zip(dataset.indexes, root.findall(BAND), strict=True))
    colours = dict(zip(dataset.indexes, dataset.colorinterp, strict=True))
    own_alpha = next((i for i in bands if colours[i] is ColorInterp.alpha), NO_ALPHA)
    alpha = own_alpha if roles.alpha is None else roles.alpha
    pictures = roles.bands or tuple(index for index in bands if index != alpha)
    for band in bands.values():
        root.remove(band)
    for place, index in enumerate([*pictures, *([alpha] if alpha else [])], start=1):
        band = deepcopy(bands[index])
        band.set("band", str(place))
        _set_role(band, index == alpha, colours[index], roles.nodata)
        root.append(band)
    mask = root.find("MaskBand")
    if mask is not None:  # where bands are removed it has to stay behind them
        root.remove(mask)
    if mask is not None and roles.nodata is None and roles.alpha is None:
        root.append(mask)
        if both:
            _remove_nodata(root)
    elif roles.nodata is None and not alpha and _differs_in_nodata(dataset, pictures):
        _join_masks(root, dataset, pictures)
    return address.as_virtual(tostring(root, encoding="unicode"))


def hide_nodata(dataset: rasterio.DatasetReader, address: Address) -> Address:
    """A virtual raster of the same bands without nodata, as where alpha says what has data.

    GDAL's warper goes by both, and moves values off nodata.
    """
    root = fromstring(describe_as_virtual(dataset))
    _remove_nodata(root)
    return address.as_virtual(tostring(root, encoding="unicode"))


def holds_a_mask(values: NDArray[np.float64], dtype: np.dtype[Any]) -> bool:
    """Whether positive values of a band that is called alpha, of its type, are those of one."""
    greatest = float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0
    of_a_mask = np.isin(values, [1.0, EIGHT_BITS, greatest])
    return not values.size or bool(of_a_mask.mean() >= MASK_SHARE)


def find_opaque_value(values: NDArray[np.float64], dtype: np.dtype[Any]) -> float:
    """The value where all is covered by data, from those of an alpha band."""
    greatest = float(values.max()) if values.size else 0.0
    if greatest <= 1:
        return 1.0
    return float(EIGHT_BITS if dtype.kind == "f" or greatest <= EIGHT_BITS else np.iinfo(dtype).max)


def _check_nodata(dataset: rasterio.DatasetReader, address: Address, roles: BandRoles) -> None:
    """Raises StartupError for a nodata value that pixels cannot have."""
    dtype = np.dtype(dataset.dtypes[0])
    if roles.nodata is None or dtype.kind not in "ui":
        return
    limits = np.iinfo(dtype)
    if not (limits.min <= roles.nodata <= limits.max and roles.nodata == int(roles.nodata)):
        raise StartupError(f"{address.name}: nodata {roles.nodata:g}: {dtype} values cannot be it")


def _differs_in_nodata(dataset: rasterio.DatasetReader, bands: Sequence[int] = ()) -> bool:
    """Whether the first band has a nodata value that another, none of them alpha, does not have."""
    flags, colours = dataset.mask_flag_enums, dataset.colorinterp
    bands = bands or [i for i in dataset.indexes if colours[i - 1] is not ColorInterp.alpha]
    values = {repr(dataset.nodatavals[index - 1]) for index in bands}  # NaN is equal to itself
    return len(values) > 1 and flags[bands[0] - 1] == [MaskFlags.nodata]


def _join_masks(root: Element, dataset: rasterio.DatasetReader, bands: Sequence[int]) -> None:
    """Give a virtual raster a mask in place of nodata: set where any of the bands has data."""
    _remove_nodata(root)
    file = VrtFile(dataset.name, dataset.height, dataset.width)
    add_masks(add_mask(root), file, bands, Window(0, 0, dataset.height, dataset.width))


def _remove_nodata(root: Element) -> None:
    for band in root.findall(BAND):
        for nodata in band.findall("NoDataValue"):
            band.remove(nodata)


def _set_role(band: Element, is_alpha: bool, colour: ColorInterp, nodata: float | None) -> None:
    said = band.find("ColorInterp")
    if is_alpha:
        (SubElement(band, "ColorInterp") if said is None else said).text = "Alpha"
    elif colour is ColorInterp.alpha and said is not None:
        band.remove(said)
    if nodata is not None and not is_alpha:
        known = band.find("NoDataValue")
        (SubElement(band, "NoDataValue") if known is None else known).text = repr(nodata)
