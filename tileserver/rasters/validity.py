"""Where a raster has data, by one rule for all that reads its stored pixels.

    an alpha band     -> where it is more than half opaque
    a mask            -> where the mask is set
    nodata values     -> where any picture band holds another value

GDAL's warper goes by the same rule, so a pixel has data or not however it is read. GDAL's own
masks know alpha bands of some types only, and rasterio's mask of a dataset takes the last of four
bands for its mask.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.windows import Window


class Alpha(NamedTuple):
    """The band that says where there is data."""

    band: int
    """Its number."""
    opaque_value: float
    """Its value where all is covered by data."""

    def covers(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Where values of the band mean data."""
        return values > self.opaque_value / 2


def warp_options(alpha: Alpha | None) -> dict[str, float]:
    """What GDAL's warper takes for opaque: by its type alone, 1 of 16 bits would be nothing."""
    if alpha is None:
        return {}
    return {"src_alpha_max": alpha.opaque_value, "dst_alpha_max": alpha.opaque_value}


def read_valid(
    dataset: rasterio.DatasetReader,
    indexes: tuple[int, ...],
    alpha: Alpha | None,
    window: Window | None = None,
) -> NDArray[np.bool_]:
    """Where a window of a raster has data, (H, W); its values may still be no finite numbers.

    indexes: the picture bands. alpha: the alpha band, if there is one. Raises rasterio's errors.
    """
    if alpha is not None:
        return alpha.covers(dataset.read(alpha.band, window=window))
    flags = dataset.mask_flag_enums[indexes[0] - 1]
    alike = MaskFlags.per_dataset in flags or MaskFlags.all_valid in flags
    masks = dataset.read_masks(indexes[:1] if alike else indexes, window=window)
    valid: NDArray[np.bool_] = masks.any(axis=0)
    return valid
