"""What a raster's file says of its values: bands, units, nodata, tags."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp, MaskFlags

from tileserver.offline.upscaling.placement import Placement

DOMAINS = ("IMAGERY", "COLOR_PROFILE")
"""Beside the default one: when and how a picture was taken, and what its colours mean."""
OUTDATED = (
    *("STATISTICS_", "OVERZOOM_", "EXIF_Orientation", "EXIF_Pixel"),
    *("TIFFTAG_MINSAMPLE", "TIFFTAG_MAXSAMPLE"),
)
"""Starts of tags that hold for the source's pixels alone: those of the new file differ."""
ILLEGAL = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML, and so a virtual raster, cannot hold: control characters of cameras' remarks."""
PER_LENGTH = ("TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION")
"""Pixels by inch or centimetre."""


@dataclass(frozen=True, slots=True)
class BandDescription:
    """One band: value x scale + offset is in its unit."""

    colour: ColorInterp = ColorInterp.gray
    name: str = ""
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Description:
    """A whole file."""

    dtype: str
    bands: tuple[BandDescription, ...]
    nodata: float | None
    """The value of pixels without data, in all bands."""
    masked: bool
    """Whether a mask of its own says where there is data."""
    placement: Placement
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By domain; the default one's name is empty."""

    def finer(self, factor: int) -> Description:
        """The description of the same picture with so many times as many pixels an axis."""
        domains = {name: dict(tags) for name, tags in self.tags.items()}
        for key in PER_LENGTH:
            with suppress(KeyError, ValueError):
                domains[""][key] = f"{float(domains[''][key]) * factor:g}"
        placement = self.placement.moved(Affine.scale(factor))
        return replace(self, tags=domains, placement=placement)


def read_description(
    dataset: rasterio.DatasetReader, indexes: Sequence[int], placement: Placement
) -> Description:
    """What an open dataset says of these of its bands.

    Floating-point values without any other sign of missing data have NaN as their nodata value.
    """
    dtype = dataset.dtypes[indexes[0] - 1]
    colours = [dataset.colorinterp[index - 1] for index in indexes]
    nodata = next(
        dataset.nodatavals[index - 1]
        for index, colour in zip(indexes, colours, strict=True)
        if colour is not ColorInterp.alpha
    )
    flags = {flag for index in indexes for flag in dataset.mask_flag_enums[index - 1]}
    masked = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
    silent = nodata is None and not masked and ColorInterp.alpha not in colours
    if silent and np.dtype(dtype).kind == "f":
        nodata = float("nan")
    domains = {name: _lasting(dataset.tags(ns=name)) for name in DOMAINS}
    return Description(
        dtype,
        tuple(_band(dataset, index) for index in indexes),
        nodata,
        masked,
        placement,
        {"": _lasting(dataset.tags()), **domains},
    )


def _band(dataset: rasterio.DatasetReader, index: int) -> BandDescription:
    return BandDescription(
        dataset.colorinterp[index - 1],
        ILLEGAL.sub("", dataset.descriptions[index - 1] or ""),
        ILLEGAL.sub("", dataset.units[index - 1] or ""),
        dataset.scales[index - 1],
        dataset.offsets[index - 1],
        _lasting(dataset.tags(index)),
    )


def _lasting(tags: Mapping[str, str]) -> dict[str, str]:
    return {
        ILLEGAL.sub("", key): ILLEGAL.sub("", value)
        for key, value in tags.items()
        if not key.startswith(OUTDATED)
    }
