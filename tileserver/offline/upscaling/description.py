"""A raster file's metadata: bands, units, nodata, tags."""

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
"""Tag domains to copy besides the default one."""
OUTDATED = (
    *("STATISTICS_", "OVERZOOM_", "EXIF_Orientation", "EXIF_Pixel"),
    *("TIFFTAG_MINSAMPLE", "TIFFTAG_MAXSAMPLE"),
)
"""Prefixes of tags that describe the source's pixels only and must not be copied."""
ILLEGAL = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML, and so a virtual raster, cannot contain; cameras write some into tags."""
PER_LENGTH = ("TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION")
"""Tags in pixels per inch or centimetre, to be scaled."""


@dataclass(frozen=True, slots=True)
class BandDescription:
    """One band's metadata; value x scale + offset is in its unit."""

    colour: ColorInterp = ColorInterp.gray
    name: str = ""
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Description:
    """A file's metadata."""

    dtype: str
    bands: tuple[BandDescription, ...]
    nodata: float | None
    """The nodata value of all bands."""
    masked: bool
    """Whether it has a mask band."""
    placement: Placement
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Tags by domain; the default domain is the empty string."""

    def finer(self, factor: int) -> Description:
        """The description of the picture enlarged by a factor per axis."""
        domains = {name: dict(tags) for name, tags in self.tags.items()}
        for key in PER_LENGTH:
            with suppress(KeyError, ValueError):
                domains[""][key] = f"{float(domains[''][key]) * factor:g}"
        placement = self.placement.move(Affine.scale(factor))
        return replace(self, tags=domains, placement=placement)


def read_description(
    dataset: rasterio.DatasetReader, indexes: Sequence[int], placement: Placement
) -> Description:
    """The description of some bands of an open dataset.

    Floating-point bands without nodata value, mask or alpha get NaN as their nodata value.
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
