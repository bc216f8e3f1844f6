"""Whether a raster can be shown by a rendering."""

from __future__ import annotations

import numpy as np

from tileserver.errors import OutOfRange
from tileserver.rasters.raster import Raster
from tileserver.tiles.levels import default_indexes, render_levels
from tileserver.tiles.rendering import PLAIN, Rendering

TRIED_COLOURS = 4
"""Colours that a rendering is tried on: some formulas fail on all but black."""
IMAGE_BANDS = (1, 3)
"""Grey and colours: JPEG holds no others, and transparency is that of the source's data."""


def check_rendering(rendering: Rendering, raster: Raster) -> None:
    """Raises OutOfRange for a rendering that this raster's bands do not allow."""
    if rendering == PLAIN:
        return
    count = len(rendering.indexes or default_indexes(raster))
    if not set(rendering.indexes) <= set(raster.indexes):
        listed = ", ".join(map(str, raster.indexes))
        raise OutOfRange("bidx", f"bands of this source: {listed}")
    if len(rendering.rescale) not in (0, 1, count):
        raise OutOfRange("rescale", f"once, or once for each of the {count} bands shown")
    if rendering.colormap and count != 1:
        raise OutOfRange("colormap", f"for one band, not {count}: choose one by bidx")
    bands = len(raster.indexes)
    low, high = raster.range if raster.nearest else (0.0, 1.0)
    colours = np.linspace(low, high, bands * TRIED_COLOURS, dtype=np.float32)
    colours = colours.reshape(bands, 1, TRIED_COLOURS)
    render_levels(colours, np.ones((1, TRIED_COLOURS), bool), raster, rendering)


def check_band_count(rendering: Rendering, raster: Raster) -> None:
    """Raises OutOfRange for more or fewer bands than an image has."""
    count = len(rendering.indexes or default_indexes(raster))
    if count not in IMAGE_BANDS:
        raise OutOfRange("bidx", f"1 or 3 bands in an image, not {count}; npy and tif hold any")
